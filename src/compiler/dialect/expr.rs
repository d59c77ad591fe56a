//! The list of expressions, each with what may stand in it.

use super::call::is_far;
use super::{Walk, Windows};
use datafusion::arrow::array::timezone::Tz;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Expr, UnaryOperator, Value,
};

const CLOCK: &str = "year, quarter, month, week, day, hour, minute, second, dow, doy, isodow";

impl Walk {
    pub(super) fn expr(&mut self, expr: &Expr, windows: Windows) {
        self.last = self.at(expr);
        match expr {
            Expr::Identifier(_) => {}
            Expr::CompoundIdentifier(parts) => {
                if parts.len() > 2 {
                    self.refuse(expr, format!("`{expr}` has too many names"), "column, or table.column");
                }
            }
            Expr::IsFalse(e)
            | Expr::IsNotFalse(e)
            | Expr::IsTrue(e)
            | Expr::IsNotTrue(e)
            | Expr::IsNull(e)
            | Expr::IsNotNull(e)
            | Expr::IsUnknown(e)
            | Expr::IsNotUnknown(e)
            | Expr::Nested(e) => self.expr(e, windows),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.distinct_from(expr, right);
                self.expr(left, windows);
                self.expr(right, windows);
            }
            Expr::InList { expr, list, negated: _ } => {
                self.expr(expr, windows);
                list.iter().for_each(|e| self.expr(e, windows));
            }
            Expr::Between { expr, negated: _, low, high } => {
                [expr, low, high].into_iter().for_each(|e| self.expr(e, windows));
            }
            Expr::BinaryOp { left, op, right } => self.binary(expr, left, op, right, windows),
            Expr::Like { negated: _, any, expr: text, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr: text, pattern, escape_char } => {
                if *any || escape_char.is_some() {
                    self.refuse(expr, "LIKE with ANY or ESCAPE is not supported", "x LIKE 'pattern'");
                }
                self.literal(pattern, "the pattern of LIKE");
                self.expr(text, windows);
            }
            Expr::UnaryOp { op, expr: inner } => {
                if !matches!(op, UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not) {
                    self.refuse(expr, format!("the operator `{op}` is not supported"), "+, - and NOT are");
                }
                self.expr(inner, windows);
            }
            Expr::Cast { kind, expr: inner, data_type, array, format } => {
                if *kind == CastKind::SafeCast || *array || format.is_some() {
                    self.refuse(expr, "this form of CAST is not supported", "CAST(x AS TEXT), try_cast(x AS BIGINT)");
                }
                self.cast_type(data_type, expr);
                self.expr(inner, windows);
            }
            Expr::Value(value) => self.value(value),
            Expr::TypedString(literal) => self.typed_text(literal),
            Expr::Function(call) => self.call(call, windows),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                operand.iter().for_each(|e| self.expr(e, windows));
                for CaseWhen { condition, result } in conditions {
                    self.expr(condition, windows);
                    self.expr(result, windows);
                }
                else_result.iter().for_each(|e| self.expr(e, windows));
            }
            Expr::Interval(_) => {
                let hint = "event_time - INTERVAL '1 day', or the bound of a frame";
                self.refuse(expr, "an INTERVAL stands only after + or - and in frames", hint);
            }
            _ => self.spelled_out(expr, windows),
        }
    }

    /// Functions with a syntax of their own, and what is refused.
    fn spelled_out(&mut self, expr: &Expr, windows: Windows) {
        match expr {
            Expr::AtTimeZone { timestamp, time_zone } => {
                self.literal(time_zone, "a time zone");
                let is_zone = matches!(time_zone.as_ref(), Expr::Value(v) if is_zone(&v.value));
                if !is_zone {
                    self.refuse(
                        time_zone.as_ref(),
                        format!("{time_zone} is no time zone"),
                        "'Asia/Shanghai', '+08:00'",
                    );
                }
                if matches!(timestamp.as_ref(), Expr::TypedString(_) | Expr::Value(_)) {
                    let hint = "TIMESTAMPTZ '2026-03-01T00:00:00+08:00'";
                    self.refuse(expr, "a literal AT TIME ZONE", hint);
                }
                self.expr(timestamp, windows);
            }
            Expr::Extract { field, syntax: _, expr: inner } => {
                self.part(field, expr);
                self.expr(inner, windows);
            }
            Expr::Ceil { expr: inner, field } | Expr::Floor { expr: inner, field } => {
                if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) {
                    self.refuse(expr, "CEIL and FLOOR take one number", "date_trunc('hour', event_time) for times");
                }
                self.expr(inner, windows);
            }
            Expr::Position { expr, r#in } => {
                self.expr(expr, windows);
                self.expr(r#in, windows);
            }
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                for place in substring_from.iter().chain(substring_for) {
                    self.literal(place, "a place in a text");
                    if is_far(place) {
                        self.refuse(place.as_ref(), format!("{place} is too large for `substring`"), "up to 10000");
                    }
                }
                self.expr(expr, windows);
            }
            Expr::Trim { trim_where: _, trim_what, expr: inner, trim_characters } => {
                if trim_characters.is_some() {
                    self.refuse(expr, "trim with a list of characters", "btrim(x, '-')");
                }
                trim_what.iter().for_each(|e| self.expr(e, windows));
                self.expr(inner, windows);
            }
            Expr::Exists { .. } | Expr::InSubquery { .. } | Expr::Subquery(_) => {
                let message = "a subquery inside an expression is not supported";
                self.refuse(expr, message, "write it as a window over a view");
            }
            _ => {
                let hint = "docs/rules.md lists the expressions of the dialect";
                self.refuse_at(self.last, format!("{} is not supported", name_of(expr)), hint);
            }
        }
    }

    fn part(&mut self, field: &DateTimeField, whole: &Expr) {
        use DateTimeField::{Day, Dow, Doy, Hour, Isodow, Minute, Month, Quarter, Second, Week, Year};
        let is_known =
            matches!(field, Year | Quarter | Month | Week(None) | Day | Hour | Minute | Second | Dow | Doy | Isodow);
        if !is_known {
            self.refuse(whole, format!("the part {field} of a time is not supported"), CLOCK);
        }
    }

    fn distinct_from(&mut self, whole: &Expr, right: &Expr) {
        if matches!(right, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. }) {
            let hint = "`a IS DISTINCT FROM b AND c` is read as `a IS DISTINCT FROM (b AND c)`: write parentheses";
            self.refuse(whole, "IS DISTINCT FROM followed by AND or OR", hint);
        }
    }

    fn binary(&mut self, whole: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr, windows: Windows) {
        use BinaryOperator as Op;
        match op {
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::And | Op::Or => {}
            Op::Multiply | Op::StringConcat => {}
            Op::Plus | Op::Minus => {
                // One of the two may be an INTERVAL; what is added to it must be a time (`checks.rs`).
                if let Expr::Interval(interval) = right {
                    self.interval(interval, right);
                    return self.expr(left, windows);
                }
                if let (Expr::Interval(interval), Op::Plus) = (left, op) {
                    self.interval(interval, left);
                    return self.expr(right, windows);
                }
            }
            Op::Divide | Op::Modulo => {
                if !is_guarded(right) {
                    let hint = "divide by a number other than 0 or by nullif(x, 0); ratios are better multiplied out";
                    self.refuse(whole, "a division that can fail", hint);
                }
            }
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGRegexNotMatch | Op::PGRegexNotIMatch => {
                self.literal(right, "a pattern");
            }
            _ => self.refuse(whole, format!("the operator `{op}` is not supported"), "docs/rules.md lists them"),
        }
        self.expr(left, windows);
        self.expr(right, windows);
    }

    /// What must be a literal, for its value is tried when the rule is loaded.
    pub(super) fn literal(&mut self, expr: &Expr, what: &str) {
        if is_literal(expr) {
            return self.expr(expr, Windows::Allowed);
        }
        self.refuse(expr, format!("{what} must be a literal"), "a value that stands in the rule itself");
    }
}

