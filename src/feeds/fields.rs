//! Which fields a feed reads, and the values of one record by field.
//!
//! A field is known by its path, such as `debtor.accountToken` or `report_indicators.0`. What no path leads to is counted.

use crate::codes::Code;
use crate::decode::Reject;
use crate::json::Json;
use foreshock_core::Feed;
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

/// The field by which an envelope is known.
pub(crate) const SPECVERSION: &str = "specversion";

/// The fields of one object, by the length of their names.
#[derive(Debug, Default)]
pub(crate) struct Level(Vec<Vec<(&'static str, Field)>>);

/// What is read inside of a field.
#[derive(Debug)]
pub(crate) enum Inside {
    /// Nothing: it is a plain value.
    Nothing,
    /// Members of the object that it is.
    Members(Level),
    /// The first item of the array that it is.
    First(Box<Field>),
}

#[derive(Debug)]
pub(crate) struct Field {
    pub path: &'static str,
    pub slot: usize,
    pub inside: Inside,
    /// Nobody reads it: only whether it stands there is asked.
    pub is_foreign: bool,
}

impl Level {
    pub(crate) fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name.len())?.iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    fn entry(&mut self, name: &'static str, new: impl FnOnce() -> Field) -> &mut Field {
        if self.0.len() <= name.len() {
            self.0.resize_with(name.len() + 1, Vec::new);
        }
        let same_length = &mut self.0[name.len()];
        let at = same_length.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            same_length.push((name, new()));
            same_length.len() - 1
        });
        &mut same_length[at].1
    }
}

/// Every field that a kind of record has, each with a slot for its value.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub top: Level,
    slots: BTreeMap<&'static str, usize>,
    /// Slot of each column that has a path.
    columns: Vec<Option<usize>>,
}

impl Fields {
    /// Of a feed.
    pub(crate) fn of(feed: Feed) -> &'static Fields {
        static ALL: LazyLock<[Fields; Feed::ALL.len()]> = LazyLock::new(|| Feed::ALL.map(Fields::of_columns));
        &ALL[feed as usize]
    }

    fn of_columns(feed: Feed) -> Fields {
        let paths = feed.columns().iter().map(|c| c.path).filter(|path| !path.is_empty());
        let others = computed_fields(feed).iter().copied().chain([feed.id_field(), "reporter", "reportAction"]);
        let mut fields = Fields::new(paths.chain(others));
        fields.columns = feed.columns().iter().map(|c| fields.slots.get(c.path).copied()).collect();
        for name in Feed::ALL.map(Feed::id_field).into_iter().chain([SPECVERSION]) {
            let slot = fields.slots.len();
            fields.top.entry(name, || {
                fields.slots.insert(name, slot);
                Field { path: name, slot, inside: Inside::Nothing, is_foreign: true }
            });
        }
        assert!(fields.slots.len() <= SLOTS_MAX, "{feed:?} has more fields than there are slots");
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

type Slots = BTreeMap<&'static str, usize>;

/// Makes room for the field at a path from its byte `from` on.
fn place(level: &mut Level, path: &'static str, from: usize, slots: &mut Slots) {
    let end = end_of_name(path, from);
    let field = level.entry(&path[from..end], || new_field(path, end, slots));
    place_inside(field, path, end, slots);
}

fn place_inside(field: &mut Field, path: &'static str, end: usize, slots: &mut Slots) {
    if end == path.len() {
        return;
    }
    let (from, next) = (end + 1, end_of_name(path, end + 1));
    if &path[from..next] == "0" {
        if matches!(field.inside, Inside::Nothing) {
            field.inside = Inside::First(Box::new(new_field(path, next, slots)));
        }
        let Inside::First(first) = &mut field.inside else { panic!("{path} is both an object and an array") };
        return place_inside(first, path, next, slots);
    }
    if matches!(field.inside, Inside::Nothing) {
        field.inside = Inside::Members(Level::default());
    }
    let Inside::Members(level) = &mut field.inside else { panic!("{path} is both an object and an array") };
    place(level, path, from, slots);
}

fn end_of_name(path: &str, from: usize) -> usize {
    path[from..].find('.').map_or(path.len(), |dot| from + dot)
}

fn new_field(path: &'static str, end: usize, slots: &mut Slots) -> Field {
    let slot = slots.len();
    slots.insert(&path[..end], slot);
    Field { path: &path[..end], slot, inside: Inside::Nothing, is_foreign: false }
}

/// Most fields of a feed.
const SLOTS_MAX: usize = 64;

/// The values of a record by field.
pub(crate) struct Values<'a> {
    pub fields: &'static Fields,
    slots: [Json<'a>; SLOTS_MAX],
    /// Members that no field is for.
    pub unknown: u64,
    /// The first field that cannot be what it is.
    fault: Option<(Code, &'static str)>,
}

impl<'a> Values<'a> {
    pub(crate) fn none(fields: &'static Fields) -> Values<'a> {
        Values { fields, slots: [const { Json::Absent }; SLOTS_MAX], unknown: 0, fault: None }
    }

    /// The value of a field of the record itself; `None` when it is absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.at(self.fields.top.get(name)?.slot)
    }

    /// The value of a column by its place in the feed's table.
    pub(crate) fn of_column(&self, idx: usize) -> Option<&Json<'a>> {
        self.at((*self.fields.columns.get(idx)?)?)
    }

    /// Whether a field of the record itself stands there, be it null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.top.get(name).is_some_and(|field| self.slots[field.slot] != Json::Absent)
    }

    /// # Errors
    /// When a field stands twice, or a value stands where an object or array must.
    pub(crate) fn check(&self) -> Result<(), Reject> {
        self.fault.map_or(Ok(()), |(code, path)| Err(Reject::new(code, path)))
    }

    pub(crate) fn slot(&mut self, field: &Field) -> &mut Json<'a> {
        &mut self.slots[field.slot]
    }

    /// The first fault is the one that is told.
    pub(crate) fn note(&mut self, code: Code, field: &Field) {
        self.fault.get_or_insert((code, field.path));
    }

    fn at(&self, slot: usize) -> Option<&Json<'a>> {
        Some(&self.slots[slot]).filter(|value| !matches!(value, Json::Absent | Json::Null))
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
        let mut values = Values::none(&FIELDS);
        crate::read::read(&mut values, br#"{"a":[{"b":1,"c":2,"x":3,"d":[4]},5],"f":6}"#).expect("an object");
        let number = |path: &str| match values.at(FIELDS.slots[path]) {
            Some(Json::Number(text)) => text,
            _ => "",
        };
        assert_eq!(["a.0.b", "a.0.c", "a.0.d.0", "e"].map(number), ["1", "2", "4", ""]);
        assert_eq!(values.unknown, 2);
    }
}
