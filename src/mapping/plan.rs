//! A checked mapping: every field is one of its feed, every value that the mapping itself writes is one of its field.

use crate::records::Signs;
use crate::text::Encoding;
use crate::value::Reading;
use foreshock_core::Feed;
use serde_json::Value;
use std::collections::BTreeMap;

/// A mapping file, checked as far as it can be without the files that it is used on.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Its file, for messages.
    pub(crate) file: String,
    pub(crate) feed: Feed,
    pub(crate) reporter: String,
    pub(crate) encoding: Encoding,
    pub(crate) signs: Signs,
    /// Spaces around a cell are not part of it.
    pub(crate) trim: bool,
    /// Columns of the input that it names; columns are numbers into these below.
    pub(crate) names: Vec<Name>,
    pub(crate) skip: Vec<Test>,
    pub(crate) base: Block,
    pub(crate) cases: Vec<(Test, Block)>,
    pub(crate) tables: Vec<TablePlan>,
}

impl Mapping {
    /// Its kind of event.
    pub fn feed(&self) -> Feed {
        self.feed
    }
}

/// A column of a file, and where the mapping names it.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) column: String,
    pub(crate) line: u64,
    pub(crate) key: String,
}

/// A test of a row.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    OneOf(usize, Vec<String>),
    Same(usize, usize),
}

/// What is filled in where its condition holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    /// `None` takes away what an earlier block filled in.
    pub(crate) constants: Vec<(&'static str, Option<Value>)>,
    pub(crate) fields: Vec<FieldPlan>,
}

/// How one field is filled.
#[derive(Debug, Clone)]
pub(crate) struct FieldPlan {
    pub(crate) path: &'static str,
    pub(crate) column: usize,
    /// Table, and the number of its value.
    pub(crate) lookup: Option<(usize, usize)>,
    pub(crate) map: BTreeMap<String, String>,
    pub(crate) default: Option<String>,
    /// Words that stand for nothing.
    pub(crate) null: Vec<String>,
    pub(crate) reading: Reading,
}

/// A second file, by key.
#[derive(Debug, Clone)]
pub(crate) struct TablePlan {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) encoding: Encoding,
    pub(crate) signs: Signs,
    /// The key column, then those of which values are taken.
    pub(crate) names: Vec<Name>,
}
