//! The known faults of a window engine (`engine.md` section 10) as switches of a test build.
//!
//! `tests/faults.rs` switches each on and checks that the random test finds it. Without the feature
//! `faults` every query is a constant `false` and costs nothing.

/// One way to get exact windows wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// None.
    None,
    /// The frame leaves out rows exactly W old.
    FrameHalfOpen,
    /// Rows of the same time are not judged again.
    PeersNotJudgedAgain,
    /// Entries are evicted W before the newest event instead of W before the horizon.
    EvictionAtNewest,
    /// `sum` of an empty frame is 0 instead of NULL.
    SumWithoutCount,
    /// `lag` and ROWS entries are evicted by time.
    LagEvictedByTime,
    /// Among equal times the first to arrive counts as the earliest.
    TiesByArrival,
    /// Rows that enter or leave a filtered input because of a late event are missed.
    UpdatesOnly,
    /// Too late is decided by the bound of all sources together.
    GlobalBound,
    /// Old rows whose windows a late event touches are not judged again.
    NoCorrection,
    /// Duplicates count twice.
    NoDedupe,
    /// A payment that both banks report counts twice.
    NoConfirmation,
    /// The fact that a correction replaces or withdraws stays in the windows.
    CorrectionKeepsOld,
    /// A correction's revisions begin again at 1.
    RevisionsBeginAgain,
    /// Late values of one batch each see the others: a distinct count misses them.
    DeltaAfterBatch,
    /// A late value adds to a distinct count beyond the next one of the same value.
    DistinctBeyondNext,
    /// A `max` of touched rows is not computed again when a row leaves.
    ExtremeKeptOnRemoval,
    /// What the key budget shed is not said beside the results that may miss it.
    ShedUnmarked,
    /// A correction goes to the partition of its new subject only.
    CorrectionByKey,
}

impl Fault {
    /// All faults but `None`.
    pub const ALL: [Fault; 18] = [
        Fault::FrameHalfOpen,
        Fault::PeersNotJudgedAgain,
        Fault::EvictionAtNewest,
        Fault::SumWithoutCount,
        Fault::LagEvictedByTime,
        Fault::TiesByArrival,
        Fault::UpdatesOnly,
        Fault::GlobalBound,
        Fault::NoCorrection,
        Fault::NoDedupe,
        Fault::NoConfirmation,
        Fault::CorrectionKeepsOld,
        Fault::RevisionsBeginAgain,
        Fault::DeltaAfterBatch,
        Fault::DistinctBeyondNext,
        Fault::ExtremeKeptOnRemoval,
        Fault::ShedUnmarked,
        Fault::CorrectionByKey,
    ];
}

#[cfg(feature = "faults")]
static ACTIVE: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Switches one fault on (or all off with [`Fault::None`]). Test builds only.
#[cfg(feature = "faults")]
pub fn switch(fault: Fault) {
    ACTIVE.store(fault as u8, std::sync::atomic::Ordering::Relaxed);
}

/// Is the fault switched on?
#[cfg(feature = "faults")]
pub(crate) fn on(fault: Fault) -> bool {
    ACTIVE.load(std::sync::atomic::Ordering::Relaxed) == fault as u8
}

#[cfg(not(feature = "faults"))]
pub(crate) const fn on(_: Fault) -> bool {
    false
}
