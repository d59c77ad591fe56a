//! What a client's text asks for: rows, or something about its own connection.

use crate::serve::gate::{self, NOT_SUPPORTED, READ_ONLY, Refused, SYNTAX};
use crate::serve::pg_catalog::is_moved;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::{
    Array, CloseCursor, CopyLegacyOption, CopyOption, CopySource, CopyTarget, DataType, Declare, Expr, FetchDirection,
    Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Query, Reset, Set,
    Statement, TransactionMode, Value, visit_expressions_mut, visit_relations, visit_relations_mut,
};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use std::ops::ControlFlow;
use std::sync::LazyLock;

/// Rewrites what PostgreSQL's clients say to what DataFusion can plan.
static PARSER: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// One statement of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Rows.
    Rows(Box<Statement>),
    /// Rows as a stream.
    Copy(Box<Statement>, CopyForm),
    /// Something about the connection.
    Own(Own),
}

impl Asked {
    /// The statement in it that gives rows.
    pub fn statement(&mut self) -> Option<&mut Statement> {
        match self {
            Asked::Rows(statement) | Asked::Copy(statement, _) | Asked::Own(Own::Declare { query: statement, .. }) => {
                Some(statement)
            }
            Asked::Own(_) => None,
        }
    }
}

/// How `COPY` writes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyForm {
    /// Tabs between, `\N` for NULL.
    Text,
    /// Commas between; with a first line of names, or without.
    Csv {
        /// Is there a line of names?
        header: bool,
    },
    /// As PostgreSQL's binary files.
    Binary,
}

