//! One random case: the live engine under several cuts, orders of partitions and key ranges against the batch.

use super::support::{
    Arrival, COMPLAINTS, PARTITIONS, Random, START_US, VIEWS, arrivals, arrivals_from, decoded, lateness_us, rule,
    rule_that_spreads,
};
use arrow::array::AsArray;
use foreshock::offline::net::Net;
use foreshock::offline::standing::{FactFiles, Standing};
use foreshock::ops::pool::Pool;
use foreshock_compiler::header::Emit;
use foreshock_compiler::{Pack, RuleFile, Settings, Spread, batch, compile, compile_part, feed_schema};
use foreshock_core::time::SECOND_US;
use foreshock_core::{Feed, Part, Presence};
use foreshock_engine::{Cut, Engine, FeedBatch, Limits, PackPlan, Router, SavedState, State, Verdict};
use foreshock_feeds::{Event, to_record_batch};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Live {
    net: Net,
    said: BTreeSet<String>,
    standing: Standing,
    files: Option<FactFiles>,
    /// Detections that may miss events that were shed.
    incomplete: BTreeSet<String>,
    shed: u64,
}

/// Runs the case of a seed; the text says what differs.
pub fn check(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let text = rule(&mut random);
    let file = |path: &str, text: &str| RuleFile { path: path.into(), text: text.into() };
    let views = VIEWS.map(|view| file("view.sql", view));
    let pack = compile(&[file("R.sql", &text)], &views, &Settings::default()).map_err(|p| {
        format!("seed {seed}: refused: {}\n{text}", p.iter().map(ToString::to_string).collect::<String>())
    })?;
    let stream = arrivals(&mut random);
    let cuts: [(usize, usize); 3] = [(1, 1), (1 + random.below(6) as usize, 2), (usize::MAX, 3)];
    let mut accepted: Option<(String, BTreeMap<Feed, _>, FactFiles)> = None;
    let mut nets = Vec::new();
    for (cut, shards) in cuts {
        let run = live(&pack, &stream, cut, shards, Limits::NONE);
        let facts = run.standing.facts();
        let found = sorted(&facts);
        if let Some((first, ..)) = accepted.as_ref().filter(|(first, ..)| *first != found) {
            return Err(format!(
                "seed {seed}: other events count with cut {cut}, {shards} key ranges:\n{first}\n{found}"
            ));
        }
        accepted.get_or_insert((found, facts, run.files.expect("each run keeps its facts")));
        nets.push((cut, shards, run.net));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|e| e.to_string())?;
    let mut expected = Net::default();
    let (_, facts, files) = accepted.expect("there were runs");
    // As `backtest` does: from files.
    let files = files.finish().map_err(|e| format!("{e:#}"))?;
    check_payments(&stream, &facts).map_err(|e| format!("seed {seed}: {e}"))?;
    let threads = 1 + usize::try_from(seed % 3).expect("a small number");
    let rows = runtime
        .block_on(batch::run_rule(&pack, &pack.rules[0], &files.tables, threads))
        .map_err(|e| format!("seed {seed}: batch: {e}\n{text}"))?;
    expected.extend(&pack.rules[0], rows);
    check_budget(&pack, &stream, &expected, limits(&mut random)).map_err(|e| format!("seed {seed}: {e}\n{text}"))?;
    for (cut, shards, net) in nets {
        let differences = net.differences(&expected);
        if !differences.is_empty() {
            let list = differences.join("\n");
            return Err(format!("seed {seed}, cut {cut}, {shards} key ranges:\n{list}\n{text}"));
        }
    }
    Ok(())
}

/// Too few keys, entries or texts.
fn limits(random: &mut Random) -> Limits {
    let keys_max = 1 + random.below(3) as usize;
    let entries_max = 1 + random.below(24) as u32;
    let texts_max = 1 + random.below(12) as usize;
    match random.below(3) {
        0 => Limits { keys_max, ..Limits::NONE },
        1 => Limits { entries_max, ..Limits::NONE },
        _ => Limits { texts_max, ..Limits::NONE },
    }
}

