//! The text of a record into the values of its fields, in one pass and without a tree.

use crate::codes;
use crate::decode::Reject;
use crate::fields::{Field, Inside, Level, Values};
use crate::json::Json;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Fills the values of the object that a record is, of which nothing was read yet. All of it is checked to be JSON; what a field
/// may not be is told by [`Values::check`].
///
/// # Errors
/// When the record is no object, or no JSON.
pub(crate) fn read<'a>(values: &mut Values<'a>, bytes: &'a [u8]) -> Result<(), Reject> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reject::new(codes::INVALID_JSON, ""))?;
    // Only a record that is refused is read again.
    if members(values, text, Way::Through).is_ok() {
        return Ok(());
    }
    *values = Values::none(values.fields);
    members(values, text, Way::Apart).map_err(|_| {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        Reject::new(if is_json { codes::NOT_OBJECT } else { codes::INVALID_JSON }, "")
    })
}

/// How a field is read that has others inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Right through. A number there that no float holds, or half a surrogate pair, is an error of the whole record.
    Through,
    /// Its text first: what is wrong inside is an error of the field.
    Apart,
}

fn members<'a>(values: &mut Values<'a>, text: &'a str, way: Way) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Members { level: &values.fields.top, way, values })?;
    json.end()
}

/// Reads an object.
struct Members<'v, 'a> {
    level: &'static Level,
    way: Way,
    values: &'v mut Values<'a>,
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Name(self.level))? {
            let Some(field) = field else {
                self.values.unknown += 1;
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            map.next_value_seed(Value { field, way: self.way, values: &mut *self.values })?;
        }
        Ok(())
    }
}

/// Reads the name of a member: its field, where there is one.
struct Name(&'static Level);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(name))
    }
}

/// Reads the value of a field.
struct Value<'v, 'a> {
    field: &'static Field,
    way: Way,
    values: &'v mut Values<'a>,
}

impl<'de> DeserializeSeed<'de> for Value<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let slot = self.values.slot(self.field);
        if self.field.is_foreign {
            *slot = Json::Null;
            self.values.unknown += 1;
            return IgnoredAny::deserialize(deserializer).map(|_| ());
        }
        let is_plain = matches!(self.field.inside, Inside::Nothing);
        if is_plain || self.way == Way::Apart || *slot != Json::Absent {
            let raw = <&RawValue>::deserialize(deserializer)?;
            self.take(raw);
            return Ok(());
        }
        *slot = Json::Null;
        deserializer.deserialize_any(Compound(self))
    }
}

impl<'a> Value<'_, 'a> {
    /// The field's text.
    fn take(self, raw: &'a RawValue) {
        let Value { field, way, values } = self;
        let (value, slot) = (Json::of(raw), values.slot(field));
        let is_twice = *slot != Json::Absent;
        let Ok(value) = value else {
            // It stands there, whatever it is.
            *slot = Json::Null;
            return values.note(codes::INVALID_JSON, field);
        };
        if is_twice {
            return values.note(codes::TWICE, field);
        }
        *slot = value;
        if matches!(field.inside, Inside::Nothing) || *slot == Json::Null {
            return;
        }
        // Names first: where one of them is wrong, nothing inside is read.
        let are_names_right = match field.inside {
            Inside::Members(_) => serde_json::from_str::<BTreeMap<String, IgnoredAny>>(raw.get()).is_ok(),
            _ => true,
        };
        let mut json = serde_json::Deserializer::from_str(raw.get());
        let inside = Compound(Value { field, way, values: &mut *values });
        if !are_names_right || json.deserialize_any(inside).is_err() {
            values.note(codes::TYPE, field);
        }
    }
}

/// Reads the value of a field that has others inside.
struct Compound<'v, 'a>(Value<'v, 'a>);

impl Compound<'_, '_> {
    fn note_type<E>(self) -> Result<(), E> {
        self.0.values.note(codes::TYPE, self.0.field);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Compound<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Value { field, way, values } = self.0;
        if let Inside::Members(level) = &field.inside {
            return Members { level, way, values }.visit_map(map);
        }
        values.note(codes::TYPE, field);
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Value { field, way, values } = self.0;
        match &field.inside {
            Inside::First(first) => drop(items.next_element_seed(Value { field: first, way, values })?),
            _ => values.note(codes::TYPE, field),
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.note_type()
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.note_type()
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.note_type()
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.note_type()
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.note_type()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use foreshock_core::Feed;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    const PAYMENT: &str = r#"{"txId":"1","amount":"12.50","debtor":{"accountToken":"A","x":[1,{}]},"creditor":{"accountToken":"B\u0041"},"more":0}"#;
    const REPORT: &str = r#"{"entity_reference":"1","report_indicators":["A","B"],"transactions":[{"amount_local":"1.00"}],"reason":null}"#;
    const VALUES: [&str; 16] = [
        "null",
        "1",
        "1e999",
        "\"A\"",
        "\"\\ud800\"",
        "{}",
        "[]",
        "[null]",
        "[1,2]",
        "[{\"amount_local\":1e999}]",
        "{\"accountToken\":\"\\ud800\"}",
        "{\"\\ud800\":1}",
        "{\"accountToken\":1,\"accountToken\":2}",
        "{\"accountToken\":{\"a\":1e999}}",
        "tru",
        "",
    ];

    fn values_by(feed: Feed, text: &str, way: Way) -> Option<(Vec<String>, u64, Option<Reject>)> {
        let mut values = Values::none(Fields::of(feed));
        members(&mut values, text, way).ok()?;
        let columns = (0..feed.columns().len()).map(|column| format!("{:?}", values.of_column(column)));
        Some((columns.collect(), values.unknown, values.check().err()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_right_through_is_what_is_read_apart(
            is_report: bool, at: Index, value in select(&VALUES[..]), cut: Index, byte: Option<u8>, wrong: Index
        ) {
            let (feed, text) = if is_report { (Feed::SuspiciousReports, REPORT) } else { (Feed::Transactions, PAYMENT) };
            // Some value is another one, a member may stand twice, a byte may be wrong.
            let colons: Vec<usize> = text.match_indices("\":").map(|(at, _)| at + 2).collect();
            let colon = colons[at.index(colons.len())];
            let name = text[..colon].rfind(['{', ',']).map_or(0, |before| before + 1);
            let (member, rest) = (&text[name..colon], &text[colon..]);
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            let kept = if cut.index(3) == 0 { format!("{},{member}", &rest[..end]) } else { String::new() };
            let mut bytes = format!("{}{member}{kept}{value}{}", &text[..name], &rest[end..]).into_bytes();
            if let Some(byte) = byte.filter(u8::is_ascii) {
                let at = wrong.index(bytes.len());
                bytes[at] = byte;
            }
            let text = String::from_utf8(bytes).expect("all of it is ASCII");
            if let Some(through) = values_by(feed, &text, Way::Through) {
                prop_assert_eq!(Some(through), values_by(feed, &text, Way::Apart), "{}", text);
            }
        }
    }
}
