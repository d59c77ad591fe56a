//! The exact bytes of events by their numbers in the log, from the incoming topics.

use crate::kafka::settings::Kafka;
use crate::kafka::stretch::Stretches;
use crate::kafka::subscription::{Received, Subscription};
use anyhow::{Context, ensure};
use foreshock_core::limits::BATCH_EVENTS_LIMIT;
use foreshock_log::{PROGRESS, Progress, batch_and_place, decode_fates};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of records that are taken: as text they are a third more.
const BYTES_MAX: usize = 32 << 20;

/// The records of these numbers, as far as the broker still has them. `since_ms`: no batch of theirs was written before.
///
/// # Errors
/// When it does not answer until then, or they are too large.
pub fn originals(
    kafka: &Kafka,
    seqs: &BTreeSet<i64>,
    since_ms: Option<i64>,
    until: Instant,
) -> anyhow::Result<BTreeMap<i64, Received>> {
    let mut wanted: BTreeMap<u64, BTreeMap<u32, i64>> = BTreeMap::new();
    for seq in seqs {
        let (batch, place) = batch_and_place(*seq);
        wanted.entry(batch).or_default().insert(place, *seq);
    }
    let stretches = Stretches::open(kafka)?;
    let (mut found, mut bytes) = (BTreeMap::new(), 0);
    for progress in batches(kafka, &wanted, since_ms, until)? {
        let of_batch = of_batch(&stretches, &progress, &wanted[&progress.number], until)?;
        bytes += of_batch.values().map(|record| record.bytes.len()).sum::<usize>();
        ensure!(bytes <= BYTES_MAX, "its events are too large for one file");
        found.extend(of_batch);
    }
    Ok(found)
}

/// The records of the batches.
fn batches(
    kafka: &Kafka,
    wanted: &BTreeMap<u64, BTreeMap<u32, i64>>,
    since_ms: Option<i64>,
    until: Instant,
) -> anyhow::Result<Vec<Progress>> {
    let Some(last) = wanted.keys().last() else { return Ok(Vec::new()) };
    let subscription = Subscription::open(kafka, &[(PROGRESS, since_ms)])?;
    let (mut batches, mut heard) = (Vec::new(), Instant::now());
    while batches.len() < wanted.len() {
        let is_silent = heard.elapsed() > PATIENCE || Instant::now() > until;
        ensure!(!is_silent, "the broker does not give the log up to batch {last} in time");
        let received = match subscription.poll(POLL) {
            Ok(Some(received)) => received,
            Ok(None) => continue,
            // The client goes on by itself.
            Err(error) => {
                tracing::warn!(%error, "reading the log once more");
                continue;
            }
        };
        heard = Instant::now();
        let progress: Progress = serde_json::from_slice(&received.bytes).context("the log has what is none of ours")?;
        if progress.number > *last {
            break;
        }
        // A broker without transactions may have one twice.
        let is_new = batches.last().is_none_or(|before: &Progress| before.number < progress.number);
        if is_new && wanted.contains_key(&progress.number) {
            batches.push(progress);
        }
    }
    Ok(batches)
}

/// Those of a batch: places count over its ranges.
fn of_batch(
    stretches: &Stretches,
    progress: &Progress,
    wanted: &BTreeMap<u32, i64>,
    until: Instant,
) -> anyhow::Result<BTreeMap<i64, Received>> {
    let (mut first, mut found) = (0_u32, BTreeMap::new());
    for (nth, range) in progress.ranges.iter().enumerate() {
        let fates = progress.fates.get(nth).and_then(|text| decode_fates(text, BATCH_EVENTS_LIMIT as u64));
        let fates = fates.with_context(|| format!("batch {} is of a version before 0.2", progress.number))?;
        let count = u32::try_from(fates.iter().map(|(count, _)| count).sum::<u64>())?;
        let of_range: Vec<(u32, i64)> =
            wanted.range(first..first + count).map(|(at, seq)| (at - first, *seq)).collect();
        if !of_range.is_empty() {
            let place = (range.topic.clone(), range.partition);
            let records = stretches.read(&place, (range.from, range.to), until)?;
            // What the broker has no longer is the oldest.
            let missing = (count as usize).saturating_sub(records.len());
            let at = |place: u32| (place as usize).checked_sub(missing).and_then(|at| records.get(at)).cloned();
            found.extend(of_range.into_iter().filter_map(|(place, seq)| Some((seq, at(place)?))));
        }
        first += count;
    }
    Ok(found)
}
