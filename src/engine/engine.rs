//! The one engine of a process: admission, then every stream's step.

use crate::admission::{Admission, Admitted, Report};
use crate::corrections::Corrections;
use crate::expr::{downcast, evaluate};
use crate::faults::{Fault, on};
use crate::feed_batch::FeedBatch;
use crate::group::Limits;
use crate::index::AHEAD;
use crate::intern::Interner;
use crate::output::{Output, Sizes};
use crate::payment::PaymentColumns;
use crate::plan::{Branch, PackPlan, RulePlan};
use crate::runner::Runner;
use crate::shared::Shared;
use crate::stream::Stream;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use foreshock_core::{Fate, Feed, Presence};
use hashbrown::DefaultHashBuilder;

/// The window engine.
#[derive(Debug)]
pub struct Engine {
    pub(crate) streams: Vec<Stream>,
    pub(crate) admission: Admission,
    lateness_us: [i64; 4],
    pub(crate) texts: Interner,
    /// How long before the horizon a window can still hold a text; `None` when one may hold it for ever.
    text_reach_us: Option<i64>,
    texts_max: usize,
    pub(crate) hasher: DefaultHashBuilder,
    pub(crate) newest: i64,
}

impl Engine {
    /// An engine for a pack, `shards` key ranges per window group, and these source partitions. What it holds has no bound.
    pub fn new(pack: PackPlan, shards: usize, partitions: &[Presence], lateness_us: impl Fn(Feed) -> i64) -> Self {
        Engine::bounded(pack, shards, partitions, lateness_us, Limits::NONE)
    }

    /// The same with bounds for each window group. Rows for which there is no room have no answers in the group, are counted,
    /// and what they may be missing from is marked.
    pub fn bounded(
        pack: PackPlan,
        shards: usize,
        partitions: &[Presence],
        lateness_us: impl Fn(Feed) -> i64,
        limits: Limits,
    ) -> Self {
        Engine::with(pack, shards, Admission::new(partitions), Feed::ALL.map(lateness_us), limits)
    }

    /// An engine behind another one that has admitted the events: all that it is given as partition 0 count, and the
    /// horizon is where [`Engine::move_horizon`] puts it.
    pub fn behind(pack: PackPlan, shards: usize, limits: Limits) -> Self {
        Engine::with(pack, shards, Admission::behind(), [0; 4], limits)
    }

    fn with(pack: PackPlan, shards: usize, admission: Admission, lateness_us: [i64; 4], limits: Limits) -> Self {
        assert!(shards > 0, "at least one key range");
        let stream = |plan| Stream::new(plan, shards, limits);
        let streams: Vec<Stream> = pack.streams.into_iter().map(stream).collect();
        let text_reaches: Option<Vec<i64>> = streams.iter().flat_map(Stream::text_reaches).collect();
        Engine {
            text_reach_us: text_reaches.map(|all| all.into_iter().max().unwrap_or(0)),
            texts_max: limits.texts_max,
            streams,
            admission,
            lateness_us,
            texts: Interner::default(),
            hasher: DefaultHashBuilder::default(),
            newest: i64::MIN,
        }
    }

