//! A simulated broker, store and clock for the real pipeline, on one thread: every decision comes from one seed.
#![allow(dead_code, clippy::unwrap_used)] // each test uses a part

use super::support::{COMPLAINTS, PARTITIONS, Random};
use anyhow::{anyhow, bail};
use foreshock::state::snapshot::Store;
use foreshock_core::{Feed, Presence};
use foreshock_log::{EVENTS, Kind, Ledger, Message, OnWait, Position, Progress, Range, Source, SourceRecord};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::rc::Rc;
use std::time::Duration;

/// A record of a partition.
#[derive(Clone)]
pub struct Sent {
    pub kind: Kind,
    pub json: String,
}

impl Sent {
    pub fn event(feed: Feed, json: String) -> Sent {
        Sent { kind: Kind::Event(feed), json }
    }
}

/// What exists outside of the processes.
pub struct World {
    pub random: Random,
    /// The records of each partition.
    pub input: Vec<Vec<Sent>>,
    /// Topic and number of each partition.
    places: Vec<(&'static str, i32)>,
    /// Microseconds.
    pub clock: i64,
    /// How many of them have been sent by now.
    pub sent: Vec<usize>,
    /// Committed batches.
    pub log: Vec<(Progress, Vec<Message>)>,
    /// A batch of which nobody knows yet whether it is committed.
    pending: Option<(Progress, Vec<Message>)>,
    /// Only the sink with this number may write.
    epoch: u64,
    snapshots: BTreeMap<u64, Vec<u8>>,
    /// Nothing fails any more.
    pub is_calm: bool,
    /// How often each kind of trouble came.
    pub troubles: BTreeMap<&'static str, u64>,
}

pub type Shared = Rc<RefCell<World>>;

impl World {
    /// Partitions of the feeds, or the one of the events that were sent on with this number.
    pub fn new(random: Random, input: Vec<Vec<Sent>>, part: Option<u32>) -> Shared {
        let places = (0..input.len()).map(|number| place(number, part)).collect();
        World::at(random, input, places)
    }

