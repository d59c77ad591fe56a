//! `sql`: a question to a running reader.

use crate::cli::Exit;
use crate::cli::options::load_pack;
use crate::history::Library;
use crate::ops::config::Config;
use crate::rights::grant::Person;
use crate::rights::pseudonym::Pseudonyms;
use crate::rules::files::Choice;
use crate::serve::archive;
use crate::serve::catalog::Facts;
use crate::serve::door::{as_of, written};
use crate::serve::itself::Itself;
use crate::serve::query::{Desk, Limits, Seen};
use crate::serve::questions::{Parameter, Question};
use crate::serve::store::Store;
use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// `foreshock sql`
#[derive(Debug, clap::Args)]
pub struct Sql {
    /// The statement; without it that of `--file`, or of standard input.
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
    /// Who asks, where the reader wants to know; the password is in FORESHOCK_PASSWORD.
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
enum Form {
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
    fn media(self) -> &'static str {
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

/// Whether it was answered, the horizon, and the answer or what is wrong.
type Said = (bool, Option<String>, Vec<u8>);

/// As a reader would answer it that begins with this history.
fn over_history(place: &str, text: &str, form: &str) -> anyhow::Result<Said> {
    let config = Config::default();
    let choice = Choice { ids: Vec::new(), no_drafts: false };
    let Some(pack) = load_pack(&config.rules.dir, &choice, &config.settings())? else { bail!(Exit::Invalid) };
    let runtime = archive::runtime()?;
    runtime.block_on(async {
        let mut library = Library::read(place, archive::kinds()).await.context(Exit::Invalid)?;
        let store = Store::new(config.serve.rows_max);
        store.begin(archive::state_of(&mut library).await?.0);
        let limits = Limits::of(&config.serve);
        let seen = Seen { pseudonyms: Pseudonyms::new(&[]), audit: None };
        let desk = Arc::new(Desk::new(Arc::new(store), Facts::new(&pack)?, limits, seen, Itself::default())?);
        match desk.answer(text, Person::on_this_machine("")).await {
            Ok(answer) => Ok((true, as_of(&answer), written(form, &answer, limits.answer_bytes)?.1)),
            Err(refused) => {
                let problem = serde_json::json!({ "detail": refused.message, "sqlstate": refused.state });
                Ok((false, None, problem.to_string().into_bytes()))
            }
        }
    })
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
        let text = self.text()?;
        let (is_answered, as_of, body) = match &self.history {
            Some(place) => over_history(place, &text, self.output.media())?,
            None => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.ask(&text))?,
        };
        if !is_answered {
            let problem: serde_json::Value = serde_json::from_slice(&body).context("the reader's answer is no JSON")?;
            let part = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
            eprintln!("{} (SQLSTATE {})", part("detail"), part("sqlstate"));
            return Ok(Exit::Findings);
        }
        if self.output != Form::Table {
            std::io::stdout().write_all(&body)?;
            return Ok(Exit::Ok);
        }
        let reader = arrow::ipc::reader::StreamReader::try_new(body.as_slice(), None)?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>()?;
        let table = arrow::util::pretty::pretty_format_batches_with_schema(schema, &batches)?;
        let rows: usize = batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
        println!("{table}\n{rows} rows, as of {}", as_of.as_deref().unwrap_or("the beginning"));
        Ok(Exit::Ok)
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

    async fn ask(&self, text: &str) -> anyhow::Result<Said> {
        let url = format!("{}/v1/sql", self.server.trim_end_matches('/'));
        let request = reqwest::Client::builder().build()?.post(&url);
        let password = std::env::var("FORESHOCK_PASSWORD").ok();
        let request = match &self.user {
            Some(user) => request.basic_auth(user, password),
            None => request,
        };
        let named = [("x-purpose", &self.purpose), ("x-case", &self.case)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let request = named.fold(request, |request, (name, value)| request.header(name, value));
        let request = request.header("accept", self.output.media()).header("content-type", "application/sql");
        let response = request.body(text.to_owned()).send().await;
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                return Err(error)
                    .context(format!("no reader at {}: `foreshock serve` is one", self.server))
                    .context(Exit::Unreachable);
            }
        };
        let status = response.status();
        let as_of = response.headers().get("x-as-of").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = response.bytes().await.context("the reader's answer broke off")?.to_vec();
        if status.is_server_error() && body.is_empty() {
            bail!("the reader answers {status}");
        }
        Ok((status.is_success(), as_of, body))
    }
}
