//! All rules of a folder compiled together: checked, shared, versioned.

use crate::aggregates::Params;
use crate::dialect::{self, Checked};
use crate::header::{self, Header, ParamValue};
use crate::nullness::is_never_null;
use crate::problem::Problem;
use crate::session::{analysed_plan, register_empty, session};
use crate::source::{Source, feed_sources, substitute, view_source};
use crate::stream::{StreamBuilder, window_name, windows_read};
use crate::windows::{self, Call, Refusal};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Volatility};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use foreshock_engine::{Frame, PackPlan, RulePlan};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A rule file as text.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Path, for messages; the stem must be the rule's id.
    pub path: String,
    /// Content.
    pub text: String,
}

/// A view file as text.
pub type ViewFile = RuleFile;

/// Parameters set by configuration or the command line.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `currency` and the like, for every rule that has such a parameter.
    pub all: BTreeMap<String, String>,
    /// (rule id, name) to value.
    pub of_rule: BTreeMap<(String, String), String>,
}

/// A checked rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its header.
    pub header: Header,
    /// Hash of body, views and resolved parameters: a new title is no new version.
    pub version: String,
    /// The file's text, which runs unchanged in the batch.
    pub sql: String,
    /// Its file.
    pub path: String,
    /// Resolved parameters.
    pub params: Params,
    /// Stream it reads.
    pub stream: String,
    /// Position among the stream's rules.
    pub position: usize,
    /// Longest frame in microseconds.
    pub longest_frame_us: i64,
}

/// All rules, ready for both executors.
#[derive(Debug, Clone)]
pub struct Pack {
    /// The rules, in the order of their ids.
    pub rules: Vec<Rule>,
    /// For the engine.
    pub plan: PackPlan,
    /// SQL of the views, for the batch.
    pub views: Vec<String>,
}

impl Pack {
    /// The rule of a verdict.
    pub fn rule_at(&self, stream: &str, position: usize) -> Option<&Rule> {
        self.rules.iter().find(|r| r.stream == stream && r.position == position)
    }
}

/// Compiles views and rules.
///
/// # Errors
/// Every problem found, of all files.
pub fn compile(rules: &[RuleFile], views: &[ViewFile], settings: &Settings) -> Result<Pack, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut sources = feed_sources();
    for view in views {
        match view_source(&view.path, &view.text) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    let views = sources.iter().filter_map(|s| s.sql.clone()).collect();
    let mut streams: BTreeMap<String, StreamBuilder> = BTreeMap::new();
    let mut done = Vec::new();
    for file in rules {
        match compile_rule(file, &sources, &mut streams, settings) {
            Ok(rule) => done.push(rule),
            Err(found) => problems.extend(found.into_iter().map(|p| p.in_file(&file.path))),
        }
    }
    check_settings(&done, settings, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    done.sort_by(|a, b| a.header.id.cmp(&b.header.id));
    let ctx = session(&Params::default()).map_err(|e| vec![Problem::from_datafusion(&e, (1, 1))])?;
    let streams: Result<Vec<_>, _> = streams.into_values().map(|s| s.finish(&ctx)).collect();
    let streams = streams.map_err(|e| vec![Problem::from_datafusion(&e, (1, 1)).in_file("rules")])?;
    Ok(Pack { rules: done, plan: PackPlan { streams }, views })
}

fn check_settings(rules: &[Rule], settings: &Settings, problems: &mut Vec<Problem>) {
    for (rule, name) in settings.of_rule.keys() {
        let known = rules.iter().any(|r| r.header.id == *rule && r.header.params.contains_key(name));
        if !known && rules.iter().any(|r| r.header.id == *rule) {
            let message = format!("rule `{rule}` has no parameter `{name}`");
            problems.push(Problem::at((1, 1), message, "foreshock rules list shows them").in_file("settings"));
        }
    }
}

struct Walker<'a> {
    stream: Option<StreamBuilder>,
    sources: &'a [Source],
    streams: &'a mut BTreeMap<String, StreamBuilder>,
    checked: &'a Checked,
    longest_frame_us: i64,
}

/// What a plan node gives: its columns and all filters passed, over base and window columns.
struct Relation {
    columns: Vec<Expr>,
    filters: Vec<Expr>,
}

