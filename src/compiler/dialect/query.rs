//! The list of what a query may hold: DataFusion parses much more and drops it without a word. Every field of every node
//! is named here, so that what a next parser reads is a compile error and not a silent change of meaning.

use super::bounds::place;
use super::{Role, Walk, Windows};
use datafusion::sql::sqlparser::ast::{
    GroupByExpr, Ident, NamedWindowDefinition, NamedWindowExpr, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned, TableAlias, TableFactor,
    TableWithJoins, WildcardAdditionalOptions,
};

const ONE_TABLE: &str = "a rule reads exactly one table or view, without joins";
const VIEW_HINT: &str = "bring feeds together by a view with UNION ALL, as `activity`";

impl Walk {
    pub(super) fn query(&mut self, query: &Query, is_top: bool) {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let at = self.at(query);
        if let Some(with) = with {
            self.refuse(with, "WITH is not supported", "write the inner SELECT as FROM (..) AS name");
        }
        if let Some(order) = order_by {
            let wher = if is_top { " at the top" } else { " of an inner SELECT" };
            let hint = "results are ordered by event time already";
            self.refuse(order, format!("ORDER BY{wher} is not supported"), hint);
        }
        if limit_clause.is_some() || fetch.is_some() {
            self.refuse_at(at, "LIMIT is not supported", "a rule judges every event");
        }
        self.refuse_if(!locks.is_empty(), at, "FOR UPDATE and FOR SHARE");
        self.refuse_if(for_clause.is_some(), at, "FOR XML, FOR JSON and FOR BROWSE");
        self.refuse_if(settings.is_some(), at, "SETTINGS");
        self.refuse_if(format_clause.is_some(), at, "FORMAT");
        self.refuse_if(!pipe_operators.is_empty(), at, "`|>`");
        self.body(body, is_top);
    }

