//! Evidence at the reader's door: what a detection stands on, gathered with the rights of the person who asks, checked by running
//! the rule again before it leaves, signed by this reader.

mod collect;
pub mod door;
mod originals;

use crate::kafka::settings::Kafka;
use foreshock_signatures::Signer;
use tokio::sync::Semaphore;

/// What it takes to make bundles.
pub struct Exports {
    /// Where the events' bytes are.
    pub kafka: Kafka,
    /// Signs them; without it they are not signed.
    pub signer: Option<Signer>,
    /// Does the broker know where a time is? The one inside a demo does not.
    pub knows_times: bool,
    /// One is made at a time.
    turn: Semaphore,
}

impl Exports {
    /// Of this broker.
    pub fn new(kafka: Kafka, signer: Option<Signer>, knows_times: bool) -> Exports {
        Exports { kafka, signer, knows_times, turn: Semaphore::new(1) }
    }
}
