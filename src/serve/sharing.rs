//! Which events a detection stands on: those that share a key of the rule's windows with the event that triggered it.

use crate::serve::explain::Found;
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ident, lit};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use foreshock_compiler::batch::Tables;
use foreshock_compiler::{Pack, Rule};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An event by its time and id.
pub type Key = (i64, String);

/// Columns after the PARTITION BYs of a text, as far as they are plain columns.
#[derive(Debug, Default, PartialEq, Eq)]
struct Keys {
    /// Of windows with a beginning: all their events count.
    bounded: BTreeSet<Vec<String>>,
    /// Of windows without one. They tell since when something is known (`docs/rules.md`): the first event counts.
    unbounded: BTreeSet<Vec<String>>,
}

impl Keys {
    fn of(sql: &str) -> Keys {
        let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return Keys::default() };
        let words: Vec<&Token> = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        let is = |token: &Token, word: &str| matches!(token, Token::Word(w) if w.value.eq_ignore_ascii_case(word));
        let mut keys = Keys::default();
        for at in 0..words.len().saturating_sub(2) {
            if !(is(words[at], "PARTITION") && is(words[at + 1], "BY")) {
                continue;
            }
            let mut depth = 0;
            let mut of_window = words[at..].iter().take_while(|token| {
                depth += i32::from(matches!(token, Token::LParen)) - i32::from(matches!(token, Token::RParen));
                depth >= 0
            });
            let has_beginning = !of_window.any(|token| is(token, "UNBOUNDED"));
            let mut columns = Vec::new();
            for pair in words[at + 2..].chunks(2) {
                let [Token::Word(column), rest @ ..] = pair else { break };
                columns.push(column.value.clone());
                if !matches!(rest, [Token::Comma]) {
                    break;
                }
            }
            if !columns.is_empty() {
                (if has_beginning { &mut keys.bounded } else { &mut keys.unbounded }).insert(columns);
            }
        }
        keys
    }
}

/// The events that share a key with the event, within the rule's longest frame, with what they share; in `steps` steps: those
/// that share one with these, and so on.
pub async fn events(
    pack: &Pack,
    rule: &Rule,
    facts: &Tables,
    found: &Found,
    steps: usize,
) -> Result<BTreeMap<Key, BTreeSet<String>>> {
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
    relations.retain(|relation| rule.sql.contains(relation.as_str()));
    let (keys, mut all) = (Keys::of(&rule.sql), BTreeMap::<Key, BTreeSet<String>>::new());
    let mut seeds = BTreeSet::from([(found.event_time, found.event_id.clone())]);
    for step in 0..steps {
        ctx.register_batch("seeds", batch(&seeds)?)?;
        let mut shared = BTreeMap::<Key, BTreeSet<String>>::new();
        for relation in &relations {
            let table = ctx.table(relation.as_str()).await?;
            let has = |columns: &&Vec<String>| {
                columns.iter().all(|column| table.schema().has_column_with_unqualified_name(column))
            };
            let first = lit(ScalarValue::TimestampMicrosecond(Some(found.window_start), Some("UTC".into())));
            let bounded = table.clone().filter(ident("event_time").gt_eq(first))?.into_view();
            ctx.register_table("bounded", bounded)?;
            let relation = Relation {
                name: relation,
                has_source: table.schema().has_column_with_unqualified_name("source_event_id"),
            };
            if step == 0 {
                collect(&ctx, &relation.own(), "it was triggered by", &mut shared).await?;
            }
            for columns in keys.bounded.iter().filter(has) {
                let name = format!("shares {}", columns.join(", "));
                collect(&ctx, &relation.sharing(columns), &name, &mut shared).await?;
            }
            for columns in keys.unbounded.iter().filter(has) {
                let name = format!("is the first of {}", columns.join(", "));
                collect(&ctx, &relation.first_of(columns), &name, &mut shared).await?;
            }
            ctx.deregister_table("bounded")?;
        }
        ctx.deregister_table("seeds")?;
        seeds = shared.keys().filter(|key| !all.contains_key(*key)).cloned().collect();
        for (key, names) in shared {
            all.entry(key).or_insert(names);
        }
    }
    Ok(all)
}

/// A table or view that the rule reads.
struct Relation<'a> {
    name: &'a str,
    /// One event is several of its rows, each with an id of its own, such as both ends of a payment.
    has_source: bool,
}

