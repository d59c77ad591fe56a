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

/// What comes after the list of a PARTITION BY.
const ENDS: [&str; 4] = ["ORDER", "RANGE", "ROWS", "GROUPS"];

/// An event by its time and id.
pub type Key = (i64, String);

/// What the PARTITION BYs of a text name, each as a list of texts of expressions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Keys {
    /// Of windows with a beginning: all their events count.
    bounded: BTreeSet<Vec<String>>,
    /// Of windows without one. They tell since when something is known (`docs/rules.md`): the first event counts.
    unbounded: BTreeSet<Vec<String>>,
}

/// Words of expressions that are no names.
const WORDS: [&str; 13] =
    ["CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IS", "IN", "NULL", "TRUE", "FALSE"];

/// The columns that an expression of a key names: its words, but for names of functions. What has other words in it names a column
/// that is of no relation.
fn columns_of(expression: &str) -> Vec<String> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, expression).tokenize().unwrap_or_default();
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let is_call = |at: usize| matches!(tokens.get(at + 1), Some(Token::LParen));
    let column = |(at, token): (usize, &Token)| match token {
        Token::Word(word) if is_call(at) || WORDS.iter().any(|w| word.value.eq_ignore_ascii_case(w)) => None,
        Token::Word(word) => Some(word.value.clone()),
        _ => None,
    };
    tokens.iter().enumerate().filter_map(column).collect()
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
            let key = expressions(&words[at + 2..]);
            let keys = if has_beginning { &mut keys.bounded } else { &mut keys.unbounded };
            // As it stands, and with the names that the text gives to expressions: one of both is of the rule's table.
            let meant: Vec<String> =
                key.iter().map(|name| named_as(&words, name).unwrap_or_else(|| name.clone())).collect();
            keys.extend([key, meant].into_iter().filter(|key| !key.is_empty()));
        }
        keys
    }
}

/// The expression that a text gives a name to: what stands before `AS name`.
fn named_as(tokens: &[&Token], name: &str) -> Option<String> {
    let is = |token: &Token, word: &str| matches!(token, Token::Word(w) if w.value.eq_ignore_ascii_case(word));
    let end = tokens.windows(2).position(|pair| is(pair[0], "AS") && is(pair[1], name))?;
    let (mut depth, mut first) = (0, end);
    while let Some(token) = first.checked_sub(1).map(|at| tokens[at]) {
        match token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LParen => depth -= 1,
            Token::Comma if depth == 0 => break,
            token if depth == 0 && is(token, "SELECT") => break,
            _ => {}
        }
        first -= 1;
    }
    let text: Vec<String> = tokens[first..end].iter().map(ToString::to_string).collect();
    (!text.is_empty()).then(|| text.join(" "))
}

/// The texts of the expressions of a list, up to what ends it.
fn expressions(tokens: &[&Token]) -> Vec<String> {
    let (mut depth, mut all) = (0, vec![String::new()]);
    for token in tokens {
        match token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => break,
            Token::RParen => depth -= 1,
            Token::Comma if depth == 0 => {
                all.push(String::new());
                continue;
            }
            Token::Word(word) if depth == 0 && ENDS.iter().any(|end| word.value.eq_ignore_ascii_case(end)) => break,
            _ => {}
        }
        let expression = all.last_mut().expect("there is one from the beginning");
        if !expression.is_empty() {
            expression.push(' ');
        }
        expression.push_str(&token.to_string());
    }
    all.retain(|expression| !expression.is_empty());
    all
}

