//! The one engine of a process: admission, then every stream's step.

use crate::admission::{Admission, Admitted, Presence};
use crate::eval::{downcast, evaluate};
use crate::faults::{Fault, on};
use crate::group::Runner;
use crate::index::AHEAD;
use crate::intern::Interner;
use crate::plan::{Branch, PackPlan};
use crate::stream::{Shared, Stream};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use foreshock_core::{Detection, Feed};
use hashbrown::DefaultHashBuilder;

/// Events of one feed from one source partition, in arrival order, in the feed's columns.
#[derive(Debug, Clone)]
pub struct FeedBatch {
    /// The feed.
    pub feed: Feed,
    /// Number of the source partition, below the count given to [`Engine::new`].
    pub partition: usize,
    /// The feed's columns (`foreshock_core::schema`).
    pub batch: RecordBatch,
}

/// Is it a detection or the end of one?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The rule holds for the event; a higher revision replaces a lower one.
    Detected,
    /// It no longer holds.
    Retracted,
}

/// What the engine says about one event under one rule.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Stream of the rule.
    pub stream: String,
    /// Rule, as its position in the stream's plan.
    pub rule: usize,
    /// Holds or no longer holds.
    pub state: State,
    /// 1, 2, .. of the same detection.
    pub revision: u32,
    /// The detection.
    pub detection: Detection,
    /// Event that made this revision: the first to arrive of those of its batch that changed the row's windows.
    pub cause: String,
}

/// Counts of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepFacts {
    /// Events that count.
    pub accepted: u64,
    /// Events seen before.
    pub duplicates: u64,
    /// Events beyond the lateness.
    pub late: u64,
    /// Values of expressions that could not be computed (overflow and such), taken as NULL.
    pub faults: u64,
}

/// What a step gives.
#[derive(Debug, Default)]
pub struct Output {
    /// Verdicts in a fixed order.
    pub verdicts: Vec<Verdict>,
    /// (batch, row, microseconds beyond the bound) of events that came too late.
    pub late: Vec<(usize, usize, i64)>,
    /// (batch, row) of events seen before.
    pub duplicates: Vec<(usize, usize)>,
    /// Counts.
    pub facts: StepFacts,
}

/// What the engine holds, in numbers of things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Rows over all streams that can still be judged again.
    pub young_rows: usize,
    /// Keys over all window groups.
    pub keys: usize,
    /// Event ids remembered against duplicates.
    pub event_ids: usize,
    /// Texts that windows hold.
    pub texts: usize,
}

/// The window engine.
#[derive(Debug)]
pub struct Engine {
    pub(crate) streams: Vec<Stream>,
    pub(crate) admission: Admission,
    lateness_us: [i64; 4],
    pub(crate) texts: Interner,
    /// How long before the horizon a window can still hold a text; `None` when one may hold it for ever.
    text_reach_us: Option<i64>,
    pub(crate) hasher: DefaultHashBuilder,
    pub(crate) newest: i64,
}

impl Engine {
    /// An engine for a pack, `shards` key ranges per window group, and these source partitions.
    pub fn new(pack: PackPlan, shards: usize, partitions: &[Presence], lateness_us: impl Fn(Feed) -> i64) -> Self {
        assert!(shards > 0, "at least one key range");
        let streams: Vec<Stream> = pack.streams.into_iter().map(|plan| Stream::new(plan, shards)).collect();
        let text_reaches: Option<Vec<i64>> = streams.iter().flat_map(Stream::text_reaches).collect();
        Engine {
            text_reach_us: text_reaches.map(|all| all.into_iter().max().unwrap_or(0)),
            streams,
            admission: Admission::new(partitions),
            lateness_us: Feed::ALL.map(lateness_us),
            texts: Interner::default(),
            hasher: DefaultHashBuilder::default(),
            newest: i64::MIN,
        }
    }

    /// Takes in a micro-batch: feeds and partitions in any mix, each list in arrival order.
    pub fn step(&mut self, batches: &[FeedBatch], runner: &dyn Runner) -> Output {
        let mut output = Output::default();
        let accepted: Vec<(Feed, RecordBatch)> =
            batches.iter().enumerate().map(|(idx, b)| (b.feed, self.admit(idx, b, &mut output))).collect();
        self.admission.advance();
        let horizon = if on(Fault::EvictionAtNewest) { self.newest } else { self.admission.horizon() };
        let mut shared = Shared {
            texts: &mut self.texts,
            hasher: &self.hasher,
            runner,
            horizon,
            newest: self.newest,
            faults: &mut output.facts.faults,
        };
        for stream in &mut self.streams {
            let rows = stream_rows(stream, &accepted, shared.faults);
            if rows.num_rows() > 0 {
                stream.step(rows, &mut shared, &mut output.verdicts);
            }
            stream.finish_before(self.admission.horizon(), &mut output.verdicts);
        }
        if let Some(reach) = self.text_reach_us {
            let arrived = batches.iter().map(|b| b.batch.num_rows()).sum::<usize>();
            self.texts.free_before(horizon.saturating_sub(reach), 2 * arrived + 16);
        }
        output
    }

