//! Follows the topics: records to whole batches, whole batches to the store. The process that writes knows nothing of it.

use crate::kafka::subscription::{Received, Subscription};
use crate::ops::config::Config;
use crate::ops::health::Health;
use crate::ops::intake::Intake;
use crate::serve::assembly::{Assembly, Found, Incoming, Place, Whole};
use crate::serve::rows::{digest, rows};
use crate::serve::store::{Change, Store};
use anyhow::Context;
use foreshock_core::Feed;
use foreshock_log::{BATCH, Log, Progress, SOURCE};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);
/// How long the rest of a batch may be away while nothing comes at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// After an error: the broker may be away for long.
const PAUSE: Duration = Duration::from_secs(1);
/// A batch's results are written before its record.
const RESULTS_BEFORE_MS: i64 = 10 * 60 * 1_000;
/// Records of batches yet to come are kept up to so many, of each partition and of all results.
const AHEAD_MAX: usize = 20_000;
/// So many batches wait for their rest.
const WAITING_MAX: usize = 64;

/// The batch of this number is not the one that follows: another log, which must not be mixed with the one that was read.
#[derive(Debug)]
struct OtherLog(u64);

impl std::fmt::Display for OtherLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "batch {} is of another log: the topics were made anew, or batches are missing. Start this reader anew",
            self.0
        )
    }
}

impl std::error::Error for OtherLog {}

/// What a follower counts.
#[derive(Debug, Default)]
pub struct Followed {
    /// Batches taken in.
    pub batches: AtomicU64,
    /// Records of theirs.
    pub records: AtomicU64,
    /// Records and results that the broker no longer had.
    pub lost: AtomicU64,
    /// Records that count but cannot be read with this configuration.
    pub unreadable: AtomicU64,
    /// Results that name no batch: of a version before 0.2, or of rules that spread.
    pub unplaced: AtomicU64,
}

/// A follower of a log.
pub struct Follower<'a> {
    /// The log.
    pub log: Log,
    /// Where the broker is.
    pub config: &'a Config,
    /// Where batches go.
    pub store: &'a Store,
    /// What is counted.
    pub followed: &'a Followed,
    /// What an operator sees.
    pub health: &'a Arc<Health>,
    /// Asked to end.
    pub stop: &'a AtomicBool,
    /// From this time on (milliseconds), or from the beginning of the log.
    pub since_ms: Option<i64>,
    /// The last batch that the store begins with.
    pub begun: Option<Done>,
}

/// A batch that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its number.
    pub number: u64,
    /// Tells its record from others ([`digest`]).
    pub digest: String,
}

