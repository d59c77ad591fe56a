//! JSON Schemas (2020-12) of the incoming events, made from the column tables that the decoder reads. What they accept, it
//! accepts; `tests/agreement.rs` holds the two together and lists what JSON Schema cannot say.

use crate::convert::currency_path;
use crate::fields::computed_fields;
use foreshock_core::schema::Check;
use foreshock_core::{Column, Feed, ReportAction, money};
use serde_json::{Value, json};

const TOKEN: &str = "^[A-Za-z0-9._:-]{1,64}$";
const REPORTER: &str = "^[A-Za-z0-9._-]{1,64}$";
const MONEY: &str = "^-?[0-9]+(\\.[0-9]+)?$";
/// A digit other than 0 before or after the point.
const MONEY_POSITIVE: &str = "^([0-9]*[1-9][0-9]*(\\.[0-9]+)?|[0-9]+\\.[0-9]*[1-9][0-9]*)$";
const LOSS: &str = "^(ATTEMPT|-?[0-9]+(\\.[0-9]+)?)$";
/// 0 to 1 in plain decimals, or any number with an exponent.
const SCORE: &str = "^(0*(0(\\.[0-9]+)?|1(\\.0+)?)|-0+(\\.0+)?|-?[0-9]+(\\.[0-9]+)?[eE][+-]?[0-9]+)$";
/// The span of event times to the year, days by the month, no second 60, an offset.
const TIME: &str = "^(19[7-9][0-9]|2[01][0-9]{2})-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)\
    |02-(0[1-9]|[12][0-9]))[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";
const TIME_RULE: &str = "RFC 3339 with an offset, from 1970-01-01 to before 2200-01-01 UTC; digits beyond the microsecond \
    are cut off; second 60 is refused: send a leap second as 59.999999";
const AMOUNT_RULE: &str = "no more decimals than the currency has, at most 10^15 minor units";

/// The schema of a feed's events.
pub fn json_schema(feed: Feed) -> Value {
    let [id, time] = [feed.id_field(), feed.columns().get(1).map_or("", |c| c.path)];
    let withdrawals = ReportAction::CODES.iter().filter(|(_, action)| *action == ReportAction::Withdraw);
    let withdrawals: Vec<&str> = withdrawals.map(|(code, _)| *code).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:foreshock:{}", feed.topic()),
        "title": feed.topic(),
        "description": format!(
            "One event. null is the same as absent; a field that is not named here is ignored and counted; no field may \
             stand twice. Amounts are in `{}`. A withdrawal ({}) needs no more than record id, reporter and time. A CloudEvents \
             envelope around it is not described here.",
            currency_path(feed),
            withdrawals.join(", "),
        ),
        "type": "object",
        "properties": properties(feed),
        "required": [id, time],
        "if": { "required": ["reportAction"], "properties": { "reportAction": { "enum": withdrawals } } },
        "else": whole(feed, &[id, time]),
    })
}

fn properties(feed: Feed) -> Value {
    let mut root = Value::Null;
    for column in feed.columns().iter().filter(|c| !c.path.is_empty()) {
        place(&mut root, column.path, field(column));
    }
    for path in computed_fields(feed) {
        place(&mut root, path, computed(path));
    }
    let id =
        json!({ "type": "string", "pattern": TOKEN, "description": "record id, never used twice by its reporter" });
    place(&mut root, feed.id_field(), id);
    let reporter = json!({ "type": ["string", "null"], "pattern": REPORTER,
        "description": "institution id; else the CloudEvents source, else the topic's default" });
    place(&mut root, "reporter", reporter);
    let action = json!({ "enum": with_null(ReportAction::CODES.iter().map(|(code, _)| *code)),
        "description": "NEWF (default) is a fact, UPDT and REOP replace it, CLSE and DUPL withdraw it" });
    place(&mut root, "reportAction", action);
    root["properties"].take()
}

