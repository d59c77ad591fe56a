//! `requests`: every blocking request as the trail of acts leaves it, with what its draft asks for.

/// Its columns.
pub const COLUMNS: [&str; 19] = [
    "request_id",
    "state",
    "state_since",
    "revision",
    "notice",
    "measure",
    "account",
    "institution",
    "amount_text",
    "currency",
    "fraud_type",
    "rule_id",
    "detection_id",
    "proposed_by",
    "approved_by",
    "reason",
    "event_time",
    "seq",
    "ingest_time",
];

/// Comments on those that neither `acts` nor `blocking_drafts` has.
pub const OWN: [(&str, &str, &str); 3] = [
    ("state_since", "进入该状态的时间", "when it came into this state, by the writer's clock"),
    ("proposed_by", "提议人", "who proposed it last"),
    ("approved_by", "批准人", "who approved it last"),
];

/// Its query, over the table of the acts and the query of the drafts as they stand. A later round of a draft has its number
/// after a point (`a1b2.2`).
pub fn query(acts: &str, drafts: &str) -> String {
    let last_by = |command: &str| {
        format!("last_value(actor ORDER BY seq) FILTER (WHERE command = '{command}' AND refused IS NULL)")
    };
    format!(
        "SELECT a.request_id, a.state, w.state_since, a.revision, a.notice, d.measure, d.account, d.institution, \
         d.amount_text, d.currency, d.fraud_type, d.rule_id, d.detection_id, w.proposed_by, w.approved_by, a.reason, \
         a.event_time, a.seq, a.ingest_time FROM {acts} a \
         JOIN (SELECT request_id, max(seq) AS last_seq, \
         max(event_time) FILTER (WHERE (state IS DISTINCT FROM from_state) AND refused IS NULL) AS state_since, \
         {} AS proposed_by, {} AS approved_by FROM {acts} WHERE state IS NOT NULL GROUP BY request_id) w \
         ON w.request_id = a.request_id AND w.last_seq = a.seq \
         LEFT JOIN ({drafts}) d ON d.request_id = split_part(a.request_id, '.', 1)",
        last_by("propose"),
        last_by("approve"),
    )
}
