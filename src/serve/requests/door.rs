//! The routes: `GET /v1/requests`, `GET /v1/requests/{id}`, `POST /v1/requests/{id}/{kind}`.

use crate::rights::audit::Outcome;
use crate::rights::grant::Person;
use crate::serve::door::{Door, person, problem};
use crate::serve::gate::Refused;
use crate::serve::openapi::Problem;
use crate::serve::requests::Requests;
use crate::serve::requests::sending::OtherCommand;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use foreshock_blocking::{ActRecord, Actor, Command, CommandKind, Terms};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::SystemTime;
use utoipa::ToSchema;

/// Most requests of a list.
const LIST_MAX: usize = 1_000;
/// The table whose rights count: a request says what its draft says.
const TABLE: &str = "blocking_drafts";

/// Which requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    state: Option<foreshock_blocking::State>,
}

/// What a person wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wish {
    /// The same id again is the same command: it is judged once. Made where none is given.
    command_id: Option<String>,
    /// The revision that the person has seen; a lift needs none.
    expected_revision: Option<u64>,
    /// Why, in words.
    reason: String,
    /// What differs from the draft: `institution`, `amount`, `currency`, `measure`; `order` of a conversion.
    #[schema(value_type = Object)]
    terms: Option<Terms>,
}

/// Blocking requests that are not over
///
/// The longest waiting first, at most 1,000. `state` names one state instead, also one of those that are over.
#[utoipa::path(
    get,
    path = "/v1/requests",
    params(
        ("state" = Option<String>, Query, description = "one state, such as PENDING_APPROVAL"),
        ("X-Purpose" = String, Header, description = "for what, one of the role's purposes"),
        ("X-Case" = String, Header, description = "the case that it is for"),
    ),
    responses(
        (status = 200, description = "the requests", body = Vec<Object>),
        (status = 401, description = "nobody has logged in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "the role does not allow it, or no purpose was named", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn list(State(door): State<Door>, Query(which): Query<Which>, headers: HeaderMap) -> Response {
    let (requests, person) = match enter(&door, &headers).await {
        Ok(entered) => entered,
        Err(refused) => return problem(&refused),
    };
    let rows = requests.known().list(which.state, LIST_MAX);
    match door.desk.write_down(&person, "requests list", Outcome::Rows(rows.len())) {
        Ok(()) => Json(rows).into_response(),
        Err(refused) => problem(&refused),
    }
}

/// One blocking request with its draft and its trail
#[utoipa::path(
    get,
    path = "/v1/requests/{id}",
    params(
        ("id" = String, Path, description = "the request"),
        ("X-Purpose" = String, Header, description = "for what, one of the role's purposes"),
        ("X-Case" = String, Header, description = "the case that it is for"),
    ),
    responses(
        (status = 200, description = "the request", body = Object),
        (status = 401, description = "nobody has logged in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "the role does not allow it, or no purpose was named", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "there is no such request", body = Object, content_type = "application/problem+json"),
    ),
)]
pub async fn show(State(door): State<Door>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let (requests, person) = match enter(&door, &headers).await {
        Ok(entered) => entered,
        Err(refused) => return problem(&refused),
    };
    let found = requests.known().show(&id);
    let rows = Outcome::Rows(usize::from(found.is_some()));
    match (door.desk.write_down(&person, &format!("requests show {id}"), rows), found) {
        (Err(refused), _) => problem(&refused),
        (Ok(()), Some(found)) => Json(found).into_response(),
        (Ok(()), None) => refusal(StatusCode::NOT_FOUND, "UNKNOWN_REQUEST", "there is no such request", &Value::Null),
    }
}

