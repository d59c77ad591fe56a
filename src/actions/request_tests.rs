use super::*;
use crate::testing::{MINUTE_US, START_US, detection, rule};
use crate::{Finding, FollowUp, Tally, detection_id};
use foreshock_core::Value;

/// What a detection says: rule, minute, yuan traced, yuan left, who paid.
type Said<'a> = (&'a str, i64, Option<i64>, Option<i64>, Option<&'a str>);

fn reason(event: usize, (id, minute, traced, left, victim): &Said) -> Reason {
    let mut found = detection(&event.to_string(), *minute, "acc-1");
    let minor = |yuan: &Option<i64>| yuan.map_or(Value::Null, |yuan| Value::Int(yuan * 100));
    found.values = vec![
        ("amount_at_risk".into(), minor(traced)),
        ("currency".into(), Value::Text("CNY".into())),
        ("balance_left".into(), minor(left)),
        ("victim".into(), victim.map_or(Value::Null, |victim| Value::Text(victim.into()))),
    ];
    let rule = RuleFacts { id: (*id).into(), ..rule(FollowUp::Block) };
    let id = detection_id(&rule.id, &rule.version, &found.event_id, &found.subject);
    Reason::of(&Finding { detection_id: &id, detected: true, rule: &rule, detection: &found }, &mut Tally::default())
}

/// The amount of a draft by all of these; `-` when it has none, `gone` when there is nothing to ask for.
fn asked(all: &[Said]) -> String {
    let mut request = Request::new(&rule(FollowUp::Block), "acc-1", "tx:bank-a:0", START_US);
    all.iter().enumerate().for_each(|(event, said)| request.put(reason(event, said), false, true));
    let draft = request.draft(&Target::Account("acc-1".into()));
    draft.map_or("gone".into(), |draft| draft.amount.unwrap_or("-".into()))
}

#[test]
fn what_two_victims_paid_adds_up_and_what_two_rules_say_of_one_payment_does_not() {
    let (anna, bert) = (Some("anna"), Some("bert"));
    assert_eq!(asked(&[("M19", 0, Some(300), None, anna), ("T05", 0, Some(300), None, anna)]), "300.00");
    assert_eq!(asked(&[("M19", 0, Some(300), None, anna), ("M19", 5, Some(200), None, bert)]), "500.00");
    assert_eq!(
        asked(&[("T05", 0, Some(100), None, anna), ("T05", 5, Some(250), None, anna)]),
        "250.00",
        "parts add up in the rule"
    );
}

#[test]
fn a_balance_binds_what_came_before_it_and_not_what_comes_after() {
    let (anna, bert) = (Some("anna"), Some("bert"));
    let paid = ("M19", 0, Some(300), None, anna);
    assert_eq!(asked(&[paid, ("M03", 5, Some(20), Some(20), None)]), "20.00", "most is drawn");
    assert_eq!(asked(&[paid, ("M03", 5, Some(20), Some(900), None)]), "300.00", "others' money is not asked for");
    assert_eq!(asked(&[paid, ("M03", 5, Some(20), Some(20), None), ("M19", 9, Some(50), None, bert)]), "70.00");
    assert_eq!(asked(&[paid, ("M03", 5, Some(20), Some(20), None), ("M03", 7, Some(5), Some(5), None)]), "5.00");
    assert_eq!(asked(&[("M03", 5, Some(20), Some(20), None), paid]), "20.00", "in whatever order they come");
}

#[test]
fn where_all_is_gone_nothing_is_asked_for_and_where_nobody_knows_no_amount_is_named() {
    let paid = ("M19", 0, Some(300), None, Some("anna"));
    assert_eq!(asked(&[paid, ("M03", 5, Some(0), Some(0), None)]), "gone");
    assert_eq!(asked(&[paid, ("M03", 5, Some(0), Some(0), None), ("M19", 6, Some(10), None, Some("bert"))]), "10.00");
    assert_eq!(asked(&[("M03", 5, None, None, None)]), "-");
    assert_eq!(asked(&[("M03", 5, None, None, None), ("M19", 0, Some(300), None, None)]), "300.00");
    assert_eq!(asked(&[("M03", 5, Some(0), None, None)]), "gone");
}

#[test]
fn an_amount_beyond_all_money_is_the_largest_there_is() {
    let most = i64::MAX / 100;
    let all: Vec<Said> = ["a", "b", "c"].map(|victim| ("M19", 0, Some(most), None, Some(victim))).to_vec();
    assert_eq!(asked(&all), money::format_minor(i64::MAX, 2));
}

#[test]
fn a_draft_names_every_rule_once_and_every_detection_in_the_order_of_their_times() {
    let mut request = Request::new(&rule(FollowUp::Block), "acc-1", "tx:bank-a:0", START_US);
    let all: [Said; 3] = [
        ("M03", 5, Some(20), Some(20), None),
        ("M19", 0, Some(300), None, Some("anna")),
        ("M03", 9, Some(1), Some(1), None),
    ];
    all.iter().enumerate().for_each(|(event, said)| request.put(reason(event, said), false, true));
    let draft = request.draft(&Target::Account("acc-1".into())).unwrap();
    let ids = |rules: &[RuleRef]| rules.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&draft.rules), ["M19", "M03"]);
    assert_eq!(draft.rule.id, "M19");
    assert_eq!(draft.evidence.event_ids, ["tx:bank-a:1", "tx:bank-a:0", "tx:bank-a:2"]);
    let times: Vec<i64> = draft.evidence.detections.iter().map(|one| (one.event_time - START_US) / MINUTE_US).collect();
    assert_eq!(times, [0, 5, 9]);
    assert_eq!(draft.evidence.detection_id, draft.evidence.detections[0].detection_id);
    assert_eq!(draft.reason.en, "rule M19 fired: Money in, money out; rule M03 fired: Money in, money out");
    assert_eq!(draft.reason.zh, "规则 M19 命中：快进快出；规则 M03 命中：快进快出");
}
