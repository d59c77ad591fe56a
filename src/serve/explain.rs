//! `explain_detection(id)`: why a detection stands. The rule's text runs over the facts that its windows reach, and what it says of
//! the event stands beside what was published; and the events that share a key of its windows with that event.

use crate::rights::grant::Person;
use crate::serve::computed::{Computed, Rows};
use crate::serve::gate::Refused;
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::catalog::{Session, TableFunctionImpl};
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, TableProvider, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use foreshock_compiler::batch::{Tables, run_rule};
use foreshock_compiler::{Pack, Rule, Settings, data_type, feed_schema};
use foreshock_core::{Detection, Feed, Type};
use foreshock_log::values;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The function.
#[derive(Debug)]
pub struct ExplainFunction {
    /// The rules of this reader.
    pub pack: Arc<Pack>,
    /// What the person may see, by name.
    pub views: Vec<(String, Arc<dyn TableProvider>)>,
    /// Who asks.
    pub person: Person,
}

impl TableFunctionImpl for ExplainFunction {
    fn call(&self, arguments: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let id = match arguments {
            [Expr::Literal(value, _)] => value.try_as_str().flatten().map(str::to_owned),
            [Expr::Placeholder(_)] => Some(String::new()),
            _ => None,
        };
        let Some(id) = id else {
            let message = "one argument is taken, a text; write explain_detection('detection_id')";
            return Err(DataFusionError::Plan(message.into()));
        };
        let (pack, views, person) = (self.pack.clone(), self.views.clone(), self.person.clone());
        Ok(Arc::new(Computed(Explain { pack, views, person, id })))
    }
}

#[derive(Debug)]
struct Explain {
    pack: Arc<Pack>,
    views: Vec<(String, Arc<dyn TableProvider>)>,
    person: Person,
    id: String,
}

/// A detection as it was published.
struct Found {
    rule: String,
    version: String,
    event_id: String,
    event_time: i64,
    window_start: i64,
    subject: String,
    detail: serde_json::Value,
}

/// Most facts of a feed that are taken into memory.
const FACTS_MAX: usize = 1_000_000;

/// A row of the answer.
#[derive(Default)]
struct Row {
    part: &'static str,
    name: String,
    value: Option<String>,
    published: Option<String>,
    event_id: Option<String>,
    event_time: Option<i64>,
}

fn refused<T>(state: &'static str, message: String) -> Result<T> {
    Err(DataFusionError::External(Box::new(Refused { state, message })))
}

fn time(us: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())))
}

#[async_trait::async_trait]
impl Rows for Explain {
    fn schema(&self) -> SchemaRef {
        let column = |name: &str, ty| Field::new(name, data_type(ty), true);
        Arc::new(Schema::new(vec![
            column("part", Type::Text),
            column("name", Type::Text),
            column("value", Type::Text),
            column("published", Type::Text),
            column("event_id", Type::Text),
            column("event_time", Type::Time),
        ]))
    }

    async fn rows(&self, session: &dyn Session) -> Result<Vec<RecordBatch>> {
        let rows = self.told(session).await?;
        let text = |value: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(value).collect::<StringArray>())
        };
        let times: TimestampMicrosecondArray = rows.iter().map(|row| row.event_time).collect();
        let columns = vec![
            text(&|row| Some(row.part.to_owned())),
            text(&|row| Some(row.name.clone())),
            text(&|row| row.value.clone()),
            text(&|row| row.published.clone()),
            text(&|row| row.event_id.clone()),
            Arc::new(times.with_timezone("UTC")) as ArrayRef,
        ];
        Ok(vec![RecordBatch::try_new(self.schema(), columns)?])
    }
}