/// What every report but a withdrawal must tell besides.
fn whole(feed: Feed, always: &[&str]) -> Value {
    let mut root = json!({});
    let required = feed.columns().iter().filter(|c| !c.nullable && !has_default(c) && !c.path.is_empty());
    for column in required.filter(|c| !always.contains(&c.path)) {
        require(&mut root, column.path);
    }
    if feed == Feed::SuspiciousReports {
        require(&mut root, "reason");
    }
    root
}

fn with_null(codes: impl Iterator<Item = &'static str>) -> Vec<Value> {
    codes.map(Value::from).chain([Value::Null]).collect()
}

fn has_default(column: &Column) -> bool {
    matches!(column.check, Check::Code(_, Some(_)) | Check::OpenCode(_, Some(_)))
}

fn described(what: &str, rule: &str) -> String {
    if rule.is_empty() { what.to_owned() } else { format!("{what}; {rule}") }
}

/// A column's field; null is the same as absent.
fn field(column: &Column) -> Value {
    let text = |pattern: &str| json!({ "type": ["string", "null"], "pattern": pattern });
    let (mut schema, rule) = match column.check {
        Check::Time => (json!({ "type": "string", "format": "date-time", "pattern": TIME }), TIME_RULE),
        Check::Place => (text("^[A-Z0-9-]{1,16}$"), ""),
        Check::Code(set, _) => (json!({ "enum": with_null(set.iter().copied()) }), ""),
        Check::OpenCode(set, _) => {
            (json!({ "type": ["string", "null"], "examples": set }), "another code becomes OTHER and is counted")
        }
        Check::Currency => (json!({ "enum": with_null(money::currencies()) }), "ISO 4217, or XTS for tests"),
        Check::Money => (text(MONEY), AMOUNT_RULE),
        Check::MoneyPositive => (text(MONEY_POSITIVE), AMOUNT_RULE),
        Check::Int(min, max) => (json!({ "type": ["integer", "null"], "minimum": min, "maximum": max }), ""),
        Check::Bool => (json!({ "type": ["boolean", "null"] }), ""),
        Check::Permille => (
            json!({ "type": ["number", "string", "null"], "minimum": 0, "maximum": 1, "pattern": SCORE }),
            "0 to 1, as a number or its text; kept as whole thousandths, the rest cut off",
        ),
        Check::Token | Check::EventId | Check::Reporter | Check::Derived => (text(TOKEN), ""),
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert("description".into(), json!(described(&format!("{} / {}", column.en, column.zh), rule)));
    }
    schema
}

/// A field that is no column of its own.
fn computed(path: &str) -> Value {
    match path {
        "seizureTime" | "answerTime" => {
            json!({ "type": ["string", "null"], "format": "date-time", "pattern": TIME, "description": TIME_RULE })
        }
        "lossAmount" => json!({ "type": ["string", "null"], "pattern": LOSS,
            "description": described("decimal, or ATTEMPT when nothing was lost", AMOUNT_RULE) }),
        "reason" => json!({ "type": ["string", "null"], "description": "required, and not kept" }),
        _ => json!({ "type": ["string", "null"], "pattern": TOKEN }),
    }
}

/// Puts a field at a path such as `debtor.accountToken` or `transaction.0.amount_local`.
fn place(parent: &mut Value, path: &str, schema: Value) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let (kind, key) = if first == "0" { ("array", "prefixItems") } else { ("object", "properties") };
    if parent[key].is_null() {
        parent["type"] = json!([kind, "null"]);
        parent[key] = if kind == "array" { json!([null]) } else { json!({}) };
    }
    let child = if kind == "array" { &mut parent[key][0] } else { &mut parent[key][first] };
    if rest.is_empty() {
        *child = schema;
    } else {
        place(child, rest, schema);
    }
}

/// Says that the field at a path, and what it stands in, is there and not null.
fn require(parent: &mut Value, path: &str) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if parent["required"].is_null() {
        parent["required"] = json!([]);
    }
    let child = &mut parent["properties"][first];
    if child.is_null() {
        *child = json!({ "not": { "type": "null" } });
        if let Some(required) = parent["required"].as_array_mut() {
            required.push(json!(first));
        }
    }
    if !rest.is_empty() {
        require(&mut parent["properties"][first], rest);
    }
}