/// With too little room for all: what is not marked is exact, where nothing was shed all is, and a process that was
/// restored after each batch sheds the same.
fn check_budget(pack: &Pack, stream: &[Arrival], expected: &Net, limits: Limits) -> Result<(), String> {
    if pack.plan.streams.iter().flat_map(|s| &s.groups).any(|g| g.level > 0) {
        return Ok(()); // Over several levels only what is said after a shedding is marked.
    }
    let mut run = live(pack, stream, 3, 1, limits);
    let restored = live(pack, stream, 3, RESTORED, limits);
    if (&run.said, run.shed) != (&restored.said, restored.shed) {
        return Err(format!("{limits:?}: {} rows shed, when restored {}", run.shed, restored.shed));
    }
    if run.shed > 0 {
        let mut expected = expected.clone();
        run.net.rows.retain(|(_, _, event), _| !run.incomplete.contains(event));
        expected.rows.retain(|key, _| run.net.rows.contains_key(key));
        let differences = run.net.differences(&expected);
        let list = differences.join("\n");
        return if differences.is_empty() { Ok(()) } else { Err(format!("{limits:?}: not marked:\n{list}")) };
    }
    let differences = run.net.differences(expected);
    if differences.is_empty() { Ok(()) } else { Err(format!("{limits:?}, none shed: {differences:?}")) }
}

/// A payment that nobody corrects counts once, whoever reports it: all events of a case are close in time.
fn check_payments(stream: &[Arrival], facts: &BTreeMap<Feed, Vec<arrow::array::RecordBatch>>) -> Result<(), String> {
    let text = |json: &serde_json::Value, field: &str| json[field].as_str().map(str::to_owned);
    let corrected: BTreeSet<String> = stream
        .iter()
        .filter_map(|arrival| match arrival {
            Arrival::Record(_, json) => serde_json::from_str::<serde_json::Value>(json).ok(),
            Arrival::Silent(_) => None,
        })
        .filter_map(|json| text(&json, "reportAction").and_then(|_| text(&json, "uetr")))
        .collect();
    // What each bank reports of a payment, by what its reports say of it.
    let mut reported: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for arrival in stream {
        let Arrival::Record(_, json) = arrival else { continue };
        let json: serde_json::Value = serde_json::from_str(json).expect("records are JSON");
        let Some(uetr) = text(&json, "uetr") else { continue };
        let told =
            |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let places = ["/kind", "/amount", "/debtor/accountToken", "/creditor/accountToken"];
        let says = std::iter::once(uetr).chain(places.map(told)).collect();
        reported.entry(says).or_default().entry(told("/reporter")).or_default().insert(told("/txId"));
    }
    let mut counted: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for batch in facts.get(&Feed::Transactions).into_iter().flatten() {
        let column = |name: &str| {
            let column = batch.column_by_name(name).expect("a column of transactions");
            arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).expect("a text of it")
        };
        let says = ["payment_ref", "kind", "amount", "payer_account", "payee_account"].map(column);
        for row in 0..batch.num_rows() {
            let mut says: Vec<String> = says.iter().map(|c| c.as_string::<i32>().value(row).to_owned()).collect();
            // The random amounts are whole yuan.
            says[2] = format!("{}.00", says[2].trim_end_matches("00"));
            *counted.entry(says).or_insert(0) += 1;
        }
    }
    for (says, count) in counted.into_iter().filter(|(says, _)| !says[0].is_empty() && !corrected.contains(&says[0])) {
        // One report of a bank confirms one of another: what is left is what the one that reports more has.
        let most = reported.get(&says).and_then(|of| of.values().map(BTreeSet::len).max());
        if count > most.unwrap_or(0) {
            return Err(format!("a payment that two banks report counts {count} times, {most:?} at most: {says:?}"));
        }
    }
    Ok(())
}

