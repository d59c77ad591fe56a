//! Records from Kafka: one `BaseConsumer`, polled by one thread; offsets are committed by the pipeline, last. What must be
//! asked of the broker meanwhile is asked by [`Watch`].

use crate::kafka::partition::Partition;
use crate::kafka::settings::TopicMadeAnew;
use crate::kafka::settle::differs;
use crate::kafka::watch::{Place, Watch};
use anyhow::{Context, bail};
use foreshock_core::{Feed, Part, Presence};
use foreshock_log::{
    ANSWERS, BLOCKING_DRAFTS, COMMANDS, EVENTS, FEED, HORIZON, Kind, Position, Range, SOURCE, Source, SourceRecord,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often silent partitions are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// A partition that has given nothing for so long is not waited for by those ahead of it.
const STILL: Duration = Duration::from_secs(2);
/// An answer of the broker about the end of a partition is worth something for so long, at least.
const FRESH: Duration = Duration::from_secs(3);
/// Records of one partition held back while another one catches up.
const STASH_MAX: usize = 20_000;
/// A batch is cut when its records have so many bytes.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// A batch that is taken again must come within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process takes in.
#[derive(Debug, Clone, Copy)]
pub enum Intake<'a> {
    /// Every partition of the four incoming topics. The horizon waits for the partitions that were waited for before, at
    /// the first start for those of the expected feeds and those that hold something.
    Feeds {
        /// Feeds that will come.
        expected: &'a [Feed],
    },
    /// One partition of the events that were admitted and sent on.
    Part(Part),
    /// Drafts of blocking requests, commands about them and answers to them.
    Register,
}

/// Where a source begins whose state is made again.
#[derive(Debug, Clone, Default)]
pub struct Bookmark {
    /// Partitions that the horizon waits for, as `topic/partition`.
    pub waits_for: Vec<String>,
    /// The partitions of the state, in the order of the engine.
    pub order: Vec<Place>,
    /// The first offset of each partition that the state still needs; the first there is where none is named.
    pub offsets: BTreeMap<Place, i64>,
    /// Kafka's ids of the topics at the beginning.
    pub first_topics: BTreeMap<String, String>,
    /// Kafka's ids of the topics of the last of these offsets.
    pub topics: BTreeMap<String, String>,
}

/// The broker did not have an offset: it is asked what it has.
#[derive(Debug)]
pub(super) struct Reset {
    pub(super) since: Instant,
    /// When it was last asked.
    pub(super) asked: Instant,
    /// Partitions of which it is not yet known, with the next offset of each at that moment.
    pub(super) left: BTreeMap<usize, Option<i64>>,
}

/// The consumer.
pub struct KafkaSource {
    pub(super) consumer: BaseConsumer,
    pub(super) watch: Watch,
    pub(super) partitions: Vec<Partition>,
    pub(super) numbers: BTreeMap<Place, usize>,
    /// Number of the partition that gave the last record.
    pub(super) latest: usize,
    /// Kafka's ids of the topics now.
    pub(super) topics: BTreeMap<String, String>,
    /// The same in the batch that is taken again.
    pub(super) in_log: BTreeMap<String, String>,
    pub(super) made_anew: TopicMadeAnew,
    /// Partitions may be added.
    pub(super) grows: bool,
    /// When silent partitions were last looked for.
    pub(super) looked: Instant,
    /// The broker did not have the offset that was asked for, at this moment: it is asked what it has.
    pub(super) reset: Option<Reset>,
    /// Batches are taken again.
    pub(super) is_following: bool,
    pub(super) is_paused: bool,
    pub(super) last_error: Option<String>,
    /// A topic that was there and is not.
    pub(super) gone: Option<String>,
    pub(super) fault: Option<anyhow::Error>,
    /// Records that the broker no longer had.
    pub(super) lost: u64,
}

impl KafkaSource {
    /// Does a batch that is taken again name records of a topic that was deleted since?
    fn is_of_old(&self, topic: &str) -> bool {
        differs(&self.in_log, &self.topics, topic)
    }