    pub fn at(random: Random, input: Vec<Vec<Sent>>, places: Vec<(&'static str, i32)>) -> Shared {
        let sent = vec![0; input.len()];
        Rc::new(RefCell::new(World {
            random,
            input,
            places,
            clock: 0,
            sent,
            log: Vec::new(),
            pending: None,
            epoch: 0,
            snapshots: BTreeMap::new(),
            is_calm: false,
            troubles: BTreeMap::new(),
        }))
    }

    /// Does this trouble come now?
    pub fn has(&mut self, trouble: &'static str, one_in: u64) -> bool {
        let comes = !self.is_calm && self.random.one_in(one_in);
        *self.troubles.entry(trouble).or_insert(0) += u64::from(comes);
        comes
    }
}

fn place(number: usize, part: Option<u32>) -> (&'static str, i32) {
    if let Some(part) = part {
        (EVENTS, part.cast_signed())
    } else if number == COMPLAINTS {
        (Feed::Complaints.topic(), 0)
    } else {
        (Feed::Transactions.topic(), i32::try_from(number).unwrap())
    }
}

fn to_offset(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

/// One process's consumer.
pub struct SimSource {
    world: Shared,
    presence: Vec<Presence>,
    /// Next record to take.
    next: Vec<usize>,
    /// Next record after what is done.
    done: Vec<usize>,
    held: Vec<usize>,
}

impl SimSource {
    pub fn new(world: &Shared) -> SimSource {
        let presence = |records: &Vec<Sent>| {
            if records.is_empty() { Presence::Optional } else { Presence::Expected }
        };
        let presence: Vec<_> = world.borrow().input.iter().map(presence).collect();
        let next = vec![0; presence.len()];
        SimSource { world: world.clone(), presence, done: next.clone(), next, held: Vec::new() }
    }

    fn place(&self, number: usize) -> (&'static str, i32) {
        self.world.borrow().places[number]
    }

    fn record(&self, number: usize, offset: usize) -> SourceRecord {
        let (topic, partition) = self.place(number);
        let sent = self.world.borrow().input[number][offset].clone();
        SourceRecord {
            position: Position { topic: topic.into(), partition, offset: to_offset(offset) },
            partition: number,
            bytes: sent.json.into_bytes(),
            source: None,
            time_us: None,
            kind: sent.kind,
        }
    }
}

impl Source for SimSource {
    fn presence(&self) -> Vec<Presence> {
        self.presence.clone()
    }

    fn waits_for(&self) -> Vec<String> {
        Vec::new()
    }

    fn number(&self, topic: &str, partition: i32) -> Option<usize> {
        (0..self.presence.len()).find(|n| self.place(*n) == (topic, partition))
    }

    fn now_us(&self) -> i64 {
        self.world.borrow().clock
    }

    fn take(&mut self, max: usize, _: Duration) -> Vec<SourceRecord> {
        let mut ready: BTreeMap<usize, u64> = BTreeMap::new();
        for number in (0..self.presence.len()).filter(|number| !self.held.contains(number)) {
            let ready_now = self.world.borrow().sent[number] - self.next[number];
            let count = self.world.borrow_mut().random.below(ready_now as u64 + 1);
            ready.extend((count > 0).then_some((number, count)));
        }
        let mut records = Vec::new();
        // As a broker gives them: the partitions all mixed up.
        while records.len() < max && !ready.is_empty() {
            let nth = self.world.borrow_mut().random.below(ready.len() as u64) as usize;
            let number = *ready.keys().nth(nth).unwrap();
            records.push(self.record(number, self.next[number]));
            self.next[number] += 1;
            let left = ready.get_mut(&number).unwrap();
            *left -= 1;
            if *left == 0 {
                ready.remove(&number);
            }
        }
        records
    }

    fn take_again(&mut self, ranges: &[Range]) -> anyhow::Result<Vec<SourceRecord>> {
        let mut records = Vec::new();
        for range in ranges {
            let number = self.number(&range.topic, range.partition).ok_or_else(|| anyhow!("no such partition"))?;
            let (from, to) = (usize::try_from(range.from)?, usize::try_from(range.to)?);
            records.extend((from..to).map(|offset| self.record(number, offset)));
            self.next[number] = to;
        }
        Ok(records)
    }

    fn end_again(&mut self) -> anyhow::Result<()> {
        self.next.clone_from(&self.done);
        Ok(())
    }

    fn silent(&mut self, _: Duration) -> Vec<(String, i32, usize)> {
        let number = self.world.borrow_mut().random.below(PARTITIONS as u64) as usize;
        let is_read = self.next[number] == self.world.borrow().sent[number];
        if !is_read || !self.world.borrow_mut().has("a partition counts as silent", 12) {
            return Vec::new();
        }
        let (topic, partition) = self.place(number);
        vec![(topic.to_owned(), partition, number)]
    }

    fn still_sends(&self, number: usize) -> bool {
        self.next[number] < self.world.borrow().input[number].len()
    }

    fn hold_back(&mut self, ahead: &[usize]) {
        if !ahead.is_empty() {
            *self.world.borrow_mut().troubles.entry("a partition is held back").or_insert(0) += 1;
        }
        self.held = ahead.to_vec();
    }

    fn hold(&mut self) {}

    fn go_on(&mut self) {}

    fn mark_done(&mut self, ranges: &[Range], _topics: &BTreeMap<String, String>) {
        for range in ranges {
            let number = self.number(&range.topic, range.partition).unwrap();
            self.done[number] = usize::try_from(range.to).unwrap();
        }
    }

    fn places(&self) -> Vec<Range> {
        let range = |(number, done): (usize, &usize)| {
            let (topic, partition) = self.place(number);
            Range { topic: topic.to_owned(), partition, from: to_offset(*done), to: to_offset(*done) }
        };
        self.done.iter().enumerate().map(range).collect()
    }

    fn commit(&mut self, _: bool) -> anyhow::Result<()> {
        Ok(())
    }

    fn lost(&self) -> u64 {
        0
    }

    fn take_error(&mut self) -> Option<String> {
        None
    }
}

/// One process's producer.
pub struct SimLedger {
    world: Shared,
    epoch: u64,
    /// The process died in the midst of a call.
    is_dead: bool,
}

const FENCED: &str = "fenced";
const DEAD: &str = "dead";

impl SimLedger {
    /// `None` when the process dies over it.
    pub fn open(world: &Shared) -> Option<SimLedger> {
        let mut ledger = SimLedger { world: world.clone(), epoch: 0, is_dead: false };
        while ledger.renew().is_err() {
            if ledger.is_dead {
                return None;
            }
        }
        Some(ledger)
    }

    /// The process may die at this point.
    fn live(&mut self) -> anyhow::Result<()> {
        self.is_dead |= self.world.borrow_mut().has("death in a call", 80);
        if self.is_dead { Err(anyhow!(DEAD)) } else { Ok(()) }
    }
}

impl Ledger for SimLedger {
    fn write(&mut self, messages: &[Message], progress: &Progress, on_wait: OnWait<'_>) -> anyhow::Result<()> {
        self.live()?;
        let batch = (progress.clone(), messages.to_vec());
        {
            let mut world = self.world.borrow_mut();
            if world.epoch != self.epoch {
                *world.troubles.entry("a zombie is fenced").or_insert(0) += 1;
                bail!(FENCED);
            }
            assert!(world.pending.is_none(), "nothing may be written while an outcome is open");
            if world.has("a write that fails", 15) {
                bail!("not written");
            }
            if world.has("a write of which nothing is heard", 15) {
                world.log.push(batch);
                bail!("no answer");
            }
            if world.has("a write that is decided later", 15) {
                world.pending = Some(batch);
                bail!("no answer");
            }
        }
        if self.world.borrow_mut().has("a slow write", 10) {
            let _ = on_wait();
        }
        self.world.borrow_mut().log.push(batch);
        self.live()
    }

    fn renew(&mut self) -> anyhow::Result<()> {
        self.live()?;
        let mut world = self.world.borrow_mut();
        if world.has("no answer to a renewal", 10) {
            bail!("no answer");
        }
        world.epoch += 1;
        self.epoch = world.epoch;
        if let Some(batch) = world.pending.take()
            && world.random.one_in(2)
        {
            world.log.push(batch);
        }
        Ok(())
    }

    fn last(&mut self) -> anyhow::Result<Option<Progress>> {
        self.live()?;
        let mut world = self.world.borrow_mut();
        if world.has("no answer to a question", 10) {
            bail!("no answer");
        }
        Ok(world.log.last().map(|(progress, _)| progress.clone()))
    }

    fn is_fenced(&self, error: &anyhow::Error) -> bool {
        [FENCED, DEAD].contains(&error.root_cause().to_string().as_str())
    }

    fn pause(&mut self) {}
}

/// Snapshots that may be torn or fail.
pub struct SimStore(pub Shared);

impl Store for SimStore {
    fn place(&self) -> String {
        "the simulated store".into()
    }

    fn numbers(&self) -> anyhow::Result<Vec<u64>> {
        Ok(self.0.borrow().snapshots.keys().rev().copied().collect())
    }

    fn read(&self, number: u64) -> anyhow::Result<Vec<u8>> {
        self.0.borrow().snapshots.get(&number).cloned().ok_or_else(|| anyhow!("not there"))
    }

    fn write(&self, number: u64, content: &mut dyn Read) -> anyhow::Result<()> {
        let mut world = self.0.borrow_mut();
        if world.has("a full disk", 8) {
            bail!("no space");
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        if world.has("a torn snapshot", 5) {
            let length = world.random.below(bytes.len() as u64) as usize;
            bytes.truncate(length);
        } else if world.has("a damaged snapshot", 8) {
            let at = world.random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 4;
        }
        world.snapshots.insert(number, bytes);
        Ok(())
    }

    fn remove(&self, number: u64) -> anyhow::Result<()> {
        self.0.borrow_mut().snapshots.remove(&number);
        Ok(())
    }
}
