//! The dialect: the text of a rule or view to a syntax tree that holds nothing but what `docs/rules.md` lists. All else is
//! refused by name and place, before DataFusion sees it (reasons in `docs/decisions/0003-dialect.md`).

pub(crate) mod bounds;
mod call;
mod expr;
mod inherit;
mod literal;
pub(crate) mod names;
mod query;
mod syntax;

use crate::problem::Problem;
use datafusion::sql::sqlparser::ast::{CreateView, Query, SetExpr, Spanned, Statement};

/// A window call of the text: function name and place, in reading order.
#[derive(Debug, Clone)]
pub(crate) struct WindowCall {
    pub(crate) name: String,
    pub(crate) place: (u64, u64),
}

/// What the text holds.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) window_calls: Vec<WindowCall>,
    /// Names given to `param`.
    pub(crate) params: Vec<String>,
    /// Texts in quotes and numbers, with their places.
    pub(crate) texts: Vec<(String, (u64, u64))>,
    /// Place of the outermost SELECT.
    pub(crate) select: (u64, u64),
    /// The query with its named windows written out: both executors run this.
    pub(crate) query: Query,
}

impl Checked {
    /// Where a text in quotes or a number stands first.
    pub(crate) fn find_text(&self, text: &str) -> Option<(u64, u64)> {
        self.texts.iter().find(|(t, _)| t == text).map(|(_, place)| *place)
    }

    /// The same, or the place of the SELECT.
    pub(crate) fn place_of_text(&self, text: &str) -> (u64, u64) {
        self.find_text(text).unwrap_or(self.select)
    }

    /// Place of a column of the outer SELECT.
    pub(crate) fn place_of_output(&self, at: usize) -> (u64, u64) {
        let SetExpr::Select(select) = self.query.body.as_ref() else { return self.select };
        select.projection.get(at).map_or(self.select, |item| bounds::place(item.span().start))
    }
}

/// A view's name and what it selects.
#[derive(Debug)]
pub(crate) struct CheckedView {
    pub(crate) name: String,
    pub(crate) checked: Checked,
}

/// Problems of one file that are told at once.
const PROBLEMS_MAX: usize = 50;

/// Parses a rule and checks its text.
pub(crate) fn check(text: &str) -> Result<Checked, Vec<Problem>> {
    let statements = syntax::statements(text).map_err(|p| vec![p])?;
    let [Statement::Query(query)] = statements.as_slice() else {
        let span = statements.get(1).or(statements.first()).map(Spanned::span);
        let place = span.map_or((1, 1), |span| bounds::place(span.start));
        let hint = "put a second rule into a file of its own";
        return Err(vec![Problem::at(place, "a rule is exactly one SELECT", hint)]);
    };
    checked(Role::Rule, query)
}

/// Parses a view (`CREATE VIEW <name> AS SELECT ..`) and checks its text.
pub(crate) fn check_view(text: &str) -> Result<CheckedView, Vec<Problem>> {
    let hint = "a view is CREATE VIEW <name> AS SELECT .. FROM feed [WHERE ..] [UNION ALL ..]";
    let statements = syntax::statements(text).map_err(|p| vec![p])?;
    let [Statement::CreateView(view)] = statements.as_slice() else {
        return Err(vec![Problem::at((1, 1), "a view file is exactly one CREATE VIEW", hint)]);
    };
    let CreateView {
        or_alter,
        or_replace,
        materialized,
        secure,
        name,
        name_before_not_exists: _,
        columns,
        query,
        options,
        cluster_by,
        comment,
        with_no_schema_binding,
        if_not_exists,
        temporary,
        copy_grants,
        to,
        params,
    } = view;
    let is_plain = !(*or_alter || *or_replace || *materialized || *secure || *with_no_schema_binding)
        && !(*if_not_exists || *temporary || *copy_grants)
        && columns.is_empty()
        && cluster_by.is_empty()
        && comment.is_none()
        && to.is_none()
        && params.is_none()
        && *options == datafusion::sql::sqlparser::ast::CreateTableOptions::None;
    let name = match name.0.as_slice() {
        [part] if is_plain => part.as_ident().map(|ident| ident.value.to_lowercase()),
        _ => None,
    };
    let Some(name) = name else {
        let place = bounds::place(view.name.span().start);
        return Err(vec![Problem::at(place, "a view with more than a name", hint)]);
    };
    Ok(CheckedView { name, checked: checked(Role::View, query)? })
}

fn checked(role: Role, query: &Query) -> Result<Checked, Vec<Problem>> {
    let select = bounds::place(query.span().start);
    let (window_calls, params, texts) = (Vec::new(), Vec::new(), Vec::new());
    let mut walk = Walk { role, problems: Vec::new(), window_calls, params, texts, last: select };
    walk.query(query, true);
    let mut query = query.clone();
    walk.problems.extend(inherit::write_out(&mut query));
    if !walk.problems.is_empty() {
        walk.problems.truncate(PROBLEMS_MAX);
        return Err(walk.problems);
    }
    let Walk { window_calls, params, texts, .. } = walk;
    Ok(Checked { window_calls, params, texts, select, query })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Rule,
    View,
}

/// May a window call stand here?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Windows {
    Allowed,
    /// In a WHERE.
    Where,
    /// Inside another window call.
    Window,
    /// In a view.
    View,
}

/// The walk over a text's syntax tree.
struct Walk {
    role: Role,
    problems: Vec<Problem>,
    window_calls: Vec<WindowCall>,
    params: Vec<String>,
    texts: Vec<(String, (u64, u64))>,
    /// Place of the last node that has one.
    last: (u64, u64),
}

impl Walk {
    fn refuse(&mut self, node: &impl Spanned, message: impl Into<String>, hint: &str) {
        self.refuse_at(self.at(node), message, hint);
    }

    fn refuse_at(&mut self, at: (u64, u64), message: impl Into<String>, hint: &str) {
        self.problems.push(Problem::at(at, message, hint));
    }

    /// What the parser reads and DataFusion drops or does not know.
    fn refuse_if(&mut self, is_there: bool, at: (u64, u64), what: &str) {
        if is_there {
            self.refuse_at(at, format!("{what} is not supported"), "leave it out: docs/rules.md lists what there is");
        }
    }
}
