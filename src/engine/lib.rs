//! The window engine: a micro-batch of columns goes in, detections, revisions and retractions come out.
//!
//! Pure: no clock, thread, channel, file or rule text. The caller hands in the plan (made by the compiler), the events in
//! columns, and a [`Runner`] for the tasks of a level. The same answer for any number of key ranges and any cut into
//! batches; `docs/ARCHITECTURE.md` has the way of one event, `docs/decisions/0002-rewind-edit-replay.md`
//! and `0013-range-deltas.md` the methods.

pub mod accumulator;
mod admission;
mod batch_bytes;
mod carry;
mod cell;
mod confirmations;
mod corrections;
mod dirty;
mod door;
mod engine;
mod engine_state;
mod entries;
mod eval;
mod expr;
pub mod faults;
mod feed_batch;
mod footprint;
mod group;
mod id_index;
mod index;
mod inputs;
mod intern;
mod key_log;
mod key_range;
mod late;
mod layout;
mod live_keys;
mod multiset;
mod output;
mod payment;
mod payments;
mod pieces;
mod plan;
mod published;
mod readers;
mod routing;
mod rows;
mod runner;
mod save;
mod seen;
mod shared;
mod sorted;
mod stage;
mod state_hash;
mod stream;
mod verdicts;

pub use admission::Cut;
pub use carry::Carried;
pub use engine::Engine;
pub use expr::Expr;
pub use feed_batch::FeedBatch;
pub use group::Limits;
pub use output::{Output, Sizes, State, StepFacts, Verdict};
pub use plan::{
    AccumulatorPlan, Branch, CursorPlan, ExprIdx, Frame, Function, GroupPlan, PackPlan, RulePlan, StreamPlan, ValueKind,
};
pub use routing::{Routed, Router};
pub use runner::{Inline, Runner};
pub use save::SavedState;
pub use verdicts::value_at;
