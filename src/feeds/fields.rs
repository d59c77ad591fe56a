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

/// The fields of one object.
type Level = BTreeMap<&'static str, Field>;

#[derive(Debug, Default)]
struct Field {
    path: &'static str,
    slot: usize,
    inside: Inside,
}

#[derive(Debug, Default)]
enum Inside {
    #[default]
    Value,
    Object(Level),
    /// An array whose first item is read.
    First(Box<Field>),
}

/// Every field that a kind of record has, each with a slot for its value.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    top: Level,
    slots: BTreeMap<&'static str, usize>,
    /// Slot of each column that has a path.
    columns: Vec<Option<usize>>,
    count: usize,
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
            place(&mut fields.top, path, 0, &mut fields.count);
        }
        note(&fields.top, &mut fields.slots);
        fields
    }
}

/// Makes room for the field at a path from its byte `from` on.
fn place(level: &mut Level, path: &'static str, from: usize, count: &mut usize) {
    let end = path[from..].find('.').map_or(path.len(), |dot| from + dot);
    let field = level.entry(&path[from..end]).or_insert_with(|| Field::new(&path[..end], count));
    if end == path.len() {
        return;
    }
    let Some(rest) = path[end..].strip_prefix(".0") else {
        if !matches!(field.inside, Inside::Object(_)) {
            field.inside = Inside::Object(Level::new());
        }
        if let Inside::Object(inner) = &mut field.inside {
            place(inner, path, end + 1, count);
        }
        return;
    };
    let mut item = Field::new(&path[..path.len() - rest.len()], count);
    if !rest.is_empty() {
        let mut inner = Level::new();
        place(&mut inner, path, path.len() - rest.len() + 1, count);
        item.inside = Inside::Object(inner);
    }
    field.inside = Inside::First(Box::new(item));
}

impl Field {
    fn new(path: &'static str, count: &mut usize) -> Field {
        *count += 1;
        Field { path, slot: *count - 1, inside: Inside::Value }
    }
}

fn note(level: &Level, slots: &mut BTreeMap<&'static str, usize>) {
    for field in level.values() {
        note_field(field, slots);
    }
}

fn note_field(field: &Field, slots: &mut BTreeMap<&'static str, usize>) {
    slots.insert(field.path, field.slot);
    match &field.inside {
        Inside::Value => {}
        Inside::Object(inner) => note(inner, slots),
        Inside::First(item) => note_field(item, slots),
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
        let mut values = Values { fields, slots: vec![None; fields.count], unknown: 0 };
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
        match (&field.inside, &*slot) {
            (Inside::Value, _) | (_, Json::Absent) => Ok(()),
            (Inside::Object(inner), Json::Compound(text)) => {
                let members = serde_json::from_str(text).map_err(|_| refuse(codes::TYPE))?;
                self.take_members(inner, &members)
            }
            (Inside::First(item), Json::Compound(text)) => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| refuse(codes::TYPE))?;
                items.first().map_or(Ok(()), |first| self.take(item, first))
            }
            _ => Err(refuse(codes::TYPE)),
        }
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
}
