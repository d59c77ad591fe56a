//! What PostgreSQL's clients look up of tables, types and themselves: `pg_catalog`, by the crate that has it, with our own
//! comments. It is made once, over tables of the same shapes, and lent to every session of such a client.

use crate::serve::catalog;
use crate::serve::changes::ChangesFunction;
use crate::serve::pg_format::{Format, ToRegclass};
use crate::serve::pg_functions::{self, Comments};
use crate::serve::session::{CATALOG, OWN_FUNCTIONS, Seer, refuse_functions};
use crate::serve::store::State;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use datafusion::catalog::SchemaProvider;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::setup_pg_catalog;
use std::collections::BTreeMap;
use std::sync::Arc;

const SCHEMA: &str = "pg_catalog";
/// The number of `pg_class` in itself, which every PostgreSQL has.
const PG_CLASS: i32 = 1259;

/// What clients are told that the server is: they choose their queries by it.
pub const VERSION: &str = concat!("16.6 (Foreshock ", env!("CARGO_PKG_VERSION"), ")");

/// PostgreSQL's tables about tables, and the functions over them.
pub struct PgCatalog {
    tables: Arc<dyn SchemaProvider>,
    state: SessionState,
}

impl PgCatalog {
    /// Over the tables of a session, which becomes part of it.
    ///
    /// # Errors
    /// What DataFusion says.
    pub async fn of(shapes: &SessionContext) -> Result<PgCatalog> {
        setup_pg_catalog(shapes, CATALOG, EmptyContextProvider).map_err(|e| *e)?;
        let catalog = shapes.catalog(CATALOG).ok_or_else(no_catalogue)?;
        let inner = catalog.schema(SCHEMA).ok_or_else(no_catalogue)?;
        let comments = comments(shapes).await?;
        let mut own: BTreeMap<&str, Arc<dyn TableProvider>> = BTreeMap::new();
        for (name, query) in COMPLETED {
            own.insert(name, shapes.sql(query).await?.into_view());
        }
        for name in KEYS {
            own.insert(name, no_keys()?);
        }
        own.insert("pg_description", description(&comments)?);
        shapes.register_udf(ScalarUDF::from(ToRegclass::new(numbers(shapes).await?)));
        shapes.register_udf(ScalarUDF::from(Format::default()));
        let tables = Arc::new(Completed { inner, own });
        pg_functions::register(shapes, VERSION, comments);
        refuse_functions(shapes);
        Ok(PgCatalog { tables, state: shapes.state() })
    }

    /// A session over the same tables that has these too, for a person.
    ///
    /// # Errors
    /// What DataFusion says.
    pub fn added_to(&self, session: &SessionContext, state: &Arc<State>, seer: &Seer) -> Result<SessionContext> {
        session.catalog(CATALOG).ok_or_else(no_catalogue)?.register_schema(SCHEMA, self.tables.clone())?;
        let (catalogs, functions) = (session.state().catalog_list().clone(), session.state().table_functions().clone());
        let builder = SessionStateBuilder::new_from_existing(self.state.clone()).with_catalog_list(catalogs);
        let session = SessionContext::new_with_state(builder.build());
        if !seer.person.grant.aggregates_only {
            session.register_udtf("changes", Arc::new(ChangesFunction { state: state.clone(), seer: seer.clone() }));
        }
        // Those over the person's own views: the shapes have the same names over nothing.
        for name in OWN_FUNCTIONS {
            session.deregister_udtf(name);
            if let Some(function) = functions.get(name) {
                session.register_udtf(name, function.function().clone());
            }
        }
        pg_functions::register_person(&session, &seer.person.name);
        Ok(session)
    }
}

fn no_catalogue() -> DataFusionError {
    DataFusionError::Internal("no catalogue".into())
}

/// Our comments, by the numbers that the catalogue gives to tables and columns.
async fn comments(shapes: &SessionContext) -> Result<Comments> {
    let query = "SELECT CAST(c.oid AS BIGINT) AS oid, c.relname AS name, CAST(0 AS BIGINT) AS place, '' AS column_name \
         FROM pg_catalog.pg_class c UNION ALL \
         SELECT CAST(c.oid AS BIGINT), c.relname, CAST(a.attnum AS BIGINT), a.attname \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid";
    let mut comments = Comments::new();
    for batch in shapes.sql(query).await?.collect().await? {
        let number = |at: usize| batch.column(at).as_primitive::<Int64Type>();
        let names = [1, 3].map(|at| arrow::compute::cast(batch.column(at), &DataType::Utf8));
        let [tables, columns] = names;
        let (tables, columns) = (tables?, columns?);
        let (tables, columns) = (tables.as_string::<i32>(), columns.as_string::<i32>());
        for row in 0..batch.num_rows() {
            if let Some(comment) = catalog::comment(tables.value(row), columns.value(row)) {
                comments.insert((number(0).value(row), number(2).value(row)), comment);
            }
        }
    }
    Ok(comments)
}

