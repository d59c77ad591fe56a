//! Functions that PostgreSQL's clients call about a server, its tables and themselves: most have one answer here.

use crate::serve::wire::settings::Settings;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::prelude::SessionContext;
use std::collections::HashMap;
use std::sync::Arc;

/// Comments by table (its oid) and column (0 for the table itself).
pub type Comments = HashMap<(i64, i64), String>;

/// Most arguments of one of them.
const ARGUMENTS_MAX: usize = 4;

/// A function that answers the same whatever it is asked.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fixed {
    name: &'static str,
    signature: Signature,
    value: ScalarValue,
}

/// `col_description(table, column)` and `obj_description(table, ..)`.
#[derive(Debug)]
struct Described {
    of_columns: bool,
    signature: Signature,
    comments: Arc<Comments>,
}

impl PartialEq for Described {
    fn eq(&self, other: &Described) -> bool {
        self.of_columns == other.of_columns && Arc::ptr_eq(&self.comments, &other.comments)
    }
}

impl Eq for Described {}

impl std::hash::Hash for Described {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.of_columns.hash(state);
    }
}

impl ScalarUDFImpl for Fixed {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

impl ScalarUDFImpl for Described {
    fn name(&self) -> &str {
        if self.of_columns { "col_description" } else { "obj_description" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let numbers = |value: &ColumnarValue| -> Result<ArrayRef> {
            Ok(arrow::compute::cast(&value.to_array(args.number_rows)?, &DataType::Int64)?)
        };
        let missing = || DataFusionError::Plan(format!("{} has the number of a table first", self.name()));
        let tables = numbers(args.args.first().ok_or_else(missing)?)?;
        let columns = if self.of_columns { Some(numbers(args.args.get(1).ok_or_else(missing)?)?) } else { None };
        let tables = tables.as_primitive::<Int64Type>();
        let columns = columns.as_ref().map(|columns| columns.as_primitive::<Int64Type>());
        let comment = |row: usize| {
            let column = columns.map_or(0, |columns| columns.value(row));
            let is_null = tables.is_null(row) || columns.is_some_and(|columns| columns.is_null(row));
            self.comments.get(&(tables.value(row), column)).filter(|_| !is_null).map(String::as_str)
        };
        Ok(ColumnarValue::Array(Arc::new((0..tables.len()).map(comment).collect::<StringArray>())))
    }
}

/// `current_setting(name)`: the value that a setting has before a client sets it; no value for one that is not known.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentSetting {
    signature: Signature,
}

impl ScalarUDFImpl for CurrentSetting {
    fn name(&self) -> &str {
        "current_setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let missing = || DataFusionError::Plan("current_setting has the name of a setting first".into());
        let names = args.args.first().ok_or_else(missing)?.to_array(args.number_rows)?;
        let names = arrow::compute::cast(&names, &DataType::Utf8)?;
        let settings = Settings::default();
        let value = |name: Option<&str>| settings.show(name?).ok().map(|(_, value)| value);
        let values: StringArray = names.as_string::<i32>().iter().map(value).collect();
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}

fn anything() -> Signature {
    let counts = (1..=ARGUMENTS_MAX).map(TypeSignature::Any);
    let signatures = std::iter::once(TypeSignature::Nullary).chain(counts).collect();
    Signature::one_of(signatures, Volatility::Stable)
}

fn fixed(name: &'static str, value: ScalarValue) -> ScalarUDF {
    ScalarUDF::from(Fixed { name, signature: anything(), value })
}

fn text(text: &str) -> ScalarValue {
    ScalarValue::Utf8(Some(text.to_owned()))
}

/// Registers those that are the same for everyone.
pub fn register(session: &SessionContext, version: &str, comments: Comments) {
    let (yes, none, zero) = (ScalarValue::Boolean(Some(true)), ScalarValue::Utf8(None), ScalarValue::Int64(Some(0)));
    let comments = Arc::new(comments);
    for of_columns in [false, true] {
        session.register_udf(ScalarUDF::from(Described {
            of_columns,
            signature: anything(),
            comments: comments.clone(),
        }));
    }
    session.register_udf(fixed("version", text(&format!("PostgreSQL {version}"))));
    session.register_udf(ScalarUDF::from(CurrentSetting { signature: anything() }));
    session.register_udf(fixed("pg_size_pretty", text("in memory")));
    for name in ["pg_table_size", "pg_indexes_size", "pg_total_relation_size", "pg_relation_size", "pg_database_size"] {
        session.register_udf(fixed(name, zero.clone()));
    }
    for name in [
        "pg_function_is_visible",
        "pg_type_is_visible",
        "pg_operator_is_visible",
        "pg_is_in_recovery",
        "pg_is_other_temp_schema",
    ] {
        session.register_udf(fixed(name, yes.clone()));
    }
    for name in [
        "shobj_description",
        "pg_tablespace_location",
        "pg_get_viewdef",
        "pg_get_indexdef",
        "pg_get_function_result",
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
        "pg_get_serial_sequence",
    ] {
        session.register_udf(fixed(name, none.clone()));
    }
}

/// Registers what tells a person who it is.
pub fn register_person(session: &SessionContext, name: &str) {
    for function in ["session_user", "pg_get_userbyid"] {
        session.register_udf(fixed(function, text(name)));
    }
}
