//! Text of a cell as the JSON value that its field must have.

use crate::moment::TimeForm;
use crate::number::NumberForm;
use crate::refusal::codes;
use crate::targets::Kind;
use crate::token::TokenForm;
use foreshock_core::decimal::Decimal;
use foreshock_core::money::{minor_digits, parse_minor};
use foreshock_core::{ids, time};
use serde_json::Value;

/// How the text of one field is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) kind: Kind,
    pub(crate) token: TokenForm,
    pub(crate) number: NumberForm,
    pub(crate) time: TimeForm,
}

const TRUE: [&str; 6] = ["true", "yes", "y", "t", "1", "1.0"];
const FALSE: [&str; 6] = ["false", "no", "n", "f", "0", "0.0"];

/// What a loss is when nothing was lost.
const ATTEMPT: &str = "ATTEMPT";

impl Reading {
    /// The value, or the code and the reason why there is none.
    pub(crate) fn value(&self, text: &str) -> Result<Value, (&'static str, String)> {
        match self.kind {
            Kind::Token => Ok(Value::String(self.token.token(text))),
            Kind::Int(..) => {
                let number = self.number.whole(text).map(Value::from);
                number.ok_or_else(|| (codes::INTEGER, format!("not a whole number{}", self.form())))
            }
            Kind::Bool => boolean(text).map(Value::Bool).ok_or_else(|| {
                let reason = format!("not one of {}, {}: map other words", TRUE.join(", "), FALSE.join(", "));
                (codes::BOOLEAN, reason)
            }),
            Kind::Loss if text == ATTEMPT => Ok(Value::from(text)),
            Kind::Money | Kind::MoneyPositive | Kind::Loss => {
                let number = self.number.plain(text).map(Value::String);
                number.ok_or_else(|| (codes::NUMBER, format!("not a number{}", self.form())))
            }
            // Models write small scores with an exponent; the decoder reads it exactly.
            Kind::Score => {
                let number = self.number.plain(text).or_else(|| self.number.scientific(text));
                number.map(Value::String).ok_or_else(|| (codes::NUMBER, format!("not a number{}", self.form())))
            }
            Kind::Time => self.time.convert(text).map(Value::String).map_err(|reason| (codes::TIME, reason)),
            Kind::Reporter | Kind::Text | Kind::Code(_) | Kind::OpenCode(_) | Kind::Currency | Kind::Place => {
                Ok(Value::from(text))
            }
        }
    }

    fn form(&self) -> String {
        let group = self.number.group.map_or_else(|| "none".to_owned(), |c| format!("`{c}`"));
        format!(" with the decimal sign `{}` and between thousands {group}: see `number`", self.number.decimal)
    }
}

fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_one = |words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(text));
    if is_one(&TRUE) { Some(true) } else { is_one(&FALSE).then_some(false) }
}

/// Whether the decoder will take a value that the mapping itself writes. Amounts are judged for any currency.
pub(crate) fn is_acceptable(kind: Kind, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let amount = |digits| parse_minor(text, digits).ok();
    match kind {
        Kind::Token => ids::is_token(text),
        Kind::Reporter => ids::is_reporter(text),
        Kind::Text => true,
        Kind::Code(codes) => codes.contains(&text),
        Kind::OpenCode(codes) => codes.contains(&text) || text == "OTHER",
        Kind::Currency => minor_digits(text).is_some(),
        Kind::Place => ids::is_place(text),
        Kind::Int(min, max) => value.as_i64().is_some_and(|n| (min..=max).contains(&n)),
        Kind::Bool => value.is_boolean(),
        Kind::Money => amount(3).is_some(),
        Kind::MoneyPositive => amount(3).is_some_and(|minor| minor > 0),
        Kind::Loss => text == ATTEMPT || amount(3).is_some(),
        Kind::Score => {
            let floor = Decimal::parse(text).and_then(|score| score.floor(0));
            floor.is_some_and(|f| f.value == 0 || (f.value == 1 && f.is_exact))
        }
        Kind::Time => time::parse_rfc3339(text).is_some(),
    }
}
