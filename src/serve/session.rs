//! What a person can ask: views over the tables of one batch. The tables below them have no name that a statement could use.

use crate::history::facts::standing;
use crate::history::past::Joined;
use crate::rights::grant::Person;
use crate::rights::names::is_about_persons;
use crate::rights::pseudonym::Pseudonyms;
use crate::serve::audited::Audited;
use crate::serve::catalog::{self, Facts};
use crate::serve::changes::ChangesFunction;
use crate::serve::computed::{Computed, Rows};
use crate::serve::explain::ExplainFunction;
use crate::serve::floor::Opaque;
use crate::serve::gate::Refused;
use crate::serve::gathered::BoundGathered;
use crate::serve::itself::{self, Itself};
use crate::serve::profile::ProfileFunction;
use crate::serve::register;
use crate::serve::replace::Replace;
use crate::serve::restrict;
use crate::serve::store::{State, Table};
use crate::serve::subject::TraceFunction;
use crate::serve::tables::{INGEST_TIME, SEQ};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, Session};
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};
use foreshock_core::Feed;
use std::path::PathBuf;
use std::sync::Arc;

/// Catalogue and schema, as clients see them.
pub const CATALOG: &str = "foreshock";
const SCHEMA: &str = "public";

/// Functions whose result is as large as their argument says: one call could take all memory.
const REFUSED_FUNCTIONS: [&str; 12] = [
    "repeat",
    "lpad",
    "rpad",
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
    DRAFTS,
];
/// See [`STANDING`].
const DRAFTS: (&str, &str, &str, &str) = ("blocking_drafts", "blocking_draft_revisions", "request_id", "TRUE");

/// Who asks, and the key of the pseudonyms that he may see.
#[derive(Debug, Clone)]
pub struct Seer {
    /// Who asks.
    pub person: Person,
    /// Makes pseudonyms.
    pub pseudonyms: Pseudonyms,
    /// The file that statements are written down in, if there is one.
    pub audit: Option<PathBuf>,
}

/// A session over the tables as they are in a state, as far as somebody may see them. The rows of the state are those that
/// he may see already (`restrict::state_of`).
///
/// # Errors
/// What DataFusion says of our own views.
pub async fn session(
    state: &Arc<State>,
    facts: &Facts,
    runtime: Arc<RuntimeEnv>,
    seer: &Seer,
    itself: &Itself,
) -> Result<SessionContext> {
    let below = SessionContext::new_with_config_rt(config(), runtime.clone());
    let public = SessionStateBuilder::new().with_config(config()).with_runtime_env(runtime).with_default_features();
    let public = SessionContext::new_with_state(public.with_physical_optimizer_rule(Arc::new(BoundGathered)).build());
    below.register_udf(restrict::function(&seer.pseudonyms));
    let (person, views) = (&seer.person, Views { below: &below, public: &public, person: &seer.person });
    for (name, table) in &state.tables {
        below.register_table(below_name(name), provider(table)?)?;
    }
    for feed in Feed::ALL {
        let name = feed.table();
        below.register_table(format!("{name}_corrections").as_str(), provider(&state.corrections[name])?)?;
        let names: Vec<&str> = feed.columns().iter().map(|c| c.name).chain([SEQ, INGEST_TIME]).collect();
        views.publish_seen(name, &names, &standing_facts(feed, &state.corrections[name])).await?;
    }
    for (name, table, id, condition) in STANDING {
        let schema = &state.tables[table].schema;
        views.publish_seen(name, &restrict::names(schema), &standing_results(schema, table, id, condition)).await?;
    }
    let drafts = standing_results(&state.tables[DRAFTS.1].schema, DRAFTS.1, DRAFTS.2, DRAFTS.3);
    views.publish_seen("requests", &register::COLUMNS, &register::query(&below_name("acts"), &drafts)).await?;
    for (name, table) in state.tables.iter().filter(|(name, _)| Feed::ALL.iter().all(|feed| feed.table() != **name)) {
        let query = format!("SELECT * FROM {}", below_name(name));
        views.publish_seen(name, &restrict::names(&table.schema), &query).await?;
    }
    for (name, query) in &facts.views {
        views.publish(name, query, !catalog::is_about_institutions(name)).await?;
    }
    for (name, batch) in catalog::tables(facts, state).into_iter().filter(|(name, _)| person.grant.opens(name)) {
        public.register_table(name, memory(batch.schema(), vec![batch])?)?;
    }
    if let Some(path) = seer.audit.clone().filter(|_| person.grant.opens("audit")) {
        public.register_table("audit", Arc::new(Computed(Audited { path })))?;
    }
    let system = MemorySchemaProvider::new();
    for (name, batch) in itself::system(state, itself, person) {
        system.register_table(name.to_owned(), memory(batch.schema(), vec![batch])?)?;
    }
    let catalog = public.catalog(CATALOG).ok_or_else(|| DataFusionError::Internal("no catalogue".into()))?;
    catalog.register_schema("system", Arc::new(system))?;
    if !person.grant.aggregates_only {
        register_functions(&public, facts, person).await?;
        public.register_udtf("changes", Arc::new(ChangesFunction { state: state.clone(), seer: seer.clone() }));
    }
    refuse_functions(&public);
    Ok(public)
}

