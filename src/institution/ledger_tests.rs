//! What a ledger does with messages.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

const NOW: i64 = 1_790_000_000_000_000;

fn order(id: &str, account: &str, action: &str) -> Order {
    let person = json!({"officer": "li", "roles": ["officer"], "method": "approve", "time": "2026-09-21T00:00:00Z"});
    serde_json::from_value(json!({
        "requestId": id, "revision": 4, "action": action, "measure": "STOP_PAYMENT",
        "targetInstitution": {"code": "bank_a", "scheme": "CNAPS"}, "target": {"account": account}, "amount": "300.00",
        "currency": "CNY", "direction": "DEBIT_ONLY", "legalBasis": ["Art. 30"], "confidential": true,
        "reviewDate": "2026-09-23T00:00:00Z", "fraudType": "OTHER", "reason": {"zh": "一", "en": "one"},
        "evidence": {"manifestId": "m", "sha256": "00", "detections": 1}, "requestedBy": person, "approvedBy": person,
        "effectiveFrom": "2026-09-21T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z",
        "dueBy": {"received": "2026-09-21T00:01:00Z", "executed": "2026-09-21T00:10:00Z"}, "sequenceOnTarget": 1,
    }))
    .unwrap()
}

#[test]
fn what_is_there_is_held_up_to_what_was_asked_and_until_its_end() {
    let balances = BTreeMap::from([
        ("rich".into(), "1000.00".into()),
        ("poor".into(), "20.5".into()),
        ("empty".into(), "0".into()),
    ]);
    let mut ledger = Ledger::new(Some(balances));
    let rich = ledger.take(&order("r1", "rich", "STOP_PAYMENT"), NOW);
    assert_eq!((rich.stage, rich.blocked_amount.as_deref()), (Stage::Executed, Some("300.00")));
    let poor = ledger.take(&order("r2", "poor", "STOP_PAYMENT"), NOW);
    assert_eq!((poor.stage, poor.blocked_amount.as_deref()), (Stage::Partial, Some("20.50")));
    assert_eq!(ledger.take(&order("r3", "empty", "STOP_PAYMENT"), NOW).reason, Some("NO_FUNDS"));
    assert_eq!(ledger.take(&order("r4", "nobody", "STOP_PAYMENT"), NOW).reason, Some("ACCOUNT_NOT_FOUND"));
    assert_eq!(ledger.take(&order("r5", "rich", "STOP_PAYMENT"), NOW).reason, Some("ALREADY_BLOCKED"));
    let end = order("r1", "rich", "STOP_PAYMENT").expires_at;
    assert_eq!(ledger.expire(end - 1), Vec::<String>::new());
    assert_eq!(ledger.expire(end), ["r1", "r2"]);
}

#[test]
fn a_lift_is_never_refused_and_a_cancel_after_the_deed_is() {
    let mut ledger = Ledger::new(None);
    assert_eq!(ledger.take(&order("r1", "a", "CANCEL"), NOW).stage, Stage::Executed);
    assert_eq!(ledger.take(&order("r1", "a", "LIFT"), NOW).stage, Stage::Lifted);
    ledger.take(&order("r1", "a", "STOP_PAYMENT"), NOW);
    assert_eq!(ledger.take(&order("r1", "a", "CANCEL"), NOW).stage, Stage::Refused);
    assert_eq!((ledger.take(&order("r1", "a", "LIFT"), NOW).stage, ledger.holds()), (Stage::Lifted, 0));
    let late = Order { expires_at: NOW, ..order("r2", "a", "STOP_PAYMENT") };
    assert_eq!(ledger.take(&late, NOW).reason, Some("EXPIRED_ON_ARRIVAL"));
}
