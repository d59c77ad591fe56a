//! Blocking requests (Art. 30 of the regulation) from draft to end: who may propose, approve and lift, what an
//! institution answers, and what falls due.
//!
//! Drafts, commands of people, answers of institutions and the time come in, one after the other, as the log has them;
//! what follows goes out as [`Outgoing`]. Knows no transport, no keys and no clock of its own: the same input in the same
//! order gives the same output, byte for byte.

mod act;
mod answer;
mod answering;
mod command;
mod commanding;
mod due;
pub mod limits;
mod order;
mod policy;
mod register;
mod request;
mod save;
mod state;
mod taking;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use act::{ActRecord, Cause, Code, Notice};
pub use answer::{Answer, Stage};
pub use command::{Actor, Command, CommandKind, Terms};
pub use order::{Action, Approver, DueBy, EvidenceRef, Institution, Match, Order};
pub use policy::{InstitutionPolicy, MeasurePolicy, Policy};
pub use register::{Register, Tally};
pub use state::State;

/// What is to be published.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// For `act.v1`.
    Act(Box<ActRecord>),
    /// For the topic of the institution that it names; still to be signed.
    Order(Box<Order>),
}

/// JSON Schema of [`Order`], with the signature that stands beside its fields.
pub fn order_schema() -> serde_json::Value {
    signed(schemars::schema_for!(Order).to_value())
}

/// JSON Schema of [`Answer`], with its signature.
pub fn answer_schema() -> serde_json::Value {
    signed(schemars::schema_for!(Answer).to_value())
}

/// JSON Schema of [`Command`], with its signature.
pub fn command_schema() -> serde_json::Value {
    signed(schemars::schema_for!(Command).to_value())
}

/// JSON Schema of [`ActRecord`].
pub fn act_schema() -> serde_json::Value {
    schemars::schema_for!(ActRecord).to_value()
}

fn signed(mut schema: serde_json::Value) -> serde_json::Value {
    schema["properties"]["signature"] = serde_json::json!({
        "description": "Detached JWS (RFC 7515, appendix F) by Ed25519 over the canonical form (RFC 8785) of the other fields.",
        "type": "string",
    });
    if let Some(required) = schema["required"].as_array_mut() {
        required.push("signature".into());
    }
    schema
}