fn compile_rule(
    file: &RuleFile,
    sources: &[Source],
    streams: &mut BTreeMap<String, StreamBuilder>,
    settings: &Settings,
) -> Result<Rule, Vec<Problem>> {
    let (header, body) = header::read(&file.path, &file.text).map_err(|p| vec![p])?;
    let checked = dialect::check(&file.text).map_err(|p| vec![p])?;
    if !checked.problems.is_empty() {
        return Err(checked.problems);
    }
    let params = resolve(&header, settings).map_err(|p| vec![p])?;
    let place = checked.select;
    let fallback = |e: datafusion::error::DataFusionError| vec![Problem::from_datafusion(&e, place)];
    let ctx = session(&params).map_err(fallback)?;
    for source in sources {
        register_empty(&ctx, &source.name, source.schema.clone()).map_err(fallback)?;
    }
    check_defaults(&ctx, &file.text, &header, place).map_err(|p| vec![p])?;
    let plan = analysed_plan(&ctx, &file.text).map_err(fallback)?;
    check_plan(&plan, place).map_err(|p| vec![p])?;
    let mut walker = Walker { stream: None, sources, streams, checked: &checked, longest_frame_us: 0 };
    let relation = walker.walk(&plan);
    let longest_frame_us = walker.longest_frame_us;
    let Some(mut stream) = walker.stream else {
        return Err(vec![
            relation.err().unwrap_or_else(|| Problem::at(place, "the rule reads no feed", "FROM transactions")),
        ]);
    };
    let done = relation.and_then(|relation| {
        let names: Vec<String> = plan.schema().fields().iter().map(|f| f.name().clone()).collect();
        output(&mut stream, &names, &relation, place).map(|plan| (plan, relation))
    });
    let name = stream.source.name.clone();
    let result = done.map(|(mut plan, _)| {
        let version = version(&body, &stream.source, &params);
        plan.id.clone_from(&header.id);
        plan.version.clone_from(&version);
        plan.longest_frame_us = longest_frame_us;
        stream.rules.push(plan);
        let (path, sql) = (file.path.clone(), file.text.clone());
        let position = stream.rules.len() - 1;
        Rule { header, version, sql, path, params, stream: name.clone(), position, longest_frame_us }
    });
    streams.insert(name, stream);
    result.map_err(|p| vec![p])
}

fn resolve(header: &Header, settings: &Settings) -> Result<Params, Problem> {
    let mut values = BTreeMap::new();
    for (name, param) in &header.params {
        let set = settings.of_rule.get(&(header.id.clone(), name.clone())).or_else(|| settings.all.get(name));
        let value = match (set, &param.default) {
            (None, default) => default.clone(),
            (Some(text), ParamValue::Text(_)) => ParamValue::Text(text.clone()),
            (Some(text), ParamValue::Int(_)) => {
                text.parse().map(ParamValue::Int).map_err(|_| bad_value(header, name, text))?
            }
            (Some(text), ParamValue::Bool(_)) => {
                text.parse().map(ParamValue::Bool).map_err(|_| bad_value(header, name, text))?
            }
        };
        header::check_range(name, param, &value)
            .map_err(|(m, h)| Problem::at((1, 1), format!("rule `{}`: {m}", header.id), h))?;
        values.insert(name.clone(), scalar(&value));
    }
    Ok(Arc::new(values))
}

fn bad_value(header: &Header, name: &str, text: &str) -> Problem {
    let message = format!("rule `{}`, parameter `{name}`: `{text}` is not of the type of its default", header.id);
    Problem::at((1, 1), message, "the value comes from configuration or --set")
}

fn scalar(value: &ParamValue) -> ScalarValue {
    match value {
        ParamValue::Bool(v) => ScalarValue::Boolean(Some(*v)),
        ParamValue::Int(v) => ScalarValue::Int64(Some(*v)),
        ParamValue::Text(v) => ScalarValue::Utf8(Some(v.clone())),
    }
}

