//! A log that a process writes beside its first one: a partition of the rules that spread, or the register of blocking requests.

use crate::kafka::sink::KafkaSink;
use crate::kafka::tail::Tail;
use crate::ops::config::Config;
use crate::ops::health::Health;
use crate::rules::work::Work;
use crate::writer::restore::{Setup, name};
use crate::writer::writing::{Signs, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The last snapshot may take so long to the object store: the group waits for a partition that it takes back.
const UPLOAD_MAX: Duration = Duration::from_secs(5);

/// Writes it until `stop` is set. `called`: its name in what an operator sees of the process.
///
/// # Errors
/// When the broker cannot be reached, or another process has taken it over.
pub fn write_beside(
    config: &Config,
    work: &Work,
    called: String,
    of_process: &Arc<Health>,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let health = Arc::new(Health::default());
    health.set("state", false, "being made again");
    of_process.parts.insert(called, health.clone());
    let setup = Setup { config, work, expected: &[], health: &health, stop, owner: name() };
    // In this order: once the sink is open no other process can commit, so the log stands still.
    let sink = KafkaSink::new(&config.kafka, setup.log())?;
    let pipeline = match setup.restored(&mut Tail::of(&config.kafka, setup.log())?)? {
        Some(pipeline) => pipeline,
        None => setup.fresh()?,
    };
    if stop.load(Ordering::Acquire) {
        return Ok(());
    }
    health.forget("state");
    Writer::begin(&setup, pipeline, sink, Signs::NotWanted)?.run(stop, UPLOAD_MAX, |_| Ok(()))
}
