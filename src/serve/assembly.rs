//! Records of many topics, in whatever order they come, to whole batches in theirs.
//!
//! A batch is whole when all records of its ranges and all its results are there: the progress record says which and how many.
//! What the broker no longer has is counted as lost, never waited for.

use anyhow::ensure;
use foreshock_core::Fate;
use foreshock_log::{Log, Progress, Range, decode_fates};
use std::collections::{BTreeMap, VecDeque};

/// A partition by its topic and number.
pub type Place = (String, i32);

/// An incoming record as it stood on its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Offset.
    pub offset: i64,
    /// Record timestamp, microseconds.
    pub time_us: Option<i64>,
    /// CloudEvents binary mode: the bytes of header `ce_source`.
    pub source: Option<Vec<u8>>,
    /// Content.
    pub bytes: Vec<u8>,
}

/// A result as it stood on its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Topic.
    pub topic: String,
    /// Record timestamp, microseconds.
    pub time_us: Option<i64>,
    /// Key.
    pub key: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// A record of a batch and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Topic.
    pub topic: String,
    /// Its place in the batch, lost ones counted.
    pub place: u32,
    /// What became of it; `None` when the batch does not say.
    pub fate: Option<Fate>,
    /// The record.
    pub record: Incoming,
}

/// A batch with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The log that it is of.
    pub log: Log,
    /// Its record.
    pub progress: Progress,
    /// What it took, in its order.
    pub records: Vec<Judged>,
    /// What it caused, by place in the batch.
    pub results: BTreeMap<u32, Found>,
    /// Records and results that the broker no longer had.
    pub lost: u64,
}

impl Whole {
    /// When its broker took the last of its records and results, microseconds; as far as it is known.
    pub fn written_us(&self) -> Option<i64> {
        let times = self.records.iter().map(|j| j.record.time_us).chain(self.results.values().map(|f| f.time_us));
        times.flatten().max()
    }
}

/// Puts batches of a log together.
#[derive(Debug)]
pub struct Assembly {
    log: Log,
    waiting: VecDeque<Progress>,
    incoming: BTreeMap<Place, VecDeque<Incoming>>,
    /// The first offset that there was of each partition when it was begun.
    begins: BTreeMap<Place, i64>,
    results: BTreeMap<u64, BTreeMap<u32, Found>>,
    /// Number of the next batch; `None` before the first.
    next: Option<u64>,
}

impl Assembly {
    /// For batches of a log after this one.
    pub fn after(log: Log, number: Option<u64>) -> Assembly {
        Assembly {
            log,
            waiting: VecDeque::new(),
            incoming: BTreeMap::new(),
            begins: BTreeMap::new(),
            results: BTreeMap::new(),
            next: number.map(|number| number + 1),
        }
    }

    /// The record of a batch. The partitions that are needed for it and were not before, with the first offset.
    ///
    /// # Errors
    /// When a batch is missing, or the numbers begin again: another log.
    pub fn progress(&mut self, progress: Progress) -> anyhow::Result<Vec<(Place, i64)>> {
        let expected = self.waiting.back().map(|last| last.number + 1).or(self.next);
        if expected == Some(progress.number + 1) {
            // A broker without transactions may have the last one twice.
            return Ok(Vec::new());
        }
        ensure!(
            expected.is_none_or(|expected| progress.number == expected),
            "batch {} comes where {} should: the log was made anew or lost batches",
            progress.number,
            expected.unwrap_or_default()
        );
        if self.next.is_none() {
            self.next = Some(progress.number);
            self.results.retain(|number, _| *number >= progress.number);
        }
        let mut needed = Vec::new();
        for range in self.ranges(&progress) {
            let place = (range.topic.clone(), range.partition);
            if !self.incoming.contains_key(&place) {
                self.incoming.insert(place.clone(), VecDeque::new());
                needed.push((place, range.from));
            }
        }
        self.waiting.push_back(progress);
        Ok(needed)
    }

    /// Of a partition that is needed there is nothing before this offset.
    pub fn begins_at(&mut self, place: &Place, offset: i64) {
        self.begins.insert(place.clone(), offset);
    }