    /// The bound that these silent partitions may be raised to: the lowest of all others. `None` when nothing else is
    /// under way. The caller writes it into the log before it calls [`Engine::raise`], for the engine reads no clock.
    pub fn tick(&self, silent: &[usize]) -> Option<i64> {
        self.admission.tick(silent)
    }

    /// Raises the admission bound of a silent partition, so that the horizon no longer waits for it.
    pub fn raise(&mut self, partition: usize, bound_us: i64) {
        self.admission.raise(partition, bound_us);
    }

    /// Nothing more will come: says what is still to be said.
    pub fn finish(&mut self) -> Output {
        self.admission.close();
        let mut output = Output::default();
        for stream in &mut self.streams {
            stream.finish_before(self.admission.horizon(), &mut output.verdicts);
        }
        output
    }

    /// The time before which nothing can change any more, in microseconds.
    pub fn horizon(&self) -> i64 {
        self.admission.horizon()
    }

    /// What the engine holds.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            young_rows: self.streams.iter().map(Stream::young_count).sum(),
            keys: self.streams.iter().map(Stream::key_count).sum(),
            event_ids: self.admission.seen_count(),
            texts: self.texts.len(),
        }
    }

    /// Events in the logs of all windows (once for each window group), and the bytes of the windows' state. Walks every
    /// key: not for each step.
    pub fn weigh_windows(&self) -> (u64, usize) {
        self.streams.iter().map(Stream::weigh).fold((0, 0), |sum, stream| (sum.0 + stream.0, sum.1 + stream.1))
    }

    fn admit(&mut self, idx: usize, feed_batch: &FeedBatch, output: &mut Output) -> RecordBatch {
        let batch = &feed_batch.batch;
        let ids: &StringArray = downcast(batch.column(0));
        let times: &TimestampMicrosecondArray = downcast(batch.column(1));
        let lateness = self.lateness_us[feed_batch.feed as usize];
        let mut kept = Vec::with_capacity(batch.num_rows());
        for from in (0..batch.num_rows()).step_by(AHEAD) {
            let rows = from..batch.num_rows().min(from + AHEAD);
            let hashes = self.admission.begin(rows.clone().map(|row| ids.value(row)));
            for (row, hash) in rows.zip(hashes) {
                let (id, time) = ((ids.value(row), hash), times.value(row));
                let verdict = self.admission.admit(feed_batch.partition, id, time, lateness);
                kept.push(verdict == Admitted::Yes);
                match verdict {
                    Admitted::Yes => self.newest = self.newest.max(time),
                    Admitted::Duplicate => output.duplicates.push((idx, row)),
                    Admitted::Late(by) => output.late.push((idx, row, by)),
                }
            }
        }
        let accepted = kept.iter().filter(|k| **k).count();
        output.facts.accepted += accepted as u64;
        output.facts.duplicates = output.duplicates.len() as u64;
        output.facts.late = output.late.len() as u64;
        if accepted == kept.len() {
            return batch.clone();
        }
        arrow_select::filter::filter_record_batch(batch, &BooleanArray::from(kept)).expect("one flag per row")
    }
}

/// A stream's new rows from the accepted events of its feeds.
fn stream_rows(stream: &Stream, accepted: &[(Feed, RecordBatch)], faults: &mut u64) -> RecordBatch {
    let schema = &stream.plan.schema;
    let mut parts = Vec::new();
    for (feed, batch) in accepted.iter().filter(|(_, b)| b.num_rows() > 0) {
        for branch in stream.plan.branches.iter().filter(|b| b.feed == *feed) {
            parts.push(branch_rows(branch, batch, schema, faults));
        }
    }
    match parts.as_slice() {
        [one] => one.clone(),
        _ => arrow_select::concat::concat_batches(schema, &parts).expect("branches of a view have one schema"),
    }
}

fn branch_rows(
    branch: &Branch,
    batch: &RecordBatch,
    schema: &arrow_schema::SchemaRef,
    faults: &mut u64,
) -> RecordBatch {
    let pick = |columns: &[usize], from: &RecordBatch| -> Vec<ArrayRef> {
        columns.iter().map(|c| from.column(*c).clone()).collect()
    };
    let mut rows = batch.clone();
    if let Some(filter) = &branch.filter {
        let passes = evaluate(filter.as_ref(), &pick(filter.columns(), batch), batch.num_rows(), faults);
        let passes: &BooleanArray = downcast(&passes);
        rows = arrow_select::filter::filter_record_batch(batch, passes).expect("one flag per row");
    }
    let Some(columns) = &branch.columns else { return rows };
    let count = rows.num_rows();
    let arrays = columns.iter().map(|e| evaluate(e.as_ref(), &pick(e.columns(), &rows), count, faults)).collect();
    RecordBatch::try_new(schema.clone(), arrays).expect("the compiler checked the types of the view")
}
