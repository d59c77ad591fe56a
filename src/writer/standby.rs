//! Who writes: one process at a time. The others follow the log without a word, and take over when it falls silent.
//!
//! Nothing here decides who may write: that is the broker, which lets only the last process commit that has begun
//! transactions under the group's name. A process that takes over too early costs a restart of the other, never a result.

use crate::kafka::election::Election;
use crate::kafka::settings::Delivery;
use crate::kafka::sink::KafkaSink;
use crate::kafka::source::KafkaSource;
use crate::kafka::tail::Tail;
use crate::ops::config::Config;
use crate::ops::health::Health;
use crate::rules::work::Work;
use crate::writer::pipeline::Pipeline;
use crate::writer::restore::{Setup, name};
use crate::writer::writing::{Signs, Writer};
use foreshock_core::Feed;
use foreshock_log::{MadeAnew, Progress, TakenOver};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a look at the log waits when there is nothing new.
const LOOK: Duration = Duration::from_millis(100);
/// The same after an error: the next look may begin with new clients.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a process begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// It waits while another one writes.
    StandBy,
    /// It takes over at once.
    TakeOver,
}

/// A process that follows.
struct Follower<'a> {
    setup: Setup<'a>,
    log: Tail,
    /// `None` before the first batch, and after an error: then it is begun anew.
    pipeline: Option<Pipeline<KafkaSource>>,
}

/// Follows the log until this process is the one that writes; `None` when asked to stop before.
///
/// # Errors
/// When the broker cannot be reached, lacks a topic or no longer has what is needed, also while it stands by.
pub fn become_writer(
    config: &Config,
    work: &Work,
    expected: &[Feed],
    begin: Begin,
    health: &Arc<Health>,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Writer>> {
    let stands_by = begin == Begin::StandBy && config.kafka.delivery == Delivery::Transactions;
    loop {
        let setup = Setup { config, work, expected, health, stop, owner: name() };
        let mut log = Tail::of(&config.kafka, setup.log())?;
        let pipeline = setup.restored(&mut log)?;
        let mut follower = Follower { setup, log, pipeline };
        if stands_by {
            follower.stand_by()?;
        }
        if stop.load(Ordering::Acquire) {
            return Ok(None);
        }
        match follower.take_over() {
            Err(error) if stands_by && TakenOver::is(&error) => {
                tracing::info!("another process was quicker: this one stands by again");
            }
            done => return done,
        }
    }
}

impl Follower<'_> {
    /// Takes in what the writing process has done since.
    fn follow(&mut self) -> anyhow::Result<bool> {
        if self.pipeline.is_none() {
            self.pipeline = self.setup.restored(&mut self.log)?;
            return Ok(self.pipeline.is_some());
        }
        let log: Vec<Progress> = self.log.read()?;
        if let Some(mut pipeline) = self.pipeline.take() {
            // Not put back after an error: the state would miss a batch.
            pipeline.follow(&log, self.setup.stop)?;
            self.pipeline = Some(pipeline);
        }
        Ok(!log.is_empty())
    }

    /// Number of the next batch.
    fn number(&self) -> u64 {
        self.pipeline.as_ref().map_or(0, Pipeline::number)
    }

    /// Returns when no process shows that it lives, and this one is the first that would go on.
    fn stand_by(&mut self) -> anyhow::Result<()> {
        let mut election = Election::open(&self.setup.config.kafka, &self.setup.owner)?;
        let last = election.last()?;
        // One older than the last batch says nothing: whoever took that batch may be too busy for signs.
        let mut is_free = match &last {
            None => self.pipeline.is_none(),
            Some(last) => last.is_gone && last.next >= self.number(),
        };
        while !self.setup.stop.load(Ordering::Acquire) {
            if !std::mem::take(&mut is_free) && !self.wait_for_silence(&mut election)? {
                break;
            }
            match election.stand(self.number()) {
                Ok(true) => {
                    tracing::info!("this one writes from now on");
                    break;
                }
                Ok(false) => tracing::info!("another process goes on: this one stands by"),
                Err(error) => self.warn_deaf(&error),
            }
        }
        self.setup.health.forget("standby");
        Ok(())
    }

    /// False when asked to stop before.
    fn wait_for_silence(&mut self, election: &mut Election) -> anyhow::Result<bool> {
        let patience = Duration::from_millis(u64::from(self.setup.config.kafka.failover_ms));
        let (mut heard, mut is_told, mut is_gone) = (Instant::now(), false, false);
        while !is_gone && heard.elapsed() < patience {
            if self.setup.stop.load(Ordering::Acquire) {
                return Ok(false);
            }
            let mut rest = LOOK;
            match self.follow().and_then(|is_new| Ok((is_new, election.listen()?))) {
                Ok((is_new, found)) => {
                    self.setup.health.set("standby", true, "");
                    is_gone = found.last().is_some_and(|s| s.is_gone && s.next >= self.number());
                    if is_new || !found.is_empty() {
                        heard = Instant::now();
                        if !std::mem::replace(&mut is_told, true) {
                            tracing::info!("another process writes: this one stands by");
                        }
                        continue;
                    }
                }
                Err(error) if error.is::<MadeAnew>() => return Err(error),
                // Who does not hear the broker cannot say that the other is silent.
                Err(error) => {
                    self.warn_deaf(&error);
                    (heard, rest) = (Instant::now(), LOOK_AGAIN);
                }
            }
            std::thread::sleep(rest);
        }
        if is_told {
            tracing::info!(
                silent_ms = heard.elapsed().as_millis() as u64,
                is_gone,
                "the process that writes is silent"
            );
        }
        Ok(true)
    }

    fn warn_deaf(&self, error: &anyhow::Error) {
        self.setup.health.set("standby", false, &format!("{error:#}"));
        tracing::warn!(error = format!("{error:#}"), "standing by: the broker does not answer");
    }

    /// In this order: once the sink is open no other process can commit, so the log stands still.
    fn take_over(mut self) -> anyhow::Result<Option<Writer>> {
        let setup = &self.setup;
        let mut sink = KafkaSink::new(&setup.config.kafka, setup.log())?;
        sink.sign_at_once();
        self.follow()?;
        let Follower { setup, pipeline, .. } = self;
        if setup.stop.load(Ordering::Acquire) {
            return Ok(None);
        }
        let pipeline = match pipeline {
            Some(pipeline) => pipeline,
            None => setup.fresh()?,
        };
        Ok(Some(Writer::begin(&setup, pipeline, sink, Signs::Given)?))
    }
}