    /// The partitions that are needed.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.incoming.keys()
    }

    /// An incoming record.
    pub fn incoming(&mut self, place: &Place, record: Incoming) {
        let Some(queue) = self.incoming.get_mut(place) else { return };
        if queue.back().is_none_or(|last| last.offset < record.offset) {
            queue.push_back(record);
        }
    }

    /// A result with the text of its header `batch`: the number of the batch, `None` when it is none of this log's.
    pub fn result(&mut self, batch: &str, found: Found) -> Option<u64> {
        let mut parts = batch.split('/');
        let (log, number, place) = (parts.next(), parts.next(), parts.next());
        let (number, place) = (number?.parse::<u64>().ok()?, place?.parse::<u32>().ok()?);
        if log != Some(self.log.name().as_str()) || parts.next().is_some() {
            return None;
        }
        if self.next.is_none_or(|next| number >= next) {
            self.results.entry(number).or_default().insert(place, found);
        }
        Some(number)
    }

    /// The next whole batch. `has_all`: nothing more will come of what the topics hold now, so what is missing is lost.
    pub fn next(&mut self, has_all: bool) -> Option<Whole> {
        let front = self.waiting.front()?;
        let is_whole = self.has_records(front) && self.has_results(front);
        if !is_whole && !has_all {
            return None;
        }
        let progress = self.waiting.pop_front()?;
        let (mut records, mut lost, mut place) = (Vec::new(), 0, 0_u32);
        for (nth, range) in self.ranges(&progress).iter().enumerate() {
            let queue = self.incoming.entry((range.topic.clone(), range.partition)).or_default();
            let count = queue.partition_point(|record| record.offset < range.to);
            let of_range: Vec<Incoming> = queue.drain(..count).filter(|record| record.offset >= range.from).collect();
            let fates = progress.fates.get(nth).and_then(|text| fates(text));
            // Offsets may be passed over: only the fates tell how many there were.
            let missing = fates.as_ref().map_or(0, |fates| fates.len().saturating_sub(of_range.len()));
            lost += missing as u64;
            place += missing as u32;
            // What is lost is the oldest.
            let fates = fates.map(|fates| fates[missing..].to_vec());
            for (nth, record) in of_range.into_iter().enumerate() {
                let fate = fates.as_ref().and_then(|fates| fates.get(nth).copied());
                records.push(Judged { topic: range.topic.clone(), place, fate, record });
                place += 1;
            }
        }
        let results = self.results.remove(&progress.number).unwrap_or_default();
        lost += self.result_count(&progress).saturating_sub(results.len()) as u64;
        self.next = Some(progress.number + 1);
        Some(Whole { log: self.log, progress, records, results, lost })
    }

    fn has_records(&self, progress: &Progress) -> bool {
        self.ranges(progress).iter().all(|range| {
            let place = (range.topic.clone(), range.partition);
            let queue = self.incoming.get(&place);
            let has_last = queue.and_then(VecDeque::back).is_some_and(|last| last.offset + 1 >= range.to);
            has_last || self.begins.get(&place).is_some_and(|first| *first >= range.to)
        })
    }

    fn has_results(&self, progress: &Progress) -> bool {
        let found = self.results.get(&progress.number).map_or(0, BTreeMap::len);
        found >= self.result_count(progress)
    }

    /// What a batch took, as far as it becomes rows: what came to the register is in its trail.
    fn ranges<'p>(&self, progress: &'p Progress) -> &'p [Range] {
        if self.log == Log::Register { &[] } else { &progress.ranges }
    }

    /// How many results of a batch are on the topics that are followed.
    fn result_count(&self, progress: &Progress) -> usize {
        let followed = self.log.results();
        progress.results.iter().filter(|(topic, _)| followed.contains(&topic.as_str())).map(|(_, count)| count).sum()
    }

    /// Number of the batch that is waited for, when its record is there.
    pub fn front(&self) -> Option<u64> {
        self.waiting.front().map(|progress| progress.number)
    }

    /// Batches whose records are there, and which wait for the rest.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Is more of this partition there than the waiting batches take?
    pub fn is_ahead(&self, place: &Place, by: usize) -> bool {
        let Some(queue) = self.incoming.get(place).filter(|queue| queue.len() > by) else { return false };
        let ranges = self.waiting.iter().flat_map(|progress| self.ranges(progress));
        let needed = ranges.filter(|r| r.topic == place.0 && r.partition == place.1).map(|r| r.to).max();
        needed.is_none_or(|to| queue.back().is_some_and(|last| last.offset >= to))
    }

    /// Results of batches after the one waited for.
    pub fn results_ahead(&self) -> usize {
        let front = self.front().or(self.next).unwrap_or(0);
        self.results.range(front + 1..).map(|(_, results)| results.len()).sum()
    }
}

fn fates(text: &str) -> Option<Vec<Fate>> {
    let runs = decode_fates(text, foreshock_core::limits::BATCH_EVENTS_LIMIT as u64)?;
    Some(runs.into_iter().flat_map(|(count, fate)| std::iter::repeat_n(fate, count as usize)).collect())
}
