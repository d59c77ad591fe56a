//! Columns that are put together from several fields of a record.

use crate::codes;
use crate::decode::{Cell, Reject, amount, find};
use foreshock_core::{ids, time};
use serde_json::{Map, Value};

pub(crate) fn derive(column: &str, object: &Map<String, Value>, digits: u32) -> Result<Cell, Reject> {
    match column {
        "payment_ref" => first_token(object, &["uetr", "endToEndId"]),
        "peer_number" => {
            let is_incoming = find(object, "recordType").and_then(Value::as_str).is_some_and(|t| t.starts_with("MT"));
            first_token(object, &[if is_incoming { "callingNumber" } else { "calledNumber" }])
        }
        "started_at" => {
            for path in ["seizureTime", "answerTime"] {
                if let Some(value) = find(object, path) {
                    let us = value.as_str().and_then(time::parse_rfc3339);
                    return us.map(Cell::Int).ok_or_else(|| Reject::new(codes::TIME, path));
                }
            }
            Ok(Cell::Null)
        }
        "answered" => {
            let is_call = find(object, "recordType").and_then(Value::as_str).is_some_and(|t| t.ends_with("_CALL"));
            let has_duration = find(object, "callDuration").and_then(Value::as_i64).is_some_and(|s| s > 0);
            Ok(if is_call { Cell::Bool(has_duration || find(object, "answerTime").is_some()) } else { Cell::Null })
        }
        "attempt" => Ok(Cell::Bool(find(object, "lossAmount").is_some_and(|v| v == "ATTEMPT"))),
        "loss_amount" => match find(object, "lossAmount") {
            None => Ok(Cell::Null),
            Some(v) if v == "ATTEMPT" => Ok(Cell::Null),
            Some(v) => {
                let text = v.as_str().ok_or_else(|| Reject::new(codes::TYPE, "lossAmount"))?;
                amount(text, digits).map(Cell::Int).map_err(|code| Reject::new(code, "lossAmount"))
            }
        },
        _ => Ok(Cell::Null),
    }
}

fn first_token(object: &Map<String, Value>, paths: &[&str]) -> Result<Cell, Reject> {
    for path in paths {
        if let Some(value) = find(object, path) {
            let text = value.as_str().ok_or_else(|| Reject::new(codes::TYPE, path))?;
            if !ids::is_token(text) {
                return Err(Reject::new(codes::TOKEN, path));
            }
            return Ok(Cell::Text(text.to_owned()));
        }
    }
    Ok(Cell::Null)
}
