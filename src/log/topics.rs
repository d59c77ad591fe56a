//! Names of topics and headers.

use foreshock_core::Part;

/// Detections, their revisions and retractions.
pub const DETECTIONS: &str = "detection.v1";
/// Alert episodes.
pub const ALERTS: &str = "alert.v1";
/// Drafts of blocking requests.
pub const BLOCKING_DRAFTS: &str = "blocking.draft.v1";
/// Drafts of public warnings.
pub const WARNING_DRAFTS: &str = "warning.draft.v1";
/// Refused records.
pub const REJECTED: &str = "rejected.v1";
/// Records beyond the lateness.
pub const LATE: &str = "late.v1";

/// What people want of a blocking request, signed by the reader that knows the person.
pub const COMMANDS: &str = "command.v1";
/// What institutions answer.
pub const ANSWERS: &str = "blocking.response.v1";
/// What became of commands, answers and drafts: the audit trail.
pub const ACTS: &str = "act.v1";
/// Before the code of an institution: what it is asked to do.
pub const ORDERS: &str = "blocking.request.v1.";

/// All topics with results.
pub const OUT_TOPICS: [&str; 6] = [DETECTIONS, ALERTS, BLOCKING_DRAFTS, WARNING_DRAFTS, REJECTED, LATE];

/// The record of each batch. One partition: its order is the order of the batches.
pub const PROGRESS: &str = "foreshock.progress";
/// The same for the partitions of [`EVENTS`], each in the partition of its number.
pub const PARTS_PROGRESS: &str = "foreshock.events.progress";
/// The same for the register of blocking requests. One partition.
pub const REGISTER_PROGRESS: &str = "foreshock.register.progress";
/// Where the process that writes shows that it lives while it has nothing to write, and others that they would take over.
/// One partition.
pub const OWNER: &str = "foreshock.owner";
/// Events on their way to the processes that share the rules which spread: each is in the partitions of all its subjects.
pub const EVENTS: &str = "foreshock.events";

/// Headers on [`EVENTS`]: the feed of an event, where it stood, and in a record without an event the horizon.
pub const FEED: &str = "feed";
/// See [`FEED`].
pub const POSITION: &str = "position";
/// See [`FEED`].
pub const HORIZON: &str = "horizon_us";
/// On every result: the log, the number of the batch in it and the place in the batch, as `engine/1234/5`.
pub const BATCH: &str = "batch";
/// CloudEvents binary mode: who reports.
pub const SOURCE: &str = "ce_source";

/// A log of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// That of the one process that reads the incoming topics.
    Engine,
    /// That of a partition of the rules that spread.
    Part(Part),
    /// That of the register of blocking requests.
    Register,
}

impl Log {
    /// Its topic.
    pub fn topic(self) -> &'static str {
        match self {
            Log::Engine => PROGRESS,
            Log::Part(_) => PARTS_PROGRESS,
            Log::Register => REGISTER_PROGRESS,
        }
    }

    /// Its partition.
    pub fn partition(self) -> i32 {
        if let Log::Part(part) = self { part.number.cast_signed() } else { 0 }
    }

    /// How many partitions its topic must have.
    pub fn partitions(self) -> u32 {
        if let Log::Part(part) = self { part.of } else { 1 }
    }

    /// The topics whose messages are followed as its results.
    pub fn results(self) -> &'static [&'static str] {
        match self {
            Log::Engine => &OUT_TOPICS,
            // What these detect is on the topics of the engine, and in no batch of its log.
            Log::Part(_) => &[],
            Log::Register => &[ACTS],
        }
    }

    /// Its name among those of a group.
    pub fn name(self) -> String {
        match self {
            Log::Engine => "engine".into(),
            Log::Part(part) => format!("part-{}", part.number),
            Log::Register => "register".into(),
        }
    }
}
