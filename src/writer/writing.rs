//! The loop of a process that writes a log: take, judge, deliver, and a snapshot now and then. The one loop, for the log of
//! the incoming topics and for that of a partition of the rules that spread.

use crate::kafka::sink::{KafkaSink, Signed};
use crate::kafka::source::KafkaSource;
use crate::ops::health::Health;
use crate::writer::keeper::Keeper;
use crate::writer::pipeline::{Pipeline, Turn};
use crate::writer::restore::Setup;
use foreshock_log::{Log, Sign};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a turn waits for a first record.
const LOOK: Duration = Duration::from_millis(100);

/// Who is asked to stop waits so long for a broker that does not answer.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Do others stand by for this process?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signs {
    /// Yes: it shows them that it lives.
    Given,
    /// No: the consumer group knows whether it lives.
    NotWanted,
}

/// A process, or a thread of it, that writes a log.
pub struct Writer {
    pipeline: Pipeline<KafkaSource>,
    sink: KafkaSink,
    keeper: Keeper,
    health: Arc<Health>,
    owner: String,
    log: Log,
    signs: Signs,
    /// Records that were lost, as far as it was said.
    told_lost: u64,
}

impl Writer {
    /// The state is whole, the sink is open: this one writes from now on.
    ///
    /// # Errors
    /// When the broker does not answer, or another process has taken over.
    pub(super) fn begin(
        setup: &Setup<'_>,
        mut pipeline: Pipeline<KafkaSource>,
        sink: KafkaSink,
        signs: Signs,
    ) -> anyhow::Result<Writer> {
        pipeline.lead()?;
        let (keeper, health, owner) = (setup.keeper()?, setup.health.clone(), setup.owner.clone());
        let mut writer = Writer { pipeline, sink, keeper, health, owner, log: setup.log(), signs, told_lost: 0 };
        writer.tell_lost();
        writer.sign(false)?;
        tracing::info!(log = writer.log.name(), batch = writer.pipeline.number(), "this process writes");
        Ok(writer)
    }

    /// Runs until `stop` is set; what was taken is finished first, and a last snapshot written, which may take so long to
    /// the object store.
    ///
    /// # Errors
    /// When something cannot be delivered, or another process has taken over.
    pub fn run(
        &mut self,
        stop: &AtomicBool,
        upload_max: Duration,
        mut on_turn: impl FnMut(&Turn) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while !stop.load(Ordering::Acquire) {
            let turn = self.turn(stop)?;
            self.tell_lost();
            on_turn(&turn)?;
            self.keeper.turn(&self.pipeline);
        }
        // In this order: the next process need not wait for the snapshot, which is of what is committed.
        self.pipeline.end()?;
        self.sign(true)?;
        self.keeper.end(&self.pipeline, upload_max);
        tracing::info!(log = self.log.name(), batch = self.pipeline.number(), "ended: everything taken was delivered");
        Ok(())
    }

    /// One micro-batch: take, judge, act, deliver, commit.
    fn turn(&mut self, stop: &AtomicBool) -> anyhow::Result<Turn> {
        let Some(judged) = self.pipeline.judge(LOOK)? else {
            self.sign(false)?;
            return Ok(Turn { lost: self.pipeline.lost(), ..Turn::default() });
        };
        let pipeline = &mut self.pipeline;
        let mut asked = None;
        let mut wait = || {
            pipeline.hold();
            if stop.load(Ordering::Acquire) {
                asked.get_or_insert_with(Instant::now);
            }
            asked.is_none_or(|asked| asked.elapsed() < STOP_PATIENCE)
        };
        self.sink.deliver(&judged.messages, &judged.progress, &mut wait)?;
        self.pipeline.done(judged)
    }

    fn tell_lost(&mut self) {
        let lost = self.pipeline.lost();
        if lost > std::mem::replace(&mut self.told_lost, lost) {
            tracing::error!(
                log = self.log.name(),
                lost,
                "the broker no longer has these records: windows that reach back to them are incomplete"
            );
        }
    }

    /// Shows that this process lives, and sees from the answer whether the broker does.
    fn sign(&mut self, is_gone: bool) -> anyhow::Result<()> {
        let health = &self.health;
        let signed = match self.signs {
            Signs::Given => {
                let wait = || {
                    health.set("kafka sink", false, "waiting for acknowledgements");
                    true
                };
                let next = self.pipeline.number();
                let sign = Sign { owner: self.owner.clone(), next, is_gone, is_candidate: false };
                self.sink.sign(&sign, &mut { wait })?
            }
            Signs::NotWanted => self.sink.ask_when_due(),
        };
        match signed {
            Signed::NotDue => {}
            Signed::Given => self.pipeline.answered(),
            Signed::NotGiven(error) => {
                tracing::warn!(error, "no sign of life could be given: the broker does not answer");
                self.health.set("kafka sink", false, &error);
            }
        }
        Ok(())
    }
}