/// Every fact that counts with all its columns, in one order.
fn sorted(facts: &BTreeMap<Feed, Vec<arrow::array::RecordBatch>>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for rows in facts.values().flatten() {
        let text = arrow::util::pretty::pretty_format_batches(std::slice::from_ref(rows)).expect("plain columns");
        let body = text.to_string();
        let cells = |line: &str| line.split('|').map(str::trim).collect::<Vec<_>>().join("|");
        lines.extend(body.lines().filter(|l| l.starts_with('|')).skip(1).map(cells));
    }
    lines.sort_unstable();
    lines.join("\n")
}

/// The run with so many key ranges is saved and loaded after each batch.
const RESTORED: usize = 2;

/// The horizon waits for the partitions that send.
fn expected(stream: &[Arrival]) -> Vec<Presence> {
    let mut expected = vec![Presence::Optional; PARTITIONS];
    for arrival in stream {
        if let Arrival::Record(partition, _) = arrival {
            expected[*partition] = Presence::Expected;
        }
    }
    expected
}

fn live(pack: &Pack, stream: &[Arrival], cut: usize, shards: usize, limits: Limits) -> Live {
    let expected = expected(stream);
    let fresh = |shards: usize| Engine::bounded(pack.plan.clone(), shards, &expected, lateness_us, limits);
    let mut engine = fresh(shards);
    let restores = shards == RESTORED;
    let mut result = Live::default();
    let mut files = FactFiles::new().expect("there is a temporary folder");
    let (mut verdicts, mut is_corrected) = (Vec::new(), false);
    // What is said of silence stands between two batches, for every cut the same ones.
    for run in stream.split_inclusive(|a| matches!(a, Arrival::Silent(_))) {
        for part in run.chunks(cut.min(run.len())) {
            let batches: Vec<FeedBatch> = (0..PARTITIONS).map(|p| feed_batch(part, p)).collect();
            let output = engine.step(&batches, &Pool { threads: shards });
            if restores {
                // As after a crash: a new engine, with other key ranges, from the saved bytes.
                let saved = engine.save();
                let hash = engine.state_hash();
                engine = fresh(4 - shards.min(3));
                engine.load(&saved).expect("what was saved can be loaded");
                assert_eq!(engine.state_hash(), hash, "what was loaded is what was saved");
            }
            let groups: usize = pack.plan.streams.iter().map(|s| s.groups.len()).sum();
            let (entries, entries_max) = (engine.sizes().entries, limits.entries_max as usize * groups);
            // A correction comes in where its fact was.
            is_corrected |= output.facts.replaced > 0;
            assert!(is_corrected || entries <= entries_max, "{entries} entries where {entries_max} are allowed");
            result.standing.take(&output);
            files.take(&output).expect("the disk has room");
            result.shed += output.facts.shed;
            verdicts.extend(output.verdicts);
        }
        if let Some(Arrival::Silent(partition)) = run.last()
            && let Some(bound) = engine.tick(&[*partition])
        {
            engine.raise(*partition, bound);
        }
    }
    verdicts.extend(engine.finish().verdicts);
    check_revisions(pack, &verdicts);
    result.files = Some(files);
    result.said = said(&verdicts);
    for verdict in &verdicts {
        result.net.apply(pack, verdict);
        let event = &verdict.detection.event_id;
        if verdict.is_incomplete {
            result.incomplete.insert(event.clone())
        } else {
            result.incomplete.remove(event)
        };
    }
    result
}

/// Engines that share the keys of a rule, behind one that admits.
const PARTS: u32 = 3;

/// A random rule that spreads: several engines behind one that admits say what one engine says, revision by revision, and
/// what the batch says.
pub fn check_spread(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let text = rule_that_spreads(&mut random);
    let fail = |what: String| format!("seed {seed}: {what}\n{text}");
    let file = |path: &str, text: &str| RuleFile { path: path.into(), text: text.into() };
    let views = VIEWS.map(|view| file("view.sql", view));
    let refused = |p: Vec<foreshock_compiler::Problem>| fail(p.iter().map(ToString::to_string).collect::<String>());
    let files = [file("R.sql", &text)];
    let pack = compile(&files, &views, &Settings::default()).map_err(refused)?;
    if let Spread::No(reason) = pack.rules[0].spread {
        return Err(fail(format!("does not spread: {reason}")));
    }
    let part = |number: u32| compile_part(Part { number, of: PARTS }, &files, &views, &Settings::default());
    let packs = (0..PARTS).map(part).collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let stream = arrivals(&mut random);
    for cut in [1, 1 + random.below(6) as usize, usize::MAX] {
        let one = live(&pack, &stream, cut, 1, Limits::NONE);
        let many = live_spread(&pack, &packs, &stream, cut);
        if one.said != many {
            return Err(fail(format!("cut {cut}: one engine says {:#?}\nseveral say {many:#?}", one.said)));
        }
    }
    Ok(())
}