impl Relation<'_> {
    /// The column with the id of the event that a row is of.
    fn source(&self) -> &'static str {
        if self.has_source { "source_event_id" } else { "event_id" }
    }

    /// What is asked for of the rows that the seeds are, by the id of a row or of its event.
    fn seeds(&self, what: &str) -> String {
        let by = |column: &str| {
            let name = self.name;
            format!(
                "SELECT {what} FROM {name} t JOIN seeds s ON s.event_id = t.{column} AND s.event_time = t.event_time"
            )
        };
        if self.has_source { format!("{} UNION {}", by("event_id"), by("source_event_id")) } else { by("event_id") }
    }

    /// The events that the seeds are.
    fn own(&self) -> String {
        self.seeds(&format!("t.{}, t.event_time", self.source()))
    }

    /// The keys that the seeds have.
    fn keys(&self, columns: &[String]) -> String {
        let named = |(at, column): (usize, &String)| format!("t.\"{column}\" AS key_{at}");
        let named: Vec<String> = columns.iter().enumerate().map(named).collect();
        format!("SELECT DISTINCT * FROM ({}) q", self.seeds(&named.join(", ")))
    }

    fn sharing(&self, columns: &[String]) -> String {
        let source = self.source();
        format!(
            "SELECT DISTINCT t.{source}, t.event_time FROM bounded t JOIN ({}) k ON {}",
            self.keys(columns),
            on(columns)
        )
    }

    fn first_of(&self, columns: &[String]) -> String {
        let (name, source) = (self.name, self.source());
        let by: Vec<String> = (0..columns.len()).map(|at| format!("k.key_{at}")).collect();
        let first = format!(
            "SELECT {}, min(t.event_time) AS first_time FROM {name} t JOIN ({}) k ON {} GROUP BY {}",
            by.join(", "),
            self.keys(columns),
            on(columns),
            by.join(", ")
        );
        format!(
            "SELECT min(t.{source}), t.event_time FROM {name} t JOIN ({first}) k ON {} AND t.event_time = k.first_time \
             GROUP BY t.event_time",
            on(columns)
        )
    }
}

fn on(columns: &[String]) -> String {
    let equal = |(at, column): (usize, &String)| format!("t.\"{column}\" = k.key_{at}");
    columns.iter().enumerate().map(equal).collect::<Vec<_>>().join(" AND ")
}

async fn collect(ctx: &SessionContext, sql: &str, name: &str, to: &mut BTreeMap<Key, BTreeSet<String>>) -> Result<()> {
    for batch in ctx.sql(sql).await?.collect().await? {
        let ids = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
        let times =
            arrow::compute::cast(batch.column(1), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        for (id, us) in ids.as_string::<i32>().iter().flatten().zip(times.values()) {
            to.entry((*us, id.to_owned())).or_default().insert(name.to_owned());
        }
    }
    Ok(())
}

fn batch(seeds: &BTreeSet<Key>) -> Result<RecordBatch> {
    let times: TimestampMicrosecondArray = seeds.iter().map(|(us, _)| Some(*us)).collect();
    let ids: StringArray = seeds.iter().map(|(_, id)| Some(id)).collect();
    let columns = [("event_id", Arc::new(ids) as ArrayRef), ("event_time", Arc::new(times.with_timezone("UTC")))];
    Ok(RecordBatch::try_from_iter(columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_text_are_the_columns_after_partition_by() {
        let sql =
            "SELECT sum(x) OVER (PARTITION BY a, b ORDER BY t), count(*) OVER w FROM t WINDOW w AS (partition by c)";
        let set = |keys: &[&[&str]]| -> BTreeSet<Vec<String>> {
            keys.iter().map(|columns| columns.iter().map(ToString::to_string).collect()).collect()
        };
        assert_eq!(Keys::of(sql), Keys { bounded: set(&[&["a", "b"], &["c"]]), ..Keys::default() });
        let since = "SELECT min(t) OVER (PARTITION BY r ORDER BY t RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), \
                     count(*) OVER (PARTITION BY coalesce(k, m), n ORDER BY t), sum(x) OVER (PARTITION BY q ORDER BY t)";
        assert_eq!(Keys::of(since), Keys { bounded: set(&[&["coalesce"], &["q"]]), unbounded: set(&[&["r"]]) });
        assert_eq!(Keys::of("-- PARTITION BY nothing\nSELECT 1"), Keys::default());
    }
}