impl Explain {
    async fn told(&self, session: &dyn Session) -> Result<Vec<Row>> {
        let grant = &self.person.grant;
        let opens_all = grant.opens("rules") && Feed::ALL.iter().all(|feed| grant.opens(feed.table()));
        if !grant.personal || !grant.sees_all_rows() || !opens_all {
            let message = "explain_detection runs a rule over all that it saw: it needs a role that sees names, all institutions, \
                 all feeds and the rules";
            return refused("42501", message.into());
        }
        let found = self.found(session).await?;
        let rule = self.rule(&found)?;
        let pack = self.alone(rule)?;
        let from = pack.plan.reach_us().map(|reach| found.event_time.saturating_sub(reach));
        let mut facts = Tables::new();
        for feed in Feed::ALL {
            facts.insert(feed, self.facts(session, feed, from, found.event_time).await?);
        }
        let said = run_rule(&pack, &pack.rules[0], &facts, 1).await?;
        let is_it = |d: &&Detection| {
            d.event_id == found.event_id && d.event_time == found.event_time && d.subject == found.subject
        };
        let mut rows = vec![
            Row { part: "rule", name: found.rule.clone(), value: Some(rule.sql.clone()), ..Row::default() },
            Row {
                part: "event",
                name: "it was triggered by".into(),
                event_id: Some(found.event_id.clone()),
                event_time: Some(found.event_time),
                ..Row::default()
            },
        ];
        let again = said.iter().find(is_it).map(values).unwrap_or_default();
        let published = found.detail.as_object().cloned().unwrap_or_default();
        let names: BTreeSet<&String> = again.keys().chain(published.keys()).collect();
        let shown = |value: Option<&serde_json::Value>| value.map(ToString::to_string);
        rows.extend(names.into_iter().map(|name| Row {
            part: "value",
            name: name.clone(),
            value: shown(again.get(name)),
            published: shown(published.get(name)),
            ..Row::default()
        }));
        rows.extend(events(&pack, rule, &facts, &found).await?);
        Ok(rows)
    }

    /// The detection that stands.
    async fn found(&self, session: &dyn Session) -> Result<Found> {
        let Some((_, detections)) = self.views.iter().find(|(name, _)| name == "detections") else {
            return refused("42P01", "the role does not open `detections`".into());
        };
        let texts = ["rule_id", "rule_version", "event_id", "subject", "detail"];
        let plan = LogicalPlanBuilder::scan("detections", provider_as_source(detections.clone()), None)?
            .filter(ident("detection_id").eq(lit(self.id.as_str())))?
            .project(texts.into_iter().chain(["event_time", "window_start"]).map(ident))?
            .build()?;
        let rows = collect(session.create_physical_plan(&plan).await?, session.task_ctx()).await?;
        let Some(row) = rows.iter().find(|batch| batch.num_rows() > 0) else {
            return refused("02000", format!("no detection `{}` stands", self.id));
        };
        let text = |at: usize| row.column(at).as_string::<i32>().value(0).to_owned();
        let time = |at: usize| row.column(at).as_primitive::<TimestampMicrosecondType>().value(0);
        Ok(Found {
            rule: text(0),
            version: text(1),
            event_id: text(2),
            subject: text(3),
            detail: serde_json::from_str(&text(4)).unwrap_or_default(),
            event_time: time(5),
            window_start: time(6),
        })
    }

    fn rule(&self, found: &Found) -> Result<&Rule> {
        let known = self.pack.rules.iter().find(|rule| rule.header.id == found.rule);
        match known {
            Some(rule) if rule.version == found.version => Ok(rule),
            Some(rule) => refused(
                "02000",
                format!(
                    "the detection is of version {} of {}; this reader has version {}",
                    found.version, found.rule, rule.version
                ),
            ),
            None => refused("02000", format!("this reader has no rule `{}`", found.rule)),
        }
    }

    /// The rule with its parameters, without the others.
    fn alone(&self, rule: &Rule) -> Result<Pack> {
        let mut settings = Settings::default();
        for (name, value) in rule.params.iter() {
            settings.set(&format!("{}.{name}", rule.header.id), &value.to_string());
        }
        let pack = self.pack.only(std::slice::from_ref(&rule.header.id), &settings);
        pack.map_err(|problems| DataFusionError::Plan(problems.first().map_or_else(String::new, ToString::to_string)))
    }

    async fn facts(
        &self,
        session: &dyn Session,
        feed: Feed,
        from: Option<i64>,
        to: i64,
    ) -> Result<Arc<dyn TableProvider>> {
        // What was erased is empty now.
        let fields =
            feed_schema(feed).fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
        let schema = Arc::new(Schema::new(fields));
        let Some((_, view)) = self.views.iter().find(|(name, _)| name == feed.table()) else {
            return Ok(Arc::new(MemTable::try_new(schema, vec![vec![]])?));
        };
        let mut plan = LogicalPlanBuilder::scan(feed.table(), provider_as_source(view.clone()), None)?
            .filter(ident("event_time").lt_eq(time(to)))?;
        if let Some(from) = from {
            plan = plan.filter(ident("event_time").gt_eq(time(from)))?;
        }
        let plan = plan.project(feed.columns().iter().map(|column| ident(column.name)))?;
        let plan = plan.limit(0, Some(FACTS_MAX + 1))?.build()?;
        let rows = collect(session.create_physical_plan(&plan).await?, session.task_ctx()).await?;
        if rows.iter().map(RecordBatch::num_rows).sum::<usize>() > FACTS_MAX {
            let message = format!(
                "the rule's windows reach over more than {FACTS_MAX} facts of {}: `foreshock backtest` can do it",
                feed.table()
            );
            return refused("54000", message);
        }
        let rows = rows.into_iter().map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()));
        Ok(Arc::new(MemTable::try_new(schema.clone(), vec![rows.collect::<std::result::Result<_, _>>()?])?))
    }
}

