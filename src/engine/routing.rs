//! Where events go whose windows several engines share by key.

use crate::expr::{Expr, downcast, evaluate};
use crate::faults::{Fault, on};
use crate::feed_batch::FeedBatch;
use crate::plan::{Branch, PackPlan};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use foreshock_core::Fate;
use foreshock_core::partition::partition_of;
use hashbrown::HashSet;
use std::sync::Arc;

/// An event and a partition whose engine needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Routed {
    /// Position of the batch.
    pub batch: usize,
    /// Row in the batch.
    pub row: usize,
    /// The partition.
    pub partition: u32,
}

/// Finds the partitions of events: those of all their subjects.
#[derive(Debug)]
pub struct Router {
    partitions: u32,
    keys: Vec<RoutingKey>,
}

/// A subject of the rows that a branch makes.
#[derive(Debug)]
struct RoutingKey {
    branch: Branch,
    /// Over the stream's columns.
    subject: Arc<dyn Expr>,
}

impl Router {
    /// For so many partitions, by the subjects of these rules of the plan, each with its stream.
    pub fn new<'a>(plan: &PackPlan, rules: impl Iterator<Item = (&'a str, usize)>, partitions: u32) -> Router {
        let mut keys = Vec::new();
        let mut known = HashSet::new();
        for (name, rule) in rules {
            let stream = plan.streams.iter().find(|s| s.name == name).expect("a rule of a stream of the plan");
            let subject = stream.rules[rule].head[2];
            if known.insert((name, subject)) {
                let key =
                    |branch: &Branch| RoutingKey { branch: branch.clone(), subject: stream.exprs[subject].clone() };
                keys.extend(stream.branches.iter().map(key));
            }
        }
        Router { partitions, keys }
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// The partitions of all rows that count, by batch, row and partition. A correction goes to all: only the engine that
    /// holds the fact's rows knows where they are.
    pub fn route(&self, batches: &[FeedBatch], fates: &[Vec<Fate>]) -> Vec<Routed> {
        let mut routed = Vec::new();
        for (batch, (feed_batch, fates)) in batches.iter().zip(fates).enumerate() {
            let keys = self.keys.iter().filter(|key| key.branch.feed == feed_batch.feed);
            let subjects: Vec<Subjects> = keys.map(|key| Subjects::new(key, &feed_batch.batch)).collect();
            for (row, fate) in fates.iter().enumerate() {
                let mut to: Vec<u32> = match fate {
                    Fate::Duplicate | Fate::Confirmation | Fate::Late | Fate::Refused => Vec::new(),
                    Fate::Replaces | Fate::Withdraws if !on(Fault::CorrectionByKey) => (0..self.partitions).collect(),
                    Fate::Counts | Fate::Replaces | Fate::Withdraws => {
                        subjects.iter().filter_map(|s| s.partition(row, self.partitions)).collect()
                    }
                };
                to.sort_unstable();
                to.dedup();
                routed.extend(to.into_iter().map(|partition| Routed { batch, row, partition }));
            }
        }
        routed
    }
}

/// The subject of every row of a batch, as far as the branch takes the row.
struct Subjects {
    passes: Option<BooleanArray>,
    values: StringArray,
}

impl Subjects {
    fn new(key: &RoutingKey, batch: &RecordBatch) -> Subjects {
        // A value that cannot be computed is counted by the engine that gets the event.
        let of = |expr: &dyn Expr, columns: &[ArrayRef]| evaluate(expr, columns, batch.num_rows(), &mut 0);
        let over_feed = |expr: &dyn Expr| {
            let columns: Vec<ArrayRef> = expr.columns().iter().map(|c| batch.column(*c).clone()).collect();
            of(expr, &columns)
        };
        let passes = key.branch.filter.as_deref().map(|filter| downcast::<BooleanArray>(&over_feed(filter)).clone());
        let column = |at: &usize| match &key.branch.columns {
            Some(columns) => over_feed(columns[*at].as_ref()),
            None => batch.column(*at).clone(),
        };
        let columns: Vec<ArrayRef> = key.subject.columns().iter().map(column).collect();
        let values = of(key.subject.as_ref(), &columns);
        Subjects { passes, values: downcast::<StringArray>(&values).clone() }
    }

    fn partition(&self, row: usize, partitions: u32) -> Option<u32> {
        let passes = self.passes.as_ref().is_none_or(|p| p.is_valid(row) && p.value(row));
        (passes && self.values.is_valid(row)).then(|| partition_of(self.values.value(row).as_bytes(), partitions))
    }
}
