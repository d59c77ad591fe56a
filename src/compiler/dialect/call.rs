//! The list of calls: functions, aggregates over windows, and the windows themselves.

use super::expr::is_literal;
use super::{Role, Walk, WindowCall, Windows, names};
use crate::near::near;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    OrderByExpr, OrderByOptions, Value, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

impl Walk {
    pub(super) fn call(&mut self, call: &Function, windows: Windows) {
        let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } = call;
        let at = self.at(name);
        let name = name.to_string().to_ascii_lowercase();
        self.refuse_if(*uses_odbc_syntax, at, "{fn ..}");
        self.refuse_if(!matches!(parameters, FunctionArguments::None), at, "a second list of arguments");
        self.refuse_if(!within_group.is_empty(), at, "WITHIN GROUP");
        if null_treatment.is_some() {
            self.refuse_at(at, "IGNORE NULLS is not supported", "filter the NULLs below the window");
        }
        let arguments = self.arguments(&name, args, at);
        if let Some(over) = over {
            self.window(&name, over, windows, at);
            if matches!(name.as_str(), "earliest" | "latest") && !ends_with_order(&arguments) {
                let message = format!("`{name}` needs event_time and event_id as its last arguments");
                self.refuse_at(at, message, "latest(x, event_time, event_id)");
            } else if let Some(takes) = names::windowed(&name) {
                self.has_arguments(&name, arguments.len(), takes, at);
            }
            if filter.is_some() && names::drops_filter(&name) {
                let hint = "put the condition in the WHERE below, or use latest(x, event_time, event_id)";
                self.refuse_at(at, format!("FILTER in {name}(..) is not supported"), hint);
            }
            arguments.iter().for_each(|e| self.expr(e, Windows::Window));
            filter.iter().for_each(|e| self.expr(e, Windows::Window));
            return;
        }
        self.refuse_if(filter.is_some(), at, "FILTER without a window");
        self.scalar(&name, &arguments, at);
        arguments.iter().for_each(|e| self.expr(e, windows));
    }

    fn arguments<'a>(&mut self, name: &str, arguments: &'a FunctionArguments, at: (u64, u64)) -> Vec<&'a Expr> {
        let FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) = arguments else {
            if names::why_not(name).is_none() {
                self.refuse_at(at, format!("`{name}` needs its arguments in parentheses"), "count(*)");
            }
            return Vec::new();
        };
        self.refuse_if(!clauses.is_empty(), at, "ORDER BY, LIMIT and the like inside the arguments of a call");
        if *duplicate_treatment == Some(DuplicateTreatment::Distinct) && (name != "count" || args.len() != 1) {
            let hint = "count(DISTINCT a, b) silently counts `a`: count one concatenated key";
            self.refuse_at(at, format!("DISTINCT in `{name}` with these arguments is not supported"), hint);
        }
        let mut exprs = Vec::new();
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => exprs.push(e),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" && args.len() == 1 => {
                    self.refuse_if(duplicate_treatment.is_some(), at, "count(DISTINCT *)");
                }
                FunctionArg::Unnamed(
                    FunctionArgExpr::Wildcard
                    | FunctionArgExpr::QualifiedWildcard(_)
                    | FunctionArgExpr::WildcardWithOptions(_),
                ) => self.refuse_at(at, format!("`*` as an argument of `{name}`"), "name a column"),
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    self.refuse_at(at, format!("a named argument of `{name}`"), "give the arguments in their order");
                }
            }
        }
        exprs
    }

    fn scalar(&mut self, name: &str, arguments: &[&Expr], at: (u64, u64)) {
        if names::windowed(name).is_some() {
            let hint = "sum(..) OVER (PARTITION BY .. ORDER BY event_time RANGE ..)";
            return self.refuse_at(at, format!("`{name}` without a window"), hint);
        }
        let Some(scalar) = names::scalar(name).filter(|s| s.name != "param" || self.role == Role::Rule) else {
            return self.unknown(name, at);
        };
        if !self.has_arguments(name, arguments.len(), scalar.arguments, at) {
            return;
        }
        if name == "param" {
            return self.param(arguments, at);
        }
        let literals = if matches!(name, "date_part" | "date_trunc") {
            0..1
        } else {
            scalar.literals_from.min(arguments.len())..arguments.len()
        };
        for e in &arguments[literals] {
            if !is_literal(e) {
                let hint = "a value that stands in the rule itself";
                self.refuse(*e, format!("this argument of `{name}` must be a literal"), hint);
            } else if is_far(e) {
                self.refuse(*e, format!("{e} is too large for `{name}`"), &format!("up to {PLACE_MAX}"));
            }
        }
        if name == "replace" && text_of(arguments[2]).map(str::len) > text_of(arguments[1]).map(str::len) {
            self.refuse_at(at, "`replace` with a longer text", "the new text must not be longer than the old one");
        }
    }

    fn has_arguments(&mut self, name: &str, count: usize, (least, most): (usize, usize), at: (u64, u64)) -> bool {
        let is_right = (least..=most).contains(&count);
        if !is_right {
            let takes = if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.refuse_at(at, format!("`{name}` with {count} arguments"), &format!("it takes {takes}"));
        }
        is_right
    }

    fn unknown(&mut self, name: &str, at: (u64, u64)) {
        if let Some((message, hint)) = names::why_not(name) {
            return self.refuse_at(at, message, hint);
        }
        let known = names::SCALARS.iter().map(|s| s.name).chain(names::WINDOWED.iter().map(|(name, ..)| *name));
        let hint = match near(name, known) {
            Some(close) => format!("did you mean `{close}`?"),
            None => "docs/rules.md lists the functions of the dialect".to_owned(),
        };
        self.refuse_at(at, format!("function `{name}` is not supported"), &hint);
    }

    fn param(&mut self, arguments: &[&Expr], at: (u64, u64)) {
        match text_of(arguments[0]) {
            Some(name) if is_literal(arguments[1]) => self.params.push(name.to_owned()),
            _ => self.refuse_at(at, "both arguments of `param` must be literals", "param('name', 8)"),
        }
    }

    fn window(&mut self, name: &str, over: &WindowType, windows: Windows, at: (u64, u64)) {
        let refused = match windows {
            Windows::Allowed => None,
            Windows::Where => Some((
                "a window function cannot stand in WHERE",
                "put the SELECT into FROM (..) AS counted and filter outside, or use QUALIFY",
            )),
            Windows::Window => {
                Some(("a window inside a window", "put the inner one into FROM (SELECT .. ) AS counted"))
            }
            Windows::View => Some(("a view with a window", "a view judges nothing: write the window in the rule")),
        };
        if let Some((message, hint)) = refused {
            self.refuse_at(at, message, hint);
        }
        if names::windowed(name).is_none() {
            match names::why_not(name) {
                Some((message, hint)) => self.refuse_at(at, message, hint),
                None if names::scalar(name).is_some() => {
                    self.refuse_at(at, format!("`{name}` is no window function"), "leave out OVER");
                }
                None => self.unknown(name, at),
            }
        }
        self.window_calls.push(WindowCall { name: name.to_owned(), place: at });
        match over {
            WindowType::WindowSpec(spec) => self.window_spec(spec, at),
            // Looked up where names are written out.
            WindowType::NamedWindow(_) => {}
        }
    }

    pub(super) fn window_spec(&mut self, spec: &WindowSpec, at: (u64, u64)) {
        let WindowSpec { window_name: _, partition_by, order_by, window_frame } = spec;
        partition_by.iter().for_each(|e| self.expr(e, Windows::Window));
        for OrderByExpr { expr, options: OrderByOptions { asc: _, nulls_first: _ }, with_fill } in order_by {
            self.refuse_if(with_fill.is_some(), at, "WITH FILL");
            self.expr(expr, Windows::Window);
        }
        if let Some(frame) = window_frame {
            self.frame(frame, at);
        }
    }

    fn frame(&mut self, frame: &WindowFrame, fallback: (u64, u64)) {
        let WindowFrame { units, start_bound, end_bound } = frame;
        for bound in [Some(start_bound), end_bound.as_ref()].into_iter().flatten() {
            let (WindowFrameBound::Preceding(Some(e)) | WindowFrameBound::Following(Some(e))) = bound else { continue };
            self.last = fallback;
            let at = self.at(e.as_ref());
            match (units, e.as_ref()) {
                (WindowFrameUnits::Range, Expr::Interval(interval)) => {
                    self.interval(interval, e);
                    let text = interval.value.to_string();
                    let is_plain = |c: u8| c.is_ascii_digit() || c.is_ascii_lowercase() || c == b' ';
                    if !text.trim_matches('\'').bytes().all(is_plain) {
                        let hint = "whole numbers and units: INTERVAL '10 minutes', INTERVAL '2 hours 1 microsecond'";
                        self.refuse_at(at, format!("frame bound {text} is not supported"), hint);
                    }
                }
                (WindowFrameUnits::Range, _) => {
                    let hint = "INTERVAL '<n> <unit>': a bare number or text means something else to each engine";
                    self.refuse_at(at, "a RANGE bound must be an INTERVAL literal", hint);
                }
                (WindowFrameUnits::Rows | WindowFrameUnits::Groups, Expr::Value(v))
                    if matches!(v.value, Value::Number(..)) => {}
                (WindowFrameUnits::Rows | WindowFrameUnits::Groups, _) => {
                    self.refuse_at(at, "this bound must be a number", "ROWS BETWEEN 3 PRECEDING AND CURRENT ROW");
                }
            }
        }
    }
}

/// Are the arguments (x, event_time, event_id)?
fn ends_with_order(arguments: &[&Expr]) -> bool {
    let last = |e: &Expr| match e {
        Expr::Identifier(name) => name.value.to_ascii_lowercase(),
        Expr::CompoundIdentifier(parts) => parts.last().map_or(String::new(), |name| name.value.to_ascii_lowercase()),
        _ => String::new(),
    };
    matches!(arguments, [_, time, id] if last(time) == "event_time" && last(id) == "event_id")
}

/// A whole number that is too large for a place in a text.
pub(super) fn is_far(expr: &Expr) -> bool {
    let text = expr.to_string();
    text.parse::<i64>().is_ok_and(|n| !(-PLACE_MAX..=PLACE_MAX).contains(&n))
}

const PLACE_MAX: i64 = 10_000;

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Is it `nullif(x, 0)`?
pub(super) fn is_null_for_zero(call: &Function) -> bool {
    let FunctionArguments::List(list) = &call.args else { return false };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(second)))] = list.args.as_slice() else {
        return false;
    };
    call.name.to_string().eq_ignore_ascii_case("nullif")
        && matches!(&second.value, Value::Number(n, _) if n.parse::<f64>().is_ok_and(|n| n == 0.0))
}