/// Every `param` of the body must stand in the header with the same default.
fn check_defaults(ctx: &SessionContext, sql: &str, header: &Header, place: (u64, u64)) -> Result<(), Problem> {
    let raw = futures::executor::block_on(ctx.state().create_logical_plan(sql))
        .map_err(|e| Problem::from_datafusion(&e, place))?;
    let mut found = Vec::new();
    each_expr(&raw, &mut |e, _| {
        if let Expr::ScalarFunction(call) = e
            && call.name() == "param"
            && let [Expr::Literal(name, _), Expr::Literal(default, _)] = call.args.as_slice()
        {
            found.push((name.clone(), default.clone()));
        }
        Ok(())
    })?;
    for (name, default) in found {
        let Some(Some(name)) = name.try_as_str() else { continue };
        let Some(param) = header.params.get(name) else {
            return Err(Problem::at(
                place,
                format!("parameter `{name}` is not in the header"),
                "add it under `params`",
            ));
        };
        if scalar(&param.default) != default {
            let message =
                format!("parameter `{name}`: the body's default {default} differs from the header's {}", param.default);
            return Err(Problem::at(place, message, "make them equal"));
        }
    }
    Ok(())
}

fn version(body: &str, source: &Source, params: &Params) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(body.trim().as_bytes());
    hasher.update(source.sql.as_deref().unwrap_or_default().as_bytes());
    for (name, value) in params.iter() {
        hasher.update(format!("\n{name}={value:?}").as_bytes());
    }
    hasher.finalize().to_hex().as_str().chars().take(16).collect()
}

