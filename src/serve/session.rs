//! What a person can ask: views over the tables of one batch. The tables below them have no name that a statement could use.

use crate::serve::catalog::{self, Facts};
use crate::serve::changes::ChangesFunction;
use crate::serve::store::{State, Table};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};
use foreshock_core::Feed;
use std::sync::Arc;

/// Catalogue and schema, as clients see them.
pub const CATALOG: &str = "foreshock";
const SCHEMA: &str = "public";

/// Functions whose result is as large as their argument says: one call could take all memory.
const REFUSED_FUNCTIONS: [&str; 13] = [
    "repeat",
    "lpad",
    "rpad",
    "replace",
    "regexp_replace",
    "overlay",
    "range",
    "generate_series",
    "gen_series",
    "array_resize",
    "list_resize",
    "array_repeat",
    "list_repeat",
];

/// What stands of a result that is published again and again: its name, its table of revisions, what it is known by, and
/// what else must hold.
pub const STANDING: [(&str, &str, &str, &str); 3] = [
    ("detections", "detection_revisions", "detection_id", "r.state = 'detected'"),
    ("alerts", "alert_revisions", "alert_id", "TRUE"),
    ("blocking_drafts", "blocking_draft_revisions", "request_id", "TRUE"),
];

/// A session over the tables as they are in a state.
///
/// # Errors
/// What DataFusion says of our own views.
pub async fn session(state: &Arc<State>, facts: &Facts, runtime: Arc<RuntimeEnv>) -> Result<SessionContext> {
    let below = SessionContext::new_with_config_rt(config(), runtime.clone());
    let public = SessionContext::new_with_config_rt(config(), runtime);
    for (name, table) in &state.tables {
        below.register_table(below_name(name), provider(table)?)?;
    }
    for feed in Feed::ALL {
        let name = feed.table();
        below.register_table(format!("{name}_corrections").as_str(), provider(&state.corrections[name])?)?;
        publish(&below, &public, name, &standing_facts(feed, &state.corrections[name])).await?;
    }
    for (name, table, id, condition) in STANDING {
        publish(&below, &public, name, &standing_results(&state.tables[table].schema, table, id, condition)).await?;
    }
    for name in state.tables.keys().filter(|name| Feed::ALL.iter().all(|feed| feed.table() != **name)) {
        publish(&below, &public, name, &format!("SELECT * FROM {}", below_name(name))).await?;
    }
    for (name, query) in &facts.views {
        publish(&below, &public, name, query).await?;
    }
    for (name, batch) in catalog::tables(facts, state) {
        public.register_table(name, memory(batch.schema(), vec![batch])?)?;
    }
    let system = MemorySchemaProvider::new();
    for (name, batch) in catalog::system(state) {
        system.register_table(name.to_owned(), memory(batch.schema(), vec![batch])?)?;
    }
    let catalog = public.catalog(CATALOG).ok_or_else(|| DataFusionError::Internal("no catalogue".into()))?;
    catalog.register_schema("system", Arc::new(system))?;
    public.register_udtf("changes", Arc::new(ChangesFunction(state.clone())));
    refuse_functions(&public);
    Ok(public)
}

/// Takes away what is not to be called.
pub fn refuse_functions(session: &SessionContext) {
    for name in REFUSED_FUNCTIONS {
        session.deregister_udf(name);
        session.deregister_udtf(name);
    }
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(true)
        .with_target_partitions(2);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.sql_parser.map_string_types_to_utf8view = false;
    // Errors say where.
    options.sql_parser.collect_spans = true;
    config
}

fn below_name(table: &str) -> String {
    format!("below_{table}")
}

fn provider(table: &Table) -> Result<Arc<dyn TableProvider>> {
    memory(table.schema.clone(), table.pieces.to_vec())
}

fn memory(schema: SchemaRef, pieces: Vec<datafusion::arrow::array::RecordBatch>) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(schema, vec![pieces])?))
}

/// A view that keeps its table to itself.
async fn publish(below: &SessionContext, public: &SessionContext, name: &str, query: &str) -> Result<()> {
    let view = below.sql(query).await?.into_view();
    // Views of views find it by its name.
    below.register_table(name, view.clone())?;
    public.register_table(name, view)?;
    Ok(())
}

/// The facts that count now: neither replaced nor withdrawn by a later row.
fn standing_facts(feed: Feed, corrections: &Table) -> String {
    let name = feed.table();
    let columns: Vec<String> = feed.columns().iter().map(|c| format!("t.{}", c.name)).collect();
    let join = match corrections.row_count() {
        0 => String::new(),
        _ => format!(
            "LEFT ANTI JOIN {name}_corrections c ON c.event_id = t.event_id AND c.event_time = t.event_time AND c.seq > t.seq"
        ),
    };
    format!(
        "SELECT {}, t.seq, t.ingest_time FROM {} t {join} WHERE t.fate IS NULL OR t.fate <> 'withdraws'",
        columns.join(", "),
        below_name(name)
    )
}

/// The last revision of each.
fn standing_results(schema: &SchemaRef, table: &str, id: &str, condition: &str) -> String {
    let columns: Vec<String> = schema.fields().iter().map(|f| format!("r.\"{}\"", f.name())).collect();
    let below = below_name(table);
    format!(
        "SELECT {} FROM {below} r JOIN (SELECT {id} AS last_id, max(seq) AS last_seq FROM {below} GROUP BY {id}) l \
         ON l.last_id = r.{id} AND l.last_seq = r.seq WHERE {condition}",
        columns.join(", ")
    )
}
