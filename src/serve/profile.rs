//! `profile(subject)`: all that a person may see of a subject, as one table. It reads the person's own views, so it shows no row
//! and no name that a statement of his would not.

use crate::serve::computed::{Computed, Rows};
use crate::serve::sections::{Sections, Told};
use crate::serve::subject::{is_open, text, wrong};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunctionImpl};
use datafusion::datasource::TableProvider;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::execute_stream;
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
        Ok(Arc::new(Computed(Profile { views: self.views.clone(), subject })))
    }
}

#[derive(Debug)]
struct Profile {
    views: Vec<(String, Arc<dyn TableProvider>)>,
    subject: String,
}

/// A table that a profile reads.
struct Source {
    name: &'static str,
    /// The amount of a row.
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
        amount: "amount",
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
        amount: "CAST(NULL AS BIGINT)",
        counts: "true",
        sections: &[
            ("calls and messages to", "coalesce(callee, peer_number)", "caller = S OR number = S"),
            ("calls and messages from", "coalesce(caller, number)", "callee = S OR peer_number = S"),
        ],
    },
    Source {
        name: "complaints",
        amount: "loss_amount",
        counts: "true",
        sections: &[("complains of", "fraud_type", "victim_person = S")],
    },
    Source {
        name: "suspicious_reports",
        amount: "amount",
        counts: "true",
        sections: &[("suspicious report", "indicator", "subject_account = S OR subject_person = S")],
    },
    Source {
        name: "detections",
        amount: "CAST(NULL AS BIGINT)",
        counts: "true",
        sections: &[("detection", "rule_id", "subject = S")],
    },
    Source {
        name: "blocking_drafts",
        amount: "CAST(NULL AS BIGINT)",
        counts: "true",
        sections: &[("draft of a block", "rule_id || ' ' || state", "account = S")],
    },
];
impl Source {
    /// A query for all rows that any section tells of: the columns of [`Sections::add`]. The table is read once, however many
    /// rows it has of the subject.
    fn query(&self, is_subject: &str) -> String {
        let is_of = |condition: &str| format!("({})", condition.replace("= S", is_subject));
        let conditions: Vec<String> = self.sections.iter().map(|(.., condition)| is_of(condition)).collect();
        let mut columns = vec!["event_time".to_owned(), self.amount.to_owned()];
        for ((_, what, _), condition) in self.sections.iter().zip(&conditions) {
            columns.extend([condition.clone(), (*what).to_owned()]);
        }
        let columns: Vec<String> =
            columns.iter().enumerate().map(|(at, column)| format!("{column} AS c{at}")).collect();
        let (columns, conditions) = (columns.join(", "), conditions.join(" OR "));
        format!("SELECT {columns} FROM {} WHERE ({conditions}) AND {}", self.name, self.counts)
    }
}

impl Profile {
    /// The condition that something is the subject, as a text of SQL.
    fn is_subject(&self) -> String {
        format!("= '{}'", self.subject.replace('\'', "''"))
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
        let (views, mut told) = (SessionContext::new(), Vec::new());
        for source in &SOURCES {
            let Some((name, view)) = self.views.iter().find(|(name, _)| name == source.name) else { continue };
            views.register_table(name.as_str(), view.clone())?;
            let plan = views.state().create_logical_plan(&source.query(&self.is_subject())).await?;
            let plan = session.create_physical_plan(&plan).await?;
            let memory = MemoryConsumer::new("profile").register(session.task_ctx().memory_pool());
            let mut sections = Sections::new(source.sections.iter().map(|(name, ..)| *name), memory);
            let mut rows = execute_stream(plan, session.task_ctx())?;
            while let Some(batch) = rows.try_next().await? {
                sections.add(&batch)?;
            }
            told.extend(sections.told()?);
        }
        Ok(vec![table(self.schema(), &told)?])
    }
}

fn table(schema: SchemaRef, told: &[Told]) -> Result<RecordBatch> {
    let times = |of: fn((i64, i64)) -> i64| {
        let times: TimestampMicrosecondArray = told.iter().map(|row| row.span.map(of)).collect();
        Arc::new(times.with_timezone("UTC")) as ArrayRef
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(told.iter().map(|row| row.section))),
        Arc::new(told.iter().map(|row| row.what.as_deref()).collect::<StringArray>()),
        Arc::new(Int64Array::from_iter_values(told.iter().map(|row| row.events))),
        Arc::new(told.iter().map(|row| row.amount).collect::<Int64Array>()),
        times(|span| span.0),
        times(|span| span.1),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_with_a_quote_stays_a_text() {
        let subject = Profile { views: Vec::new(), subject: "a' OR 'x' = 'x".into() }.is_subject();
        for query in SOURCES.iter().map(|source| source.query(&subject)) {
            assert!(query.contains("= 'a'' OR ''x'' = ''x'"), "{query}");
        }
    }
}