    /// The records of a batch in one partition.
    fn take_range(&mut self, number: usize, range: &Range, records: &mut Vec<SourceRecord>) -> anyhow::Result<()> {
        let (start, mut next) = (Instant::now(), range.from);
        while next < range.to {
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            let low = self.partitions[number].low;
            if next < low {
                self.lost += u64::try_from(low.min(range.to) - next).unwrap_or(0);
                next = low;
                continue;
            }
            let stash = &mut self.partitions[number].stash;
            match stash.front() {
                Some(record) if record.position.offset >= range.to => break,
                Some(record) if record.position.offset < range.from => {
                    stash.pop_front();
                }
                Some(record) => {
                    next = record.position.offset + 1;
                    records.extend(stash.pop_front());
                }
                None if start.elapsed() > PATIENCE => bail!(
                    "topic `{}`, partition {}: no record up to offset {} in a minute, though it was judged before: is it the \
                     same topic, was it restored from a copy?",
                    range.topic,
                    range.partition,
                    range.to
                ),
                None => {
                    self.keep_within_bounds(number)?;
                    self.stash_next();
                }
            }
        }
        Ok(())
    }

    fn stash_next(&mut self) {
        self.settle();
        if let Some(Some(record)) = self.poll(Duration::from_millis(100)) {
            let number = record.partition;
            self.partitions[number].stash.push_back(record);
        }
    }

    /// A partition that is far ahead of the one read now is paused until it is its turn.
    fn keep_within_bounds(&mut self, turn: usize) -> anyhow::Result<()> {
        for number in 0..self.partitions.len() {
            let partition = &self.partitions[number];
            let (held, waiting) = (partition.is_held, partition.stash.len());
            let is_held = if held { waiting >= STASH_MAX / 2 } else { waiting > STASH_MAX && number != turn };
            self.set_held(number, is_held)?;
        }
        Ok(())
    }

    /// Pauses a partition, or reads it on.
    fn set_held(&mut self, number: usize, is_held: bool) -> anyhow::Result<()> {
        let partition = &mut self.partitions[number];
        if is_held == std::mem::replace(&mut partition.is_held, is_held) {
            return Ok(());
        }
        let mut one = TopicPartitionList::new();
        one.add_partition(&partition.place.0, partition.place.1);
        Ok(if is_held { self.consumer.pause(&one) } else { self.consumer.resume(&one) }?)
    }

    /// `None` when nothing has arrived; `Some(None)` when what arrived was no record.
    fn poll(&mut self, wait: Duration) -> Option<Option<SourceRecord>> {
        let message = match self.consumer.poll(wait)? {
            Ok(message) => message,
            Err(error) => {
                // Anything may come of a topic that is gone: it is looked at first.
                self.watch.ask_topics();
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
                    self.note_reset();
                }
                self.last_error = Some(error.to_string());
                return Some(None);
            }
        };
        self.last_error = None;
        let is_it = |p: &Partition| p.place.1 == message.partition() && p.place.0 == message.topic();
        // Records of a partition come in a row.
        if !self.partitions.get(self.latest).is_some_and(is_it) {
            self.latest = *self.numbers.get(&(message.topic().to_owned(), message.partition()))?;
        }
        let number = self.latest;
        let partition = &mut self.partitions[number];
        if partition.next.is_some_and(|next| message.offset() < next) {
            // The client went back, as after a fetch that failed: we had it. Or the topic is another one.
            self.watch.ask_topics();
            return Some(None);
        }
        // Offsets that are passed over are markers of transactions and records of aborted ones: where the broker has let go
        // of some, the client says so instead of going on.
        partition.next = Some(message.offset() + 1);
        partition.heard = Instant::now();
        let Some((kind, source)) = read_headers(&message) else {
            let place = format!("{}/{}/{}", message.topic(), message.partition(), message.offset());
            self.last_error = Some(format!("{place}: not written by this program"));
            return Some(None);
        };
        Some(Some(SourceRecord {
            partition: number,
            position: Position {
                topic: partition.topic.clone(),
                partition: message.partition(),
                offset: message.offset(),
            },
            kind,
            bytes: message.payload().unwrap_or_default().to_vec(),
            source,
            time_us: message.timestamp().to_millis().map(|ms| ms.saturating_mul(1_000)),
        }))
    }

    fn commit_done(&self, mode: CommitMode) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for Partition { place, done, .. } in &self.partitions {
            if let Some(offset) = done {
                list.add_partition_offset(&place.0, place.1, Offset::Offset(*offset))?;
            }
        }
        self.consumer.commit(&list, mode).context("cannot commit offsets")
    }

    /// Up to where each partition has been read, markers of transactions and aborted records included.
    fn positions(&self) -> BTreeMap<Place, i64> {
        let Ok(list) = self.consumer.position() else { return BTreeMap::new() };
        let offset = |o: Offset| if let Offset::Offset(offset) = o { Some(offset) } else { None };
        let elements = list.elements();
        let known = elements.iter().filter_map(|e| Some(((e.topic().to_owned(), e.partition()), offset(e.offset())?)));
        known.collect()
    }
}

