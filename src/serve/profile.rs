//! `profile(subject)`: all that a person may see of a subject, as one table. It reads the person's own views, so it shows no row
//! and no name that a statement of his would not.

use crate::serve::computed::{Computed, Rows};
use crate::serve::subject::{is_open, text, wrong};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunctionImpl};
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, ident};
use datafusion::physical_plan::{collect, execute_stream};
use datafusion::prelude::SessionContext;
use foreshock_compiler::data_type;
use foreshock_core::Type;
use futures::TryStreamExt;
use std::sync::Arc;

/// `profile(subject)`.
#[derive(Debug)]
pub struct ProfileFunction {
    /// The views that the person may see, by name.
    pub views: Vec<(String, Arc<dyn TableProvider>)>,
}

impl TableFunctionImpl for ProfileFunction {
    fn call(&self, arguments: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let subject = text(arguments.first()).or_else(|| is_open(arguments.first()).then(String::new));
        let Some(subject) = subject.filter(|_| arguments.len() == 1) else {
            return wrong(
                "one argument is taken, a text",
                "profile('token'): an account, a number, a device or a person",
            );
        };
        Ok(Arc::new(Computed(Profile { views: self.views.clone(), subject, held_rows: HELD_ROWS })))
    }
}

#[derive(Debug)]
struct Profile {
    views: Vec<(String, Arc<dyn TableProvider>)>,
    subject: String,
    /// Most of its rows of a table that are held.
    held_rows: usize,
}

/// A table that a profile reads.
struct Source {
    name: &'static str,
    /// What its sections ask for.
    columns: &'static str,
    /// The amounts of a section.
    amount: &'static str,
    /// Which of its rows count at all.
    counts: &'static str,
    /// The sections: name, what each of its rows tells of, and which rows are the subject's, who is `S`.
    sections: &'static [(&'static str, &'static str, &'static str)],
}

/// What a profile tells, in this order.
const SOURCES: [Source; 6] = [
    Source {
        name: "transactions",
        columns: "event_time, amount, currency, payer_account, payer_person, payer_phone, payer_institution, payee_account, \
                  payee_person, payee_phone, payee_institution, device",
        amount: "CAST(sum(amount) AS BIGINT)",
        counts: "status IS DISTINCT FROM 'RJCT'",
        sections: &[
            (
                "pays",
                "payer_institution || ' ' || currency",
                "payer_account = S OR payer_person = S OR payer_phone = S",
            ),
            (
                "receives",
                "payee_institution || ' ' || currency",
                "payee_account = S OR payee_person = S OR payee_phone = S",
            ),
            ("pays to", "payee_account || ' ' || currency", "payer_account = S OR payer_person = S"),
            ("receives from", "payer_account || ' ' || currency", "payee_account = S OR payee_person = S"),
            ("account on device", "payer_account", "device = S"),
            ("device", "device", "payer_account = S OR payer_person = S"),
        ],
    },
    Source {
        name: "telecom",
        columns: "event_time, caller, callee, number, peer_number",
        amount: "CAST(NULL AS BIGINT)",
        counts: "true",
        sections: &[
            ("calls and messages to", "coalesce(callee, peer_number)", "caller = S OR number = S"),
            ("calls and messages from", "coalesce(caller, number)", "callee = S OR peer_number = S"),
        ],
    },
    Source {
        name: "complaints",
        columns: "event_time, loss_amount, fraud_type, victim_person",
        amount: "CAST(sum(loss_amount) AS BIGINT)",
        counts: "true",
        sections: &[("complains of", "fraud_type", "victim_person = S")],
    },
    Source {
        name: "suspicious_reports",
        columns: "event_time, amount, indicator, subject_account, subject_person",
        amount: "CAST(sum(amount) AS BIGINT)",
        counts: "true",
        sections: &[("suspicious report", "indicator", "subject_account = S OR subject_person = S")],
    },
    Source {
        name: "detections",
        columns: "event_time, rule_id, subject",
        amount: "CAST(NULL AS BIGINT)",
        counts: "true",
        sections: &[("detection", "rule_id", "subject = S")],
    },
    Source {
        name: "blocking_drafts",
        columns: "event_time, rule_id, state, account",
        amount: "CAST(NULL AS BIGINT)",
        counts: "true",
        sections: &[("draft of a block", "rule_id || ' ' || state", "account = S")],
    },
];
/// Rows of each section: the rest is summed up in none.
const SECTION_ROWS: usize = 10;
/// A subject with more rows in a table has them read once for each section: they are not held.
const HELD_ROWS: usize = 400_000;

impl Source {
    /// A query for all of its rows that any section tells of.
    fn own_rows(&self, subject: &str) -> String {
        let conditions: Vec<String> = self.sections.iter().map(|(.., is_of)| is_of.replace("= S", subject)).collect();
        format!("SELECT {} FROM {} WHERE ({}) AND {}", self.columns, self.name, conditions.join(" OR "), self.counts)
    }

    /// A query for each of its sections, the first of which has the number `first`.
    fn section_queries(&self, subject: &str, first: usize, is_held: bool) -> impl Iterator<Item = String> {
        self.sections.iter().enumerate().map(move |(at, (section, what, is_of))| {
            let (is_of, number) = (is_of.replace("= S", subject), first + at);
            let counts = if is_held { "true" } else { self.counts };
            format!(
                "(SELECT {number} AS n, '{section}' AS section, {what} AS what, count(*) AS events, {} AS amount, \
                 min(event_time) AS first_time, max(event_time) AS last_time FROM {} WHERE ({is_of}) AND {counts} \
                 GROUP BY 3 ORDER BY events DESC, what LIMIT {SECTION_ROWS})",
                self.amount, self.name
            )
        })
    }
}

