//! `GET /v1/changes/<table>`: rows as they come, as server-sent events. Each has its `seq` as its id, so that a client that comes
//! back with `Last-Event-ID` misses nothing and gets nothing twice.

use crate::rights::grant::Person;
use crate::serve::door::{Door, person, problem};
use crate::serve::gate::Refused;
use crate::serve::openapi::Problem;
use crate::serve::query::Answer;
use crate::serve::tables::SEQ;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Rows asked for at once.
const ROWS: usize = 1_000;
/// Before the first row.
const BEGINNING: i64 = -1;

/// Where a client begins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    since: Option<i64>,
}

/// A client that listens.
struct Listener {
    door: Door,
    person: Person,
    table: String,
    since: i64,
    waiting: VecDeque<Event>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// Rows of a table as they come
///
/// Server-sent events: one for each row, with its `seq` as id. Whoever comes back with `Last-Event-ID` misses nothing and gets nothing
/// twice. An event named `error` is the last one.
#[utoipa::path(
    get,
    path = "/v1/changes/{table}",
    params(
        ("table" = String, Path, description = "a table with `seq`, such as detections"),
        ("since" = Option<i64>, Query, description = "only rows with a higher seq"),
        ("Last-Event-ID" = Option<i64>, Header, description = "the last seq that the client has: goes before `since`"),
        ("X-Purpose" = Option<String>, Header, description = "for what data of persons are asked"),
        ("X-Case" = Option<String>, Header, description = "the case that it is for"),
    ),
    responses(
        (status = 200, description = "events whose data are rows as JSON", body = String, content_type = "text/event-stream"),
        (status = 400, description = "there is no such table", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "nobody has logged in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "no purpose was named", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "too many clients listen", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn changes(
    State(door): State<Door>,
    Path(table): Path<String>,
    Query(query): Query<Since>,
    headers: HeaderMap,
) -> Response {
    match begin(door, table, &query, &headers).await {
        Ok(listener) => {
            let events = stream::unfold(listener, |mut listener| async {
                let event = listener.next().await?;
                Some((Ok::<Event, Infallible>(event), listener))
            });
            Sse::new(events).keep_alive(KeepAlive::default()).into_response()
        }
        Err(refused) => problem(&refused),
    }
}

async fn begin(door: Door, table: String, query: &Since, headers: &HeaderMap) -> Result<Listener, Refused> {
    let is_name = !table.is_empty() && table.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if !is_name {
        return Err(Refused { state: "42P01", message: "there is no such table".into() });
    }
    let person = person(&door, headers).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let since = match last {
        Some(last) => last
            .parse()
            .map_err(|_| Refused { state: "22023", message: format!("Last-Event-ID `{last}` is no number") })?,
        None => query.since.unwrap_or(BEGINNING),
    };
    let full = |_| Refused { state: "53300", message: "too many clients listen: come back later".into() };
    let place = Arc::clone(&door.listeners).try_acquire_owned().map_err(full)?;
    // What is wrong with the table is told before the stream begins.
    door.desk.answer(&statement(&table, i64::MAX, 0), person.clone()).await?;
    Ok(Listener { door, person, table, since, waiting: VecDeque::new(), is_over: false, _place: place })
}

fn statement(table: &str, since: i64, wait_s: u32) -> String {
    format!("SELECT * FROM changes('{table}', {since}, INTERVAL '{wait_s} seconds') ORDER BY {SEQ} LIMIT {ROWS}")
}

impl Listener {
    /// The next row; `None` at the end, which comes with an error only.
    async fn next(&mut self) -> Option<Event> {
        while self.waiting.is_empty() && !self.is_over {
            let asked = self.door.desk.answer(&statement(&self.table, self.since, 10), self.person.clone()).await;
            let taken = asked
                .map_err(|refused| (refused.state, refused.message))
                .and_then(|answer| self.take(&answer).map_err(|error| ("XX000", error.to_string())));
            if let Err((state, message)) = taken {
                self.is_over = true;
                let data = json!({ "sqlstate": state, "detail": message }).to_string();
                self.waiting.push_back(Event::default().event("error").data(data));
            }
        }
        self.waiting.pop_front()
    }

    fn take(&mut self, answer: &Answer) -> Result<(), ArrowError> {
        for batch in &answer.batches {
            let mut writer = LineDelimitedWriter::new(Vec::new());
            writer.write(batch)?;
            writer.finish()?;
            let lines = String::from_utf8(writer.into_inner()).map_err(|e| ArrowError::JsonError(e.to_string()))?;
            let seqs = batch.column_by_name(SEQ).expect("every table has it").as_primitive::<Int64Type>().values();
            for (line, seq) in lines.lines().zip(seqs) {
                self.since = *seq;
                self.waiting.push_back(Event::default().id(seq.to_string()).data(line));
            }
        }
        Ok(())
    }
}
