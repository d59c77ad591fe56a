//! What a person sees of a table: the rows of his institutions, and pseudonyms in the place of names.
//!
//! Rows are taken out before any statement sees them, not by a condition beside its own: an error that a statement makes (a text
//! that is no number) names the value that it failed on, and must not name one of another institution.

use crate::history::Past;
use crate::rights::grant::{Grant, Person};
use crate::rights::pseudonym::Pseudonyms;
use crate::serve::store::{State, Table};
use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::Result;
use datafusion::functions::expr_fn::split_part;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::logical_expr::{Expr, ident, lit};
use foreshock_core::schema::Privacy;
use foreshock_core::{Feed, Type};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Columns of results that name somebody.
const NAMES: [&str; 2] = ["subject", "account"];
/// A column of results that holds whatever a rule put into it.
const ANYTHING: &str = "detail";
/// Tables of results that are about persons, as they are now and in all revisions.
const ABOUT_PERSONS: [&str; 6] =
    ["detections", "detection_revisions", "alerts", "alert_revisions", "blocking_drafts", "blocking_draft_revisions"];

/// Is there data of persons in a table of feeds or results?
pub fn is_about_persons(table: &str) -> bool {
    ABOUT_PERSONS.contains(&table) || Feed::ALL.iter().any(|feed| feed.table() == table)
}

/// What is selected of a table's columns. Numbers (amounts, balances) stay: with nobody's name beside them.
pub fn columns(table: &str, names: &[&str], person: &Person) -> String {
    let feed = Feed::ALL.into_iter().find(|feed| feed.table() == table);
    let is_name = |name: &str| match feed {
        Some(feed) => {
            let names_somebody = |c: &&foreshock_core::Column| c.privacy == Privacy::Personal && c.ty == Type::Text;
            feed.columns().iter().filter(names_somebody).any(|c| c.name == name)
        }
        None => NAMES.contains(&name) && is_about_persons(table),
    };
    let shown = |name: &&str| {
        // Whoever sees sums only counts names, and sees none.
        if person.grant.personal || person.grant.aggregates_only {
            return format!("r.\"{name}\"");
        }
        match *name {
            ANYTHING if feed.is_none() => format!("CAST(NULL AS TEXT) AS \"{name}\""),
            name if is_name(name) => format!("pseudonym(r.\"{name}\") AS \"{name}\""),
            name => format!("r.\"{name}\""),
        }
    };
    names.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The state without the rows of other institutions.
///
/// # Errors
/// What Arrow says.
pub fn state_of(state: &Arc<State>, grant: &Grant) -> Result<Arc<State>> {
    let Some(institutions) = &grant.institutions else { return Ok(state.clone()) };
    let mut restricted = State::clone(state);
    for (name, table) in &mut restricted.tables {
        let pieces = table.pieces.iter().map(|piece| rows_of(name, piece, institutions));
        let mut past = table.past.clone();
        past.iter_mut().for_each(|past: &mut Past| past.conditions.push(condition(name, institutions)));
        *table = Table { pieces: pieces.collect::<Result<Vec<_>>>()?.into(), past, ..table.clone() };
    }
    Ok(Arc::new(restricted))
}

fn rows_of(table: &str, piece: &RecordBatch, institutions: &BTreeSet<String>) -> Result<RecordBatch> {
    let column = |name: &str| piece.column_by_name(name).map(|column| column.as_string::<i32>());
    // `tx:bank-a:T1`: the second part is who reported it.
    let reporter_of = |id: &str| id.split(':').nth(1).is_some_and(|reporter| institutions.contains(reporter));
    let kept: BooleanArray = match table {
        "detection_revisions" | "late" => test(column("event_id"), reporter_of),
        "blocking_draft_revisions" => test(column("institution"), |name| institutions.contains(name)),
        "warning_drafts" => return Ok(piece.clone()),
        // An episode's events may be of several, and a refused record names nobody.
        "alert_revisions" | "rejected" => return Ok(piece.slice(0, 0)),
        _ => test(column("reporter"), |name| institutions.contains(name)),
    };
    let kept = if kept.len() == piece.num_rows() { kept } else { vec![false; piece.num_rows()].into() };
    Ok(filter_record_batch(piece, &kept)?)
}

/// The same, of rows that are not in memory.
fn condition(table: &str, institutions: &BTreeSet<String>) -> Expr {
    let is_one = |column: Expr| column.in_list(institutions.iter().cloned().map(lit).collect(), false);
    match table {
        "detection_revisions" | "late" => is_one(split_part(ident("event_id"), lit(":"), lit(2))),
        "blocking_draft_revisions" => is_one(ident("institution")),
        "warning_drafts" => lit(true),
        name if Feed::ALL.iter().any(|feed| feed.table() == name) => is_one(ident("reporter")),
        _ => lit(false),
    }
}

fn test(column: Option<&StringArray>, is_kept: impl Fn(&str) -> bool) -> BooleanArray {
    let Some(column) = column else { return Vec::<bool>::new().into() };
    column.iter().map(|value| Some(value.is_some_and(&is_kept))).collect()
}

/// The names of a schema's columns.
pub fn names(schema: &SchemaRef) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

/// `pseudonym(text)`; no statement can call it.
pub fn function(pseudonyms: &Pseudonyms) -> ScalarUDF {
    let texts = TypeSignature::Exact(vec![DataType::Utf8]);
    ScalarUDF::from(Pseudonym { key: pseudonyms.clone(), signature: Signature::new(texts, Volatility::Immutable) })
}

#[derive(Debug)]
struct Pseudonym {
    key: Pseudonyms,
    signature: Signature,
}

impl PartialEq for Pseudonym {
    fn eq(&self, _: &Pseudonym) -> bool {
        // There is one key in a process.
        true
    }
}

impl Eq for Pseudonym {}

impl Hash for Pseudonym {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl ScalarUDFImpl for Pseudonym {
    fn name(&self) -> &str {
        "pseudonym"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let tokens: ArrayRef = args.args[0].to_array(args.number_rows)?;
        let pseudonyms: StringArray =
            tokens.as_string::<i32>().iter().map(|token| token.map(|token| self.key.of(token))).collect();
        Ok(ColumnarValue::Array(Arc::new(pseudonyms)))
    }
}
