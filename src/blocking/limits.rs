//! What a register may hold, and how long things take. Sources: `standards.md` section 3.4 of the project's references, which
//! takes 48 hours and "at most twice" from Yinfa [2016] 86.

use foreshock_core::time::SECOND_US;

/// Most requests, drafts among them. Beyond it the oldest that are over go first, then the oldest drafts; what is in force stays.
pub const REQUESTS_MAX: usize = 200_000;
/// Most ids of commands and of answers that are remembered.
pub const IDS_MAX: usize = 1_000_000;
/// Most targets of which it is remembered how often they were stopped. At so many no further one is stopped.
pub const TARGETS_MAX: usize = 5_000_000;

const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;

/// An older command is refused: its id may have been forgotten.
pub const COMMAND_AGE_MAX_US: i64 = 24 * HOUR_US;
/// A command or answer may be so far ahead of the writer's clock.
pub const AHEAD_MAX_US: i64 = 5 * MINUTE_US;
/// A draft that nobody looked at is said again after this.
pub const DRAFT_REMINDER_US: i64 = 15 * MINUTE_US;
/// And is over after this.
pub const DRAFT_LIFE_US: i64 = 48 * HOUR_US;
/// A proposal must be approved within this.
pub const APPROVAL_US: i64 = 30 * MINUTE_US;
/// A receipt must come within this; then the message is sent once more, and after the same time again a person is called.
pub const RECEIPT_US: i64 = MINUTE_US;
/// The measure is expected within this.
pub const EXECUTION_TARGET_US: i64 = 10 * MINUTE_US;
/// Without an answer a person is called after this.
pub const EXECUTION_US: i64 = 30 * MINUTE_US;
/// The end of a measure is said so long before.
pub const EXPIRING_US: i64 = 6 * HOUR_US;
/// A lift is expected within this.
pub const LIFT_US: i64 = 15 * MINUTE_US;
/// For so long at least an answer to a lift is waited for; then the institution's own clock has ended the measure.
pub const LIFT_LIFE_US: i64 = 48 * HOUR_US;
/// Most times that an overdue lift is said, each after twice as long as before.
pub const LIFT_OVERDUE_MAX: u8 = 8;
/// Messages of a request that are remembered: the first and the newest.
pub const SENT_MAX: usize = 64;
/// An appeal is looked at within this.
pub const REVIEW_US: i64 = 12 * HOUR_US;
/// And decided within this.
pub const DECISION_US: i64 = 72 * HOUR_US;
/// What is over is remembered for so long, for late answers.
pub const CLOSED_US: i64 = 30 * 24 * HOUR_US;
/// An account is stopped at most so often (Yinfa [2016] 86).
pub const STOPS_MAX: u8 = 2;
/// Longest automatic measure, hours.
pub const AUTOMATIC_HOURS_MAX: u32 = 24;
/// Longest measure of all, hours: a freeze of six months.
pub const LIFE_HOURS_MAX: u32 = 4_416;
/// The same with all extensions: twice six months, then a court must decide.
pub const WHOLE_LIFE_HOURS_MAX: u32 = 2 * LIFE_HOURS_MAX;
/// The clock of a machine that says so much more than before, with no record of that time, is not believed.
pub const CLOCK_JUMP_US: i64 = 7 * 24 * HOUR_US;
/// A record of so recently makes it believed.
pub const CLOCK_NEAR_US: i64 = 24 * HOUR_US;

/// Longest id, in bytes (`contract.md` section 1).
pub const ID_BYTES_MAX: usize = 64;
/// Longest name of a person and number of a case, in bytes.
pub const LINE_BYTES_MAX: usize = 100;
/// Longest reason, in characters.
pub const TEXT_CHARS_MAX: usize = 1_000;
/// Most roles of a person.
pub const ROLES_MAX: usize = 16;