/// One step of a run: what comes in, and what is then said of silence.
type Step = (Vec<FeedBatch>, Option<usize>);

fn steps(stream: &[Arrival], cut: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for run in stream.split_inclusive(|a| matches!(a, Arrival::Silent(_))) {
        for part in run.chunks(cut.min(run.len())) {
            steps.push(((0..PARTITIONS).map(|p| feed_batch(part, p)).collect(), None));
        }
        if let (Some(Arrival::Silent(partition)), Some(step)) = (run.last(), steps.last_mut()) {
            step.1 = Some(*partition);
        }
    }
    steps
}

/// The bound that a silent partition is raised to is decided once, and the log has it.
fn take_step(engine: &mut Engine, step: &Step) -> (Vec<Verdict>, Option<i64>) {
    let verdicts = engine.step(&step.0, &Pool { threads: 1 }).verdicts;
    let bound = step.1.and_then(|partition| engine.tick(&[partition]));
    raise(engine, step, bound);
    (verdicts, bound)
}

fn raise(engine: &mut Engine, step: &Step, bound: Option<i64>) {
    step.1.zip(bound).into_iter().for_each(|(partition, bound)| engine.raise(partition, bound));
}

fn take_step_again(engine: &mut Engine, step: &Step, bound: Option<i64>) -> Vec<Verdict> {
    let verdicts = engine.step(&step.0, &Pool { threads: 1 }).verdicts;
    raise(engine, step, bound);
    verdicts
}

fn without_payment(arrival: Arrival) -> Arrival {
    let Arrival::Record(partition, json) = arrival else { return arrival };
    let at = json.find("\"uetr\":");
    let end = at.and_then(|at| Some(at + json[at..].find(',')? + 1));
    let json = at.zip(end).map_or(json.clone(), |(at, end)| format!("{}{}", &json[..at], &json[end..]));
    Arrival::Record(partition, json)
}

/// A rule, often one that never needs more than some seconds.
fn often_bounded(random: &mut Random) -> String {
    let is_endless = |text: &str| ["ROWS", "UNBOUNDED", "lag(", "row_number("].iter().any(|word| text.contains(word));
    let first = rule(random);
    (0..8).map(|_| rule(random)).find(|text| !is_endless(text)).unwrap_or(first)
}

/// What a carried state was made of, over all cases.
#[derive(Default)]
pub struct Change {
    pub kept: usize,
    pub made: usize,
    /// How often the events were taken again from the midst on only.
    pub cut: usize,
}

