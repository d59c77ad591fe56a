//! `explain_detection(id)`: why a detection stands. The rule's text runs over the facts that its windows reach, and what it says of
//! the event stands beside what was published; and the events that share a key of its windows with that event.
//! `explain_detection(id, steps)`: in so many steps, at most [`STEPS_MAX`]; with 0 all that the windows reach.

use crate::rights::grant::Person;
use crate::serve::computed::{Computed, Rows};
use crate::serve::gate::Refused;
use crate::serve::sharing::{Key, events};
use crate::serve::tables::SEQ;
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::catalog::{Session, TableFunctionImpl};
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, TableProvider, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::collect;
use foreshock_compiler::batch::{Tables, run_rule};
use foreshock_compiler::{Pack, Rule, Settings, data_type, feed_schema};
use foreshock_core::{Detection, Feed, Type};
use foreshock_log::values;
use std::collections::{BTreeMap, BTreeSet};
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
        let id = match arguments {
            [_, Expr::Literal(_, _)] => {
                arguments[0].as_literal().and_then(|v| v.try_as_str().flatten()).map(str::to_owned)
            }
            _ => id,
        };
        let steps = match arguments.get(1).map(Expr::as_literal) {
            None => Some(1),
            Some(Some(ScalarValue::Int64(Some(steps)))) => usize::try_from(*steps).ok().filter(|s| *s <= STEPS_MAX),
            Some(_) => None,
        };
        let (Some(id), Some(steps)) = (id, steps) else {
            let message = "write explain_detection('detection_id'), or with the steps in which keys are followed, 0 to 3, after it";
            return Err(DataFusionError::Plan(message.into()));
        };
        let (pack, views, person) = (self.pack.clone(), self.views.clone(), self.person.clone());
        Ok(Arc::new(Computed(Explain { pack, views, person, id, steps })))
    }
}

#[derive(Debug)]
struct Explain {
    pack: Arc<Pack>,
    views: Vec<(String, Arc<dyn TableProvider>)>,
    person: Person,
    id: String,
    steps: usize,
}

/// A detection as it was published.
pub struct Found {
    rule: String,
    version: String,
    /// The event that triggered it.
    pub event_id: String,
    /// Its time, microseconds.
    pub event_time: i64,
    /// Where the rule's longest frame begins, microseconds.
    pub window_start: i64,
    subject: String,
    detail: serde_json::Value,
}

/// Most steps in which keys are followed.
const STEPS_MAX: usize = 3;

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
    feed: Option<&'static str>,
    seq: Option<i64>,
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
            column("feed", Type::Text),
            column("seq", Type::Bigint),
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
            Arc::new(times.with_timezone("UTC")),
            text(&|row| row.feed.map(str::to_owned)),
            Arc::new(rows.iter().map(|row| row.seq).collect::<Int64Array>()),
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
        let mut facts = BTreeMap::new();
        for feed in Feed::ALL {
            facts.insert(feed, self.facts(session, feed, from, found.event_time).await?);
        }
        let tables =
            facts.iter().map(|(feed, rows)| Ok((*feed, without_seq(*feed, rows)?))).collect::<Result<Tables>>()?;
        let said = run_rule(&pack, &pack.rules[0], &tables, 1).await?;
        let is_it = |d: &&Detection| {
            d.event_id == found.event_id && d.event_time == found.event_time && d.subject == found.subject
        };
        let mut rows =
            vec![Row { part: "rule", name: found.rule.clone(), value: Some(rule.sql.clone()), ..Row::default() }];
        let parameter = |(name, value): (&String, _)| (name.clone(), ToString::to_string(value));
        let of_rule = rule.params.iter().map(parameter).map(|(name, value)| ("parameter", name, value));
        let views = pack.views.iter().map(|text| ("view", String::new(), text.clone()));
        rows.extend(of_rule.chain(views).map(|(part, name, value)| Row {
            part,
            name,
            value: Some(value),
            ..Row::default()
        }));
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
        let mut shared = events(&pack, rule, &tables, &found, self.steps).await?;
        let places = places(&facts, (self.steps > 0).then_some(&shared));
        if self.steps == 0 {
            let in_reach = BTreeSet::from(["is in reach".to_owned()]);
            shared.extend(places.keys().map(|key| (key.clone(), in_reach.clone())));
        }
        for ((event_time, event_id), names) in shared {
            let key = (event_time, event_id);
            let (feed, seq) = places.get(&key).copied().unzip();
            let (event_time, event_id) = (Some(key.0), Some(key.1));
            rows.extend(names.into_iter().map(|name| Row {
                part: "event",
                name,
                event_id: event_id.clone(),
                event_time,
                feed,
                seq,
                ..Row::default()
            }));
        }
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

    /// The facts of a feed that the windows reach, with their numbers in the last column.
    async fn facts(&self, session: &dyn Session, feed: Feed, from: Option<i64>, to: i64) -> Result<Vec<RecordBatch>> {
        let Some((_, view)) = self.views.iter().find(|(name, _)| name == feed.table()) else { return Ok(Vec::new()) };
        let mut plan = LogicalPlanBuilder::scan(feed.table(), provider_as_source(view.clone()), None)?
            .filter(ident("event_time").lt_eq(time(to)))?;
        if let Some(from) = from {
            plan = plan.filter(ident("event_time").gt_eq(time(from)))?;
        }
        let columns = feed.columns().iter().map(|column| column.name).chain([SEQ]);
        let plan = plan.project(columns.map(ident))?;
        let plan = plan.limit(0, Some(FACTS_MAX + 1))?.build()?;
        let rows = collect(session.create_physical_plan(&plan).await?, session.task_ctx()).await?;
        if rows.iter().map(RecordBatch::num_rows).sum::<usize>() > FACTS_MAX {
            let message = format!(
                "the rule's windows reach over more than {FACTS_MAX} facts of {}: `foreshock backtest` can do it",
                feed.table()
            );
            return refused("54000", message);
        }
        Ok(rows)
    }
}

/// Facts as a rule reads them.
fn without_seq(feed: Feed, rows: &[RecordBatch]) -> Result<Arc<dyn TableProvider>> {
    // What was erased is empty now.
    let fields = feed_schema(feed).fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    let schema = Arc::new(Schema::new(fields));
    let count = schema.fields().len();
    let rows = rows.iter().map(|batch| RecordBatch::try_new(schema.clone(), batch.columns()[..count].to_vec()));
    Ok(Arc::new(MemTable::try_new(schema.clone(), vec![rows.collect::<std::result::Result<_, _>>()?])?))
}

/// Which feed's each event is, and its number; of these events, or of all.
fn places<T>(
    facts: &BTreeMap<Feed, Vec<RecordBatch>>,
    of: Option<&BTreeMap<Key, T>>,
) -> BTreeMap<Key, (&'static str, i64)> {
    let mut places = BTreeMap::new();
    for (feed, batches) in facts {
        for batch in batches {
            let ids = batch.column_by_name("event_id").map(|column| column.as_string::<i32>());
            let times =
                batch.column_by_name("event_time").map(|column| column.as_primitive::<TimestampMicrosecondType>());
            let (Some(ids), Some(times), Some(seqs)) = (ids, times, batch.columns().last()) else { continue };
            let seqs = seqs.as_primitive::<Int64Type>();
            for (row, id) in ids.iter().enumerate() {
                let key = (times.value(row), id.unwrap_or_default().to_owned());
                if of.is_none_or(|of| of.contains_key(&key)) {
                    places.insert(key, (feed.table(), seqs.value(row)));
                }
            }
        }
    }
    places
}