/// What a record holds by its topic and headers, and who sent it; `None` for one that is not ours.
fn read_headers(message: &impl Message) -> Option<(Kind, Option<Vec<u8>>)> {
    let (topic, headers) = (message.topic(), message.headers());
    let raw = |name: &str| headers?.iter().find(|x| x.key == name).map(|found| found.value);
    let header = |name: &str| std::str::from_utf8(raw(name)??).ok();
    let horizon_us = header(HORIZON).and_then(|us| us.parse().ok()).filter(|_| topic == EVENTS);
    let is_of = |f: &Feed| f.topic() == topic || topic == EVENTS && header(FEED) == Some(f.table());
    let feed = || Feed::ALL.into_iter().find(is_of).map(Kind::Event);
    let of_register = match topic {
        BLOCKING_DRAFTS => Some(Kind::Draft),
        COMMANDS => Some(Kind::Command),
        ANSWERS => Some(Kind::Answer),
        _ => None,
    };
    let kind = horizon_us.map(Kind::Horizon).or_else(feed).or(of_register)?;
    Some((kind, raw(SOURCE).map(|value| value.unwrap_or_default().to_vec())))
}

impl Source for KafkaSource {
    fn presence(&self) -> Vec<Presence> {
        self.partitions.iter().map(|p| p.presence).collect()
    }

    fn waits_for(&self) -> Vec<String> {
        self.partitions.iter().filter(|p| p.presence == Presence::Expected).map(Partition::name).collect()
    }

    fn number(&self, topic: &str, partition: i32) -> Option<usize> {
        self.numbers.get(&(topic.to_owned(), partition)).copied()
    }

    fn topics(&self) -> BTreeMap<String, String> {
        self.topics.clone()
    }

    fn topics_in_log(&mut self, topics: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let is_other = topics.keys().any(|topic| differs(topics, &self.topics, topic));
        // The process that wrote it may know of a topic made anew what this one does not.
        if is_other && self.in_log != *topics {
            self.look_at_topics()?;
        }
        self.in_log.clone_from(topics);
        Ok(())
    }

    fn take(&mut self, max: usize, wait: Duration) -> Vec<SourceRecord> {
        self.settle();
        let mut records = Vec::new();
        for partition in self.partitions.iter_mut().filter(|p| !p.is_held) {
            let count = partition.stash.len().min(max - records.len());
            records.extend(partition.stash.drain(..count));
        }
        let mut patience = if records.is_empty() { wait } else { Duration::ZERO };
        let mut bytes: usize = records.iter().map(|record| record.bytes.len()).sum();
        while records.len() < max && bytes < BATCH_BYTES_MAX {
            let Some(record) = self.poll(patience) else { break };
            patience = Duration::ZERO;
            let Some(record) = record else { continue };
            let partition = &mut self.partitions[record.partition];
            // A partition's own order must hold: what is stashed comes first.
            if partition.stash.is_empty() && !partition.is_held {
                bytes += record.bytes.len();
                records.push(record);
            } else {
                partition.stash.push_back(record);
            }
        }
        records
    }

    fn take_again(&mut self, ranges: &[Range]) -> anyhow::Result<Vec<SourceRecord>> {
        let mut records = Vec::new();
        for range in ranges {
            let place = (range.topic.clone(), range.partition);
            if self.is_of_old(&range.topic) {
                self.lost += u64::try_from(range.to - range.from).unwrap_or(0);
                continue;
            }
            if !self.numbers.contains_key(&place) {
                let count = self.partitions_of(&range.topic)?.len();
                self.take_new_partitions(&range.topic, count)?;
            }
            let Some(number) = self.numbers.get(&place).copied() else {
                bail!("partition {} of topic `{}` is not there any more", range.partition, range.topic);
            };
            self.take_range(number, range, &mut records)?;
        }
        Ok(records)
    }