/// Random rules change in the midst of a run: the state carried over to the new ones is the state of an engine that had
/// them from the beginning, and goes on to the same.
pub fn check_change(seed: u64, change: &mut Change) -> Result<(), String> {
    let mut random = Random(seed);
    let named = |id: &str, text: String| RuleFile {
        path: format!("{id}.sql"),
        text: text.replace("id: R\n", &format!("id: {id}\n")),
    };
    let ids = ["R1", "R2", "R3", "R4"];
    let before: Vec<RuleFile> = ids[..3].iter().map(|id| named(id, rule(&mut random))).collect();
    let mut after = before.clone();
    for _ in 0..1 + random.below(2) {
        match random.below(3) {
            0 if after.len() > 1 => drop(after.remove(random.below(after.len() as u64) as usize)),
            1 => {
                let at = random.below(after.len() as u64) as usize;
                after[at] = named(after[at].path.trim_end_matches(".sql"), often_bounded(&mut random));
            }
            _ if after.iter().all(|f| f.path != "R4.sql") => after.push(named("R4", often_bounded(&mut random))),
            _ => {}
        }
    }
    let views = VIEWS.map(|view| RuleFile { path: "view.sql".into(), text: view.into() });
    let texts: String = before.iter().chain(&after).map(|f| f.text.clone()).collect();
    let fail = |what: String| format!("seed {seed}: {what}\n{texts}");
    let refused = |p: Vec<foreshock_compiler::Problem>| fail(p.iter().map(ToString::to_string).collect());
    let compiled = |files: &[RuleFile]| compile(files, &views, &Settings::default()).map_err(refused);
    let (old, new) = (compiled(&before)?, compiled(&after)?);
    // How far back a payment can have been reported before is more than all of the run.
    let mut round = |n: i64| arrivals_from(START_US + n * 45 * SECOND_US, &mut random);
    let stream: Vec<Arrival> = (0..6).flat_map(&mut round).map(without_payment).collect();
    let steps = steps(&stream, 1 + random.below(6) as usize);
    let (past, rest) = steps.split_at(random.below(steps.len() as u64 + 1) as usize);
    let presence = expected(&stream);
    let engine = |pack: &Pack| Engine::new(pack.plan.clone(), 2, &presence, lateness_us);
    let (mut had_old, mut had_new) = (engine(&old), engine(&new));
    // Before each step, the newest event time.
    let (mut newest, mut bounds) = (Vec::new(), Vec::new());
    for step in past {
        newest.push(had_old.newest());
        let (_, bound) = take_step(&mut had_old, step);
        bounds.push(bound);
        take_step_again(&mut had_new, step, bound);
    }
    let state = SavedState::read(&had_old.save()).map_err(fail)?;
    let missing = state.missing(&new.plan);
    let made = if missing.is_empty() {
        None
    } else {
        let files: Vec<RuleFile> =
            after.iter().filter(|f| missing.iter().any(|id| f.path == format!("{id}.sql"))).cloned().collect();
        let pack = compiled(&files)?;
        let (mut start, mut cut) = (0, None);
        if let Some(reach) = pack.plan.reach_us() {
            let from = had_old.horizon().saturating_sub(reach);
            let before = from.saturating_sub(60 * SECOND_US);
            let at = newest.iter().rposition(|n| *n > i64::MIN && *n < before);
            (start, cut) = at.map_or((0, None), |at| (at, Some(Cut { from, certain_from: before })));
        }
        let run = |start: usize, cut: Option<Cut>| {
            let mut again = engine(&pack);
            state.lend(&mut again, cut);
            for (step, bound) in past.iter().zip(&bounds).skip(start) {
                take_step_again(&mut again, step, *bound);
            }
            again
        };
        let mut again = run(start, cut);
        if again.is_uncertain() {
            cut = None;
            again = run(0, None);
        }
        change.cut += usize::from(cut.is_some());
        Some((SavedState::read(&again.save()).map_err(fail)?, cut))
    };
    let (made, cut) = made.unzip();
    let from = cut.flatten().map(|cut: Cut| cut.from);
    let (state, carried) = state.carry(&new.plan, made, from).map_err(fail)?;
    let mut carried_over = engine(&new);
    carried_over.load_state(state).map_err(fail)?;
    change.kept += carried.kept;
    change.made += carried.made;
    for engine in [&mut had_new, &mut carried_over] {
        engine.begin_rules(|rule| !old.rules.iter().any(|r| (&r.header.id, &r.version) == (&rule.id, &rule.version)));
    }
    for (number, step) in rest.iter().map(Some).chain([None]).enumerate() {
        // Which keys are still in use may hang on events before the cut.
        if from.is_none() && had_new.state_hash() != carried_over.state_hash() {
            return Err(fail(format!("another state {number} steps after the change; made again: {missing:?}")));
        }
        if let Some(step) = step {
            let (steady, bound) = take_step(&mut had_new, step);
            let changed = take_step_again(&mut carried_over, step, bound);
            if said(&steady) != said(&changed) {
                return Err(fail(format!(
                    "step {number} after the change: {:#?}\n{:#?}",
                    said(&steady),
                    said(&changed)
                )));
            }
        }
    }
    Ok(())
}