/// What a person wants of a blocking request
///
/// The command is signed by this reader, judged by the writer's register in the order of the log, and answered when it is judged. Who
/// hears nothing asks again with the same `commandId`.
#[utoipa::path(
    post,
    path = "/v1/requests/{id}/{kind}",
    params(
        ("id" = String, Path, description = "the request"),
        ("kind" = String, Path, description = "propose, approve, refuse, cancel, lift, extend, convert or appeal"),
        ("X-Purpose" = String, Header, description = "for what, one of the role's purposes"),
        ("X-Case" = String, Header, description = "the case that it is for"),
    ),
    request_body = Wish,
    responses(
        (status = 200, description = "followed: what it caused, and the request as it is now", body = Object),
        (status = 400, description = "not of the form", body = Object, content_type = "application/problem+json"),
        (status = 401, description = "nobody has logged in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "the role does not allow it, or no purpose was named", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "refused, with the code and the request as it is now", body = Object, content_type = "application/problem+json"),
        (status = 504, description = "not judged in time: ask again with the same commandId", body = Object, content_type = "application/problem+json"),
    ),
)]
pub async fn command(
    State(door): State<Door>,
    Path((id, kind)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<Wish>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let (requests, person) = match enter(&door, &headers).await {
        Ok(entered) => entered,
        Err(refused) => return problem(&refused),
    };
    let wish = match body {
        Ok(Json(wish)) => wish,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, "BAD_FORM", &error.body_text(), &Value::Null),
    };
    let Ok(kind) = serde_json::from_value::<CommandKind>(kind.into()) else {
        return refusal(StatusCode::BAD_REQUEST, "BAD_FORM", "there is no such command", &Value::Null);
    };
    let command = match command_of(id, kind, wish, &person) {
        Ok(command) => command,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, "BAD_FORM", &why, &Value::Null),
    };
    let shown = || requests.known().show(&command.request_id).unwrap_or_default();
    let said = format!(
        "requests {} {}",
        serde_json::to_value(kind).unwrap_or_default().as_str().unwrap_or_default(),
        command.request_id
    );
    if let Err(refused) = door.desk.write_down(&person, &said, Outcome::Rows(1)) {
        return problem(&refused);
    }
    match requests.command(&command).await {
        Ok(Some(outcome)) => judged(&command, &outcome, &shown()),
        Ok(None) => {
            let why = format!("not judged in time: ask again with commandId {}", command.command_id);
            refusal(StatusCode::GATEWAY_TIMEOUT, "NOT_JUDGED", &why, &shown())
        }
        Err(error) if error.is::<OtherCommand>() => {
            refusal(StatusCode::CONFLICT, "DUPLICATE", &error.to_string(), &Value::Null)
        }
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, "NOT_SENT", &format!("{error:#}"), &shown()),
    }
}

/// Only who has logged in, whose role sees all drafts with the names in them, and who says for what.
async fn enter(door: &Door, headers: &HeaderMap) -> Result<(Arc<Requests>, Person), Refused> {
    let refused = |message: &str| Refused { state: "42501", message: message.into() };
    let person = person(door, headers).await?;
    let Some(requests) = door.requests.clone() else {
        return Err(refused("this reader takes no commands: blocking.policy and serve.key are not set"));
    };
    if !person.is_known() {
        return Err(refused("commands are of people who have logged in: serve.users is not set"));
    }
    let grant = &person.grant;
    if !(grant.opens(TABLE) && grant.sees_all_rows() && grant.personal && !grant.aggregates_only) {
        return Err(refused("the role does not see all blocking drafts with the names in them"));
    }
    if person.purpose.is_none() {
        return Err(refused("name a purpose and a case: headers X-Purpose and X-Case"));
    }
    Ok((requests, person))
}

fn command_of(id: String, kind: CommandKind, wish: Wish, person: &Person) -> Result<Command, String> {
    let purpose = person.purpose.as_ref().ok_or("no purpose")?;
    let seen = wish.expected_revision.or((kind == CommandKind::Lift).then_some(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let command = Command {
        command_id: wish.command_id.map_or_else(random_id, Ok)?,
        kind,
        request_id: id,
        expected_revision: seen.ok_or("expectedRevision: which revision has the person seen?")?,
        reason: wish.reason,
        actor: Actor { name: person.name.clone(), roles: vec![person.role.clone()] },
        purpose: purpose.code.clone(),
        case_ref: Some(purpose.case.clone()),
        at: i64::try_from(now.as_micros()).unwrap_or(i64::MAX),
        terms: wish.terms,
    };
    command.check().map_err(|code| format!("{code:?}"))?;
    Ok(command)
}

fn random_id() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn judged(command: &Command, outcome: &[ActRecord], request: &Value) -> Response {
    match outcome.first().and_then(|act| act.refused) {
        None => Json(json!({ "commandId": command.command_id, "acts": outcome, "request": request })).into_response(),
        Some(code) => {
            let code = serde_json::to_value(code).unwrap_or_default();
            let code = code.as_str().unwrap_or_default();
            refusal(StatusCode::CONFLICT, code, "the register refuses the command", request)
        }
    }
}

/// RFC 9457, with the code of the register and the request as it is now.
fn refusal(status: StatusCode, code: &str, detail: &str, request: &Value) -> Response {
    let body = json!({
        "type": "about:blank", "title": "the command was not followed", "status": status.as_u16(), "detail": detail, "code": code,
        "request": request,
    });
    (status, [("content-type", "application/problem+json")], format!("{body}\n")).into_response()
}
