//! HTTP: statements in, rows out; health and metrics.

use crate::ops::health::Health;
use crate::rights::grant::Person;
use crate::rights::users::Users;
use crate::serve::archive::Archived;
use crate::serve::evidence::Exports;
use crate::serve::follow::Followed;
use crate::serve::gate::Refused;
use crate::serve::openapi::{self, Envelope, Problem};
use crate::serve::query::{Answer, Desk};
use crate::serve::requests::Requests;
use arrow::csv::WriterBuilder;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{JsonArray, LineDelimited, Writer};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foreshock_core::time::format_rfc3339;
use parquet::arrow::ArrowWriter;
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the routes need.
#[derive(Clone)]
pub struct Door {
    /// Answers statements.
    pub desk: Arc<Desk>,
    /// Who may ask; `None`: everyone on this machine.
    pub users: Option<Arc<Users>>,
    /// States of the parts.
    pub health: Arc<Health>,
    /// What the follower counts.
    pub followed: Arc<Followed>,
    /// What the history does, where one is kept.
    pub archived: Option<Arc<Archived>>,
    /// Places for clients that listen to changes.
    pub listeners: Arc<Semaphore>,
    /// Blocking requests and the way to their register, where there is one.
    pub requests: Option<Arc<Requests>>,
    /// Makes evidence.
    pub exports: Arc<Exports>,
}

/// Most clients that listen to changes.
pub const LISTENERS_MAX: usize = 100;

/// The body of a question in JSON.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// One SELECT, EXPLAIN or SHOW TABLES.
    sql: String,
}

/// The routes.
pub fn router(door: Door) -> Router {
    routes()
        .0
        .layer(DefaultBodyLimit::max(2 * crate::serve::gate::TEXT_MAX))
        .layer(axum::middleware::from_fn(only_this_machine))
        .with_state(door)
}

/// The routes and their description, which is generated from them.
fn routes() -> (Router<Door>, OpenApi) {
    let own = get(|| async { Json(description()) });
    let (router, description) = OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(openapi::livez))
        .routes(routes!(openapi::readyz))
        .routes(routes!(openapi::metrics))
        .routes(routes!(sql))
        .routes(routes!(crate::serve::stream::changes))
        .routes(routes!(crate::serve::requests::door::list))
        .routes(routes!(crate::serve::requests::door::show))
        .routes(routes!(crate::serve::requests::door::command))
        .routes(routes!(crate::serve::evidence::door::export))
        .split_for_parts();
    (router.route("/openapi.json", own), description)
}

/// The OpenAPI description of what a reader answers over HTTP.
pub fn description() -> OpenApi {
    routes().1
}

/// A page in a browser of this machine must not ask: neither by its own name for this address, nor as another origin.
async fn only_this_machine(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = |authority: &str| {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, port)| if port.bytes().all(|b| b.is_ascii_digit()) { host } else { authority });
        matches!(host, "127.0.0.1" | "localhost" | "[::1]")
    };
    let is_page = text(ORIGIN).is_some() || text(SEC_FETCH_SITE).is_some_and(|site| site != "none");
    if text(HOST).is_some_and(|host| !is_own(host)) || is_page {
        return (StatusCode::FORBIDDEN, "only programs on this machine are answered, no page in a browser\n")
            .into_response();
    }
    next.run(request).await
}

/// A buffer with a bound: a few columns can say the same long text for every row.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + more.len() > self.max {
            return Err(std::io::Error::other(TOO_LONG));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const TOO_LONG: &str = "the answer is longer than `serve.answer_mb` when it is written: ask for less";
const SEC_FETCH_SITE: axum::http::HeaderName = axum::http::HeaderName::from_static("sec-fetch-site");

