//! `sql` at a terminal: one statement after another, each up to its `;`, with completion and a history of what was typed.

use crate::cli::Exit;
use crate::cli::asker::Asker;
use crate::cli::sql::{Form, show};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};
use std::path::PathBuf;

const HELP: &str = "a statement ends with ;\n\\d         tables\n\\d TABLE   its columns\n\\a         questions that are ready\n\\q         end (Ctrl-D)";

/// Words of statements that are worth completing.
const KEYWORDS: [&str; 24] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "DISTINCT",
    "COUNT",
    "SUM",
    "JOIN",
    "LEFT JOIN",
    "INTERVAL",
    "TIMESTAMP",
    "BETWEEN",
    "EXPLAIN",
    "WITH",
    "UNION ALL",
    "date_trunc(",
    "changes(",
    "profile(",
    "trace(",
    "explain_detection(",
    "CAST(",
];

/// Where statements are kept that were typed: they name persons, so only their owner may read them.
fn typed() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?;
    Some(state.join("foreshock").join("sql_history"))
}

struct Words(Vec<String>);

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).map_or(0, |at| at + 1);
        let begun = before[start..].to_lowercase();
        let found = self.0.iter().filter(|word| !begun.is_empty() && word.to_lowercase().starts_with(&begun));
        Ok((start, found.map(|word| Pair { display: word.clone(), replacement: word.clone() }).collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Validator for Words {}

impl Helper for Words {}

/// Names of tables and columns, as far as the person may see them.
fn words(asker: &Asker) -> Words {
    let names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' UNION \
         SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1";
    let said = asker.ask(names, Form::Csv).ok().filter(|said| said.is_answered);
    let text = said.map_or_else(String::new, |said| String::from_utf8_lossy(&said.body).into_owned());
    Words(text.lines().skip(1).map(str::to_owned).chain(KEYWORDS.map(str::to_owned)).collect())
}

/// The statement of a command, or what it says.
fn command(line: &str) -> Result<String, &'static str> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let table = rest.trim().trim_end_matches(';').replace('\'', "''");
    match (name, table.as_str()) {
        ("\\d", "") => Ok("SELECT table_schema AS schema, table_name AS table FROM information_schema.tables \
             WHERE table_schema IN ('public', 'system') ORDER BY 1, 2"
            .into()),
        ("\\d", table) => Ok(format!(
            "SELECT column_name AS column, data_type AS type, is_nullable AS nullable FROM information_schema.columns \
             WHERE table_name = '{table}' ORDER BY ordinal_position"
        )),
        ("\\a", _) => Err("foreshock sql --ask list"),
        _ => Err(HELP),
    }
}

/// Asks until the end.
///
/// # Errors
/// When the terminal cannot be used, or the reader is gone.
pub fn run(asker: &Asker, form: Form) -> anyhow::Result<Exit> {
    let mut editor: Editor<Words, FileHistory> = Editor::new()?;
    editor.set_helper(Some(words(asker)));
    let typed = typed();
    if let Some(path) = &typed {
        // The first time there is none.
        let _ = editor.load_history(path);
    }
    println!("\\? for help, \\q to end");
    let mut statement = String::new();
    loop {
        let line = match editor.readline(if statement.is_empty() { "foreshock=> " } else { "foreshock-> " }) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                statement.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        let trimmed = line.trim();
        if statement.is_empty() && trimmed.starts_with('\\') {
            if trimmed == "\\q" {
                break;
            }
            match command(trimmed) {
                Ok(text) => told(asker, &text, form)?,
                Err(says) => println!("{says}"),
            }
            continue;
        }
        statement.push_str(&line);
        if trimmed.ends_with(';') {
            let text = std::mem::take(&mut statement);
            editor.add_history_entry(text.as_str())?;
            if let Some(path) = &typed {
                keep(&mut editor, path);
            }
            told(asker, text.trim().trim_end_matches(';'), form)?;
        } else if !(trimmed.is_empty() && statement.trim().is_empty()) {
            statement.push('\n');
        } else {
            statement.clear();
        }
    }
    Ok(Exit::Ok)
}

fn told(asker: &Asker, text: &str, form: Form) -> anyhow::Result<()> {
    // A statement that is refused does not end the talk.
    show(&asker.ask(text, form)?, form).map(drop)
}

/// What was typed is a convenience: where it cannot be kept the talk goes on.
fn keep(editor: &mut Editor<Words, FileHistory>, path: &std::path::Path) {
    let kept = path.parent().map_or(Ok(()), std::fs::create_dir_all).map(|()| editor.save_history(path));
    if !matches!(kept, Ok(Ok(()))) {
        tracing::debug!(path = %path.display(), "what was typed cannot be kept");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_from_where_they_begin_in_any_case() {
        let words = Words(vec!["transactions".into(), "TRUNC".into(), "telecom".into()]);
        let history = rustyline::history::DefaultHistory::new();
        let complete = |line: &str| {
            let (start, found) = words.complete(line, line.len(), &Context::new(&history)).unwrap();
            (start, found.into_iter().map(|pair| pair.replacement).collect::<Vec<_>>())
        };
        assert_eq!(complete("SELECT * FROM tr"), (14, vec!["transactions".into(), "TRUNC".into()]));
        assert_eq!(complete("SELECT ").1.len(), 0);
        assert_eq!(complete("select 中文 FROM TEL").1, ["telecom"]);
    }

    #[test]
    fn a_command_is_a_statement_and_a_name_in_it_stays_a_text() {
        assert!(command("\\d").unwrap().contains("information_schema.tables"));
        assert!(command("\\d it's").unwrap().contains("'it''s'"));
        assert!(command("\\x").is_err());
    }
}