/// Columns after each PARTITION BY of a text, as far as they are plain columns. A window without a beginning is left out: it tells since when
/// something is known (`docs/rules.md`), and all there ever was would be its events.
fn keys(sql: &str) -> BTreeSet<Vec<String>> {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return BTreeSet::new() };
    let words: Vec<&Token> = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let is = |token: &Token, word: &str| matches!(token, Token::Word(w) if w.value.eq_ignore_ascii_case(word));
    let mut all = BTreeSet::new();
    for at in 0..words.len().saturating_sub(2) {
        if !(is(words[at], "PARTITION") && is(words[at + 1], "BY")) {
            continue;
        }
        let mut depth = 0;
        let mut of_window = words[at..].iter().take_while(|token| {
            depth += i32::from(matches!(token, Token::LParen)) - i32::from(matches!(token, Token::RParen));
            depth >= 0
        });
        if of_window.any(|token| is(token, "UNBOUNDED")) {
            continue;
        }
        let mut columns = Vec::new();
        for pair in words[at + 2..].chunks(2) {
            let [Token::Word(column), rest @ ..] = pair else { break };
            columns.push(column.value.clone());
            if !matches!(rest, [Token::Comma]) {
                break;
            }
        }
        if !columns.is_empty() {
            all.insert(columns);
        }
    }
    all
}

/// The events that share a key of the rule's windows with the event, within its longest frame.
async fn events(pack: &Pack, rule: &Rule, facts: &Tables, found: &Found) -> Result<Vec<Row>> {
    let ctx = SessionContext::new();
    for (feed, table) in facts {
        ctx.register_table(feed.table(), table.clone())?;
    }
    let mut relations: Vec<String> = facts.keys().map(|feed| feed.table().to_owned()).collect();
    for view in &pack.views {
        ctx.sql(view).await?;
        relations.extend(
            view.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("VIEW")).nth(1).map(str::to_owned),
        );
    }
    let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
    for relation in relations.iter().filter(|relation| rule.sql.contains(relation.as_str())) {
        let table = ctx.table(relation.as_str()).await?;
        let has = |column: &String| table.schema().has_column_with_unqualified_name(column);
        for columns in keys(&rule.sql).into_iter().filter(|columns| columns.iter().all(has)) {
            let wanted: Vec<&str> = columns.iter().map(String::as_str).collect();
            let of_event = table.clone().filter(ident("event_id").eq(lit(found.event_id.as_str())))?;
            let of_event = of_event.select_columns(&wanted)?.distinct()?.collect().await?;
            for key in of_event.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row))) {
                let mut same = ident("event_time").gt_eq(time(found.window_start));
                for (at, column) in columns.iter().enumerate() {
                    same = same.and(ident(column).eq(lit(ScalarValue::try_from_array(key.0.column(at), key.1)?)));
                }
                let found = table.clone().filter(same)?.select_columns(&["event_id", "event_time"])?.collect().await?;
                for batch in &found {
                    let ids = batch.column(0).as_string::<i32>();
                    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
                    for (id, us) in ids.iter().flatten().zip(times.values()) {
                        if seen.insert((*us, id.to_owned(), columns.clone())) {
                            let name = format!("shares {}", columns.join(", "));
                            let (event_id, event_time) = (Some(id.to_owned()), Some(*us));
                            rows.push(Row { part: "event", name, event_id, event_time, ..Row::default() });
                        }
                    }
                }
            }
        }
    }
    rows.sort_by(|a, b| (a.event_time, &a.event_id, &a.name).cmp(&(b.event_time, &b.event_id, &b.name)));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_text_are_the_columns_after_partition_by() {
        let sql =
            "SELECT sum(x) OVER (PARTITION BY a, b ORDER BY t), count(*) OVER w FROM t WINDOW w AS (partition by c)";
        let expected = [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]];
        assert_eq!(keys(sql), BTreeSet::from(expected));
        let since = "SELECT min(t) OVER (PARTITION BY r ORDER BY t RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), \
                     count(*) OVER (PARTITION BY coalesce(k, m), n ORDER BY t), sum(x) OVER (PARTITION BY q ORDER BY t)";
        assert_eq!(keys(since), BTreeSet::from([vec!["coalesce".to_owned()], vec!["q".to_owned()]]));
        assert_eq!(keys("-- PARTITION BY nothing\nSELECT 1"), BTreeSet::new());
    }
}
