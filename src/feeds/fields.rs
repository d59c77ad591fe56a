//! Which fields a feed reads, and the values of one record sorted into them in one pass.
//!
//! A field is known by its path, such as `debtor.accountToken` or `report_indicators.0`. What no path leads to is counted.

use crate::codes;
use crate::decode::Reject;
use crate::json::{Json, Members};
use foreshock_core::Feed;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Fields of a feed that are no column of their own.
pub(crate) fn computed_fields(feed: Feed) -> &'static [&'static str] {
    match feed {
        Feed::Transactions => &["uetr", "endToEndId"],
        Feed::Telecom => &["seizureTime", "answerTime"],
        Feed::Complaints => &["lossAmount"],
        Feed::SuspiciousReports => &["reason"],
    }
}

/// The fields of one object by name; those of an array's first item are under `0`.
type Level = BTreeMap<&'static str, Field>;

#[derive(Debug)]
struct Field {
    path: &'static str,
    slot: usize,
    /// What is read inside of it; empty for a plain value.
    inside: Level,
}

/// Every field that a kind of record has, each with a slot for its value.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    top: Level,
    slots: BTreeMap<&'static str, usize>,
    /// Slot of each column that has a path.
    columns: Vec<Option<usize>>,
}

impl Fields {
    /// Of a feed.
    pub(crate) fn of(feed: Feed) -> &'static Fields {
        static ALL: LazyLock<BTreeMap<Feed, Fields>> =
            LazyLock::new(|| Feed::ALL.into_iter().map(|feed| (feed, Fields::of_columns(feed))).collect());
        &ALL[&feed]
    }

    fn of_columns(feed: Feed) -> Fields {
        let paths = feed.columns().iter().map(|c| c.path).filter(|path| !path.is_empty());
        let others = computed_fields(feed).iter().copied().chain([feed.id_field(), "reporter", "reportAction"]);
        let mut fields = Fields::new(paths.chain(others));
        fields.columns = feed.columns().iter().map(|c| fields.slots.get(c.path).copied()).collect();
        fields
    }

    pub(crate) fn new(paths: impl Iterator<Item = &'static str>) -> Fields {
        let mut fields = Fields::default();
        for path in paths {
            place(&mut fields.top, path, 0, &mut fields.slots);
        }
        fields
    }
}

/// Makes room for the field at a path from its byte `from` on.
fn place(level: &mut Level, path: &'static str, from: usize, slots: &mut BTreeMap<&'static str, usize>) {
    let end = path[from..].find('.').map_or(path.len(), |dot| from + dot);
    let field = level.entry(&path[from..end]).or_insert_with(|| {
        let slot = slots.len();
        slots.insert(&path[..end], slot);
        Field { path: &path[..end], slot, inside: Level::new() }
    });
    if end < path.len() {
        place(&mut field.inside, path, end + 1, slots);
    }
}

/// The values of a record by field.
pub(crate) struct Values<'a> {
    fields: &'static Fields,
    slots: Vec<Option<Json<'a>>>,
    /// Members that no field is for.
    pub unknown: u64,
}

impl<'a> Values<'a> {
    /// Sorts a record's members.
    ///
    /// # Errors
    /// When a field stands twice, or a value stands where an object or array must.
    pub(crate) fn sort(fields: &'static Fields, members: &Members<'a>) -> Result<Values<'a>, Reject> {
        let mut values = Values { fields, slots: vec![None; fields.slots.len()], unknown: 0 };
        values.take_members(&fields.top, members)?;
        Ok(values)
    }

    /// The value at a path; `None` when it is absent or null.
    pub(crate) fn get(&self, path: &str) -> Option<&Json<'a>> {
        self.at(*self.fields.slots.get(path)?)
    }

    /// The value of a column by its place in the feed's table.
    pub(crate) fn of_column(&self, idx: usize) -> Option<&Json<'a>> {
        self.at((*self.fields.columns.get(idx)?)?)
    }

    fn at(&self, slot: usize) -> Option<&Json<'a>> {
        self.slots.get(slot)?.as_ref().filter(|value| **value != Json::Absent)
    }

    fn take_members(&mut self, level: &Level, members: &Members<'a>) -> Result<(), Reject> {
        for (name, raw) in &members.0 {
            match level.get(name.as_str()) {
                Some(field) => self.take(field, raw)?,
                None => self.unknown += 1,
            }
        }
        Ok(())
    }

    fn take(&mut self, field: &Field, raw: &'a RawValue) -> Result<(), Reject> {
        let refuse = |code| Reject::new(code, field.path);
        let value = Json::of(raw).map_err(|_| refuse(codes::INVALID_JSON))?;
        let Some(slot @ None) = self.slots.get_mut(field.slot) else { return Err(refuse(codes::TWICE)) };
        let slot = slot.insert(value);
        if field.inside.is_empty() || *slot == Json::Absent {
            return Ok(());
        }
        let Json::Compound(text) = *slot else { return Err(refuse(codes::TYPE)) };
        if let Some(first) = field.inside.get("0") {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| refuse(codes::TYPE))?;
            return items.first().map_or(Ok(()), |item| self.take(first, item));
        }
        let members = serde_json::from_str(text).map_err(|_| refuse(codes::TYPE))?;
        self.take_members(&field.inside, &members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_with_a_path_has_a_slot_of_its_own() {
        for feed in Feed::ALL {
            let fields = Fields::of(feed);
            for (column, slot) in feed.columns().iter().zip(&fields.columns) {
                assert_eq!(slot.is_some(), !column.path.is_empty(), "{}", column.name);
            }
            let mut slots: Vec<_> = fields.slots.values().collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), fields.slots.len(), "{feed:?}");
        }
    }

    #[test]
    fn several_fields_of_one_first_item_are_read() {
        static FIELDS: LazyLock<Fields> = LazyLock::new(|| Fields::new(["a.0.b", "a.0.c", "a.0.d.0", "e"].into_iter()));
        let members = crate::json::object(br#"{"a":[{"b":1,"c":2,"x":3,"d":[4]},5],"f":6}"#).expect("an object");
        let values = Values::sort(&FIELDS, &members).expect("right fields");
        let number = |path: &str| if let Some(Json::Number(text)) = values.get(path) { text } else { "" };
        assert_eq!(["a.0.b", "a.0.c", "a.0.d.0", "e"].map(number), ["1", "2", "4", ""]);
        assert_eq!(values.unknown, 2);
    }
}
