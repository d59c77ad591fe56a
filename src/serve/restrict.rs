//! What a person sees of a table: the rows of his institutions, and pseudonyms in the place of names.
//!
//! Rows are taken out before any statement sees them, not by a condition beside its own: an error that a statement makes (a text
//! that is no number) names the value that it failed on, and must not name one of another institution.

use crate::history::Past;
use crate::rights::grant::{Grant, Person};
use crate::rights::names::{feed, holds_anything, names_somebody};
use crate::rights::pseudonym::Pseudonyms;
use crate::serve::store::{State, Table};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::Result;
use datafusion::functions::expr_fn::split_part;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility, create_udf,
};
use datafusion::logical_expr::{Expr, ident, lit};
use foreshock_actions::areas;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What is selected of a table's columns. Numbers (amounts, balances) stay: with nobody's name beside them.
pub fn columns(table: &str, names: &[&str], person: &Person) -> String {
    let shown = |name: &&str| {
        // Whoever sees sums only counts names, and sees none.
        if person.grant.personal || person.grant.aggregates_only {
            return format!("r.\"{name}\"");
        }
        match *name {
            name if holds_anything(table, name) => format!("CAST(NULL AS TEXT) AS \"{name}\""),
            name if names_somebody(table, name) => format!("pseudonym(r.\"{name}\") AS \"{name}\""),
            name => format!("r.\"{name}\""),
        }
    };
    names.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The state without the rows of other institutions and areas.
///
/// # Errors
/// What Arrow says.
pub fn state_of(state: &Arc<State>, grant: &Grant) -> Result<Arc<State>> {
    if grant.sees_all_rows() {
        return Ok(state.clone());
    }
    let mut restricted = State::clone(state);
    for (name, table) in &mut restricted.tables {
        let pieces = table.pieces.iter().map(|piece| rows_of(name, piece, grant));
        let mut past = table.past.clone();
        past.iter_mut().for_each(|past: &mut Past| past.conditions.extend(conditions(name, grant)));
        *table = Table { pieces: pieces.collect::<Result<Vec<_>>>()?.into(), past, ..table.clone() };
    }
    Ok(Arc::new(restricted))
}

/// By what a table's rows are told apart.
enum By {
    /// All are seen.
    Nothing,
    /// None is.
    Never,
    /// This column is an institution.
    Institution(&'static str),
    /// This column is an event's id, of which the second part is who reported it (`tx:bank-a:T1`).
    Event(&'static str),
    /// One of these columns lies in an area.
    Places(&'static [&'static str]),
}

fn by_institution(table: &str) -> By {
    match table {
        "detection_revisions" | "late" => By::Event("event_id"),
        "blocking_draft_revisions" => By::Institution("institution"),
        "warning_drafts" => By::Nothing,
        name if feed(name).is_some() => By::Institution("reporter"),
        // An episode's events may be of several, and a refused record names nobody.
        _ => By::Never,
    }
}

fn by_area(table: &str) -> By {
    match table {
        "transactions" => By::Places(&["payer_district", "payee_district"]),
        "telecom" | "complaints" => By::Places(&["district"]),
        "warning_drafts" => By::Places(&["area"]),
        // Of the rest nobody says where it is.
        _ => By::Never,
    }
}

/// The limits of a grant, with the names that are within each.
fn limits<'a>(table: &str, grant: &'a Grant) -> impl Iterator<Item = (&'a BTreeSet<String>, By)> {
    let limits = [(&grant.institutions, by_institution(table)), (&grant.areas, by_area(table))];
    limits.into_iter().filter_map(|(names, by)| Some((names.as_ref()?, by)))
}

fn is_reported_by(id: &str, institutions: &BTreeSet<String>) -> bool {
    id.split(':').nth(1).is_some_and(|reporter| institutions.contains(reporter))
}

fn lies_in_one(place: &str, codes: &BTreeSet<String>) -> bool {
    codes.contains(place) || codes.iter().any(|code| areas::lies_in(place, code))
}

fn rows_of(table: &str, piece: &RecordBatch, grant: &Grant) -> Result<RecordBatch> {
    let mut piece = piece.clone();
    for (names, by) in limits(table, grant) {
        let of = |column: &str, is_kept: &dyn Fn(&str) -> bool| -> Vec<bool> {
            let values = piece.column_by_name(column).map(|values| values.as_string::<i32>());
            let is_kept = |row| values.is_some_and(|values| values.is_valid(row) && is_kept(values.value(row)));
            (0..piece.num_rows()).map(is_kept).collect()
        };
        let kept = match by {
            By::Nothing => continue,
            By::Never => vec![false; piece.num_rows()],
            By::Institution(column) => of(column, &|name| names.contains(name)),
            By::Event(column) => of(column, &|id| is_reported_by(id, names)),
            By::Places(columns) => {
                let each: Vec<_> =
                    columns.iter().map(|column| of(column, &|place| lies_in_one(place, names))).collect();
                (0..piece.num_rows()).map(|row| each.iter().any(|kept| kept[row])).collect()
            }
        };
        piece = filter_record_batch(&piece, &BooleanArray::from(kept))?;
    }
    Ok(piece)
}

/// The same, of rows that are not in memory.
fn conditions(table: &str, grant: &Grant) -> Vec<Expr> {
    let condition = |(names, by): (&BTreeSet<String>, By)| {
        let is_one = |column: Expr| column.in_list(names.iter().cloned().map(lit).collect(), false);
        Some(match by {
            By::Nothing => return None,
            By::Never => lit(false),
            By::Institution(column) => is_one(ident(column)),
            By::Event(column) => is_one(split_part(ident(column), lit(":"), lit(2))),
            By::Places(columns) => {
                let lies_in = lies_in_function(names.clone());
                let each = columns.iter().map(|column| lies_in.call(vec![ident(*column)]).is_true());
                each.reduce(Expr::or).unwrap_or(lit(false))
            }
        })
    };
    limits(table, grant).filter_map(condition).collect()
}

fn lies_in_function(codes: BTreeSet<String>) -> ScalarUDF {
    let ask = move |arguments: &[ColumnarValue]| {
        let places = arguments[0].to_array(1)?;
        let found = places.as_string::<i32>().iter().map(|place| place.map(|place| lies_in_one(place, &codes)));
        Ok(ColumnarValue::Array(Arc::new(found.collect::<BooleanArray>())))
    };
    create_udf("lies_in", vec![DataType::Utf8], DataType::Boolean, Volatility::Immutable, Arc::new(ask))
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