    fn body(&mut self, body: &SetExpr, is_top: bool) {
        match (body, self.role) {
            (SetExpr::Select(select), _) => self.select(select, is_top),
            (SetExpr::Query(query), Role::View) => self.query(query, is_top),
            (SetExpr::SetOperation { left, op, set_quantifier, right }, Role::View) => {
                if (*op, *set_quantifier) != (SetOperator::Union, SetQuantifier::All) {
                    let hint = "UNION ALL keeps every row, as a view must";
                    self.refuse(body, format!("{op} {set_quantifier} is not supported in a view"), hint);
                }
                self.body(left, is_top);
                self.body(right, is_top);
            }
            (SetExpr::Query(_), Role::Rule) => {
                self.refuse(body, "a SELECT in parentheses", "write the SELECT without them");
            }
            (SetExpr::SetOperation { .. }, Role::Rule) => {
                let message = "UNION and VALUES are not supported in a rule";
                self.refuse(body, message, "put the UNION ALL into sql/views");
            }
            (SetExpr::Values(_), _) => {
                self.refuse(body, "UNION and VALUES are not supported in a rule", "SELECT .. FROM a table or view");
            }
            (
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) | SetExpr::Table(_),
                _,
            ) => self.refuse(body, "this statement is not supported", "a rule is exactly one SELECT"),
        }
    }

    fn select(&mut self, select: &Select, is_top: bool) {
        let Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let at = place(select_token.0.span.start);
        self.last = at;
        if distinct.is_some() {
            self.refuse_at(at, "DISTINCT is not supported", "a rule returns at most one row for each event");
        }
        let groups = !matches!(group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
        if groups || having.is_some() {
            let hint = "use a window: sum(..) OVER (PARTITION BY .. ORDER BY event_time RANGE ..)";
            self.refuse_at(at, "GROUP BY is not supported", hint);
        }
        if let Some(prewhere) = prewhere {
            self.refuse(prewhere, "PREWHERE is not supported", "write WHERE");
        }
        self.refuse_if(!optimizer_hints.is_empty(), at, "a hint to an optimiser (`/*+ .. */`)");
        self.refuse_if(select_modifiers.is_some(), at, "a modifier after SELECT");
        self.refuse_if(top.is_some(), at, "TOP");
        self.refuse_if(exclude.is_some(), at, "EXCLUDE");
        self.refuse_if(into.is_some(), at, "INTO");
        self.refuse_if(!lateral_views.is_empty(), at, "LATERAL VIEW");
        self.refuse_if(!connect_by.is_empty(), at, "CONNECT BY");
        self.refuse_if(!cluster_by.is_empty(), at, "CLUSTER BY");
        self.refuse_if(!distribute_by.is_empty(), at, "DISTRIBUTE BY");
        self.refuse_if(!sort_by.is_empty(), at, "SORT BY");
        self.refuse_if(value_table_mode.is_some(), at, "SELECT AS STRUCT and SELECT AS VALUE");
        self.refuse_if(*flavor != SelectFlavor::Standard, at, "FROM before SELECT");
        self.from(from, at);
        let windows = if self.role == Role::View { Windows::View } else { Windows::Allowed };
        for item in projection {
            self.item(item, is_top, windows);
        }
        for NamedWindowDefinition(name, definition) in named_window {
            self.last = place(name.span.start);
            match definition {
                NamedWindowExpr::WindowSpec(spec) => self.window_spec(spec, self.last),
                // Refused where names are written out.
                NamedWindowExpr::NamedWindow(_) => {}
            }
        }
        if let Some(condition) = selection {
            self.expr(condition, Windows::Where);
        }
        if let Some(condition) = qualify {
            self.expr(condition, windows);
        }
    }

    fn item(&mut self, item: &SelectItem, is_top: bool, windows: Windows) {
        match item {
            SelectItem::UnnamedExpr(expr) => self.expr(expr, windows),
            SelectItem::ExprWithAlias { expr, alias: _ } => self.expr(expr, windows),
            SelectItem::ExprWithAliases { expr, aliases: _ } => {
                self.refuse(expr, "several names for one column", "write the expression once for each name");
            }
            SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) if is_top && self.role == Role::Rule => {
                self.refuse(item, "`*` in the outer SELECT", "name the columns that explain the verdict");
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options)
            | SelectItem::Wildcard(options) => self.wildcard(item, options),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                self.refuse(item, "`.*` after an expression", "name the columns");
            }
        }
    }

    fn wildcard(&mut self, item: &SelectItem, options: &WildcardAdditionalOptions) {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        let is_plain = opt_ilike.is_none()
            && opt_exclude.is_none()
            && opt_except.is_none()
            && opt_replace.is_none()
            && opt_rename.is_none()
            && opt_alias.is_none();
        if !is_plain {
            self.refuse(item, "`*` with ILIKE, EXCLUDE, EXCEPT, REPLACE, RENAME or AS", "name the columns");
        }
    }

    fn from(&mut self, from: &[TableWithJoins], at: (u64, u64)) {
        let [TableWithJoins { relation, joins }] = from else {
            return self.refuse_at(at, ONE_TABLE, VIEW_HINT);
        };
        if let Some(join) = joins.first() {
            return self.refuse(join, ONE_TABLE, VIEW_HINT);
        }
        match relation {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let at = self.at(name);
                self.refuse_if(args.is_some(), at, "a table function");
                self.refuse_if(!with_hints.is_empty(), at, "WITH (..) after a table");
                self.refuse_if(version.is_some(), at, "a version or time of a table");
                self.refuse_if(*with_ordinality, at, "WITH ORDINALITY");
                self.refuse_if(!partitions.is_empty(), at, "PARTITION (..) after a table");
                self.refuse_if(json_path.is_some(), at, "a path after a table");
                self.refuse_if(sample.is_some(), at, "TABLESAMPLE");
                self.refuse_if(!index_hints.is_empty(), at, "an index hint");
                self.refuse_if(name.0.len() != 1, at, "a table name with a schema");
                self.alias(alias.as_ref());
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                let at = self.at(subquery.as_ref());
                self.refuse_if(*lateral, at, "LATERAL");
                self.refuse_if(sample.is_some(), at, "TABLESAMPLE");
                self.alias(alias.as_ref());
                self.query(subquery, false);
            }
            TableFactor::TableFunction { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                let message = "a rule reads feed tables, views and SELECTs of them only";
                self.refuse(relation, message, "docs/rules.md lists them");
            }
        }
    }

    fn alias(&mut self, alias: Option<&TableAlias>) {
        let Some(TableAlias { explicit: _, name, columns, at }) = alias else { return };
        let place = place(name.span.start);
        let has_columns = !columns.is_empty();
        self.refuse_if(has_columns, place, "a list of columns after the name of an inner SELECT");
        self.refuse_if(at.as_ref().is_some_and(|at: &Ident| !at.value.is_empty()), place, "AT after a table");
    }

    /// Place of a node, or of the last one that had one.
    pub(super) fn at(&self, node: &impl Spanned) -> (u64, u64) {
        let start = node.span().start;
        if start.line == 0 { self.last } else { place(start) }
    }
}