fn is_zone(value: &Value) -> bool {
    matches!(value, Value::SingleQuotedString(name) if name.parse::<Tz>().is_ok())
}

pub(super) fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) => true,
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => matches!(**expr, Expr::Value(_)),
        _ => false,
    }
}

/// Only a number other than 0, or a value that is NULL instead of 0.
fn is_guarded(divisor: &Expr) -> bool {
    match divisor {
        Expr::Value(v) => matches!(&v.value, Value::Number(n, _) if n.parse::<f64>().is_ok_and(|n| n != 0.0)),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
            matches!(expr.as_ref(), Expr::Value(_)) && is_guarded(expr)
        }
        Expr::Nested(inner) => is_guarded(inner),
        Expr::Function(call) => super::call::is_null_for_zero(call),
        _ => false,
    }
}

/// What an analyst would call an expression that is not in the list.
fn name_of(expr: &Expr) -> &'static str {
    match expr {
        Expr::CompoundFieldAccess { .. } | Expr::JsonAccess { .. } => "access to a part of a value",
        Expr::IsNormalized { .. } => "IS NORMALIZED",
        Expr::InUnnest { .. } => "IN UNNEST(..)",
        Expr::SimilarTo { .. } => "SIMILAR TO",
        Expr::RLike { .. } => "RLIKE and REGEXP",
        Expr::AnyOp { .. } | Expr::AllOp { .. } => "ANY and ALL",
        Expr::Convert { .. } => "CONVERT",
        Expr::Overlay { .. } => "OVERLAY",
        Expr::Collate { .. } => "COLLATE",
        Expr::Prefixed { .. } => "a text with a prefix",
        Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => "GROUPING SETS, CUBE and ROLLUP",
        Expr::Tuple(_) => "a list in parentheses",
        Expr::Struct { .. } | Expr::Named { .. } | Expr::Dictionary(_) | Expr::Map(_) | Expr::Array(_) => {
            "a value with parts"
        }
        Expr::MatchAgainst { .. } => "MATCH AGAINST",
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => "`*` inside an expression",
        Expr::OuterJoin(_) => "`(+)`",
        Expr::Prior(_) => "PRIOR",
        Expr::Lambda(_) => "a lambda",
        Expr::MemberOf(_) => "MEMBER OF",
        _ => "this expression",
    }
}