fn each_expr(
    plan: &LogicalPlan,
    visit: &mut dyn FnMut(&Expr, &LogicalPlan) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut found = None;
    let walked = plan.apply(|node| {
        node.apply_expressions(|e| {
            e.apply(|inner| {
                if let Err(problem) = visit(inner, node) {
                    found.get_or_insert(problem);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    walked.map_err(|e| Problem::from_datafusion(&e, (1, 1)))?;
    found.map_or(Ok(()), Err)
}

/// Volatile functions and implicit or failing casts, wherever they stand.
fn check_plan(plan: &LogicalPlan, place: (u64, u64)) -> Result<(), Problem> {
    each_expr(plan, &mut |expr, node| match expr {
        Expr::ScalarFunction(f) if f.func.signature().volatility != Volatility::Immutable => {
            Err(Problem::at(place, format!("`{}` does not give the same answer each time", f.name()), "use event_time"))
        }
        Expr::BinaryExpr(b) => check_arithmetic(b, expr, node, place),
        Expr::Cast(cast) => {
            let schema = node.inputs().first().map_or_else(|| node.schema().clone(), |i| i.schema().clone());
            let from = cast.expr.get_type(&schema).unwrap_or(DataType::Null);
            let to = cast.field.data_type();
            let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
            let is_time =
                |t: &DataType| matches!(t, DataType::Timestamp(..) | DataType::Interval(_) | DataType::Duration(_));
            let is_literal = matches!(cast.expr.as_ref(), Expr::Literal(..));
            let mixes = is_text(&from) != is_text(to) && from != DataType::Null && !(is_literal && is_time(to));
            if !mixes {
                return Ok(());
            }
            let column = cast.expr.spans().and_then(|s| s.first()).map_or(place, |s| (s.start.line, s.start.column));
            Err(Problem::at(
                column,
                format!("`{}` of type {from} is used as {to}", cast.expr),
                "compare equal types, or write try_cast(x AS BIGINT)",
            ))
        }
        _ => Ok(()),
    })
}

/// Ratios as floats, and unsigned with signed numbers (which become decimals).
fn check_arithmetic(b: &BinaryExpr, expr: &Expr, node: &LogicalPlan, place: (u64, u64)) -> Result<(), Problem> {
    let is_float = |e: &Expr| matches!(e, Expr::Literal(ScalarValue::Float64(_) | ScalarValue::Float32(_), _));
    if b.op == Operator::Multiply && (is_float(&b.left) || is_float(&b.right)) {
        let hint = "multiply out in integers: 10 * a >= 8 * b instead of a >= 0.8 * b";
        return Err(Problem::at(place, format!("`{expr}` is computed in floats"), hint));
    }
    let schema = node.inputs().first().map_or_else(|| node.schema().clone(), |i| i.schema().clone());
    match expr.get_type(&schema) {
        Ok(DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            let hint = "CAST(row_number() OVER (..) AS BIGINT)";
            Err(Problem::at(place, format!("`{expr}` mixes unsigned and signed numbers"), hint))
        }
        _ => Ok(()),
    }
}

impl Walker<'_> {
    fn walk(&mut self, plan: &LogicalPlan) -> Result<Relation, Problem> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan.table_name.table(), plan),
            LogicalPlan::SubqueryAlias(alias) => self.walk(&alias.input),
            LogicalPlan::Filter(filter) => {
                let mut relation = self.walk(&filter.input)?;
                let predicate = self.inline(&filter.predicate, &filter.input, &relation)?;
                relation.filters.extend(split_conjunction_owned(predicate));
                Ok(relation)
            }
            LogicalPlan::Projection(projection) => {
                let relation = self.walk(&projection.input)?;
                let inline = |e| self.inline(e, &projection.input, &relation);
                let columns = projection.expr.iter().map(inline).collect::<Result<_, _>>()?;
                Ok(Relation { columns, filters: relation.filters })
            }
            LogicalPlan::Window(window) => {
                let mut relation = self.walk(&window.input)?;
                let mut columns = Vec::new();
                for expr in &window.window_expr {
                    columns.push(self.window(expr, &window.input, &relation)?);
                }
                relation.columns.extend(columns);
                Ok(relation)
            }
            other => {
                let name = other.display().to_string();
                let name = name.split([':', ' ']).next().unwrap_or_default().to_owned();
                Err(self.problem(format!("`{name}` is not supported in a rule"), "docs/rules.md lists what is"))
            }
        }
    }

    fn problem(&self, message: String, hint: &str) -> Problem {
        Problem::at(self.checked.select, message, hint)
    }

    fn scan(&mut self, table: &str, plan: &LogicalPlan) -> Result<Relation, Problem> {
        let source = self.sources.iter().find(|s| s.name == table);
        let source =
            source.ok_or_else(|| self.problem(format!("no table or view `{table}`"), "docs/rules.md lists them"))?;
        let stream = self.streams.remove(table).unwrap_or_else(|| StreamBuilder::new(source.clone()));
        self.stream = Some(stream);
        let columns = plan.schema().fields().iter().map(|f| crate::expr::column(f.name())).collect();
        Ok(Relation { columns, filters: Vec::new() })
    }

    fn inline(&self, expr: &Expr, input: &LogicalPlan, relation: &Relation) -> Result<Expr, Problem> {
        substitute(expr, input.schema(), &relation.columns)
            .ok_or_else(|| self.problem(format!("`{expr}` reads a column that is not there"), ""))
    }

    fn window(&mut self, expr: &Expr, input: &LogicalPlan, relation: &Relation) -> Result<Expr, Problem> {
        let mut inner = expr;
        while let Expr::Alias(alias) = inner {
            inner = &alias.expr;
        }
        let Expr::WindowFunction(function) = inner else {
            return Err(self.problem(format!("`{expr}` is no window call"), ""));
        };
        let params = &function.params;
        let inline_all =
            |exprs: &[Expr]| exprs.iter().map(|e| self.inline(e, input, relation)).collect::<Result<Vec<_>, _>>();
        let arguments = inline_all(&params.args)?;
        let keys = inline_all(&params.partition_by)?;
        let order = params.order_by.iter().map(|s| self.inline(&s.expr, input, relation)).collect::<Result<_, _>>()?;
        let filter = params.filter.as_ref().map(|f| self.inline(f, input, relation)).transpose()?;
        let types = params.args.iter().map(|a| a.get_type(input.schema())).collect::<Result<_, _>>();
        let argument_types = types.map_err(|e| Problem::from_datafusion(&e, self.checked.select))?;
        let name = function.fun.name().to_ascii_lowercase();
        let at = self.place_of(&name);
        let refused = |(message, hint): Refusal| Problem::at(at, message, hint);
        let input_filters = relation.filters.clone();
        let call = Call { function, arguments, argument_types, filter, keys, order, input_filters };
        let spec = windows::spec(call).map_err(refused)?;
        let stream = self.stream.as_mut().expect("a window stands above a scan");
        for key in &spec.keys {
            if !windows_read(key).is_empty() {
                // DataFusion 55.2 mixes up the partitions of such a window (docs/decisions/0005): no oracle, so no rule.
                let message = format!("the partition key `{}` reads a window result", function.params.partition_by[0]);
                return Err(Problem::at(at, message, "partition by columns of the event"));
            }
            if !is_key(key, &relation.filters, stream) {
                let message = format!("the partition key `{key}` can be NULL");
                return Err(Problem::at(at, message, "add WHERE .. IS NOT NULL below the window, or coalesce(..)"));
            }
        }
        check_currency(&spec, &stream.source).map_err(refused)?;
        if let Frame::Range { preceding: Some(width), .. } = spec.frame {
            self.longest_frame_us = self.longest_frame_us.max(width);
        }
        Ok(crate::expr::column(&window_name(stream.window(spec))))
    }

    fn place_of(&self, name: &str) -> (u64, u64) {
        self.checked.window_calls.iter().find(|c| c.name == name).map_or(self.checked.select, |c| c.place)
    }
}

fn is_key(key: &Expr, filters: &[Expr], stream: &StreamBuilder) -> bool {
    let schema = &stream.source.schema;
    is_never_null(key, filters, &|name| schema.field_with_name(name).is_ok_and(|f| !f.is_nullable()))
}

fn mentions(expr: &Expr, columns: &[String]) -> bool {
    let mut found = false;
    let _ = expr.apply(|e| {
        found |= matches!(e, Expr::Column(c) if columns.contains(&c.name));
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Is one of the conditions `currency = <constant>`?
fn fixes_currency(conditions: &[Expr]) -> bool {
    conditions.iter().flat_map(|c| split_conjunction_owned(c.clone())).any(|c| {
        let Expr::BinaryExpr(b) = &c else { return false };
        let currency = crate::expr::column("currency");
        let sides = [(&b.left, &b.right), (&b.right, &b.left)];
        b.op == Operator::Eq && sides.iter().any(|(l, r)| ***l == currency && matches!(r.as_ref(), Expr::Literal(..)))
    })
}

const CURRENCY_HINT: &str = "add `currency = param('currency', 'CNY')` to the WHERE below it or to its FILTER";

fn check_currency(spec: &crate::stream::WindowSpec, source: &Source) -> Result<(), Refusal> {
    use foreshock_engine::Function::{Count, CountDistinct, Earliest, Lag, Latest};
    let adds = !matches!(spec.function, Count | CountDistinct | Earliest | Latest | Lag(_));
    let is_money = spec.argument.as_ref().is_some_and(|(a, _)| mentions(a, &source.money));
    let by_key = spec.keys.contains(&crate::expr::column("currency"));
    let by_filter = spec.filter.as_ref().is_some_and(|f| fixes_currency(std::slice::from_ref(f)));
    if adds && is_money && !by_key && !by_filter && !fixes_currency(&spec.input_filters) {
        return Err(("amounts of different currencies are mixed".into(), CURRENCY_HINT.into()));
    }
    Ok(())
}

fn output(
    stream: &mut StreamBuilder,
    names: &[String],
    relation: &Relation,
    place: (u64, u64),
) -> Result<RulePlan, Problem> {
    let column = |name: &str| {
        let at = names.iter().position(|n| n == name);
        at.map(|i| relation.columns[i].clone()).ok_or_else(|| {
            Problem::at(
                place,
                format!("the rule returns no `{name}`"),
                "SELECT event_id, event_time, .. AS subject, ..",
            )
        })
    };
    let (event_id, event_time, subject) = (column("event_id")?, column("event_time")?, column("subject")?);
    for (expr, name) in [(&event_id, "event_id"), (&event_time, "event_time")] {
        if *expr != crate::expr::column(name) {
            return Err(Problem::at(place, format!("`{name}` is computed"), "return the event's own"));
        }
    }
    if !windows_read(&subject).is_empty() {
        return Err(Problem::at(place, "`subject` reads a window result", "a subject is a column of the event"));
    }
    if !is_key(&subject, &relation.filters, stream) {
        return Err(Problem::at(place, "`subject` can be NULL", "add WHERE .. IS NOT NULL, or coalesce(..)"));
    }
    let compares_money = relation.filters.iter().any(|f| mentions(f, &stream.source.money));
    let by_currency = fixes_currency(&relation.filters);
    if compares_money && !by_currency {
        return Err(Problem::at(place, "amounts are compared without a currency", CURRENCY_HINT));
    }
    let head = [stream.expr(event_id), stream.expr(event_time), stream.expr(subject)];
    let predicate = stream.predicate(&relation.filters);
    let mut values = Vec::new();
    for (name, expr) in names.iter().zip(&relation.columns) {
        if !matches!(name.as_str(), "event_id" | "event_time" | "subject") {
            values.push((name.clone(), stream.expr(expr.clone())));
        }
    }
    let (id, version) = (String::new(), String::new());
    Ok(RulePlan { id, version, predicate, head, values, longest_frame_us: 0 })
}
