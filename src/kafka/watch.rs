//! Looks at the broker for a loop that must not wait for it: where partitions end, which topics were made anew, which have
//! more partitions. A thread asks; the loop reads the last answers.

use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use crate::kafka::topic_ids::{TopicState, describe};
use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long one question may take.
const WAIT: Duration = Duration::from_secs(5);
/// How often topics are described when nobody asks for it.
const DESCRIBE_EVERY: Duration = Duration::from_secs(5);

/// A partition by its topic and number.
pub type Place = (String, i32);

/// Where a partition began and ended, for a reader of what is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// First offset there is.
    pub low: i64,
    /// One past the last that can be read.
    pub high: i64,
    /// When it was asked for: true of a moment after this.
    pub asked: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: BTreeSet<Place>,
    describe: bool,
    ends: BTreeMap<Place, Ends>,
    topics: Option<BTreeMap<String, TopicState>>,
    is_over: bool,
}

/// The thread that asks, and its answers.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<(Mutex<Shared>, Condvar)>,
}

impl Watch {
    /// Begins to watch these topics.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn start(kafka: &Kafka, topics: Vec<String>) -> anyhow::Result<Watch> {
        let defaults = [("isolation.level", "read_committed"), ("enable.auto.commit", "false")];
        let consumer: BaseConsumer =
            client_config(kafka, &defaults).create().context("cannot make the Kafka client that watches")?;
        let shared = Arc::new((Mutex::new(Shared::default()), Condvar::new()));
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("kafka-watch".into());
        thread.spawn(move || run(&consumer, &topics, &of_thread)).context("the system gives no thread")?;
        Ok(Watch { shared })
    }

    /// Wants to know where these partitions end.
    pub fn ask(&self, places: impl IntoIterator<Item = Place>) {
        let (shared, wake) = &*self.shared;
        shared.lock().expect("nobody panics with this lock").wanted.extend(places);
        wake.notify_one();
    }

    /// Wants the topics described at once.
    pub fn ask_topics(&self) {
        let (shared, wake) = &*self.shared;
        shared.lock().expect("nobody panics with this lock").describe = true;
        wake.notify_one();
    }

    /// The last answer for a partition.
    pub fn ends(&self, place: &Place) -> Option<Ends> {
        self.shared.0.lock().expect("nobody panics with this lock").ends.get(place).copied()
    }

    /// The last description of the topics, once.
    pub fn take_topics(&self) -> Option<BTreeMap<String, TopicState>> {
        self.shared.0.lock().expect("nobody panics with this lock").topics.take()
    }
}

impl Drop for Watch {
    /// The thread ends after its question.
    fn drop(&mut self) {
        let (shared, wake) = &*self.shared;
        shared.lock().expect("nobody panics with this lock").is_over = true;
        wake.notify_one();
    }
}

fn run(consumer: &BaseConsumer, topics: &[String], shared: &(Mutex<Shared>, Condvar)) {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut described = Instant::now();
    let (mutex, wake) = shared;
    loop {
        let (wanted, describe_now) = {
            let lock = mutex.lock().expect("nobody panics with this lock");
            let idle = |s: &mut Shared| !s.is_over && s.wanted.is_empty() && !s.describe;
            let rest = DESCRIBE_EVERY.saturating_sub(described.elapsed());
            let (mut lock, _) = wake.wait_timeout_while(lock, rest, idle).expect("nobody panics with this lock");
            if lock.is_over {
                return;
            }
            (std::mem::take(&mut lock.wanted), std::mem::take(&mut lock.describe))
        };
        // Topics first: an end says something of the topic that it is the end of.
        if describe_now || described.elapsed() >= DESCRIBE_EVERY {
            described = Instant::now();
            match describe(consumer.client(), &names, WAIT) {
                Ok(found) => mutex.lock().expect("nobody panics with this lock").topics = Some(found),
                Err(error) => tracing::debug!(error = format!("{error:#}"), "topics not described"),
            }
        }
        for place in wanted {
            let asked = Instant::now();
            // No answer is no news: whoever needs it asks again.
            if let Ok((low, high)) = consumer.fetch_watermarks(&place.0, place.1, WAIT) {
                let ends = Ends { low, high, asked };
                mutex.lock().expect("nobody panics with this lock").ends.insert(place, ends);
            }
        }
    }
}