    /// Takes in a micro-batch: feeds and partitions in any mix, each list in arrival order.
    pub fn step(&mut self, batches: &[FeedBatch], runner: &dyn Runner) -> Output {
        let mut output = Output::default();
        let mut corrections = Corrections::default();
        let mut kept: Vec<Vec<bool>> =
            batches.iter().enumerate().map(|(idx, b)| self.admit(idx, b, &mut corrections, &mut output)).collect();
        corrections.settle(batches, &mut kept);
        output.accepted = batches.iter().zip(kept).map(|(b, kept)| (b.feed, rows_kept(&b.batch, kept))).collect();
        self.admission.advance();
        let horizon = if on(Fault::EvictionAtNewest) { self.newest } else { self.admission.horizon() };
        let mut shared = Shared {
            texts: &mut self.texts,
            texts_max: if self.text_reach_us.is_none() { self.texts_max } else { usize::MAX },
            hasher: &self.hasher,
            runner,
            horizon,
            newest: self.newest,
            faults: &mut output.facts.faults,
            shed: &mut output.facts.shed,
        };
        for stream in &mut self.streams {
            let rows = stream_rows(stream, &output.accepted, shared.faults);
            stream.step(rows, &corrections, &mut shared, &mut output.verdicts);
            stream.finish_before(self.admission.horizon(), &mut output.verdicts);
        }
        output.corrected = corrections.into_facts();
        output.removed = output.corrected.iter().map(|(id, _)| id.clone()).collect();
        output.removed.dedup();
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

    /// Source partitions that are further ahead in event time than this of the one most behind of those that still send. As
    /// long as they wait, the horizon follows and lets go of memory. What counts does not hang on it.
    pub fn ahead(&self, skew_us: i64, still_sends: impl Fn(usize) -> bool) -> Vec<usize> {
        self.admission.ahead(skew_us, still_sends)
    }

    /// All source partitions but those for which the horizon waits.
    pub fn all_but_last(&self) -> Vec<usize> {
        self.admission.all_but_last()
    }

    /// Raises the admission bound of a silent partition, so that the horizon no longer waits for it.
    pub fn raise(&mut self, partition: usize, bound_us: i64) {
        self.admission.raise(partition, bound_us);
    }

    /// Source partitions.
    pub fn partition_count(&self) -> usize {
        self.admission.partition_count()
    }

    /// Source partitions that were added while events come.
    pub fn add_partitions(&mut self, presence: &[Presence]) {
        self.admission.add_partitions(presence);
    }

    /// The admission bound of a source partition: what is older is too late. `i64::MIN` before it has sent something.
    pub fn bound(&self, partition: usize) -> i64 {
        self.admission.bound_of(partition)
    }

    /// For an engine behind another one: where that one's horizon is after the events of the next step.
    pub fn move_horizon(&mut self, horizon_us: i64) {
        self.admission.give(horizon_us);
    }

    /// Newest event time of those that were in time; `i64::MIN` before the first.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// After a [`Cut`]: is it not sure that what counted is what counts for an engine that had all events?
    pub fn is_uncertain(&self) -> bool {
        self.admission.is_uncertain()
    }

    /// From now on these rules are in force: what is noted of them so far was never published.
    pub fn begin_rules(&mut self, begins: impl Fn(&RulePlan) -> bool) {
        self.streams.iter_mut().for_each(|stream| stream.begin_rules(&begins));
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
        let (event_ids, past_event_ids) = self.admission.seen_counts();
        Sizes {
            young_rows: self.streams.iter().map(Stream::young_count).sum(),
            keys: self.streams.iter().map(Stream::key_count).sum(),
            entries: self.streams.iter().map(Stream::entry_count).sum(),
            event_ids,
            past_event_ids,
            payments: self.admission.payment_count(),
            texts: self.texts.len(),
        }
    }

    /// Events in the logs of all windows (once for each window group), and the bytes of the windows' state. Walks every
    /// key: not for each step.
    pub fn weigh_windows(&self) -> (u64, usize) {
        self.streams.iter().map(Stream::weigh).fold((0, 0), |sum, stream| (sum.0 + stream.0, sum.1 + stream.1))
    }

    /// Which rows count, as far as each can tell by itself.
    fn admit(
        &mut self,
        idx: usize,
        feed_batch: &FeedBatch,
        corrections: &mut Corrections,
        output: &mut Output,
    ) -> Vec<bool> {
        let batch = &feed_batch.batch;
        let ids: &StringArray = downcast(batch.column(0));
        let times: &TimestampMicrosecondArray = downcast(batch.column(1));
        // Which report of a payment counts was decided before.
        let payments = PaymentColumns::of(feed_batch).filter(|_| !self.admission.is_behind());
        let lateness = self.lateness_us[feed_batch.feed as usize];
        let facts = &mut output.facts;
        let mut kept = Vec::with_capacity(batch.num_rows());
        let mut fates = Vec::with_capacity(batch.num_rows());
        for from in (0..batch.num_rows()).step_by(AHEAD) {
            let rows = from..batch.num_rows().min(from + AHEAD);
            let hashes = self.admission.begin(rows.clone().map(|row| ids.value(row)));
            for (row, hash) in rows.zip(hashes) {
                let payment = payments.as_ref().and_then(|columns| columns.payment(row));
                let (id, time, action) = (ids.value(row), times.value(row), feed_batch.action(row));
                let report = Report { id, hash, time, action, payment };
                let verdict = self.admission.admit(feed_batch.partition, &report, lateness);
                kept.push(matches!(verdict, Admitted::Yes | Admitted::Clash | Admitted::Replaces));
                fates.push(match verdict {
                    Admitted::Yes | Admitted::Clash => Fate::Counts,
                    Admitted::Replaces => Fate::Replaces,
                    Admitted::Withdraws => Fate::Withdraws,
                    Admitted::Duplicate => Fate::Duplicate,
                    Admitted::Confirmation => Fate::Confirmation,
                    Admitted::Moves => Fate::Refused,
                    Admitted::Late(_) => Fate::Late,
                });
                match verdict {
                    Admitted::Yes => {}
                    Admitted::Clash => output.payment_clashes.push((idx, row)),
                    Admitted::Replaces => corrections.note(id, time),
                    Admitted::Withdraws => corrections.note_withdrawal(id, time, (idx, row)),
                    Admitted::Duplicate => facts.duplicates += 1,
                    Admitted::Confirmation => facts.confirmations += 1,
                    Admitted::Moves => output.moved.push((idx, row)),
                    Admitted::Late(by) => output.late.push((idx, row, by)),
                }
                facts.replaced += u64::from(verdict == Admitted::Replaces);
                facts.withdrawn += u64::from(verdict == Admitted::Withdraws);
                // A withdrawal, too, and what only moves the bound of its source: see `Cut`.
                if !matches!(verdict, Admitted::Late(_)) {
                    self.newest = self.newest.max(time);
                }
            }
        }
        facts.accepted += kept.iter().filter(|k| **k).count() as u64;
        facts.late = output.late.len() as u64;
        facts.moved = output.moved.len() as u64;
        facts.payment_clashes = output.payment_clashes.len() as u64;
        output.fates.push(fates);
        kept
    }
}

fn rows_kept(batch: &RecordBatch, kept: Vec<bool>) -> RecordBatch {
    if kept.iter().all(|k| *k) {
        return batch.clone();
    }
    arrow_select::filter::filter_record_batch(batch, &BooleanArray::from(kept)).expect("one flag per row")
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
