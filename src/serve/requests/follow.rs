//! Follows the trail of acts and the drafts.

use crate::kafka::settings::Kafka;
use crate::kafka::subscription::{Received, Subscription};
use crate::ops::health::Health;
use crate::serve::requests::Requests;
use foreshock_log::{ACTS, BLOCKING_DRAFTS};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_secs(1);
/// Records of a look, before those who wait are told.
const BURST: usize = 1_000;
/// The name of this part on `/readyz`.
const PART: &str = "acts";

/// Until asked to stop; a broker that is away is waited for.
pub fn follow(kafka: &Kafka, requests: &Requests, health: &Arc<Health>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        // From the beginning each time: what is known is made anew, and the same.
        let Err(error) = read(kafka, requests, health, stop) else { return };
        let error = format!("{error:#}");
        tracing::error!(error, "following the trail of acts: begins anew");
        health.set(PART, false, &error);
        std::thread::sleep(PAUSE);
    }
}

fn read(kafka: &Kafka, requests: &Requests, health: &Arc<Health>, stop: &AtomicBool) -> anyhow::Result<()> {
    let subscription = Subscription::open(kafka, &[(BLOCKING_DRAFTS, None), (ACTS, None)])?;
    requests.begin();
    health.set(PART, true, "");
    while !stop.load(Ordering::Acquire) {
        let mut wait = POLL;
        for _ in 0..BURST {
            match subscription.poll(std::mem::take(&mut wait)) {
                Ok(Some(received)) => take(requests, &received),
                Ok(None) => break,
                // The client goes on by itself.
                Err(error) => {
                    tracing::warn!(%error, "following the trail of acts");
                    health.set(PART, false, &error.to_string());
                    break;
                }
            }
            health.set(PART, true, "");
        }
        requests.tell();
    }
    Ok(())
}

fn take(requests: &Requests, received: &Received) {
    let is_read = if received.place.0 == ACTS {
        serde_json::from_slice(&received.bytes).map(|act| requests.known().act(act))
    } else {
        serde_json::from_slice(&received.bytes).map(|draft| requests.known().draft(draft))
    };
    if let Err(error) = is_read {
        let (topic, partition) = &received.place;
        tracing::warn!(topic, partition, offset = received.offset, %error, "not a record of ours");
    }
}
