//! Columns that are put together from several fields of a record. Each field that is there is checked, whether the column
//! needs it or not: a time that is no time must not make a call answered.

use crate::codes;
use crate::convert::{amount, time, whole};
use crate::decode::Reject;
use crate::fields::Values;
use crate::json::Json;
use crate::row::Value;
use foreshock_core::ids;

pub(crate) fn derive<'a>(column: &str, values: &'a Values<'_>, digits: u32) -> Result<Value<'a>, Reject> {
    match column {
        "payment_ref" => Ok(token(values, "uetr")?.or(token(values, "endToEndId")?).unwrap_or(Value::Null)),
        "peer_number" => {
            let is_incoming = text(values, "recordType").starts_with("MT");
            let path = if is_incoming { "callingNumber" } else { "calledNumber" };
            Ok(token(values, path)?.unwrap_or(Value::Null))
        }
        "started_at" => {
            let (seized, answered) = (moment(values, "seizureTime")?, moment(values, "answerTime")?);
            Ok(seized.or(answered).map_or(Value::Null, Value::Int))
        }
        "answered" => {
            let has_answer = moment(values, "answerTime")?.is_some();
            let has_duration = match values.get("callDuration") {
                Some(Json::Number(text)) => whole(text, 1, i64::MAX).is_ok(),
                _ => false,
            };
            let is_call = text(values, "recordType").ends_with("_CALL");
            Ok(if is_call { Value::Bool(has_duration || has_answer) } else { Value::Null })
        }
        "attempt" => Ok(Value::Bool(text(values, LOSS) == ATTEMPT)),
        "loss_amount" => match values.get(LOSS) {
            None => Ok(Value::Null),
            Some(Json::Text(text)) if text == ATTEMPT => Ok(Value::Null),
            Some(Json::Text(text)) => amount(text, digits).map(Value::Int).map_err(|code| Reject::new(code, LOSS)),
            Some(_) => Err(Reject::new(codes::TYPE, LOSS)),
        },
        _ => Ok(Value::Null),
    }
}

const LOSS: &str = "lossAmount";
/// What stands in [`LOSS`] when nothing was lost.
const ATTEMPT: &str = "ATTEMPT";

fn text<'a>(values: &'a Values<'_>, path: &str) -> &'a str {
    if let Some(Json::Text(text)) = values.get(path) { text } else { "" }
}

fn token<'a>(values: &'a Values<'_>, path: &str) -> Result<Option<Value<'a>>, Reject> {
    match values.get(path) {
        None => Ok(None),
        Some(Json::Text(text)) if ids::is_token(text) => Ok(Some(Value::Text(text))),
        Some(Json::Text(_)) => Err(Reject::new(codes::TOKEN, path)),
        Some(_) => Err(Reject::new(codes::TYPE, path)),
    }
}

fn moment(values: &Values<'_>, path: &str) -> Result<Option<i64>, Reject> {
    match values.get(path) {
        None => Ok(None),
        Some(Json::Text(text)) => time(text).map(Some).map_err(|code| Reject::new(code, path)),
        Some(_) => Err(Reject::new(codes::TYPE, path)),
    }
}