/// `pg_description` of these comments.
fn description(comments: &Comments) -> Result<Arc<dyn TableProvider>> {
    let mut rows: Vec<(&(i64, i64), &String)> = comments.iter().collect();
    rows.sort();
    let number = |value: i64| i32::try_from(value).unwrap_or(0);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("objoid", Arc::new(rows.iter().map(|((table, _), _)| Some(number(*table))).collect::<Int32Array>())),
        ("classoid", Arc::new(Int32Array::from(vec![PG_CLASS; rows.len()]))),
        ("objsubid", Arc::new(rows.iter().map(|((_, column), _)| Some(number(*column))).collect::<Int32Array>())),
        ("description", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, text)| text)))),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect())?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

/// Tables of `information_schema` about keys, of which there are none.
const KEYS: [&str; 3] = ["table_constraints", "key_column_usage", "constraint_column_usage"];

/// Their columns, of all three.
const KEY_COLUMNS: [&str; 10] = [
    "constraint_catalog",
    "constraint_schema",
    "constraint_name",
    "constraint_type",
    "table_catalog",
    "table_schema",
    "table_name",
    "column_name",
    "ordinal_position",
    "position_in_unique_constraint",
];

fn no_keys() -> Result<Arc<dyn TableProvider>> {
    let columns = KEY_COLUMNS.map(|name| Field::new(name, DataType::Utf8, true));
    Ok(Arc::new(MemTable::try_new(Arc::new(Schema::new(columns.to_vec())), vec![vec![]])?))
}

/// Tables with what clients ask for and the crate's tables have not, or have in another type; and `information_schema.columns`
/// with the types that PostgreSQL has.
const COMPLETED: [(&str, &str); 4] = [
    (
        "pg_class",
        "SELECT *, CASE WHEN false THEN make_array('') END AS reloptions, CASE WHEN false THEN make_array('') END AS relacl \
         FROM pg_catalog.pg_class",
    ),
    (
        "pg_namespace",
        "SELECT * EXCEPT (nspacl), CASE WHEN false THEN make_array('') END AS nspacl FROM pg_catalog.pg_namespace",
    ),
    (
        "pg_database",
        "SELECT * EXCEPT (datacl), CASE WHEN false THEN make_array('') END AS datacl FROM pg_catalog.pg_database",
    ),
    (
        COLUMNS,
        "SELECT 'foreshock' AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, a.attname AS column_name, \
         CAST(a.attnum AS INT) AS ordinal_position, CAST(NULL AS TEXT) AS column_default, \
         CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, \
         CASE t.typname WHEN 'int8' THEN 'bigint' WHEN 'int4' THEN 'integer' WHEN 'bool' THEN 'boolean' \
         WHEN 'float8' THEN 'double precision' WHEN 'timestamptz' THEN 'timestamp with time zone' \
         WHEN 'timestamp' THEN 'timestamp without time zone' ELSE t.typname END AS data_type, \
         CAST(NULL AS INT) AS character_maximum_length, CAST(NULL AS INT) AS numeric_precision, \
         CAST(NULL AS INT) AS numeric_scale, CAST(NULL AS INT) AS datetime_precision, 'foreshock' AS udt_catalog, \
         'pg_catalog' AS udt_schema, t.typname AS udt_name, 'NO' AS is_identity, CAST(NULL AS TEXT) AS identity_generation, \
         'NEVER' AS is_generated, CAST(NULL AS TEXT) AS generation_expression, 'NO' AS is_updatable \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         WHERE a.attnum > 0",
    ),
];

/// `information_schema.columns` under the name that it has here.
const COLUMNS: &str = "columns";

/// Tables of `information_schema` that stand in `pg_catalog` here, where tables can be added.
pub fn is_moved(table: &str) -> bool {
    table == COLUMNS || KEYS.contains(&table)
}

/// The numbers of tables by their names.
async fn numbers(shapes: &SessionContext) -> Result<BTreeMap<String, i32>> {
    let query = "SELECT CAST(oid AS INT), CAST(relname AS TEXT) FROM pg_catalog.pg_class";
    let mut numbers = BTreeMap::new();
    for batch in shapes.sql(query).await?.collect().await? {
        let oids = batch.column(0).as_primitive::<Int32Type>();
        let names = arrow::compute::cast(batch.column(1), &DataType::Utf8)?;
        numbers.extend(names.as_string::<i32>().iter().flatten().map(str::to_owned).zip(oids.values().iter().copied()));
    }
    Ok(numbers)
}

/// The catalogue with what is missing in it, and our comments in the place of its own, which are PostgreSQL's.
#[derive(Debug)]
struct Completed {
    inner: Arc<dyn SchemaProvider>,
    own: BTreeMap<&'static str, Arc<dyn TableProvider>>,
}

#[async_trait::async_trait]
impl SchemaProvider for Completed {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.own.get(name) {
            Some(table) => Ok(Some(table.clone())),
            None => self.inner.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.own.contains_key(name) || self.inner.table_exist(name)
    }
}
