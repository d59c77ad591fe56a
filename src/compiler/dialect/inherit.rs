//! Named windows, written out at each call by SQL's rules before DataFusion plans: it drops the name that a window
//! begins with, and PARTITION BY with it.

use super::bounds::place;
use crate::near::near;
use crate::problem::Problem;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, NamedWindowDefinition, NamedWindowExpr, Query, Select, SetExpr, TableFactor, VisitMut,
    VisitorMut, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// Writes out the named windows of every SELECT.
pub(super) fn write_out(query: &mut Query) -> Vec<Problem> {
    let mut problems = Vec::new();
    of_query(query, &mut problems);
    problems
}

fn of_query(query: &mut Query, problems: &mut Vec<Problem>) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for table in &mut select.from {
        if let TableFactor::Derived { subquery, .. } = &mut table.relation {
            of_query(subquery, problems);
        }
    }
    of_select(select, problems);
}

fn of_select(select: &mut Select, problems: &mut Vec<Problem>) {
    let mut named = Named { windows: Vec::new(), problems };
    for NamedWindowDefinition(name, definition) in std::mem::take(&mut select.named_window) {
        named.define(&name, definition);
    }
    let _ = select.projection.visit(&mut named);
    let _ = select.qualify.visit(&mut named);
}

struct Named<'a> {
    windows: Vec<(Ident, WindowSpec)>,
    problems: &'a mut Vec<Problem>,
}

impl Named<'_> {
    fn define(&mut self, name: &Ident, definition: NamedWindowExpr) {
        let at = place(name.span.start);
        if self.windows.iter().any(|(n, _)| is_same(n, name)) {
            let hint = "give each window of a SELECT its own name";
            self.problems.push(Problem::at(at, format!("two windows are named `{}`", name.value), hint));
        }
        let spec = match definition {
            NamedWindowExpr::WindowSpec(spec) => self.expand(spec, at),
            NamedWindowExpr::NamedWindow(base) => {
                let message = format!("`{} AS {}` is not supported", name.value, base.value);
                let hint = format!("write {} AS ({}), or use `{}` itself", name.value, base.value, base.value);
                self.problems.push(Problem::at(at, message, hint));
                None
            }
        };
        // One that is wrong is reported where it is defined, not again at each call.
        let nothing = WindowSpec { window_name: None, partition_by: vec![], order_by: vec![], window_frame: None };
        self.windows.push((name.clone(), spec.unwrap_or(nothing)));
    }

    fn find(&mut self, name: &Ident, at: (u64, u64)) -> Option<WindowSpec> {
        if let Some((_, spec)) = self.windows.iter().find(|(n, _)| is_same(n, name)) {
            return Some(spec.clone());
        }
        let known = self.windows.iter().map(|(n, _)| n.value.as_str());
        let hint = match near(&name.value, known.clone()) {
            Some(close) => format!("did you mean `{close}`?"),
            None if self.windows.is_empty() => {
                "define it: WINDOW w AS (PARTITION BY .. ORDER BY event_time RANGE ..)".into()
            }
            None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.problems.push(Problem::at(at, format!("unknown window `{}`", name.value), hint));
        None
    }

    /// A window that begins with the name of another one, by SQL's rules: it takes over what that one splits and orders
    /// by, may add an order where there is none, and a frame.
    fn expand(&mut self, mut spec: WindowSpec, at: (u64, u64)) -> Option<WindowSpec> {
        let Some(name) = spec.window_name.take() else { return Some(spec) };
        let base = self.find(&name, at)?;
        let wrong = if !spec.partition_by.is_empty() {
            Some("has its own PARTITION BY")
        } else if !spec.order_by.is_empty() && !base.order_by.is_empty() {
            Some("has its own ORDER BY, as that one has")
        } else if base.window_frame.is_some() {
            Some("cannot take over its frame")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let message = format!("a window that begins with the name `{}` {wrong}", name.value);
            self.problems.push(Problem::at(at, message, "write the window out: PARTITION BY .. ORDER BY .. RANGE .."));
            return None;
        }
        spec.partition_by = base.partition_by;
        if spec.order_by.is_empty() {
            spec.order_by = base.order_by;
        }
        Some(spec)
    }

    fn call(&mut self, call: &mut Function) {
        let Some(over) = call.over.take() else { return };
        let span = call.name.0.first().and_then(|part| part.as_ident()).map_or(Span::empty(), |name| name.span);
        let at = place(span.start);
        let spec = match over {
            WindowType::NamedWindow(name) => self.find(&name, at),
            WindowType::WindowSpec(spec) => self.expand(spec, at),
        };
        call.over = spec.map(|mut spec| {
            // DataFusion keeps the places of columns, not of calls: the ordering column tells where its call stands.
            for order in &mut spec.order_by {
                match &mut order.expr {
                    Expr::Identifier(name) => name.span = span,
                    Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(|part| part.span = span),
                    _ => {}
                }
            }
            WindowType::WindowSpec(spec)
        });
    }
}

impl VisitorMut for Named<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr {
            self.call(call);
        }
        ControlFlow::Continue(())
    }
}

/// Names without quotes are the same in any case.
fn is_same(a: &Ident, b: &Ident) -> bool {
    let plain = |name: &Ident| if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
    plain(a) == plain(b)
}
