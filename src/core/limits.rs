//! Every bound that is not configuration, by name (docs/config.md has the ones an operator may set).

/// Largest record accepted from a source, in bytes; larger ones are refused.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// Longest id or token, in characters (contract: 1 to 64 of `[A-Za-z0-9._:-]`).
pub const TOKEN_LEN_MAX: usize = 64;
/// Longest district or cell, in characters.
pub const PLACE_LEN_MAX: usize = 16;
/// Longest code or free text that a feed keeps, in characters.
pub const TEXT_LEN_MAX: usize = 128;
/// Largest absolute amount, in minor units.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;
/// First event time that is taken, in microseconds: 1970-01-01 UTC.
pub const EVENT_TIME_US_MIN: i64 = 0;
/// Last event time that is taken, in microseconds: the one before 2200-01-01 UTC. Frames of years may be added to it or taken
/// from the first one, and it is still far from the end of an `i64`, and of the years of four digits.
pub const EVENT_TIME_US_MAX: i64 = 84_006 * 86_400 * 1_000_000 - 1;
/// An event may be this far ahead of its Kafka record timestamp, in microseconds.
pub const FUTURE_US_MAX: i64 = 5 * 60 * 1_000_000;
/// Longest RANGE frame, in microseconds (180 days).
pub const FRAME_US_MAX: i64 = 180 * 86_400 * 1_000_000;
/// Most rows of a ROWS frame and largest offset of `lag`.
pub const FRAME_ROWS_MAX: u64 = 10_000;
/// The same payment (UETR) from a second bank counts as a confirmation when the first report is no older than this, besides
/// the lateness, in microseconds. Payments so old are remembered, some 110 to 220 bytes each.
pub const CONFIRMATION_US: i64 = 10 * 60 * 1_000_000;
/// Events of one micro-batch.
pub const BATCH_EVENTS_MAX: usize = 8_192;
/// Most that `engine.batch_events_max` may say: the record of a batch takes a byte an event at worst, and a broker a megabyte.
pub const BATCH_EVENTS_LIMIT: usize = 500_000;