impl Follower<'_> {
    /// Follows until asked to stop. A broker that is away is waited for.
    pub fn run(&self) {
        let mut last = self.begun.clone();
        while !self.stop.load(Ordering::Acquire) {
            let done = catch_unwind(AssertUnwindSafe(|| self.follow(&mut last)));
            let Err(error) = done.unwrap_or_else(|_| Err(anyhow::anyhow!("a fault of this program"))) else { continue };
            let is_other = error.is::<OtherLog>();
            let error = format!("{error:#}");
            self.health.set(self.part(), false, &error);
            if is_other {
                let part = self.part();
                tracing::error!(error, part, "following the topics: ended; what was read before is still answered");
                return;
            }
            tracing::error!(error, "following the topics: begins anew");
            std::thread::sleep(PAUSE);
        }
    }

    /// Its name on `/readyz`.
    fn part(&self) -> &'static str {
        if self.log == Log::Register { "register" } else { "topics" }
    }

    /// `last`: the last batch in the store.
    fn follow(&self, last: &mut Option<Done>) -> anyhow::Result<()> {
        let number = self.store.state().number_of(self.log);
        let since = |before_ms: i64| self.since_ms.map(|ms| ms.saturating_sub(before_ms).max(0));
        // Results first: none of a batch may be before the beginning when its record is after it.
        let results = self.log.results().iter().map(|topic| (*topic, since(RESULTS_BEFORE_MS)));
        let topics: Vec<_> = results.chain([(self.log.topic(), since(0))]).collect();
        let mut reading = Reading {
            subscription: Subscription::open(&self.config.kafka, &topics)?,
            assembly: Assembly::after(self.log, number),
            held: BTreeSet::new(),
            last_batch: BTreeMap::new(),
            done: last.clone(),
        };
        self.health.set(self.part(), true, "");
        let intake = Intake::new(self.config);
        let mut heard = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            match reading.subscription.poll(POLL) {
                Ok(Some(received)) => {
                    heard = Instant::now();
                    self.take(&mut reading, received)?;
                }
                Ok(None) => {}
                Err(error) => {
                    // Who does not hear the broker cannot say that nothing more comes.
                    heard = Instant::now();
                    self.health.set(self.part(), false, &error.to_string());
                }
            }
            // Only the batch that is waited for: the rest of the others may be held back.
            let mut has_all = heard.elapsed() > PATIENCE && reading.assembly.front().is_some();
            if has_all {
                heard = Instant::now();
                has_all = reading.subscription.answers();
            }
            while let Some(whole) = reading.assembly.next(std::mem::take(&mut has_all)) {
                self.apply(&whole, &intake);
                *last = Some(Done { number: whole.progress.number, digest: digest(&whole.progress) });
            }
            reading.hold_back(self.log)?;
        }
        Ok(())
    }

    fn take(&self, reading: &mut Reading, received: Received) -> anyhow::Result<()> {
        let topic = received.place.0.clone();
        if topic == self.log.topic() {
            let place = || format!("topic `{topic}`, offset {}: not a record of ours", received.offset);
            let progress: Progress = serde_json::from_slice(&received.bytes).with_context(place)?;
            if let Some(done) = reading.done.as_ref().filter(|done| progress.number <= done.number) {
                let is_same = progress.number < done.number || digest(&progress) == done.digest;
                anyhow::ensure!(is_same, OtherLog(progress.number));
                return Ok(());
            }
            self.health.set(self.part(), true, "");
            let number = progress.number;
            for (place, from) in reading.assembly.progress(progress).context(OtherLog(number))? {
                reading.assembly.begins_at(&place, reading.subscription.add(&place, from)?);
            }
        } else if Feed::ALL.iter().any(|feed| feed.topic() == topic) {
            let source = received.header(SOURCE).map(<[u8]>::to_vec);
            let Received { place, offset, time_us, bytes, .. } = received;
            reading.assembly.incoming(&place, Incoming { offset, time_us, source, bytes });
        } else {
            let batch = received.header(BATCH).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
            let (batch, key) = (batch.to_owned(), String::from_utf8_lossy(&received.key).into_owned());
            let Received { place, time_us, bytes, .. } = received;
            match reading.assembly.result(&batch, Found { topic, time_us, key, bytes }) {
                Some(number) => reading.last_batch.insert(place, number),
                None => {
                    self.followed.unplaced.fetch_add(1, Ordering::Relaxed);
                    None
                }
            };
        }
        Ok(())
    }

    fn apply(&self, whole: &Whole, intake: &Intake) {
        let rows = rows(whole, intake);
        let (followed, progress) = (self.followed, &whole.progress);
        if whole.lost + rows.unreadable > 0 {
            let (lost, unreadable) = (whole.lost, rows.unreadable);
            tracing::error!(batch = progress.number, lost, unreadable, "a batch is not whole in this reader");
        }
        followed.batches.fetch_add(1, Ordering::Relaxed);
        followed.records.fetch_add(whole.records.len() as u64 + whole.lost, Ordering::Release);
        followed.lost.fetch_add(whole.lost, Ordering::Relaxed);
        followed.unreadable.fetch_add(rows.unreadable, Ordering::Relaxed);
        self.store.apply(Change {
            log: self.log,
            number: progress.number,
            as_of: progress.horizon_us,
            written_us: whole.written_us(),
            rows,
            in_force: progress.in_force.iter().flatten().cloned().collect(),
        });
    }
}

struct Reading {
    subscription: Subscription,
    assembly: Assembly,
    held: BTreeSet<Place>,
    /// Number of the last batch of which a partition with results had one.
    last_batch: BTreeMap<Place, u64>,
    /// The last batch that is in the store.
    done: Option<Done>,
}

impl Reading {
    /// Memory has a bound: what is far ahead of the batch that is waited for is read no further.
    fn hold_back(&mut self, log: Log) -> anyhow::Result<()> {
        let log = (log.topic().to_owned(), 0);
        let front = self.assembly.front();
        let are_results_ahead = self.assembly.results_ahead() > AHEAD_MAX;
        let incoming = self.assembly.places().filter(|place| self.assembly.is_ahead(place, AHEAD_MAX)).cloned();
        let mut held: BTreeSet<Place> = incoming.collect();
        // A partition is in the order of the batches: one that has shown a later batch lacks nothing of this one.
        let is_later = |number: &u64| front.is_none_or(|front| *number > front);
        held.extend(self.last_batch.iter().filter(|(_, n)| are_results_ahead && is_later(n)).map(|(p, _)| p.clone()));
        if self.assembly.waiting() > WAITING_MAX {
            held.insert(log);
        }
        for place in held.symmetric_difference(&self.held) {
            self.subscription.hold(place, held.contains(place))?;
        }
        self.held = held;
        Ok(())
    }
}
