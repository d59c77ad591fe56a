//! Which of the processes that stand by goes first when the writing one falls silent: the one whose candidacy is first in
//! the log. Nothing hangs on it but needless restarts: who may write is the broker's decision (`docs/decisions/0011-standby.md`).

use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use crate::kafka::tail::Tail;
use anyhow::Context;
use foreshock_log::{OWNER, Sign};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::{Duration, Instant};

/// How long the broker may take to store a candidacy.
const WAIT: Duration = Duration::from_secs(2);

/// What those who stand by hear of each other and of the one that writes.
pub struct Election {
    signs: Tail,
    producer: BaseProducer,
    owner: String,
    /// A candidate that has not shown itself as the one that writes after so long is none any more.
    patience: Duration,
    /// When the first candidate since the last sign of a writing process was heard, of another process.
    rival: Option<Instant>,
}

impl Election {
    /// # Errors
    /// When the broker does not answer or lacks the topic.
    pub fn open(kafka: &Kafka, owner: &str) -> anyhow::Result<Election> {
        let timeout = WAIT.as_millis().to_string();
        let defaults = [("acks", "all"), ("linger.ms", "0"), ("message.timeout.ms", timeout.as_str())];
        Ok(Election {
            signs: Tail::open(kafka, OWNER)?,
            producer: client_config(kafka, &defaults).create().context("cannot make a Kafka producer")?,
            owner: owner.to_owned(),
            patience: Duration::from_millis(u64::from(kafka.failover_ms)),
            rival: None,
        })
    }

    /// The last sign there is; [`Election::listen`] goes on after it.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn last(&mut self) -> anyhow::Result<Option<Sign>> {
        self.signs.last()
    }

    /// The signs since the last look.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn listen(&mut self) -> anyhow::Result<Vec<Sign>> {
        let signs = self.signs.read::<Sign>()?;
        signs.iter().for_each(|sign| self.note(sign));
        Ok(signs)
    }

    /// Stands as a candidate: is this process the first?
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn stand(&mut self, next: u64) -> anyhow::Result<bool> {
        let sign = Sign { owner: self.owner.clone(), next, is_gone: false, is_candidate: true };
        let payload = serde_json::to_vec(&sign).context("a sign is plain data")?;
        let record = BaseRecord::<(), _>::to(OWNER).payload(&payload);
        self.producer.send(record).map_err(|(error, _)| error).context("cannot send a candidacy")?;
        self.producer.flush(WAIT).context("the broker does not answer")?;
        let signs = self.signs.read::<Sign>()?;
        let own = signs.iter().position(|found| *found == sign).context("the broker has not stored the candidacy")?;
        let (before, after) = signs.split_at(own);
        before.iter().for_each(|sign| self.note(sign));
        let is_first = !self.has_rival();
        after.iter().for_each(|sign| self.note(sign));
        Ok(is_first)
    }

    fn note(&mut self, sign: &Sign) {
        if !sign.is_candidate {
            self.rival = None;
        } else if sign.owner != self.owner && !self.has_rival() {
            self.rival = Some(Instant::now());
        }
    }

    fn has_rival(&self) -> bool {
        self.rival.is_some_and(|heard| heard.elapsed() < self.patience)
    }
}