    fn end_again(&mut self) -> anyhow::Result<()> {
        // What the broker let go of while nobody read.
        for partition in &mut self.partitions {
            self.lost += u64::try_from(partition.low - partition.done.unwrap_or(partition.low)).unwrap_or(0);
            partition.is_held = false;
        }
        self.is_following = false;
        self.in_log.clone_from(&self.topics);
        Ok(self.consumer.resume(&self.consumer.assignment()?)?)
    }

    fn silent(&mut self, idle: Duration) -> Vec<(String, i32, usize)> {
        if self.looked.elapsed() < LOOK {
            return Vec::new();
        }
        self.looked = Instant::now();
        // What was taken and not yet judged may move it.
        let quiet = |p: &Partition| p.moved.elapsed() >= idle && p.stash.is_empty() && p.next == p.done;
        if !self.partitions.iter().any(quiet) {
            return Vec::new();
        }
        let (positions, fresh) = (self.positions(), FRESH.max(idle / 2));
        let mut silent = Vec::new();
        for (number, partition) in self.partitions.iter().enumerate().filter(|(_, p)| quiet(p)) {
            let place = &partition.place;
            let read = positions.get(place).copied().max(partition.next).unwrap_or(partition.low);
            // The answer must be of a time when it had been still for long: then what is read up to it did not move it.
            let ends = self.watch.ends(place).filter(|ends| ends.asked >= partition.moved + idle);
            if ends.is_none_or(|ends| read >= ends.high || ends.asked.elapsed() >= fresh) {
                self.watch.ask([place.clone()]);
            }
            if ends.is_some_and(|ends| read >= ends.high && ends.asked.elapsed() < fresh) {
                silent.push((place.0.clone(), place.1, number));
            }
        }
        silent
    }

    fn moved(&mut self, number: usize) {
        self.partitions[number].moved = Instant::now();
    }

    fn still_sends(&self, number: usize) -> bool {
        let partition = &self.partitions[number];
        !partition.stash.is_empty() || partition.heard.elapsed() < STILL
    }

    fn hold_back(&mut self, ahead: &[usize]) {
        for number in 0..self.partitions.len() {
            if let Err(error) = self.set_held(number, ahead.contains(&number)) {
                self.last_error = Some(error.to_string());
            }
        }
    }

    fn hold(&mut self) {
        if !self.is_paused && self.consumer.assignment().and_then(|a| self.consumer.pause(&a)).is_ok() {
            self.is_paused = true;
        }
        if let Some(Some(record)) = self.poll(Duration::ZERO) {
            let number = record.partition;
            self.partitions[number].stash.push_back(record);
        }
    }

    fn go_on(&mut self) {
        if !self.is_paused {
            return;
        }
        let free = self.list(|p| !p.is_held);
        if self.consumer.resume(&free).is_ok() {
            self.is_paused = false;
        }
    }

    fn mark_done(&mut self, ranges: &[Range], topics: &BTreeMap<String, String>) {
        for range in ranges {
            if differs(topics, &self.topics, &range.topic) {
                continue;
            }
            if let Some(number) = self.numbers.get(&(range.topic.clone(), range.partition)) {
                self.partitions[*number].done = Some(range.to);
            }
        }
    }

    fn places(&self) -> Vec<Range> {
        self.partitions.iter().map(Partition::at).collect()
    }

    fn commit(&mut self, is_last: bool) -> anyhow::Result<()> {
        match (self.partitions.iter().all(|p| p.done.is_none()), is_last) {
            (true, _) => Ok(()),
            (false, false) => self.commit_done(CommitMode::Async),
            (false, true) => self.commit_done(CommitMode::Sync),
        }
    }

    fn lost(&self) -> u64 {
        self.lost
    }

    fn take_error(&mut self) -> Option<String> {
        self.last_error.take().or_else(|| self.gone.clone())
    }

    fn fault(&mut self) -> Option<anyhow::Error> {
        self.fault.take()
    }
}
