//! `requests`: every blocking request as the trail of acts leaves it, with what its draft asks for.

/// Its columns.
pub const COLUMNS: [&str; 20] = [
    "request_id",
    "state",
    "state_since",
    "revision",
    "notice",
    "measure",
    "account",
    "target",
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

/// Comments on those that neither `acts` nor `blocking_drafts` has, or has with another meaning.
pub const OWN: [(&str, &str, &str); 6] = [
    ("state_since", "进入该状态的时间", "when it came into this state, by the writer's clock"),
    ("proposed_by", "提议人", "who proposed it last"),
    ("approved_by", "批准人", "who approved it last"),
    ("measure", "措施", "what was proposed last; before that what the draft proposes"),
    ("institution", "机构", "who is asked, or holds the account"),
    ("reason", "理由", "the words of the last official whose command was followed, or the code of the institution"),
];

/// Its query, over the table of the acts and the query of the drafts as they stand. A later round of a draft has its number
/// after a point (`a1b2.2`). What was proposed counts before what the draft asks for; what only the draft has is empty where the
/// reader does not know the draft any more.
pub fn query(acts: &str, drafts: &str) -> String {
    let last = |column: &str, of: &str| {
        format!("last_value({column} ORDER BY seq) FILTER (WHERE {column} IS NOT NULL AND refused IS NULL{of})")
    };
    format!(
        "SELECT a.request_id, a.state, w.state_since, a.revision, w.notice, coalesce(w.measure, d.measure) AS measure, \
         coalesce(w.account, d.account) AS account, w.target, \
         coalesce(w.institution, d.institution) AS institution, coalesce(w.amount_text, d.amount_text) AS amount_text, \
         coalesce(w.currency, d.currency) AS currency, d.fraud_type, d.rule_id, d.detection_id, w.proposed_by, w.approved_by, \
         w.reason, a.event_time, a.seq, a.ingest_time FROM {acts} a \
         JOIN (SELECT request_id, max(seq) AS last_seq, \
         max(event_time) FILTER (WHERE (state IS DISTINCT FROM from_state) AND refused IS NULL) AS state_since, \
         {} AS proposed_by, {} AS approved_by, {} AS reason, {} AS notice, {} AS account, {} AS target, {} AS measure, {} AS institution, {} AS amount_text, \
         {} AS currency FROM {acts} WHERE state IS NOT NULL GROUP BY request_id) w \
         ON w.request_id = a.request_id AND w.last_seq = a.seq \
         LEFT JOIN ({drafts}) d ON d.request_id = split_part(a.request_id, '.', 1)",
        last("actor", " AND command = 'propose'"),
        last("actor", " AND command = 'approve'"),
        last("reason", ""),
        last("notice", ""),
        last("account", ""),
        last("target", ""),
        last("measure", ""),
        last("asked_institution", ""),
        last("amount_text", ""),
        last("currency", ""),
    )
}
