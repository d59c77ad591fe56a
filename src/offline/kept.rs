//! The facts of a history, for a rule's text over weeks.

use crate::history::facts::{Span, table};
use crate::history::{Kind, Library};
use crate::offline::live::{LiveRun, Running};
use crate::offline::net::Net;
use crate::offline::ordered::Ordered;
use anyhow::Context;
use foreshock_compiler::batch::Tables;
use foreshock_compiler::{Pack, feed_schema};
use foreshock_core::Feed;
use foreshock_engine::{Engine, Limits};
use foreshock_log::seq;
use std::fmt::{Display, Formatter};
use std::num::NonZero;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The table of the batches.
const BATCHES: &str = "batches";

/// An open history.
pub struct Kept {
    tables: Tables,
    span: Span,
    /// Number of the last batch of which all is in it.
    batch: Option<u64>,
    /// Versions of facts in it, in all.
    events: u64,
    runtime: Runtime,
}

/// The tables of the feeds in a history; `serve` names them.
fn kinds() -> Vec<Kind> {
    let ends = |fields: Vec<arrow::datatypes::Field>| Arc::new(arrow::datatypes::Schema::new(fields));
    let field = |name: &str, ty| arrow::datatypes::Field::new(name, ty, true);
    let kind = |feed: Feed, is_corrections: bool| {
        let columns = feed_schema(feed);
        let wanted: Vec<_> = columns.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let fact = |f: &arrow::datatypes::Field| matches!(f.name().as_str(), "event_id" | "event_time");
        let seq = field("seq", arrow::datatypes::DataType::Int64);
        let (name, fields) = match is_corrections {
            true => (format!("{}_corrections", feed.table()), wanted.into_iter().filter(fact).chain([seq]).collect()),
            false => {
                let fate = field("fate", arrow::datatypes::DataType::Utf8);
                let ingest = wanted.iter().find(|f| f.name() == "event_time").cloned().expect("every feed has it");
                let more = [fate, seq, ingest.with_name("ingest_time")];
                (feed.table().to_owned(), wanted.into_iter().chain(more).collect())
            }
        };
        Kind { name, schema: ends(fields), time: "event_time", about: String::new() }
    };
    let seqs = vec![field("seq", arrow::datatypes::DataType::Int64)];
    let batches = Kind { name: BATCHES.into(), schema: ends(seqs), time: "ingest_time", about: String::new() };
    Feed::ALL.into_iter().flat_map(|feed| [kind(feed, false), kind(feed, true)]).chain([batches]).collect()
}

impl Display for Kept {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.batch {
            Some(number) => write!(f, "history up to batch {number}, {} events in all", self.events),
            None => write!(f, "history without a batch"),
        }
    }
}

impl Kept {
    /// Opens the facts of a span, and of as much before it as windows reach back (all there are for `None`).
    ///
    /// # Errors
    /// When there is no history of ours.
    pub fn open(place: &str, reach_us: Option<i64>, span: Span) -> anyhow::Result<Kept> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let from = span.0.zip(reach_us).map(|(from, reach)| from.saturating_sub(reach));
        let (tables, batch, events) = runtime.block_on(async {
            let mut library = Library::read(place, kinds()).await?;
            let (mut tables, mut events) = (Tables::new(), 0);
            // The last table of each commit: what it has, all have.
            let batch = library.book(BATCHES).context("every history has its batches")?.done();
            let until = batch.map_or(0, |batch| seq(batch + 1, 0));
            for feed in Feed::ALL {
                let mut past = async |name: &str| {
                    anyhow::Ok(library.book(name).context("a table of ours")?.past().await?.before(until))
                };
                let versions = past(feed.table()).await?;
                let corrections = past(&format!("{}_corrections", feed.table())).await?;
                events += versions.rows;
                let facts = table(feed, versions, corrections, (from, span.1), runtime.handle()).await?;
                tables.insert(feed, facts);
            }
            anyhow::Ok((tables, batch, events))
        })?;
        Ok(Kept { tables, span, batch, events, runtime })
    }

    /// What the rules of a pack say of the span.
    ///
    /// # Errors
    /// What DataFusion says, with the rule.
    pub fn detections(&self, pack: &Pack) -> anyhow::Result<Net> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        Ok(self.within(Net::of_tables_on(&self.runtime, threads, pack, &self.tables)?))
    }

    /// What the engine says of it, in so many threads. It gets the facts in the order of their times; they were admitted when they
    /// came, so none is asked again whether it counts.
    ///
    /// # Errors
    /// What DataFusion says.
    pub fn run_live(&self, pack: &Pack, threads: usize) -> anyhow::Result<LiveRun> {
        let mut running = Running::new(pack, Engine::behind(pack.plan.clone(), threads, Limits::NONE), threads);
        Ordered::new(&self.tables, &pack.plan, &self.runtime)?.for_each_batch(|batch, bound_us| {
            running.move_horizon(bound_us);
            running.step(&[batch]).map(drop)
        })?;
        let mut run = running.finish();
        run.net = self.within(run.net);
        Ok(run)
    }

    fn within(&self, mut net: Net) -> Net {
        let (from, to) = (self.span.0.unwrap_or(i64::MIN), self.span.1.unwrap_or(i64::MAX));
        if (from, to) != (i64::MIN, i64::MAX) {
            net.rows.retain(|(time, _, _), _| (from..to).contains(time));
        }
        net
    }
}
