//! `requests`: blocking requests, through the door of a running reader.

use crate::cli::Exit;
use crate::cli::asker::Login;
use anyhow::Context;
use clap::Subcommand;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// `foreshock requests`
#[derive(Debug, clap::Args)]
pub struct RequestsCommand {
    #[command(subcommand)]
    action: Action,
    /// The reader.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8640", env = "FORESHOCK_SERVER")]
    server: String,
    /// Who asks; the password is in FORESHOCK_PASSWORD. Or a token in FORESHOCK_TOKEN.
    #[arg(long, global = true, env = "FORESHOCK_USER")]
    user: Option<String>,
    /// For what: one of the role's purposes.
    #[arg(long, global = true, env = "FORESHOCK_PURPOSE")]
    purpose: Option<String>,
    /// The case that it is for.
    #[arg(long, global = true, env = "FORESHOCK_CASE")]
    case: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows those that are not over, the longest waiting first.
    List {
        /// One state in place of all, such as PENDING_APPROVAL; also of those that are over.
        #[arg(long)]
        state: Option<String>,
    },
    /// Shows one with its draft and its trail.
    Show {
        /// The request.
        id: String,
    },
    /// Proposes a draft for approval.
    Propose {
        #[command(flatten)]
        wish: Wish,
        /// The institution that can act, where the draft does not name it.
        #[arg(long)]
        institution: Option<String>,
        /// Less than was traced; where nothing was, with --currency.
        #[arg(long)]
        amount: Option<String>,
        /// ISO 4217.
        #[arg(long)]
        currency: Option<String>,
        /// Another measure than the draft proposes.
        #[arg(long)]
        measure: Option<String>,
    },
    /// Approves what another person has proposed.
    Approve(Wish),
    /// Says no to a draft or to what is proposed.
    Refuse(Wish),
    /// Takes back a request before the institution acts.
    Cancel(Wish),
    /// Asks the institution to lift the measure: one person is enough.
    Lift(Wish),
    /// Proposes that the measure lasts once more as long.
    Extend(Wish),
    /// Proposes that a formal freeze has taken its place.
    Convert {
        #[command(flatten)]
        wish: Wish,
        /// Number of its order.
        #[arg(long)]
        order: String,
    },
    /// Notes that the holder has appealed.
    Appeal(Wish),
}

#[derive(Debug, clap::Args)]
struct Wish {
    /// The request.
    id: String,
    /// Why, in words.
    #[arg(long)]
    reason: String,
    /// The revision that you have seen; without it the one that `show` would show now.
    #[arg(long)]
    revision: Option<u64>,
}

impl RequestsCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the reader cannot be reached or says something strange.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.ask())
    }

    async fn ask(&self) -> anyhow::Result<Exit> {
        let none = json!({});
        match &self.action {
            Action::List { state } => {
                let query = state.as_ref().map_or_else(String::new, |state| format!("?state={state}"));
                let Some(rows) = self.get(&query).await? else { return Ok(Exit::Findings) };
                list(&rows);
                Ok(Exit::Ok)
            }
            Action::Show { id } => {
                let Some(found) = self.get(&format!("/{id}")).await? else { return Ok(Exit::Findings) };
                println!("{}", serde_json::to_string_pretty(&found)?);
                Ok(Exit::Ok)
            }
            Action::Propose { wish, institution, amount, currency, measure } => {
                let terms =
                    [("institution", institution), ("amount", amount), ("currency", currency), ("measure", measure)];
                let given =
                    terms.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
                self.command("propose", wish, &Value::Object(given.collect())).await
            }
            Action::Convert { wish, order } => self.command("convert", wish, &json!({ "order": order })).await,
            Action::Approve(wish) => self.command("approve", wish, &none).await,
            Action::Refuse(wish) => self.command("refuse", wish, &none).await,
            Action::Cancel(wish) => self.command("cancel", wish, &none).await,
            Action::Lift(wish) => self.command("lift", wish, &none).await,
            Action::Extend(wish) => self.command("extend", wish, &none).await,
            Action::Appeal(wish) => self.command("appeal", wish, &none).await,
        }
    }

    async fn get(&self, rest: &str) -> anyhow::Result<Option<Value>> {
        let (status, body) = self.send(self.request(Method::GET, rest)).await?;
        if status.is_success() {
            return Ok(Some(body));
        }
        complain(&body);
        Ok(None)
    }

    async fn command(&self, kind: &str, wish: &Wish, terms: &Value) -> anyhow::Result<Exit> {
        let seen = match wish.revision {
            Some(seen) => seen,
            // A lift needs none, and must not wait for an answer about it.
            None if kind == "lift" => 0,
            None => {
                let Some(request) = self.get(&format!("/{}", wish.id)).await? else { return Ok(Exit::Findings) };
                request["revision"].as_u64().context("a request without a revision")?
            }
        };
        let mut body = json!({ "expectedRevision": seen, "reason": wish.reason });
        if terms.as_object().is_some_and(|terms| !terms.is_empty()) {
            body["terms"] = terms.clone();
        }
        let request =
            self.request(Method::POST, &format!("/{}/{kind}", wish.id)).header("content-type", "application/json");
        let request = request.body(body.to_string());
        let (status, body) = self.send(request).await?;
        if !status.is_success() {
            complain(&body);
            return Ok(Exit::Findings);
        }
        println!("{}: {} at revision {}", wish.id, text(&body["request"]["state"]), body["request"]["revision"]);
        Ok(Exit::Ok)
    }

    fn request(&self, method: Method, rest: &str) -> RequestBuilder {
        let url = format!("{}/v1/requests{rest}", self.server.trim_end_matches('/'));
        let request = reqwest::Client::new().request(method, url);
        Login::of(&self.server, self.user.as_ref(), self.purpose.as_ref(), self.case.as_ref()).put_into(request)
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
        let said = request.send().await;
        let said = said.with_context(|| format!("no reader at {}: `foreshock serve` is one", self.server));
        let said = said.context(Exit::Unreachable)?;
        let status = said.status();
        let bytes = said.bytes().await.context("the reader's answer broke off")?;
        let body =
            serde_json::from_slice(&bytes).with_context(|| format!("the reader answers {status} without JSON"))?;
        Ok((status, body))
    }
}

fn list(rows: &Value) {
    let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
    for row in rows {
        let target = row["target"].as_object().and_then(|target| target.iter().next());
        let target = target.map(|(kind, token)| format!("{kind} {}", text(token))).unwrap_or_default();
        println!(
            "{}  {:<18} rev {:<3} {:<15} {:<28} {:<10} {:>14} {:<3} {}",
            text(&row["requestId"]),
            text(&row["state"]),
            row["revision"],
            text(&row["measure"]),
            target,
            text(&row["institution"]),
            text(&row["amount"]),
            text(&row["currency"]),
            text(&row["notice"]),
        );
    }
    println!("{} requests", rows.len());
}

fn complain(problem: &Value) {
    let code = [&problem["code"], &problem["sqlstate"]].into_iter().find_map(Value::as_str).unwrap_or("?");
    eprintln!("{} ({code})", text(&problem["detail"]));
    if let Some(state) = problem["request"]["state"].as_str() {
        eprintln!(
            "the request is {state} at revision {}: `foreshock requests show` says more",
            problem["request"]["revision"]
        );
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
