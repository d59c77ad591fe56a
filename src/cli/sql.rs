//! `sql`: a question to a running reader, or to a history.

use crate::cli::Exit;
use crate::cli::asker::{Asker, Login, Said};
use crate::cli::repl;
use crate::serve::questions::{Parameter, Question};
use anyhow::{Context, bail};
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

/// `foreshock sql`
#[derive(Debug, clap::Args)]
pub struct Sql {
    /// The statement; without it that of `--file`, or of standard input; at a terminal one after another.
    statement: Option<String>,
    /// File with the statement.
    #[arg(long, short, conflicts_with = "statement")]
    file: Option<PathBuf>,
    /// A question that is ready; `list` shows all.
    #[arg(long, conflicts_with_all = ["statement", "file"])]
    ask: Option<String>,
    /// A parameter of it: NAME=VALUE.
    #[arg(long = "param", requires = "ask")]
    parameters: Vec<String>,
    /// The reader.
    #[arg(long, default_value = "http://127.0.0.1:8640", env = "FORESHOCK_SERVER")]
    server: String,
    /// In its place the history that `serve` keeps: nobody needs to run.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["user", "purpose"])]
    history: Option<String>,
    /// Who asks, where the reader wants to know; the password is in FORESHOCK_PASSWORD. Or a token in FORESHOCK_TOKEN.
    #[arg(long, env = "FORESHOCK_USER")]
    user: Option<String>,
    /// For what data of persons is asked: one of the role's purposes.
    #[arg(long, requires = "case", env = "FORESHOCK_PURPOSE")]
    purpose: Option<String>,
    /// The case that it is for.
    #[arg(long, requires = "purpose", env = "FORESHOCK_CASE")]
    case: Option<String>,
    /// Form of the answer.
    #[arg(long, default_value = "table")]
    output: Form,
}

/// How rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// One object with columns and rows.
    Json,
    /// One object for each row.
    Ndjson,
    /// Comma-separated, with a header.
    Csv,
}

impl Form {
    /// Its media type.
    pub fn media(self) -> &'static str {
        match self {
            Form::Table => "application/vnd.apache.arrow.stream",
            Form::Json => "application/json",
            Form::Ndjson => "application/x-ndjson",
            Form::Csv => "text/csv",
        }
    }
}

fn question(name: &str, parameters: &[String]) -> anyhow::Result<String> {
    let all = Question::all()?;
    let found = all.iter().find(|question| question.name == name);
    let question = found.with_context(|| format!("there is no question `{name}`: --ask list shows all"))?;
    let values = parameters.iter().map(|parameter| {
        let (name, value) =
            parameter.split_once('=').with_context(|| format!("--param {parameter}: write NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    question.with(&values.collect::<anyhow::Result<_>>()?)
}

/// Shows an answer, or what is wrong.
///
/// # Errors
/// When the reader says something strange.
pub fn show(said: &Said, form: Form) -> anyhow::Result<Exit> {
    if !said.is_answered {
        let problem: serde_json::Value =
            serde_json::from_slice(&said.body).context("the reader's answer is no JSON")?;
        let part = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        eprintln!("{} (SQLSTATE {})", part("detail"), part("sqlstate"));
        return Ok(Exit::Findings);
    }
    if form != Form::Table {
        std::io::stdout().write_all(&said.body)?;
        return Ok(Exit::Ok);
    }
    let reader = arrow::ipc::reader::StreamReader::try_new(said.body.as_slice(), None)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let table = arrow::util::pretty::pretty_format_batches_with_schema(schema, &batches)?;
    let rows: usize = batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
    println!("{table}\n{rows} rows, as of {}", said.as_of.as_deref().unwrap_or("the beginning"));
    Ok(Exit::Ok)
}

fn list() -> anyhow::Result<Exit> {
    for question in Question::all()? {
        println!("{:<32} {} · {}", question.name, question.zh, question.en);
        for Parameter { name, default, meaning, .. } in &question.parameters {
            let default = default.as_ref().map_or("needed".into(), |value| format!("{value} if nothing is said"));
            println!("{:<32}   --param {name}=..  {meaning} ({default})", "");
        }
    }
    Ok(Exit::Ok)
}

impl Sql {
    /// Runs the command.
    ///
    /// # Errors
    /// When the reader cannot be reached or says something strange.
    pub fn run(&self) -> anyhow::Result<Exit> {
        if self.ask.as_deref() == Some("list") {
            return list();
        }
        let asker = match &self.history {
            Some(place) => Asker::over_history(place)?,
            None => Asker::of_server(self.login()?)?,
        };
        let is_talk = self.statement.is_none() && self.ask.is_none() && self.file.is_none();
        if is_talk && std::io::stdin().is_terminal() {
            return repl::run(&asker, self.output);
        }
        show(&asker.ask(&self.text()?, self.output)?, self.output)
    }

    fn login(&self) -> anyhow::Result<Login> {
        let secret = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (password, token) = (secret("FORESHOCK_PASSWORD"), secret("FORESHOCK_TOKEN"));
        if self.user.is_some() && token.is_some() {
            bail!("--user and FORESHOCK_TOKEN: one of the two");
        }
        let (server, user) = (self.server.clone(), self.user.clone());
        Ok(Login { server, user, password, token, purpose: self.purpose.clone(), case: self.case.clone() })
    }

    fn text(&self) -> anyhow::Result<String> {
        if let Some(text) = &self.statement {
            return Ok(text.clone());
        }
        if let Some(name) = &self.ask {
            return question(name, &self.parameters);
        }
        if let Some(path) = &self.file {
            return std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    }
}
