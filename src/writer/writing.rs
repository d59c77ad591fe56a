//! The loop of a process that writes a log: take, judge, deliver (while it delivers a full batch it judges the next one), and a
//! snapshot now and then. The one loop, for the log of
//! the incoming topics and for that of a partition of the rules that spread.

use crate::kafka::sink::{KafkaSink, Signed};
use crate::kafka::source::KafkaSource;
use crate::ops::health::Health;
use crate::writer::keeper::Keeper;
use crate::writer::pipeline::{Judged, Pipeline, Turn};
use crate::writer::restore::Setup;
use foreshock_log::{Log, Sign};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{Scope, ScopedJoinHandle};
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

/// How often a delivery is looked at, and the source held where nothing was acknowledged.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the thread that delivers and the loop tell each other.
#[derive(Debug, Default)]
struct Radio {
    /// Nothing was acknowledged for a while.
    is_waiting: AtomicBool,
    /// The process ends: the broker is not waited for without end.
    ends: AtomicBool,
}

/// A batch on its way to the broker.
struct Flight<'s> {
    /// The thread: the batch, or why it is not there.
    thread: ScopedJoinHandle<'s, anyhow::Result<Judged>>,
    /// Closed when it is over.
    over: Receiver<()>,
    radio: Arc<Radio>,
    /// It had as many records as a batch may have. Only then is the next one judged meanwhile: it would else be small, and what
    /// comes after it wait for both.
    is_full: bool,
}

fn lock(sink: &Mutex<KafkaSink>) -> MutexGuard<'_, KafkaSink> {
    sink.lock().expect("who panics with it ends the process")
}

/// A process, or a thread of it, that writes a log.
pub struct Writer {
    pipeline: Pipeline<KafkaSource>,
    sink: Arc<Mutex<KafkaSink>>,
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
        let sink = Arc::new(Mutex::new(sink));
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
        std::thread::scope(|scope| {
            let mut flight = None;
            while !stop.load(Ordering::Acquire) {
                // What is judged ahead is not in the log yet, so a snapshot waits until nothing is.
                if self.keeper.is_due() || !flight.as_ref().is_some_and(|flight: &Flight<'_>| flight.is_full) {
                    self.land(flight.take(), &mut on_turn)?;
                    self.keeper.turn(&self.pipeline);
                } else {
                    self.keeper.look_after();
                }
                let wait = if flight.is_some() { Duration::ZERO } else { LOOK };
                let judged = self.pipeline.judge(wait);
                if let (Err(error), Some(flight)) = (&judged, &flight) {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "the last batch is delivered, then this process ends"
                    );
                    flight.radio.ends.store(true, Ordering::Release);
                }
                self.land(flight.take(), &mut on_turn)?;
                match judged? {
                    Some(judged) => flight = Some(self.deliver(scope, judged, stop)),
                    None => {
                        self.sign(false)?;
                        self.tell_lost();
                        on_turn(&Turn { lost: self.pipeline.lost(), ..Turn::default() })?;
                    }
                }
            }
            self.land(flight, &mut on_turn)
        })?;
        // In this order: the next process need not wait for the snapshot, which is of what is committed.
        self.pipeline.end()?;
        self.sign(true)?;
        self.keeper.end(&self.pipeline, upload_max);
        tracing::info!(log = self.log.name(), batch = self.pipeline.number(), "ended: everything taken was delivered");
        Ok(())
    }

    /// Begins to deliver a batch.
    fn deliver<'s>(&self, scope: &'s Scope<'s, '_>, judged: Judged, stop: &'s AtomicBool) -> Flight<'s> {
        let (sink, radio, (is_over, over)) = (self.sink.clone(), Arc::new(Radio::default()), mpsc::sync_channel(0));
        let (is_full, of_thread) = (judged.records >= self.pipeline.batch_max(), radio.clone());
        let thread = scope.spawn(move || {
            let (_closed_at_the_end, mut asked): (SyncSender<()>, _) = (is_over, None);
            let mut wait = || {
                of_thread.is_waiting.store(true, Ordering::Release);
                if stop.load(Ordering::Acquire) || of_thread.ends.load(Ordering::Acquire) {
                    asked.get_or_insert_with(Instant::now);
                }
                asked.is_none_or(|asked| asked.elapsed() < STOP_PATIENCE)
            };
            lock(&sink).deliver(&judged.messages, &judged.progress, &mut wait)?;
            Ok(judged)
        });
        Flight { thread, over, radio, is_full }
    }

    /// Waits until a batch is delivered, which is then done.
    fn land(
        &mut self,
        flight: Option<Flight<'_>>,
        on_turn: &mut impl FnMut(&Turn) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(Flight { thread, over, radio, .. }) = flight else { return Ok(()) };
        while over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            if radio.is_waiting.swap(false, Ordering::AcqRel) {
                self.pipeline.hold();
            }
        }
        // The thread is gone after this: a snapshot is written by a copy of the process, which must not find it in its last steps.
        let judged = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let turn = self.pipeline.done(judged)?;
        self.tell_lost();
        on_turn(&turn)
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
                lock(&self.sink).sign(&sign, &mut { wait })?
            }
            Signs::NotWanted => lock(&self.sink).ask_when_due(),
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
