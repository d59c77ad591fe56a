//! A reader of a simulated log: its records come in any order that topics allow, and it begins anew now and then.

use crate::support::{COMPLAINTS, Random};
use crate::world::Sent;
use arrow::array::RecordBatch;
use foreshock::history::Library;
use foreshock::history::upkeep::Keeping;
use foreshock::ops::config::Config;
use foreshock::ops::intake::Intake;
use foreshock::rights::grant::Person;
use foreshock::rights::pseudonym::Pseudonyms;
use foreshock::serve::archive::{self, Archive, Archived, kinds};
use foreshock::serve::assembly::{Assembly, Found, Incoming, Place, Whole};
use foreshock::serve::catalog::Facts;
use foreshock::serve::gate;
use foreshock::serve::rows::rows;
use foreshock::serve::session::{Seer, session};
use foreshock::serve::store::{Change, Name, Store};
use foreshock_compiler::Pack;
use foreshock_core::Feed;
use foreshock_log::{BATCH, Log, Message, OUT_TOPICS, Progress};
use std::collections::BTreeMap;
use std::time::Duration;

/// Nothing is let go of.
const ROWS_MAX: usize = usize::MAX;

/// What is on the topics, each in its order, and how far it was read.
struct Topics<'a> {
    log: &'a [(Progress, Vec<Message>)],
    input: &'a [Vec<Sent>],
    results: BTreeMap<&'a str, Vec<&'a Message>>,
    at_log: usize,
    at_places: BTreeMap<Place, usize>,
    at_results: BTreeMap<&'a str, usize>,
}

impl<'a> Topics<'a> {
    fn new(log: &'a [(Progress, Vec<Message>)], input: &'a [Vec<Sent>]) -> Topics<'a> {
        let mut results: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
        for message in log.iter().flat_map(|(_, messages)| messages).filter(|m| OUT_TOPICS.contains(&&*m.topic)) {
            results.entry(&*message.topic).or_default().push(message);
        }
        let at_results = results.keys().map(|topic| (*topic, 0)).collect();
        Topics { log, input, results, at_log: 0, at_places: BTreeMap::new(), at_results }
    }

    /// One more record of a topic; `false` when all of it was read.
    fn step(&mut self, which: usize, assembly: &mut Assembly, first: u64) -> bool {
        if which == 0 {
            let Some((progress, _)) = self.log.get(self.at_log) else { return false };
            self.at_log += 1;
            if progress.number >= first {
                for (place, from) in assembly.progress(progress.clone()).unwrap() {
                    self.at_places.insert(place, from as usize);
                }
            }
            return true;
        }
        let places = self.at_places.len();
        if which <= places {
            let (place, at) = self.at_places.iter_mut().nth(which - 1).unwrap();
            let partition = if place.0 == Feed::Complaints.topic() { COMPLAINTS } else { place.1 as usize };
            let Some(sent) = self.input[partition].get(*at) else { return false };
            let record = Incoming { offset: *at as i64, time_us: None, source: None, bytes: sent.json.clone().into() };
            *at += 1;
            assembly.incoming(&place.clone(), record);
            return true;
        }
        let Some((topic, at)) = self.at_results.iter_mut().nth(which - 1 - places) else { return false };
        let Some(message) = self.results[topic].get(*at) else { return false };
        *at += 1;
        let batch = &message.headers.iter().find(|h| h.0 == BATCH).expect("each result names its batch").1;
        let (topic, key, bytes) = ((*topic).to_owned(), message.key.clone(), message.payload.clone());
        assembly.result(batch, Found { topic, time_us: None, key, bytes }).expect("a batch of this log");
        true
    }
}

/// The tables after all of the log.
pub fn read(log: &[(Progress, Vec<Message>)], input: &[Vec<Sent>], random: &mut Random) -> Store {
    let (store, intake) = (Store::new(ROWS_MAX), Intake::new(&Config::default()));
    let last = log.last().map(|(progress, _)| progress.number);
    while store.state().number != last {
        // As after a crash: all that was not in the tables is read again.
        let first = store.state().number.map_or(0, |number| number + 1);
        let mut assembly = Assembly::after(Log::Engine, store.state().number);
        let mut topics = Topics::new(log, input);
        let lives = 50 + random.below(2_000);
        for _ in 0..lives {
            let streams = 1 + topics.at_places.len() + topics.results.len();
            topics.step(random.below(streams as u64) as usize, &mut assembly, first);
            while let Some(whole) = assembly.next(false) {
                take(&store, &whole, &intake);
            }
        }
    }
    store
}