/// Functions over the person's own views.
pub const OWN_FUNCTIONS: [&str; 3] = ["trace", "profile", "explain_detection"];

async fn register_functions(public: &SessionContext, facts: &Facts, person: &Person) -> Result<()> {
    let mut views = Vec::new();
    for name in
        public.catalog(CATALOG).and_then(|catalog| catalog.schema(SCHEMA)).map_or(Vec::new(), |s| s.table_names())
    {
        views.push((name.clone(), public.table_provider(name.as_str()).await?));
    }
    if let Some((_, transactions)) = views.iter().find(|(name, _)| name == "transactions") {
        public.register_udtf("trace", Arc::new(TraceFunction { transactions: transactions.clone() }));
    }
    let explain = ExplainFunction { pack: facts.pack.clone(), views: views.clone(), person: person.clone() };
    public.register_udtf("explain_detection", Arc::new(explain));
    public.register_udtf("profile", Arc::new(ProfileFunction { views }));
    Ok(())
}

/// Takes away what is not to be called, and puts what has a bound in its place.
pub fn refuse_functions(session: &SessionContext) {
    for name in REFUSED_FUNCTIONS {
        session.deregister_udf(name);
        session.deregister_udtf(name);
    }
    session.register_udf(ScalarUDF::from(Replace::default()));
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(true)
        .with_target_partitions(2);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    // Errors say where.
    options.sql_parser.collect_spans = true;
    config
}

fn below_name(table: &str) -> String {
    format!("below_{table}")
}

fn provider(table: &Table) -> Result<Arc<dyn TableProvider>> {
    match &table.past {
        Some(past) => Ok(Arc::new(Joined { past: past.clone(), live: table.live() })),
        None => memory(table.schema.clone(), table.pieces.to_vec()),
    }
}

fn memory(schema: SchemaRef, pieces: Vec<RecordBatch>) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(schema, vec![pieces])?))
}

/// Makes views that keep their tables to themselves.
struct Views<'a> {
    below: &'a SessionContext,
    public: &'a SessionContext,
    person: &'a Person,
}

impl Views<'_> {
    /// A table of feeds or results, as the person sees its columns.
    async fn publish_seen(&self, name: &str, columns: &[&str], query: &str) -> Result<()> {
        let seen = format!("SELECT {} FROM ({query}) r", restrict::columns(name, columns, self.person));
        self.publish(name, &seen, is_about_persons(name)).await
    }

    async fn publish(&self, name: &str, query: &str, is_about_persons: bool) -> Result<()> {
        let view = self.below.sql(query).await?.into_view();
        // Views of views find it by its name.
        self.below.register_table(name, view.clone())?;
        if !self.person.grant.opens(name) {
            return Ok(());
        }
        // Of single events these tell, too.
        let is_fine = ["late", "rejected", "institutions", "register_batches"].contains(&name);
        let table: Arc<dyn TableProvider> = if (is_about_persons || is_fine) && self.person.grant.aggregates_only {
            Arc::new(Opaque(view))
        } else if is_about_persons && !self.person.may_see_persons() {
            Arc::new(Computed(Locked { name: name.to_owned(), schema: view.schema() }))
        } else {
            view
        };
        self.public.register_table(name, table)?;
        Ok(())
    }
}

/// A table that is there, and gives rows to whoever has said what for.
#[derive(Debug)]
struct Locked {
    name: String,
    schema: SchemaRef,
}

#[async_trait::async_trait]
impl Rows for Locked {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    async fn rows(&self, _: &dyn Session) -> Result<Vec<RecordBatch>> {
        Err(locked(&self.name))
    }
}

/// Why there are no rows of a table.
pub fn locked(table: &str) -> DataFusionError {
    let message = format!(
        "{table} holds data of persons: name what for and the case, SET foreshock.purpose = '..' and SET foreshock.case = '..' \
         (HTTP: headers X-Purpose and X-Case)"
    );
    DataFusionError::External(Box::new(Refused { state: "42501", message }))
}

/// The facts that count now.
fn standing_facts(feed: Feed, corrections: &Table) -> String {
    let name = format!("{}_corrections", feed.table());
    let corrections = (corrections.rows_at_most() > 0).then_some(name.as_str());
    standing(feed, &below_name(feed.table()), corrections)
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