/// The events that share a key with the event, within the rule's longest frame, with what they share; in `steps` steps: those
/// that share one with these, and so on; with 0 only the event itself.
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
    for step in 0..steps.max(1) {
        ctx.register_batch("seeds", batch(&seeds)?)?;
        let mut shared = BTreeMap::<Key, BTreeSet<String>>::new();
        for relation in &relations {
            let table = ctx.table(relation.as_str()).await?;
            let has = |key: &&Vec<String>| {
                let mut columns = key.iter().flat_map(|expression| columns_of(expression));
                columns.all(|column| table.schema().has_column_with_unqualified_name(&column))
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
            if steps == 0 {
                ctx.deregister_table("bounded")?;
                continue;
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

    /// The rows that the seeds are, by the id of a row or of its event.
    fn seeds(&self) -> String {
        let by = |column: &str| {
            let name = self.name;
            format!("SELECT t.* FROM {name} t JOIN seeds s ON s.event_id = t.{column} AND s.event_time = t.event_time")
        };
        if self.has_source { format!("{} UNION {}", by("event_id"), by("source_event_id")) } else { by("event_id") }
    }

    /// The events that the seeds are.
    fn own(&self) -> String {
        format!("SELECT DISTINCT {}, event_time FROM ({}) t", self.source(), self.seeds())
    }

    fn sharing(&self, key: &[String]) -> String {
        let (source, keys, on) = (self.source(), keys(&self.seeds(), key), on(key));
        format!("SELECT DISTINCT t.{source}, t.event_time FROM ({}) t JOIN ({keys}) k ON {on}", keyed("bounded", key))
    }

    fn first_of(&self, key: &[String]) -> String {
        let (source, keys, on, rows) = (self.source(), keys(&self.seeds(), key), on(key), keyed(self.name, key));
        let by: Vec<String> = (0..key.len()).map(|at| format!("k.key_{at}")).collect();
        let by = by.join(", ");
        let first =
            format!("SELECT {by}, min(t.event_time) AS first FROM ({rows}) t JOIN ({keys}) k ON {on} GROUP BY {by}");
        format!(
            "SELECT min(t.{source}), t.event_time FROM ({rows}) t JOIN ({first}) k ON {on} AND t.event_time = k.first \
             GROUP BY t.event_time"
        )
    }
}

/// Rows with their keys.
fn keyed(table: &str, key: &[String]) -> String {
    format!("SELECT *, {} FROM {table}", named(key))
}

/// The keys of some rows.
fn keys(rows: &str, key: &[String]) -> String {
    format!("SELECT DISTINCT {} FROM ({rows}) q", named(key))
}

fn named(key: &[String]) -> String {
    let named: Vec<String> = key.iter().enumerate().map(|(at, text)| format!("{text} AS key_{at}")).collect();
    named.join(", ")
}

fn on(key: &[String]) -> String {
    let equal: Vec<String> = (0..key.len()).map(|at| format!("t.key_{at} = k.key_{at}")).collect();
    equal.join(" AND ")
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
    fn the_keys_of_a_text_are_what_stands_after_partition_by() {
        let sql =
            "SELECT sum(x) OVER (PARTITION BY a, b ORDER BY t), count(*) OVER w FROM t WINDOW w AS (partition by c)";
        let set = |keys: &[&[&str]]| -> BTreeSet<Vec<String>> {
            keys.iter().map(|columns| columns.iter().map(ToString::to_string).collect()).collect()
        };
        assert_eq!(Keys::of(sql), Keys { bounded: set(&[&["a", "b"], &["c"]]), ..Keys::default() });
        let since = "SELECT min(t) OVER (PARTITION BY r ORDER BY t RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), \
                     count(*) OVER (PARTITION BY coalesce(k, m), n ORDER BY t), sum(x) OVER (PARTITION BY q ORDER BY t)";
        let bounded = set(&[&["coalesce ( k , m )", "n"], &["q"]]);
        assert_eq!(Keys::of(since), Keys { bounded, unbounded: set(&[&["r"]]) });
        assert_eq!(Keys::of("-- PARTITION BY nothing\nSELECT 1"), Keys::default());
    }

    #[test]
    fn the_columns_of_an_expression_are_its_words_but_for_functions() {
        assert_eq!(columns_of("coalesce ( k , m )"), ["k", "m"]);
        assert_eq!(columns_of("a"), ["a"]);
        assert_eq!(columns_of("CASE WHEN a = 'X' THEN b ELSE c END"), ["a", "b", "c"]);
        assert!(columns_of("sum ( x ) OVER w").contains(&"OVER".to_owned()), "of no relation");
    }

    #[test]
    fn a_key_that_is_a_name_of_the_text_is_what_the_text_means_by_it() {
        let sql = "SELECT count(*) OVER (PARTITION BY holder ORDER BY t) FROM (SELECT t, f(a, b), CASE WHEN k = 'D' THEN \
                   coalesce(p, q) ELSE r END AS holder FROM x)";
        let meant = "CASE WHEN k = 'D' THEN coalesce ( p , q ) ELSE r END";
        let bounded = [vec!["holder".to_owned()], vec![meant.to_owned()]].into();
        assert_eq!(Keys::of(sql), Keys { bounded, ..Keys::default() });
        assert_eq!(columns_of(meant), ["k", "p", "q", "r"]);
    }
}
