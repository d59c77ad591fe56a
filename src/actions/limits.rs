//! Every bound of this room, by name.

/// Episodes open at one time; beyond it the one that would close first is closed early and counted.
pub const EPISODES_OPEN_MAX: usize = 100_000;
/// Episodes of one subject under one rule open at one time; beyond it as above.
pub const EPISODES_PER_SUBJECT_MAX: usize = 16;
/// Detection ids an alert lists: the first ones. The count has no bound.
pub const DETECTIONS_LISTED_MAX: usize = 100;
/// Detections of one episode that are told apart (16 bytes and a time each). Further ones are counted only.
pub const DETECTIONS_TRACKED_MAX: usize = 10_000;
/// Detections of all episodes that are told apart.
pub const DETECTIONS_TRACKED_TOTAL_MAX: usize = 2_000_000;
/// Values of a detection that a blocking draft carries as evidence: the first ones of the rule's SELECT.
pub const EVIDENCE_VALUES_MAX: usize = 64;
/// Articles a blocking draft names.
pub const LEGAL_BASIS_MAX: usize = 16;
/// Identifiers of warnings remembered so that none is given twice; beyond it the oldest is forgotten.
pub const WARNING_IDENTIFIERS_MAX: usize = 4_096;
/// Warnings of closed episodes that can still be withdrawn; beyond it the one that expires first is forgotten and counted.
pub const WARNINGS_STANDING_MAX: usize = 10_000;
/// Blocking drafts that stand at one time; beyond it the one that expires first is forgotten and counted.
pub const REQUESTS_STANDING_MAX: usize = 100_000;
/// Detections that a blocking draft names, with their values: the first that come. Further ones are counted only.
pub const REASONS_MAX: usize = 32;
/// The same of all blocking drafts together (about 1 KB each).
pub const REASONS_TOTAL_MAX: usize = 500_000;
/// Characters of the sender, of an agency's name and of the number to call in a warning.
pub const ISSUER_CHARS_MAX: usize = 128;
/// Characters of the address of the page with the warnings.
pub const WEB_CHARS_MAX: usize = 1_000;
/// Characters of a headline (profile of warnings).
pub const HEADLINE_CHARS_MAX: usize = 140;
/// Characters of a rule's title in a warning.
pub const TITLE_CHARS_MAX: usize = 70;
/// Characters of a blocking draft's `requestId`.
pub const REQUEST_ID_CHARS_MAX: usize = 35;
/// A blocking draft expires this long after the detection that came first, in hours (Yinfa \[2016\] 86).
pub const BLOCKING_HOURS: i64 = 48;
/// A warning draft expires this long after its detection, in hours.
pub const WARNING_HOURS: i64 = 24;
