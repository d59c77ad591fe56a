//! What the description of the HTTP interface says besides its routes: who may come in, forms of answers, health.

use crate::serve::door::{self, Door};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, OpenApiBuilder};
use utoipa::{Modify, ToSchema};

/// The answer to a statement, as JSON. It describes: the answer itself is written piece by piece.
#[derive(Debug, Serialize, ToSchema)]
pub struct Envelope {
    /// The horizon: what is older is final.
    as_of: Option<String>,
    /// The last batch of the log that is in it.
    batch: Option<u64>,
    columns: Vec<ColumnOf>,
    /// Objects with a member for each column.
    rows: Vec<serde_json::Value>,
}

/// A column of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ColumnOf {
    name: String,
    /// Arrow's word for it.
    r#type: String,
}

/// Why a statement is not answered (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    r#type: String,
    title: String,
    status: u16,
    /// The reason, with line and column where they are known.
    detail: String,
    /// The code that clients of SQL expect.
    sqlstate: String,
}

/// Title, version and ways to log in.
pub fn head() -> OpenApi {
    let mut head = OpenApiBuilder::new().build();
    head.info.title = "Foreshock: the reader".into();
    head.info.version = env!("CARGO_PKG_VERSION").into();
    head.info.description = Some("SQL over transactions, reports, detections and drafts; changes as they come.".into());
    LogIn.modify(&mut head);
    head
}

struct LogIn;

impl Modify for LogIn {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        for (name, scheme) in [("password", HttpAuthScheme::Basic), ("token", HttpAuthScheme::Bearer)] {
            components.add_security_scheme(name, SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build()));
        }
    }
}

/// Does the process live?
#[utoipa::path(get, path = "/livez", responses((status = 200, description = "it does", body = String)))]
pub async fn livez() -> &'static str {
    "alive\n"
}

/// Do all its parts work?
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "they do: each part, since when, its last error", body = String),
    (status = 503, description = "one does not", body = String),
))]
pub async fn readyz(State(door): State<Door>) -> (StatusCode, String) {
    let (is_ready, text) = door.health.ready();
    (if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

/// Counters and gauges
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "Prometheus text", body = String)))]
pub async fn metrics(State(door): State<Door>) -> String {
    door::metrics(&door)
}
