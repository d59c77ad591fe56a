//! Bounds of an import.

/// Largest mapping file, in bytes.
pub const MAPPING_BYTES_MAX: u64 = 1024 * 1024;
/// Longest line of a CSV file, and longest row whose quoted fields run over several lines, in bytes of UTF-8.
pub const ROW_BYTES_MAX: usize = 256 * 1024;
/// Most lines of a row whose quoted fields run over several lines.
pub const ROW_LINES_MAX: usize = 1_000;
/// Most bytes of text kept of one look-up table.
pub const TABLE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Longest `prefix` of a token, in characters.
pub const PREFIX_LEN_MAX: usize = 16;
/// Shortest `token_key`, in bytes.
pub const KEY_LEN_MIN: usize = 16;
/// Most names listed in a message.
pub const NAMES_SHOWN_MAX: usize = 30;