/// What a verdict says, in the order of what is said of one event.
fn said(verdicts: &[Verdict]) -> BTreeSet<String> {
    let text = |v: &Verdict| {
        format!("{} {} {} {} {:?} {:?}", v.stream, v.rule, v.detection.event_id, v.revision, v.state, v.detection)
    };
    verdicts.iter().map(text).collect()
}

fn live_spread(pack: &Pack, packs: &[Pack], stream: &[Arrival], cut: usize) -> BTreeSet<String> {
    let mut first = Engine::new(PackPlan::default(), 1, &expected(stream), lateness_us);
    let router = Router::new(&pack.plan, pack.rules.iter().map(|r| (r.stream.as_str(), r.position)), PARTS);
    let fresh = |pack: &Pack| Engine::behind(pack.plan.clone(), 2, Limits::NONE);
    let mut engines: Vec<Engine> = packs.iter().map(fresh).collect();
    let mut verdicts = Vec::new();
    for run in stream.split_inclusive(|a| matches!(a, Arrival::Silent(_))) {
        for part in run.chunks(cut.min(run.len())) {
            let batches: Vec<FeedBatch> = (0..PARTITIONS).map(|p| feed_batch(part, p)).collect();
            let output = first.step(&batches, &Pool { threads: 1 });
            let routed = router.route(&batches, &output.fates);
            for (number, engine) in engines.iter_mut().enumerate() {
                let of_part = |batch: usize| {
                    let mine = routed.iter().filter(move |r| r.batch == batch && r.partition == number as u32);
                    let rows: Vec<u32> = mine.map(|r| r.row as u32).collect();
                    let actions = rows.iter().map(|row| batches[batch].actions[*row as usize]).collect();
                    let rows = arrow::array::UInt32Array::from(rows);
                    let taken = arrow::compute::take_record_batch(&batches[batch].batch, &rows).expect("rows of it");
                    FeedBatch { feed: batches[batch].feed, partition: 0, batch: taken, actions }
                };
                let mine: Vec<FeedBatch> = (0..batches.len()).map(of_part).collect();
                engine.move_horizon(first.horizon());
                verdicts.extend(engine.step(&mine, &Pool { threads: 2 }).verdicts);
                if cut == 1 {
                    // As after a move to another process.
                    let saved = engine.save();
                    *engine = fresh(&packs[number]);
                    engine.load(&saved).expect("what was saved can be loaded");
                }
            }
        }
        if let Some(Arrival::Silent(partition)) = run.last()
            && let Some(bound) = first.tick(&[*partition])
        {
            first.raise(*partition, bound);
        }
    }
    engines.iter_mut().for_each(|engine| verdicts.extend(engine.finish().verdicts));
    said(&verdicts)
}

fn feed_batch(part: &[Arrival], partition: usize) -> FeedBatch {
    let feed = if partition == COMPLAINTS { Feed::Complaints } else { Feed::Transactions };
    let of_partition = |arrival: &Arrival| match arrival {
        Arrival::Record(p, json) if *p == partition => Some(decoded(json)),
        _ => None,
    };
    let events: Vec<Event> = part.iter().filter_map(of_partition).collect();
    let actions = events.iter().map(|e| e.action).collect();
    FeedBatch { feed, partition, batch: to_record_batch(feed, feed_schema(feed), &events), actions }
}

/// Revisions of a detection count up by one; what is final is said once and never taken back.
fn check_revisions(pack: &Pack, verdicts: &[Verdict]) {
    let mut last: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for verdict in verdicts {
        let detection = &verdict.detection;
        let revision = last.entry((&detection.event_id, &detection.subject)).or_insert(0);
        *revision += 1;
        assert_eq!(verdict.revision, *revision, "revisions of {} out of order", verdict.detection.event_id);
    }
    if pack.rules[0].header.emit == Emit::Final {
        let once = |v: &Verdict| v.state == State::Detected && v.revision == 1;
        assert!(verdicts.iter().all(once), "a final verdict is said once and never taken back");
    }
}
