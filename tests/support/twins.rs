//! One random case: the live engine under several cuts, orders of partitions and key ranges against the batch.

use super::support::{Arrival, Random, arrivals, rule};
use arrow::array::{BooleanArray, RecordBatch};
use foreshock::net::Net;
use foreshock::pool::Pool;
use foreshock_compiler::header::Emit;
use foreshock_compiler::{Pack, RuleFile, Settings, batch, compile, feed_schema};
use foreshock_core::Feed;
use foreshock_core::time::SECOND_US;
use foreshock_engine::{Engine, FeedBatch, Output, Presence, State, Verdict};
use foreshock_feeds::to_record_batch;
use std::collections::{BTreeMap, BTreeSet};

const LATENESS_US: i64 = 10 * SECOND_US;

struct Live {
    net: Net,
    accepted: Vec<RecordBatch>,
    ids: BTreeSet<String>,
}

/// Runs the case of a seed; the text says what differs.
pub fn check(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let text = rule(&mut random);
    let file = RuleFile { path: "R.sql".into(), text: text.clone() };
    let pack = compile(&[file], &[], &Settings::default()).map_err(|p| {
        format!("seed {seed}: refused: {}\n{text}", p.iter().map(ToString::to_string).collect::<String>())
    })?;
    let partitions = 1 + random.below(2) as usize;
    let stream = arrivals(&mut random, LATENESS_US, partitions);
    let cuts: [(usize, usize); 3] = [(1, 1), (1 + random.below(6) as usize, 2), (usize::MAX, 3)];
    let runs: Vec<Live> = cuts.iter().map(|(cut, shards)| live(&pack, &stream, partitions, *cut, *shards)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|e| e.to_string())?;
    let events = BTreeMap::from([(Feed::Transactions, runs[0].accepted.clone())]);
    let mut expected = Net::default();
    let rows = runtime
        .block_on(batch::run_rule(&pack, &pack.rules[0], &events))
        .map_err(|e| format!("seed {seed}: batch: {e}\n{text}"))?;
    expected.extend(&pack.rules[0], rows);
    for (run, (cut, shards)) in runs.iter().zip(cuts) {
        if run.ids != runs[0].ids {
            return Err(format!("seed {seed}: other events accepted with cut {cut}, {shards} key ranges"));
        }
        let differences = run.net.differences(&expected);
        if !differences.is_empty() {
            let list = differences.join("\n");
            return Err(format!("seed {seed}, cut {cut}, {shards} key ranges:\n{list}\n{text}"));
        }
    }
    Ok(())
}

/// The run with so many key ranges is saved and loaded after each batch.
const RESTORED: usize = 2;

fn live(pack: &Pack, stream: &[Arrival], partitions: usize, cut: usize, shards: usize) -> Live {
    let expected = vec![Presence::Expected; partitions];
    let fresh = |shards: usize| Engine::new(pack.plan.clone(), shards, &expected, |_| LATENESS_US);
    let mut engine = fresh(shards);
    let restores = shards == RESTORED;
    let mut result = Live { net: Net::default(), accepted: Vec::new(), ids: BTreeSet::new() };
    let mut verdicts = Vec::new();
    for part in stream.chunks(cut.min(stream.len())) {
        let of = |p: usize| {
            let events: Vec<_> = part.iter().filter(|a| a.partition == p).map(|a| a.event.clone()).collect();
            let batch = to_record_batch(Feed::Transactions, feed_schema(Feed::Transactions), &events);
            FeedBatch { feed: Feed::Transactions, partition: p, batch }
        };
        let batches: Vec<FeedBatch> = (0..partitions).map(of).collect();
        let output = engine.step(&batches, &Pool { threads: shards });
        if restores {
            // As after a crash: a new engine, with other key ranges, from the saved bytes.
            let saved = engine.save();
            engine = fresh(4 - shards.min(3));
            engine.load(&saved).expect("what was saved can be loaded");
        }
        accept(&batches, &output, &mut result);
        verdicts.extend(output.verdicts);
    }
    verdicts.extend(engine.finish().verdicts);
    if pack.rules[0].header.emit == Emit::Final {
        let once = |v: &Verdict| v.state == State::Detected && v.revision == 1;
        assert!(verdicts.iter().all(once), "a final verdict is said once and never taken back");
    }
    verdicts.iter().for_each(|v| result.net.apply(pack, v));
    result
}

fn accept(batches: &[FeedBatch], output: &Output, result: &mut Live) {
    let late: BTreeSet<(usize, usize)> = output.late.iter().map(|(b, r, _)| (*b, *r)).collect();
    for (idx, feed_batch) in batches.iter().enumerate() {
        let is_in = |row: usize| !late.contains(&(idx, row)) && !output.duplicates.contains(&(idx, row));
        let ids = arrow::array::AsArray::as_string::<i32>(feed_batch.batch.column(0));
        let kept: Vec<bool> = (0..feed_batch.batch.num_rows()).map(is_in).collect();
        let accepted = ids.iter().flatten().zip(&kept).filter(|(_, k)| **k);
        result.ids.extend(accepted.map(|(id, _)| id.to_owned()));
        let rows = arrow::compute::filter_record_batch(&feed_batch.batch, &BooleanArray::from(kept))
            .expect("one flag per row");
        result.accepted.push(rows);
    }
}
