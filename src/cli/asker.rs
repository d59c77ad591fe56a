//! Whom `sql` asks: a running reader, or this process over a history.

use crate::cli::Exit;
use crate::cli::options::load_pack;
use crate::cli::sql::Form;
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
use crate::serve::store::Store;
use anyhow::{Context, bail};
use reqwest::RequestBuilder;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A server, and who asks it for what.
#[derive(Debug, Default)]
pub struct Login {
    /// Its address.
    pub server: String,
    /// Name in its file of users.
    pub user: Option<String>,
    /// With it.
    pub password: Option<String>,
    /// A token of an identity provider, in its place.
    pub token: Option<String>,
    /// Purpose.
    pub purpose: Option<String>,
    /// Case.
    pub case: Option<String>,
}

impl Login {
    /// As people say who they are on the command line; password and token are in variables.
    pub fn of(server: &str, user: Option<&String>, purpose: Option<&String>, case: Option<&String>) -> Login {
        let variable = |name: &str| std::env::var(name).ok();
        Login {
            server: server.to_owned(),
            user: user.cloned(),
            password: variable("FORESHOCK_PASSWORD"),
            token: variable("FORESHOCK_TOKEN"),
            purpose: purpose.cloned(),
            case: case.cloned(),
        }
    }

    /// A request that says who asks and for what.
    pub fn put_into(&self, request: RequestBuilder) -> RequestBuilder {
        let request = match (&self.user, &self.token) {
            (Some(user), _) => request.basic_auth(user, self.password.as_ref()),
            (None, Some(token)) => request.bearer_auth(token),
            (None, None) => request,
        };
        let named = [("x-purpose", &self.purpose), ("x-case", &self.case)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        named.fold(request, |request, (name, value)| request.header(name, value))
    }
}

/// What came back.
#[derive(Debug)]
pub struct Said {
    /// Rows, or a problem?
    pub is_answered: bool,
    /// The horizon.
    pub as_of: Option<String>,
    /// The rows in the form that was asked for, or the problem in JSON.
    pub body: Vec<u8>,
}

/// Asks.
pub struct Asker {
    runtime: Runtime,
    whom: Whom,
}

enum Whom {
    Server(Box<Login>, reqwest::Client),
    Desk(Arc<Desk>, usize),
}

impl Asker {
    /// A running reader.
    ///
    /// # Errors
    /// When there is no runtime.
    pub fn of_server(login: Login) -> anyhow::Result<Asker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Asker { runtime, whom: Whom::Server(Box::new(login), reqwest::Client::builder().build()?) })
    }

    /// As a reader would answer that begins with this history.
    ///
    /// # Errors
    /// When there is no history at this place, or the rules are not valid.
    pub fn over_history(place: &str) -> anyhow::Result<Asker> {
        let config = Config::default();
        let choice = Choice { ids: Vec::new(), no_drafts: false };
        let Some(pack) = load_pack(&config.rules.dir, &choice, &config.settings())? else { bail!(Exit::Invalid) };
        let (runtime, limits) = (archive::runtime()?, Limits::of(&config.serve));
        let desk = runtime.block_on(async {
            let mut library = Library::read(place, archive::kinds()).await.context(Exit::Invalid)?;
            let store = Store::new(config.serve.rows_max);
            store.begin(archive::state_of(&mut library).await?.0);
            let seen = Seen { pseudonyms: Pseudonyms::new(&[]), audit: None };
            Desk::new(Arc::new(store), Facts::new(&pack)?, limits, seen, Itself::default())
        })?;
        Ok(Asker { runtime, whom: Whom::Desk(Arc::new(desk), limits.answer_bytes) })
    }

    /// The answer to a statement.
    ///
    /// # Errors
    /// When the reader cannot be reached or says something strange.
    pub fn ask(&self, text: &str, form: Form) -> anyhow::Result<Said> {
        match &self.whom {
            Whom::Server(login, client) => self.runtime.block_on(ask_server(login, client, text, form)),
            Whom::Desk(desk, answer_bytes) => {
                let answer = self.runtime.block_on(desk.answer(text, Person::on_this_machine("")));
                Ok(match answer {
                    Ok(answer) => {
                        let body = written(form.media(), &answer, *answer_bytes)?.1;
                        Said { is_answered: true, as_of: as_of(&answer), body }
                    }
                    Err(refused) => {
                        let problem = serde_json::json!({ "detail": refused.message, "sqlstate": refused.state });
                        Said { is_answered: false, as_of: None, body: problem.to_string().into_bytes() }
                    }
                })
            }
        }
    }
}

async fn ask_server(login: &Login, client: &reqwest::Client, text: &str, form: Form) -> anyhow::Result<Said> {
    let request = client.post(format!("{}/v1/sql", login.server.trim_end_matches('/')));
    let request = login.put_into(request);
    let request = request.header("accept", form.media()).header("content-type", "application/sql");
    let response = match request.body(text.to_owned()).send().await {
        Ok(response) => response,
        Err(error) => {
            return Err(error)
                .context(format!("no reader at {}: `foreshock serve` is one", login.server))
                .context(Exit::Unreachable);
        }
    };
    let status = response.status();
    let as_of = response.headers().get("x-as-of").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = response.bytes().await.context("the reader's answer broke off")?.to_vec();
    if status.is_server_error() && body.is_empty() {
        bail!("the reader answers {status}");
    }
    Ok(Said { is_answered: status.is_success(), as_of, body })
}