/// What concerns the connection only.
#[derive(Debug, Clone, PartialEq)]
pub enum Own {
    /// A setting gets a value; `None` for its first one.
    Set(String, Option<String>),
    /// All settings get their first values.
    ResetAll,
    /// The value of a setting.
    Show(String),
    /// A transaction begins: it only reads, and each of its statements sees the newest state.
    Begin,
    /// It ends.
    Commit,
    /// It ends, or goes back to a point in it.
    Rollback {
        /// Only to a savepoint.
        to_savepoint: bool,
    },
    /// A savepoint comes or goes: nothing is written, nothing is to be undone.
    Savepoint(&'static str),
    /// All of the session is forgotten.
    Discard,
    /// A prepared statement is forgotten; `None` for all.
    Deallocate(Option<String>),
    /// A cursor over a query.
    Declare {
        /// Its name.
        name: String,
        /// The query.
        query: Box<Statement>,
        /// Does it outlive the transaction?
        hold: bool,
    },
    /// The next rows of a cursor.
    Fetch(String, Option<usize>),
    /// A cursor is closed; `None` for all.
    Close(Option<String>),
}

/// The statements of a text.
///
/// # Errors
/// Which rule refuses it, and where.
pub fn statements(text: &str) -> Result<Vec<Asked>, Refused> {
    gate::bounded(text)?;
    // The other parser knows lines and columns: it speaks first of what is wrong, and what was not rewritten is taken from it.
    let plain = gate::parsed(text);
    let parsed = match (PARSER.parse(text), &plain) {
        (Ok(parsed), _) => parsed,
        (Err(_), Err(refused)) => return Err(refused.clone()),
        (Err(e), Ok(_)) => return Err(Refused { state: SYNTAX, message: gate::syntax(&e) }),
    };
    let mut plain = plain.unwrap_or_default();
    let with_places = |statement: Statement| match plain.pop_front() {
        Some(Planned::Statement(plain)) if *plain == statement => *plain,
        _ => statement,
    };
    let asked = parsed.into_iter().map(with_places).map(without_lists).map(with_own_catalogue).map(asked);
    let asked = asked.collect::<Result<Vec<Asked>, Refused>>()?;
    let rows = asked.iter().filter(|asked| !matches!(asked, Asked::Own(_))).count();
    if rows > 1 {
        return Err(Refused {
            state: NOT_SUPPORTED,
            message: "one query at a time: send them one after another".into(),
        });
    }
    Ok(asked)
}

/// `ARRAY(SELECT ..)` over the catalogue only, which is not planned: psql asks for options and members with it, and there are
/// none. In any other statement it stays, and is refused.
fn without_lists(mut statement: Statement) -> Statement {
    let mut all_of_catalogue = true;
    let _ = visit_relations(&statement, |name| {
        let name = name.to_string();
        all_of_catalogue &= ["pg_", "unnest"].iter().any(|start| name.starts_with(start));
        ControlFlow::<()>::Continue(())
    });
    if all_of_catalogue {
        let _ = visit_expressions_mut(&mut statement, |expr| {
            if matches!(&*expr, Expr::Function(Function { args: FunctionArguments::Subquery(_), name, .. })
                if name.to_string().eq_ignore_ascii_case("array"))
            {
                *expr = Expr::Array(Array {
                    elem: vec![Expr::Value(Value::SingleQuotedString(String::new()).into())],
                    named: true,
                });
            }
            ControlFlow::<()>::Continue(())
        });
    }
    statement
}

/// Some tables of `information_schema` stand in `pg_catalog` here; a name that is made in the statement is looked up by a function;
/// and the schema that is searched, which the parser takes out of Grafana's questions, is put in again.
fn with_own_catalogue(mut statement: Statement) -> Statement {
    let _ = visit_relations_mut(&mut statement, |name| {
        let text = name.to_string().replace('"', "").to_lowercase();
        let table = text.strip_prefix("information_schema.").filter(|table| is_moved(table));
        if let Some(table) = table {
            *name = vec![Ident::new("pg_catalog"), Ident::new(table)].into();
        }
        ControlFlow::<()>::Continue(())
    });
    let _ = visit_expressions_mut(&mut statement, |expr| {
        match &mut *expr {
            Expr::Cast { expr: inner, data_type: DataType::Regclass, .. } => {
                *expr = call("to_regclass", (**inner).clone())
            }
            Expr::InList { expr, list, .. } if expr.to_string().contains("quote_ident") => {
                for value in list.iter_mut().filter(|value| value.to_string() == "''") {
                    *value = Expr::Value(Value::SingleQuotedString("public".into()).into());
                }
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    statement
}

/// A call of a function of one argument.
fn call(name: &str, argument: Expr) -> Expr {
    Expr::Function(Function {
        name: vec![Ident::new(name)].into(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn asked(statement: Statement) -> Result<Asked, Refused> {
    let own = match statement {
        Statement::Set(set) => setting(set)?,
        Statement::Reset(reset) => match reset.reset {
            Reset::ALL => Own::ResetAll,
            Reset::ConfigurationParameter(name) => Own::Set(name.to_string().to_lowercase(), None),
        },
        Statement::ShowVariable { variable } => Own::Show(joined(&variable)),
        Statement::StartTransaction { modes, .. } => {
            only_reads(&modes)?;
            Own::Begin
        }
        Statement::Commit { .. } => Own::Commit,
        Statement::Rollback { savepoint, .. } => Own::Rollback { to_savepoint: savepoint.is_some() },
        Statement::Savepoint { .. } => Own::Savepoint("SAVEPOINT"),
        Statement::ReleaseSavepoint { .. } => Own::Savepoint("RELEASE"),
        Statement::Discard { .. } => Own::Discard,
        Statement::Deallocate { name, .. } => {
            let is_all = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
            Own::Deallocate((!is_all).then_some(name.value))
        }
        Statement::Declare { stmts } => declared(stmts)?,
        Statement::Fetch { name, direction, .. } => Own::Fetch(name.value, count_of(&direction)?),
        Statement::Close { cursor } => Own::Close(match cursor {
            CloseCursor::All => None,
            CloseCursor::Specific { name } => Some(name.value),
        }),
        Statement::Copy { source, to, target, options, legacy_options, .. } => {
            let query = copied(source, to, &target)?;
            return Ok(Asked::Copy(query, copy_form(&options, &legacy_options)?));
        }
        other => {
            gate::reads_rows(&other)?;
            return Ok(Asked::Rows(Box::new(other)));
        }
    };
    Ok(Asked::Own(own))
}

fn joined(names: &[Ident]) -> String {
    let names: Vec<String> = names.iter().map(|name| name.value.to_lowercase()).collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["time", "zone"] => "timezone".into(),
        ["transaction", "isolation", "level"] => "transaction_isolation".into(),
        ["session", "authorization"] => "session_authorization".into(),
        _ => names.join("."),
    }
}

fn setting(set: Set) -> Result<Own, Refused> {
    Ok(match set {
        Set::SingleAssignment { variable, values, .. } => {
            let value = values.iter().map(|value| bare(&value.to_string())).collect::<Vec<_>>().join(", ");
            let is_default = value.eq_ignore_ascii_case("default");
            Own::Set(variable.to_string().replace('"', "").to_lowercase(), (!is_default).then_some(value))
        }
        Set::SetTimeZone { value, .. } => Own::Set("timezone".into(), Some(bare(&value.to_string()))),
        Set::SetNames { charset_name, .. } => Own::Set("client_encoding".into(), Some(bare(&charset_name.to_string()))),
        Set::SetTransaction { modes, .. } => {
            only_reads(&modes)?;
            Own::Savepoint("SET")
        }
        // The person is who logged in, whatever a client calls his role.
        Set::SetRole { role_name: None, .. } => Own::Savepoint("SET"),
        other => {
            let message = format!("`{other}` is refused: a connection stays with the person who opened it");
            return Err(Refused { state: "42501", message });
        }
    })
}

/// A value without its quotes.
fn bare(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')).map(|v| v.replace("''", "'"));
    inner.unwrap_or_else(|| value.trim_matches('"').to_owned())
}

fn only_reads(modes: &[TransactionMode]) -> Result<(), Refused> {
    let writes = modes.iter().any(|mode| mode.to_string().eq_ignore_ascii_case("read write"));
    let message = "there are only transactions that read".to_owned();
    if writes { Err(Refused { state: READ_ONLY, message }) } else { Ok(()) }
}

fn declared(mut statements: Vec<Declare>) -> Result<Own, Refused> {
    let refused = |message: &str| Refused { state: NOT_SUPPORTED, message: message.into() };
    let (Some(declare), true) = (statements.pop(), statements.is_empty()) else {
        return Err(refused("one cursor at a time"));
    };
    if declare.scroll == Some(true) || declare.binary == Some(true) {
        return Err(refused("a cursor only goes forward, in text"));
    }
    let (Some(name), Some(query)) = (declare.names.into_iter().next(), declare.for_query) else {
        return Err(refused("write DECLARE name CURSOR FOR SELECT .."));
    };
    let hold = declare.hold == Some(true);
    Ok(Own::Declare { name: name.value, query: Box::new(Statement::Query(query)), hold })
}

/// How many rows to fetch; `None` for all.
fn count_of(direction: &FetchDirection) -> Result<Option<usize>, Refused> {
    let number = |value: &Value| value.to_string().parse::<usize>().ok();
    let refused = || Refused { state: "55000", message: "a cursor only goes forward".into() };
    match direction {
        FetchDirection::All | FetchDirection::ForwardAll => Ok(None),
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Ok(Some(1)),
        FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => {
            number(&limit.value).map(Some).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

fn copied(source: CopySource, to: bool, target: &CopyTarget) -> Result<Box<Statement>, Refused> {
    if !to || *target != CopyTarget::Stdout {
        let message = "COPY is refused but for COPY (SELECT ..) TO STDOUT: nothing is written here, and no file".into();
        return Err(Refused { state: READ_ONLY, message });
    }
    let query = match source {
        CopySource::Query(query) => *query,
        CopySource::Table { table_name, columns } => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let columns = if columns.is_empty() { "*".into() } else { columns.join(", ") };
            query_of(&format!("SELECT {columns} FROM {table_name}"))?
        }
    };
    let statement = Statement::Query(Box::new(query));
    gate::reads_rows(&statement)?;
    Ok(Box::new(statement))
}

fn query_of(text: &str) -> Result<Query, Refused> {
    let wrong = |message: String| Refused { state: SYNTAX, message };
    match PARSER.parse(text).map_err(|e| wrong(e.to_string()))?.pop() {
        Some(Statement::Query(query)) => Ok(*query),
        _ => Err(wrong(format!("`{text}` is no query"))),
    }
}

fn copy_form(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<CopyForm, Refused> {
    let refused = |what: String| Refused { state: NOT_SUPPORTED, message: format!("COPY's option {what} is refused") };
    let mut form = CopyForm::Text;
    for option in legacy {
        form = match option {
            CopyLegacyOption::Binary => CopyForm::Binary,
            CopyLegacyOption::Csv(options) => CopyForm::Csv { header: !options.is_empty() },
            other => return Err(refused(other.to_string())),
        };
    }
    for option in options {
        if let CopyOption::Format(name) = option {
            form = match name.value.to_lowercase().as_str() {
                "text" => CopyForm::Text,
                "csv" => CopyForm::Csv { header: false },
                "binary" => CopyForm::Binary,
                _ => return Err(refused(option.to_string())),
            };
        }
    }
    for option in options {
        match (option, &mut form) {
            (CopyOption::Format(_), _) => {}
            (CopyOption::Header(wanted), CopyForm::Csv { header }) => *header = *wanted,
            (CopyOption::Encoding(name), _) if name.eq_ignore_ascii_case("utf8") => {}
            _ => return Err(refused(option.to_string())),
        }
    }
    Ok(form)
}