/// A query over all sections.
struct Query {
    text: String,
    /// The tables that it names.
    tables: SessionContext,
    /// What the pool counts of them.
    _held: Vec<MemoryReservation>,
}

impl Profile {
    /// The condition that something is the subject, as a text of SQL.
    fn is_subject(&self) -> String {
        format!("= '{}'", self.subject.replace('\'', "''"))
    }

    /// The rows of a query and their place in the pool; `None` where they are more than are held, or the pool has no room.
    async fn held(
        &self,
        session: &dyn Session,
        views: &SessionContext,
        query: &str,
    ) -> Result<Option<(MemTable, MemoryReservation)>> {
        let plan = views.state().create_logical_plan(query).await?;
        let plan = session.create_physical_plan(&plan).await?;
        let memory = MemoryConsumer::new("profile").register(session.task_ctx().memory_pool());
        let (schema, mut batches, mut rows) = (plan.schema(), Vec::new(), 0);
        let mut stream = execute_stream(plan, session.task_ctx())?;
        while let Some(batch) = stream.try_next().await? {
            rows += batch.num_rows();
            if rows > self.held_rows {
                return Ok(None);
            }
            if memory.try_grow(batch.get_array_memory_size()).is_err() {
                return Ok(None);
            }
            batches.push(batch);
        }
        Ok(Some((MemTable::try_new(schema, vec![batches])?, memory)))
    }

    /// The query of all sections and the tables that it reads: the subject's own rows, read once, or the whole view.
    async fn query(&self, session: &dyn Session) -> Result<Option<Query>> {
        let (views, own, subject) = (SessionContext::new(), SessionContext::new(), self.is_subject());
        let (mut sections, mut held_in_pool) = (Vec::new(), Vec::new());
        for source in &SOURCES {
            let Some((name, view)) = self.views.iter().find(|(name, _)| name == source.name) else { continue };
            views.register_table(name.as_str(), view.clone())?;
            let held = self.held(session, &views, &source.own_rows(&subject)).await?;
            sections.extend(source.section_queries(&subject, sections.len(), held.is_some()));
            let rows = held.map(|(rows, memory)| {
                held_in_pool.push(memory);
                Arc::new(rows) as Arc<dyn TableProvider>
            });
            own.register_table(name.as_str(), rows.unwrap_or_else(|| view.clone()))?;
        }
        if sections.is_empty() {
            return Ok(None);
        }
        let sections = sections.join(" UNION ALL ");
        let text = format!(
            "SELECT section, what, events, amount, first_time, last_time FROM ({sections}) ORDER BY n, events DESC, what"
        );
        Ok(Some(Query { text, tables: own, _held: held_in_pool }))
    }
}

#[async_trait::async_trait]
impl Rows for Profile {
    fn schema(&self) -> SchemaRef {
        let column = |name: &str, ty| Field::new(name, data_type(ty), true);
        Arc::new(Schema::new(vec![
            column("section", Type::Text),
            column("what", Type::Text),
            column("events", Type::Bigint),
            column("amount", Type::Bigint),
            column("first_time", Type::Time),
            column("last_time", Type::Time),
        ]))
    }

    async fn rows(&self, session: &dyn Session) -> Result<Vec<RecordBatch>> {
        let Some(query) = self.query(session).await? else { return Ok(Vec::new()) };
        let plan = query.tables.state().create_logical_plan(&query.text).await?;
        // Types as they are declared: a number of the query may be of another width.
        let typed = |field: &Arc<Field>| cast(ident(field.name()), field.data_type().clone()).alias(field.name());
        let schema = self.schema();
        let columns: Vec<Expr> = schema.fields().iter().map(typed).collect();
        let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
        let plan = session.create_physical_plan(&plan).await?;
        let rows = collect(plan, session.task_ctx()).await?;
        let typed = |batch: RecordBatch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?);
        rows.into_iter().map(typed).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
    use arrow::util::pretty::pretty_format_batches;

    fn profile(subject: &str, held_rows: usize) -> Profile {
        let texts = |texts: [&str; 4]| -> ArrayRef { Arc::new(StringArray::from_iter_values(texts)) };
        let rows = RecordBatch::try_from_iter([
            (
                "event_time",
                Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3, 4]).with_timezone("UTC")) as ArrayRef,
            ),
            ("rule_id", texts(["M01", "M01", "M02", "M01"])),
            ("subject", texts(["a", "a", "a", "b"])),
        ]);
        let rows = rows.unwrap();
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap());
        Profile { views: vec![("detections".into(), table)], subject: subject.into(), held_rows }
    }

    #[tokio::test]
    async fn a_subject_with_too_many_rows_to_hold_has_the_same_profile() {
        let state = SessionContext::new().state();
        let mut told = Vec::new();
        for held_rows in [0, 2, 3] {
            let rows = profile("a", held_rows).rows(&state).await.unwrap();
            told.push(pretty_format_batches(&rows).unwrap().to_string());
        }
        assert_eq!((&told[0], &told[1]), (&told[2], &told[2]));
        assert!(told[0].contains("| detection | M01  | 2      |"), "{}", told[0]);
    }

    #[test]
    fn a_subject_with_a_quote_stays_a_text() {
        let subject = profile("a' OR 'x' = 'x", 0).is_subject();
        for query in SOURCES.iter().flat_map(|s| s.section_queries(&subject, 0, true).chain([s.own_rows(&subject)])) {
            assert!(query.contains("= 'a'' OR ''x'' = ''x'"), "{query}");
        }
    }
}
