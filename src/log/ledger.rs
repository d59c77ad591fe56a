//! Exactly once out: a batch goes into a log whole, and an outcome that is not known is looked up in the log itself.

use crate::message::Message;
use crate::progress::Progress;
use std::fmt;

/// Called while a delivery takes long; it says whether to go on waiting.
pub type OnWait<'a> = &'a mut dyn FnMut() -> bool;

/// A log that takes a batch's messages and its progress record together or not at all: Kafka, or the simulated one of the
/// tests. One process writes at a time: [`Ledger::renew`] ends all others.
pub trait Ledger {
    /// One try to write a batch. After an error nothing is known about it: it may be in the log or not.
    ///
    /// # Errors
    /// When it is not certain that the log has it.
    fn write(&mut self, messages: &[Message], progress: &Progress, on_wait: OnWait<'_>) -> anyhow::Result<()>;
    /// Begins anew: what was under way is void, other processes can write no more.
    ///
    /// # Errors
    /// When the log does not answer.
    fn renew(&mut self) -> anyhow::Result<()>;
    /// The last progress record. Call it after [`Ledger::renew`].
    ///
    /// # Errors
    /// When the log does not answer.
    fn last(&mut self) -> anyhow::Result<Option<Progress>>;
    /// Does the error say that another process has taken over?
    fn is_fenced(&self, error: &anyhow::Error) -> bool;
    /// Lets some time pass before the log is asked again.
    fn pause(&mut self);
}

/// Another process of the group has taken over: this one must write no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenOver;

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another process of this group has taken over")
    }
}

impl std::error::Error for TakenOver {}

impl TakenOver {
    /// Is it this error, whatever was said about it on the way?
    pub fn is(error: &anyhow::Error) -> bool {
        error.downcast_ref::<TakenOver>().is_some()
    }
}

/// A message is larger than its topic takes: trying again would not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// The topic.
    pub topic: String,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a result is larger than topic `{}` takes: raise its max.message.bytes (and message.max.bytes in \
             kafka.properties) to 1000000 or more",
            self.topic
        )
    }
}

impl std::error::Error for TooLarge {}

/// Who waited was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp;

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("asked to stop while the broker did not answer: the batch under way is done by the next process")
    }
}

impl std::error::Error for GivenUp {}

/// Writes a batch and returns when the log has all of it, once.
///
/// # Errors
/// When another process has taken over, a message is too large, or `on_wait` gives up: the batch is not done by this one.
pub fn deliver<L: Ledger>(
    ledger: &mut L,
    messages: &[Message],
    progress: &Progress,
    on_wait: OnWait<'_>,
) -> anyhow::Result<()> {
    while let Err(error) = ledger.write(messages, progress, on_wait) {
        if ledger.is_fenced(&error) {
            return Err(error.context(TakenOver));
        }
        if error.is::<TooLarge>() || error.is::<GivenUp>() {
            return Err(error);
        }
        tracing::warn!(error = format!("{error:#}"), batch = progress.number, "asking whether it was committed");
        if is_in_log(ledger, progress, on_wait)? {
            return Ok(());
        }
    }
    Ok(())
}

fn is_in_log<L: Ledger>(ledger: &mut L, progress: &Progress, on_wait: OnWait<'_>) -> anyhow::Result<bool> {
    loop {
        if !on_wait() {
            return Err(GivenUp.into());
        }
        // A batch of this number may be another process's that has taken over: only the very record is ours. Looked up
        // before the renewal, too, which would end that process.
        let is_other = |last: &Progress| last.number >= progress.number && last != progress;
        let look = |ledger: &mut L| -> anyhow::Result<Option<Progress>> {
            match ledger.last()? {
                Some(last) if is_other(&last) => Ok(Some(last)),
                _ => ledger.renew().and_then(|()| ledger.last()),
            }
        };
        match look(ledger) {
            Ok(Some(last)) if last == *progress => return Ok(true),
            Ok(Some(last)) if is_other(&last) => return Err(TakenOver.into()),
            Ok(_) => return Ok(false),
            Err(error) if ledger.is_fenced(&error) => return Err(error.context(TakenOver)),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the log does not answer yet"),
        }
        ledger.pause();
    }
}
