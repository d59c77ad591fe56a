//! The route: `GET /v1/evidence/{id}`.

use crate::rights::audit::Outcome;
use crate::serve::door::{Door, person, problem};
use crate::serve::evidence::collect::collect;
use crate::serve::gate::Refused;
use crate::serve::openapi::Problem;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// Evidence of a detection
///
/// The events that it stands on in their exact bytes, as far as the broker still has them, the rule's text and what was published, in one signed file
/// (`docs/schemas/evidence.v1.json`). It leaves only after the rule, run again over what is in it, came to the same verdict.
#[utoipa::path(
    get,
    path = "/v1/evidence/{id}",
    params(
        ("id" = String, Path, description = "the detection"),
        ("X-Purpose" = String, Header, description = "for what, one of the role's purposes"),
        ("X-Case" = String, Header, description = "the case that it is for"),
    ),
    responses(
        (status = 200, description = "the file", body = Object),
        (status = 400, description = "no such detection stands, or not from these events", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "nobody has logged in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "the role does not allow it, or no purpose was named", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the broker does not answer, or another export is under way", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn export(State(door): State<Door>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match exported(&door, &headers, &id).await {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(refused) => problem(&refused),
    }
}

async fn exported(door: &Door, headers: &HeaderMap, id: &str) -> Result<Vec<u8>, Refused> {
    let person = person(door, headers).await?;
    let (bytes, events) = collect(&door.desk, &door.exports, &person, id).await?;
    door.desk.write_down(&person, &format!("evidence {id}"), Outcome::Rows(events))?;
    Ok(bytes)
}