/// Rows of one statement that reads
///
/// The tables and their columns are those of `information_schema`; all of a statement are of one batch of the log. What the answer
/// is true of stands in the headers `x-as-of` (the horizon) and `x-batch`.
#[utoipa::path(
    post,
    path = "/v1/sql",
    params(
        ("Accept" = Option<String>, Header, description = "application/json, application/x-ndjson, text/csv, \
         application/vnd.apache.arrow.stream or application/vnd.apache.parquet"),
        ("X-Purpose" = Option<String>, Header, description = "for what data of persons are asked, one of the role's"),
        ("X-Case" = Option<String>, Header, description = "the case that it is for"),
    ),
    request_body(content(
        (Question = "application/json"),
        (String = "application/sql"),
    ), description = "the statement"),
    responses(
        (status = 200, description = "rows", content((Envelope = "application/json"), (String = "application/x-ndjson"),
         (String = "text/csv"), (Vec<u8> = "application/vnd.apache.arrow.stream"), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = 400, description = "refused, or stopped at a limit", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "nobody has logged in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "the role does not allow it, or no purpose was named", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "stopped: it took too long", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "too little memory, or it cannot be written down", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn sql(State(door): State<Door>, headers: HeaderMap, body: Bytes) -> Response {
    let text = match question(&headers, &body) {
        Ok(text) => text,
        Err(refused) => return problem(&refused),
    };
    let person = match person(&door, &headers).await {
        Ok(person) => person,
        Err(refused) => return problem(&refused),
    };
    match door.desk.answer(&text, person).await {
        Ok(answer) => shown(&headers, &answer, door.desk.answer_bytes()).unwrap_or_else(|error| {
            let message = error.to_string();
            let state = if message.contains(TOO_LONG) { "54000" } else { "XX000" };
            problem(&Refused { state, message })
        }),
        Err(refused) => problem(&refused),
    }
}

/// By `Authorization: Basic` or `Bearer`, where there is a file of users; for what, by `X-Purpose` and `X-Case`.
pub async fn person(door: &Door, headers: &HeaderMap) -> Result<Person, Refused> {
    let Some(users) = door.users.clone() else { return Ok(Person::on_this_machine("")) };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (scheme, word) = text("authorization").and_then(|value| value.split_once(' ')).ok_or_else(who)?;
    let mut person = match scheme.to_ascii_lowercase().as_str() {
        "basic" => by_password(users, word.trim()).await?,
        "bearer" => users.by_token(word.trim()).map_err(|reason| {
            tracing::warn!(reason, "a token is refused");
            Refused { state: "28000", message: format!("the token is refused: {reason}") }
        })?,
        _ => return Err(who()),
    };
    if let (Some(purpose), Some(case)) = (text("x-purpose"), text("x-case")) {
        person.name_purpose(purpose, case).map_err(|message| Refused { state: "42501", message })?;
    }
    Ok(person)
}

async fn by_password(users: Arc<Users>, encoded: &str) -> Result<Person, Refused> {
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(who)?;
    // Thousands of rounds: not on a thread that answers others.
    let logged_in = tokio::task::spawn_blocking(move || {
        let (name, password) = decoded.split_once(':')?;
        let person = users.log_in(name, password);
        if person.is_none() {
            tracing::warn!(user = name, "a login over HTTP failed");
        }
        person
    });
    let wrong = || Refused { state: "28P01", message: "the user or the password is wrong".into() };
    logged_in.await.ok().flatten().ok_or_else(wrong)
}

fn who() -> Refused {
    Refused { state: "28000", message: "log in: Authorization: Basic, or Bearer with a token".into() }
}

/// JSON with a member `sql`, or the bare text.
fn question(headers: &HeaderMap, body: &[u8]) -> Result<String, Refused> {
    let malformed = |message: String| Refused { state: "42601", message };
    if media(headers, CONTENT_TYPE).starts_with("application/json") {
        let question: Question =
            serde_json::from_slice(body).map_err(|e| malformed(format!("not JSON with a member \"sql\": {e}")))?;
        return Ok(question.sql);
    }
    std::str::from_utf8(body).map(str::to_owned).map_err(|_| malformed("the statement is not UTF-8".into()))
}

fn media(headers: &HeaderMap, name: axum::http::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// An answer in the form that is asked for, at most so many bytes: its media type, and the bytes.
///
/// # Errors
/// When it is longer, or Arrow cannot write it.
pub fn written(accept: &str, answer: &Answer, max: usize) -> Result<(&'static str, Vec<u8>), ArrowError> {
    let to = Bounded { bytes: Vec::new(), max };
    Ok(if accept.contains("application/x-ndjson") {
        ("application/x-ndjson", ndjson(answer, to)?)
    } else if accept.contains("text/csv") {
        ("text/csv; charset=utf-8", csv(answer, to)?)
    } else if accept.contains("application/vnd.apache.arrow.stream") {
        ("application/vnd.apache.arrow.stream", arrow_stream(answer, to)?)
    } else if accept.contains("application/vnd.apache.parquet") {
        ("application/vnd.apache.parquet", parquet(answer, to)?)
    } else {
        ("application/json", envelope(answer, to)?)
    })
}

fn shown(headers: &HeaderMap, answer: &Answer, max: usize) -> Result<Response, ArrowError> {
    let (kind, bytes) = written(media(headers, ACCEPT), answer, max)?;
    let mut response = ([(CONTENT_TYPE, kind)], bytes).into_response();
    for (name, value) in [("x-as-of", as_of(answer)), ("x-batch", answer.state.number.map(|n| n.to_string()))] {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The horizon after the last batch that an answer is of.
pub fn as_of(answer: &Answer) -> Option<String> {
    answer.state.as_of.map(format_rfc3339)
}

fn ndjson(answer: &Answer, to: Bounded) -> Result<Vec<u8>, ArrowError> {
    let mut writer = Writer::<_, LineDelimited>::new(to);
    answer.batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()?;
    Ok(writer.into_inner().bytes)
}

fn csv(answer: &Answer, mut to: Bounded) -> Result<Vec<u8>, ArrowError> {
    let mut writer = WriterBuilder::new().with_header(true).build(&mut to);
    // The header also of an answer without rows.
    writer.write(&arrow::array::RecordBatch::new_empty(answer.schema.clone()))?;
    answer.batches.iter().try_for_each(|batch| writer.write(batch))?;
    drop(writer);
    Ok(to.bytes)
}

fn arrow_stream(answer: &Answer, to: Bounded) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(to, &answer.schema)?;
    answer.batches.iter().try_for_each(|batch| writer.write(batch))?;
    Ok(writer.into_inner()?.bytes)
}

fn parquet(answer: &Answer, to: Bounded) -> Result<Vec<u8>, ArrowError> {
    let mut writer = ArrowWriter::try_new(to, answer.schema.clone(), None)?;
    answer.batches.iter().try_for_each(|batch| writer.write(batch))?;
    Ok(writer.into_inner()?.bytes)
}

fn envelope(answer: &Answer, to: Bounded) -> Result<Vec<u8>, ArrowError> {
    let mut writer = Writer::<_, JsonArray>::new(to);
    answer.batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()?;
    let mut rows = writer.into_inner().bytes;
    if rows.is_empty() {
        rows = b"[]".to_vec();
    }
    let columns: Vec<_> = answer
        .schema
        .fields()
        .iter()
        .map(|field| json!({ "name": field.name(), "type": field.data_type().to_string() }))
        .collect();
    let mut text =
        json!({ "as_of": as_of(answer), "batch": answer.state.number, "columns": columns }).to_string().into_bytes();
    // The rows as they were written: numbers keep all their digits.
    text.pop();
    text.extend_from_slice(b",\"rows\":");
    text.append(&mut rows);
    text.extend_from_slice(b"}\n");
    Ok(text)
}

/// RFC 9457.
pub fn problem(refused: &Refused) -> Response {
    let status = match refused.state {
        "28000" | "28P01" => StatusCode::UNAUTHORIZED,
        "42501" => StatusCode::FORBIDDEN,
        "57014" => StatusCode::REQUEST_TIMEOUT,
        "53200" | "53300" | "58030" => StatusCode::SERVICE_UNAVAILABLE,
        "XX000" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = json!({
        "type": "about:blank", "title": "the statement was not answered", "status": status.as_u16(),
        "detail": refused.message, "sqlstate": refused.state,
    });
    let mut response = (status, [(CONTENT_TYPE, "application/problem+json")], format!("{body}\n")).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"foreshock\", Bearer"));
    }
    response
}

/// Counters and gauges in the text form of Prometheus.
pub fn metrics(door: &Door) -> String {
    let (state, followed) = (door.desk.store().state(), &door.followed);
    let counters = [
        ("reader_batches", "Batches taken in.", &followed.batches),
        ("reader_lost", "Records and results that the broker no longer had.", &followed.lost),
        ("reader_unreadable", "Records that count but cannot be read with this configuration.", &followed.unreadable),
        ("reader_unplaced", "Results that name no batch of the log.", &followed.unplaced),
        ("statements_answered", "Statements answered.", &door.desk.answered),
        ("statements_refused", "Statements refused or stopped at a limit.", &door.desk.refused),
    ];
    let mut text = String::new();
    for (name, help, counter) in counters {
        let value = counter.load(Ordering::Relaxed);
        let _ = writeln!(text, "# HELP foreshock_{name}_total {help}\n# TYPE foreshock_{name}_total counter");
        let _ = writeln!(text, "foreshock_{name}_total {value}");
    }
    let seconds = |us: Option<i64>| us.map_or(0, |us| us / 1_000_000);
    let gauges = [
        ("reader_batch", "Number of the last batch.", state.number.map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX))),
        ("reader_horizon_seconds", "The horizon after it; 0 before the first.", seconds(state.as_of)),
        ("reader_written_seconds", "When it was written, by its broker.", seconds(state.written_us)),
    ];
    for (name, help, value) in gauges {
        let _ =
            writeln!(text, "# HELP foreshock_{name} {help}\n# TYPE foreshock_{name} gauge\nforeshock_{name} {value}");
    }
    if let Some(archived) = &door.archived {
        let kept = archived.batches.load(Ordering::Relaxed);
        let rows = archived.rows.load(Ordering::Relaxed);
        let _ = writeln!(text, "# HELP foreshock_history_batches Number of the last batch kept, and one.");
        let _ = writeln!(text, "# TYPE foreshock_history_batches gauge\nforeshock_history_batches {kept}");
        let _ = writeln!(text, "# HELP foreshock_history_rows_total Rows added to the history.");
        let _ = writeln!(text, "# TYPE foreshock_history_rows_total counter\nforeshock_history_rows_total {rows}");
    }
    let _ =
        writeln!(text, "# HELP foreshock_reader_rows Rows in memory, by table.\n# TYPE foreshock_reader_rows gauge");
    for (name, table) in &state.tables {
        let _ = writeln!(text, "foreshock_reader_rows{{table=\"{name}\"}} {}", table.row_count());
    }
    text
}
