//! What every stream of an engine shares during a step.

use crate::intern::Interner;
use crate::runner::Runner;
use hashbrown::DefaultHashBuilder;

pub(crate) struct Shared<'a> {
    pub(crate) texts: &'a mut Interner,
    /// Most of them.
    pub(crate) texts_max: usize,
    pub(crate) hasher: &'a DefaultHashBuilder,
    pub(crate) runner: &'a dyn Runner,
    pub(crate) horizon: i64,
    /// Newest event time so far.
    pub(crate) newest: i64,
    pub(crate) faults: &'a mut u64,
    /// Rows that a window group did not take in for want of room for them or their keys.
    pub(crate) shed: &'a mut u64,
}