/// The batches of a log, whole.
fn wholes(log: &[(Progress, Vec<Message>)], input: &[Vec<Sent>], random: &mut Random) -> Vec<Whole> {
    let (mut assembly, mut topics) = (Assembly::after(Log::Engine, None), Topics::new(log, input));
    let mut wholes = Vec::new();
    while wholes.len() < log.len() {
        let streams = 1 + topics.at_places.len() + topics.results.len();
        topics.step(random.below(streams as u64) as usize, &mut assembly, 0);
        wholes.extend(std::iter::from_fn(|| assembly.next(false)));
    }
    wholes
}

fn take(store: &Store, whole: &Whole, intake: &Intake) {
    let rows = rows(whole, intake);
    assert_eq!((whole.lost, rows.unreadable), (0, 0), "batch {}", whole.progress.number);
    let (number, as_of) = (whole.progress.number, whole.progress.horizon_us);
    let in_force = whole.progress.in_force.iter().flatten().cloned().collect();
    store.apply(Change { log: Log::Engine, number, as_of, written_us: None, rows, in_force });
}

fn opened(place: &str) -> (Archive, Store) {
    let (archive, state, done) = Archive::open(place, Duration::from_secs(3_600), Keeping::default()).unwrap();
    assert_eq!(done.of(Log::Engine).map(|done| done.number), state.number);
    let store = Store::new(ROWS_MAX);
    store.begin(state);
    (archive, store)
}

/// Reads the log into a store with a history and into one without. The one with it is begun anew at random moments, also after
/// some of its tables were kept and the others not. At random moments `check` gets both, the one with the history second.
pub fn read_kept(
    log: &[(Progress, Vec<Message>)],
    input: &[Vec<Sent>],
    random: &mut Random,
    mut check: impl FnMut(&Store, &Store),
) {
    let (folder, intake, archived) =
        (tempfile::tempdir().unwrap(), Intake::new(&Config::default()), Archived::default());
    let place = folder.path().to_str().unwrap();
    let wholes = wholes(log, input, random);
    let (mut archive, mut store) = opened(place);
    loop {
        let next = store.state().number.map_or(0, |number| number as usize + 1);
        match random.below(8) {
            0 => archive.keep(&store, &archived).unwrap(),
            1 => {
                // It died between two tables: some have all batches, the others none of the last.
                let (runtime, state) = (archive::runtime().unwrap(), store.state());
                let mut library = runtime.block_on(Library::open(place, kinds())).unwrap();
                let count = random.below(library.books.len() as u64) as usize;
                for (book, name) in library.books.iter_mut().zip(state.names()).take(count) {
                    if let Some(number) = state.number.filter(|_| name != Name::Table("batches")) {
                        runtime.block_on(book.add(&state.table(name).from(i64::MIN), number)).unwrap();
                    }
                }
                (archive, store) = opened(place);
            }
            2 => (archive, store) = opened(place),
            3 => {
                let plain = Store::new(ROWS_MAX);
                wholes[..next].iter().for_each(|whole| take(&plain, whole, &intake));
                check(&plain, &store);
                if next == wholes.len() {
                    return;
                }
            }
            _ => wholes[next..].iter().take(1).for_each(|whole| take(&store, whole, &intake)),
        }
    }
}

/// Rows of a statement.
pub fn ask(store: &Store, pack: &Pack, text: &str) -> Vec<RecordBatch> {
    ask_all(store, pack, &[text.to_owned()]).remove(0)
}

/// Rows of statements of one session.
pub fn ask_all(store: &Store, pack: &Pack, texts: &[String]) -> Vec<Vec<RecordBatch>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (person, pseudonyms) = (Person::on_this_machine(""), Pseudonyms::new(&[]));
        let seer = Seer { person, pseudonyms, audit: None };
        let ctx = session(&store.state(), &Facts::new(pack).unwrap(), Default::default(), &seer, &Default::default())
            .await
            .unwrap();
        let mut all = Vec::new();
        for text in texts {
            let plan = gate::plan(&ctx, gate::check(text).unwrap(), &store.state()).await.unwrap();
            all.push(ctx.execute_logical_plan(plan).await.unwrap().collect().await.unwrap());
        }
        all
    })
}
