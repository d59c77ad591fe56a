//! Records from Kafka: one `BaseConsumer`, polled by one thread; offsets are committed by the pipeline, last.

use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use crate::kafka::tail::check_partitions;
use anyhow::{Context, bail};
use foreshock_core::{Feed, Part, Presence};
use foreshock_log::{EVENTS, FEED, HORIZON, Kind, Position, Range, SOURCE, Source, SourceRecord};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// How often silent partitions are looked for, and how long one may take.
const LOOK: Duration = Duration::from_secs(1);
/// A partition that has given nothing for so long is not waited for by those ahead of it.
const STILL: Duration = Duration::from_secs(2);
/// Records of one partition held back while another one catches up.
const STASH_MAX: usize = 20_000;

/// A broker that has just started answers some questions with "not yet": ask again for this long.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

fn patiently<T>(ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    let start = Instant::now();
    loop {
        match ask() {
            Err(error) if start.elapsed() < PATIENCE && is_passing(&error) => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    code.is_some_and(|c| {
        matches!(
            c,
            Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::LeaderNotAvailable
                | Code::NotCoordinator
                | Code::NotLeaderForPartition
        )
    })
}

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
}

/// Where a source begins whose state is made again.
#[derive(Debug, Clone, Default)]
pub struct Bookmark {
    /// Partitions that the horizon waits for, as `topic/partition`.
    pub waits_for: Vec<String>,
    /// The first offset of each partition that the state still needs; the first there is where none is named.
    pub offsets: BTreeMap<(String, i32), i64>,
}

/// The consumer.
pub struct KafkaSource {
    consumer: BaseConsumer,
    partitions: BTreeMap<(String, i32), usize>,
    presence: Vec<Presence>,
    next: BTreeMap<(String, i32), i64>,
    done: BTreeMap<(String, i32), i64>,
    /// Offset of the first record the broker still had at the start.
    lows: Vec<i64>,
    /// When each partition last gave a record.
    heard: Vec<Instant>,
    /// When silent partitions were last looked for.
    looked: Instant,
    /// Records that came before they were wanted, by partition.
    stash: Vec<VecDeque<SourceRecord>>,
    is_paused: bool,
    /// Partitions paused because they are ahead: of the one that is read again, or in event time.
    held: BTreeSet<usize>,
    last_error: Option<String>,
    /// Records that the broker no longer had.
    lost: u64,
}

impl KafkaSource {
    /// Connects and takes what the intake names: from the bookmark on, so that the state can be made again; without it
    /// from the committed offsets on.
    ///
    /// # Errors
    /// When the broker cannot be reached or a topic is not there.
    pub fn new(kafka: &Kafka, intake: Intake<'_>, resume: Option<&Bookmark>) -> anyhow::Result<KafkaSource> {
        let defaults = [
            ("group.id", kafka.group_id.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("fetch.wait.max.ms", "10"),
            ("queued.max.messages.kbytes", "16384"),
            ("isolation.level", "read_committed"),
        ];
        let consumer: BaseConsumer =
            client_config(kafka, &defaults).create().context("cannot make the Kafka consumer")?;
        let mut source = KafkaSource {
            consumer,
            partitions: BTreeMap::new(),
            presence: Vec::new(),
            next: BTreeMap::new(),
            done: BTreeMap::new(),
            lows: Vec::new(),
            heard: Vec::new(),
            looked: Instant::now(),
            stash: Vec::new(),
            is_paused: false,
            held: BTreeSet::new(),
            last_error: None,
            lost: 0,
        };
        let mut list = TopicPartitionList::new();
        match intake {
            Intake::Feeds { expected } => {
                for feed in Feed::ALL {
                    source.add_topic(feed, expected.contains(&feed), resume, &mut list)?;
                }
            }
            Intake::Part(part) => {
                check_partitions(EVENTS, source.partitions_of(EVENTS)?.len(), part.of)?;
                source.add_partition(EVENTS, part.number.cast_signed(), |_| true, &mut list)?;
            }
        }
        source.stash.resize(source.presence.len(), VecDeque::new());
        if let Some(resume) = resume {
            source.begin(&source.first_offsets(resume)?)?;
            return Ok(source);
        }
        let committed = patiently(|| source.consumer.committed_offsets(list.clone(), METADATA_TIMEOUT))
            .context("cannot read the committed offsets")?;
        let mut start = TopicPartitionList::new();
        for element in committed.elements() {
            let offset = if let Offset::Offset(o) = element.offset() { Offset::Offset(o) } else { Offset::Beginning };
            start.add_partition_offset(element.topic(), element.partition(), offset)?;
        }
        source.begin(&start)?;
        Ok(source)
    }

    /// Begins to read there. A partition that stays silent has then been read to there, too.
    fn begin(&mut self, start: &TopicPartitionList) -> anyhow::Result<()> {
        for element in start.elements() {
            if let Offset::Offset(offset) = element.offset() {
                self.next.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
        self.consumer.assign(start).context("cannot take the partitions")
    }

    /// Where to begin to make the state again.
    fn first_offsets(&self, resume: &Bookmark) -> anyhow::Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), number) in &self.partitions {
            let (low, first) = (self.lows[*number], resume.offsets.get(&(topic.clone(), *partition)).copied());
            list.add_partition_offset(topic, *partition, Offset::Offset(first.map_or(low, |f| f.max(low))))?;
        }
        Ok(list)
    }

    fn add_topic(
        &mut self,
        feed: Feed,
        is_expected: bool,
        resume: Option<&Bookmark>,
        list: &mut TopicPartitionList,
    ) -> anyhow::Result<()> {
        let topic = feed.topic();
        let partitions = self.partitions_of(topic)?;
        if partitions.is_empty() {
            bail!("topic `{topic}` is not there; `foreshock topics create` makes it");
        }
        for partition in partitions {
            let waits = |has_records| match resume {
                Some(resume) => resume.waits_for.contains(&format!("{topic}/{partition}")),
                None => is_expected || has_records,
            };
            self.add_partition(topic, partition, waits, list)?;
        }
        Ok(())
    }

    fn partitions_of(&self, topic: &str) -> anyhow::Result<Vec<i32>> {
        let metadata =
            self.consumer.fetch_metadata(Some(topic), METADATA_TIMEOUT).context("the broker does not answer")?;
        let mut partitions: Vec<i32> =
            metadata.topics().iter().flat_map(|t| t.partitions().iter().map(|p| p.id())).collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// `waits` says by whether it holds something if the horizon waits for it.
    fn add_partition(
        &mut self,
        topic: &str,
        partition: i32,
        waits: impl Fn(bool) -> bool,
        list: &mut TopicPartitionList,
    ) -> anyhow::Result<()> {
        let (low, high) = patiently(|| self.consumer.fetch_watermarks(topic, partition, METADATA_TIMEOUT))?;
        self.lows.push(low);
        self.heard.push(Instant::now());
        self.partitions.insert((topic.to_owned(), partition), self.presence.len());
        self.presence.push(if waits(low < high) { Presence::Expected } else { Presence::Optional });
        list.add_partition(topic, partition);
        Ok(())
    }

    fn stash_next(&mut self) {
        if let Some(Some(record)) = self.poll(Duration::from_millis(100)) {
            let number = record.partition;
            self.stash[number].push_back(record);
        }
    }

    /// A partition that is far ahead of the one read now is paused until it is its turn.
    fn keep_within_bounds(&mut self, turn: usize) -> anyhow::Result<()> {
        for ((topic, partition), number) in &self.partitions {
            let is_full = self.stash[*number].len() > STASH_MAX && *number != turn;
            let mut one = TopicPartitionList::new();
            one.add_partition(topic, *partition);
            if is_full && self.held.insert(*number) {
                self.consumer.pause(&one)?;
            } else if self.stash[*number].len() < STASH_MAX / 2 && self.held.remove(number) {
                self.consumer.resume(&one)?;
            }
        }
        Ok(())
    }

    /// `None` when nothing has arrived; `Some(None)` when what arrived was no record.
    fn poll(&mut self, wait: Duration) -> Option<Option<SourceRecord>> {
        let message = match self.consumer.poll(wait)? {
            Ok(message) => message,
            Err(error) => {
                self.last_error = Some(error.to_string());
                return Some(None);
            }
        };
        self.last_error = None;
        let place = (message.topic().to_owned(), message.partition());
        let expected = self.next.get(&place).copied();
        if expected.is_some_and(|e| message.offset() < e) {
            // The client went back, as after a fetch that failed: we had it.
            return Some(None);
        }
        self.next.insert(place.clone(), message.offset() + 1);
        // One offset between two of our own transactions is the marker of the first: the broker need not be asked.
        let is_marker = |expected: &i64| place.0 == EVENTS && message.offset() == expected + 1;
        if let Some(expected) = expected.filter(|e| message.offset() > *e && !is_marker(e)) {
            // Offsets may skip a transaction's marker; a record is lost only when the broker's log begins after it.
            let marks = self.consumer.fetch_watermarks(&place.0, place.1, METADATA_TIMEOUT);
            let low = marks.map_or(message.offset(), |(low, _)| low.min(message.offset()));
            self.lost += u64::try_from(low - expected).unwrap_or(0);
        }
        let header = |name: &str| {
            let found = message.headers()?.iter().find(|x| x.key == name)?;
            std::str::from_utf8(found.value?).ok()
        };
        let horizon_us = header(HORIZON).and_then(|us| us.parse().ok()).filter(|_| place.0 == EVENTS);
        let is_of = |f: &Feed| f.topic() == place.0 || place.0 == EVENTS && header(FEED) == Some(f.table());
        let feed = || Feed::ALL.into_iter().find(is_of).map(Kind::Event);
        let Some(kind) = horizon_us.map(Kind::Horizon).or_else(feed) else {
            self.last_error =
                Some(format!("{}/{}/{}: not written by this program", place.0, place.1, message.offset()));
            return Some(None);
        };
        let source = header(SOURCE).map(str::to_owned);
        let number = *self.partitions.get(&place)?;
        self.heard[number] = Instant::now();
        Some(Some(SourceRecord {
            partition: number,
            position: Position { topic: place.0, partition: place.1, offset: message.offset() },
            kind,
            bytes: message.payload().unwrap_or_default().to_vec(),
            source,
            time_us: message.timestamp().to_millis().map(|ms| ms.saturating_mul(1_000)),
        }))
    }

    fn commit_done(&self, mode: CommitMode) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in &self.done {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        self.consumer.commit(&list, mode).context("cannot commit offsets")
    }
}

impl Source for KafkaSource {
    fn presence(&self) -> &[Presence] {
        &self.presence
    }

    fn waits_for(&self) -> Vec<String> {
        let waiting = self.partitions.iter().filter(|(_, number)| self.presence[**number] == Presence::Expected);
        waiting.map(|((topic, partition), _)| format!("{topic}/{partition}")).collect()
    }

    fn number(&self, topic: &str, partition: i32) -> Option<usize> {
        self.partitions.get(&(topic.to_owned(), partition)).copied()
    }

    fn take(&mut self, max: usize, wait: Duration) -> Vec<SourceRecord> {
        let mut records = Vec::new();
        let free = self.stash.iter_mut().enumerate().filter(|(number, _)| !self.held.contains(number));
        for (_, stash) in free {
            let count = stash.len().min(max - records.len());
            records.extend(stash.drain(..count));
        }
        let mut patience = if records.is_empty() { wait } else { Duration::ZERO };
        while records.len() < max {
            let Some(record) = self.poll(patience) else { break };
            patience = Duration::ZERO;
            // A partition's own order must hold: what is stashed comes first.
            match record {
                Some(record) if self.stash[record.partition].is_empty() && !self.held.contains(&record.partition) => {
                    records.push(record);
                }
                Some(record) => self.stash[record.partition].push_back(record),
                None => {}
            }
        }
        records
    }

    fn take_again(&mut self, ranges: &[Range]) -> anyhow::Result<Vec<SourceRecord>> {
        let mut records = Vec::new();
        for range in ranges {
            let Some(number) = self.partitions.get(&(range.topic.clone(), range.partition)).copied() else {
                bail!("partition {} of topic `{}` is not there any more", range.partition, range.topic);
            };
            let low = self.lows[number];
            self.lost += u64::try_from((low.min(range.to) - range.from).max(0)).unwrap_or(0);
            let mut next = range.from.max(low);
            let start = Instant::now();
            while next < range.to {
                match self.stash[number].front() {
                    Some(record) if record.position.offset >= range.to => break,
                    Some(record) if record.position.offset < range.from => {
                        self.stash[number].pop_front();
                    }
                    Some(record) => {
                        next = record.position.offset + 1;
                        records.extend(self.stash[number].pop_front());
                    }
                    None if start.elapsed() > PATIENCE => bail!(
                        "topic `{}`, partition {}: no record up to offset {} in a minute",
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
        }
        Ok(records)
    }

    fn end_again(&mut self) -> anyhow::Result<()> {
        // What the broker let go of while nobody read.
        for (place, done) in &self.done {
            let low = self.partitions.get(place).map_or(*done, |number| self.lows[*number]);
            self.lost += u64::try_from(low - done).unwrap_or(0);
        }
        self.held.clear();
        Ok(self.consumer.resume(&self.consumer.assignment()?)?)
    }

    fn silent(&mut self, idle: Duration) -> Vec<(String, i32, usize)> {
        if self.looked.elapsed() < LOOK {
            return Vec::new();
        }
        self.looked = Instant::now();
        let quiet =
            self.partitions.iter().filter(|(_, n)| self.heard[**n].elapsed() >= idle && self.stash[**n].is_empty());
        let all_read = |(place, number): &(&(String, i32), &usize)| {
            let next = self.next.get(*place).copied().unwrap_or(self.lows[**number]);
            let marks = self.consumer.fetch_watermarks(&place.0, place.1, LOOK);
            // The last offset may be a transaction's marker, which is no record.
            marks.is_ok_and(|(_, high)| next + 1 >= high)
        };
        quiet.filter(all_read).map(|(place, number)| (place.0.clone(), place.1, *number)).collect()
    }

    fn still_sends(&self, number: usize) -> bool {
        !self.stash[number].is_empty() || self.heard[number].elapsed() < STILL
    }

    fn hold_back(&mut self, ahead: &[usize]) {
        let ahead: BTreeSet<usize> = ahead.iter().copied().collect();
        if ahead == self.held {
            return;
        }
        for ((topic, partition), number) in &self.partitions {
            let mut one = TopicPartitionList::new();
            one.add_partition(topic, *partition);
            let changed = match (ahead.contains(number), self.held.contains(number)) {
                (true, false) => self.consumer.pause(&one),
                (false, true) => self.consumer.resume(&one),
                _ => Ok(()),
            };
            if let Err(error) = changed {
                self.last_error = Some(error.to_string());
            }
        }
        self.held = ahead;
    }

    fn hold(&mut self) {
        if !self.is_paused && self.consumer.assignment().and_then(|a| self.consumer.pause(&a)).is_ok() {
            self.is_paused = true;
        }
        if let Some(Some(record)) = self.poll(Duration::ZERO) {
            let number = record.partition;
            self.stash[number].push_back(record);
        }
    }

    fn go_on(&mut self) {
        if self.is_paused && self.consumer.assignment().and_then(|a| self.consumer.resume(&a)).is_ok() {
            self.is_paused = false;
            let held: Vec<usize> = std::mem::take(&mut self.held).into_iter().collect();
            self.hold_back(&held);
        }
    }

    fn mark_done(&mut self, ranges: &[Range]) {
        for range in ranges {
            self.done.insert((range.topic.clone(), range.partition), range.to);
        }
    }

    fn places(&self) -> Vec<Range> {
        let mut places: Vec<_> = self.partitions.iter().collect();
        places.sort_unstable_by_key(|(_, number)| **number);
        let range = |((topic, partition), number): (&(String, i32), &usize)| {
            let done = self.done.get(&(topic.clone(), *partition)).copied().unwrap_or(self.lows[*number]);
            Range { topic: topic.clone(), partition: *partition, from: done, to: done }
        };
        places.into_iter().map(range).collect()
    }

    fn commit(&mut self, is_last: bool) -> anyhow::Result<()> {
        match (self.done.is_empty(), is_last) {
            (true, _) => Ok(()),
            (false, false) => self.commit_done(CommitMode::Async),
            (false, true) => self.commit_done(CommitMode::Sync),
        }
    }

    fn lost(&self) -> u64 {
        self.lost
    }

    fn take_error(&mut self) -> Option<String> {
        self.last_error.take()
    }
}
