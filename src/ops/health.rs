//! `/livez`, `/readyz`, `/metrics`: what operators and their tools look at.

use crate::ops::latency::{self, Latency};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use dashmap::DashMap;
use foreshock_actions::Tally;
use foreshock_engine::{Sizes, StepFacts};
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// So many reporters have a metric of their own.
const REPORTERS_MAX: usize = 1_000;

/// State of one thing we depend on.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// Works.
    pub is_up: bool,
    /// Since when.
    pub since: SystemTime,
    /// Last error.
    pub last_error: String,
}

/// Counters and states, written by the pipeline, read by HTTP.
#[derive(Debug, Default)]
pub struct Health {
    dependencies: DashMap<&'static str, Dependency>,
    /// The partitions of the rules that spread which this process has.
    pub parts: DashMap<String, Arc<Health>>,
    /// Events that count.
    pub accepted: AtomicU64,
    /// Events seen before.
    pub duplicates: AtomicU64,
    /// Payments that another bank had reported before.
    pub confirmations: AtomicU64,
    /// Facts replaced by a correction.
    pub replaced: AtomicU64,
    /// Facts withdrawn.
    pub withdrawn: AtomicU64,
    /// Corrections that would move their fact in time.
    pub moved: AtomicU64,
    /// Events beyond the lateness.
    pub late: AtomicU64,
    /// The same by who reported them.
    pub late_of: DashMap<String, u64>,
    /// Payments in a currency that no rule asks for.
    pub other_currency: AtomicU64,
    /// Codes of open lists that became `OTHER`.
    pub unknown_codes: AtomicU64,
    /// Fields of records that no feed reads.
    pub unknown_fields: AtomicU64,
    /// Payments that name another one's UETR without being its confirmation.
    pub clashes: AtomicU64,
    /// Records that the broker no longer had when they were to be read.
    pub lost: AtomicU64,
    /// Records refused.
    pub rejected: AtomicU64,
    /// Values that could not be computed.
    pub faults: AtomicU64,
    /// Rows not taken in by a window group that held as many keys or entries as it may.
    pub shed: AtomicU64,
    /// Detections published.
    pub detections: AtomicU64,
    /// Retractions published.
    pub retractions: AtomicU64,
    /// Drafts of blocking requests.
    pub blocking_drafts: AtomicU64,
    /// Drafts of warnings.
    pub warning_drafts: AtomicU64,
    /// Commands and answers about blocking requests that were followed.
    pub requests_followed: AtomicU64,
    /// Commands, answers and records that were refused.
    pub requests_refused: AtomicU64,
    /// Messages to institutions.
    pub requests_sent: AtomicU64,
    /// Drafts for which there was no room.
    pub requests_forgotten: AtomicU64,
    /// Requests that may block something.
    pub requests_live: AtomicU64,
    /// Drafts and proposals that wait for a person.
    pub requests_waiting: AtomicU64,
    /// Rows that can still be judged again.
    pub young_rows: AtomicU64,
    /// Keys in window groups.
    pub keys: AtomicU64,
    /// Events in the logs of window groups.
    pub entries: AtomicU64,
    /// Event ids remembered, of events that are not final.
    pub event_ids: AtomicU64,
    /// Event ids remembered, of final ones.
    pub past_event_ids: AtomicU64,
    /// Payments remembered that another bank may still report.
    pub payments: AtomicU64,
    /// Texts that windows hold.
    pub texts: AtomicU64,
    /// Source partitions that wait because they are far ahead in event time.
    pub held_back: AtomicU64,
    /// Longest time for which a snapshot stopped the process, microseconds.
    pub snapshot_stall_us: AtomicU64,
    /// What acts left out, cut or ended.
    acts: Mutex<Tally>,
    /// Microseconds.
    pub horizon_us: AtomicI64,
    /// How long records take.
    pub latency: Latency,
}

impl Health {
    /// Notes that a dependency works or does not.
    pub fn set(&self, name: &'static str, is_up: bool, error: &str) {
        let mut entry = self.dependencies.entry(name).or_insert_with(|| Dependency {
            is_up: !is_up,
            since: SystemTime::now(),
            last_error: String::new(),
        });
        if entry.is_up != is_up {
            entry.is_up = is_up;
            entry.since = SystemTime::now();
        }
        if !error.is_empty() {
            error.clone_into(&mut entry.last_error);
        }
    }

    /// Something we no longer depend on.
    pub fn forget(&self, name: &str) {
        self.dependencies.remove(name);
    }

    /// Takes in what a step counted and what the engine holds after it.
    pub fn note(&self, facts: &StepFacts, sizes: &Sizes, horizon_us: i64) {
        for (counter, count) in [
            (&self.accepted, facts.accepted),
            (&self.duplicates, facts.duplicates),
            (&self.confirmations, facts.confirmations),
            (&self.clashes, facts.payment_clashes),
            (&self.replaced, facts.replaced),
            (&self.withdrawn, facts.withdrawn),
            (&self.moved, facts.moved),
            (&self.late, facts.late),
            (&self.faults, facts.faults),
            (&self.shed, facts.shed),
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        for (gauge, size) in [
            (&self.young_rows, sizes.young_rows),
            (&self.keys, sizes.keys),
            (&self.entries, sizes.entries),
            (&self.event_ids, sizes.event_ids),
            (&self.past_event_ids, sizes.past_event_ids),
            (&self.payments, sizes.payments),
            (&self.texts, sizes.texts),
        ] {
            gauge.store(size as u64, Ordering::Relaxed);
        }
        self.horizon_us.store(horizon_us, Ordering::Relaxed);
    }

    /// Sets the counters back: what was counted while a state was made again was counted before.
    pub fn forget_counts(&self) {
        let counters = [
            &self.accepted,
            &self.duplicates,
            &self.confirmations,
            &self.replaced,
            &self.withdrawn,
            &self.moved,
            &self.late,
            &self.other_currency,
            &self.unknown_codes,
            &self.unknown_fields,
            &self.clashes,
            &self.rejected,
            &self.faults,
            &self.shed,
            &self.detections,
            &self.retractions,
            &self.blocking_drafts,
            &self.warning_drafts,
            &self.requests_followed,
            &self.requests_refused,
            &self.requests_sent,
            &self.requests_forgotten,
        ];
        counters.into_iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
        self.late_of.clear();
        *self.acts.lock().expect("nobody panics with this lock") = Tally::default();
    }

    /// Is every dependency up, and what each looks like.
    pub fn ready(&self) -> (bool, String) {
        let mut names: Vec<(String, Dependency)> = self.states("");
        for part in &self.parts {
            names.extend(part.states(&format!("{}: ", part.key())));
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::new();
        for (name, d) in &names {
            let since = d.since.elapsed().map_or(0, |e| e.as_secs());
            let state = if d.is_up { "up" } else { "down" };
            let _ = writeln!(
                text,
                "{name}: {state} for {since} s; last error: {}",
                if d.last_error.is_empty() { "none" } else { &d.last_error }
            );
        }
        (!names.is_empty() && names.iter().all(|(_, d)| d.is_up), text)
    }

    /// What this process depends on, by name.
    pub fn parts_of(&self) -> Vec<(String, Dependency)> {
        let mut states = self.states("");
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    }

    fn states(&self, prefix: &str) -> Vec<(String, Dependency)> {
        self.dependencies.iter().map(|e| (format!("{prefix}{}", e.key()), e.value().clone())).collect()
    }

    /// Prometheus text. The partitions of the rules that spread have the label `part`, the register of blocking requests has `log`.
    pub fn metrics(&self) -> String {
        let mut all: Vec<(String, Arc<Health>)> = Vec::new();
        for part in &self.parts {
            let label = match part.key().strip_prefix("part ") {
                Some(number) => format!("part=\"{number}\""),
                None => format!("log=\"{}\"", part.key()),
            };
            all.push((label, part.value().clone()));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::new();
        for (number, (name, kind, help, _)) in self.values().iter().enumerate() {
            let _ = writeln!(text, "# HELP foreshock_{name} {help}\n# TYPE foreshock_{name} {kind}");
            let _ = writeln!(text, "foreshock_{name} {}", self.values()[number].3);
            for (label, health) in &all {
                let _ = writeln!(text, "foreshock_{name}{{{label}}} {}", health.values()[number].3);
            }
        }
        let _ = writeln!(
            text,
            "# HELP foreshock_events_late_of_total Events beyond the lateness, by reporter.\n# TYPE foreshock_events_late_of_total counter"
        );
        let mut late_of: Vec<(String, u64)> = self.late_of.iter().map(|e| (e.key().clone(), *e.value())).collect();
        late_of.sort();
        for (reporter, count) in late_of {
            let _ = writeln!(text, "foreshock_events_late_of_total{{reporter=\"{reporter}\"}} {count}");
        }
        let mut series = String::new();
        self.latency.write("", &mut series);
        all.iter().for_each(|(label, health)| health.latency.write(label, &mut series));
        for (name, help) in latency::METRICS {
            let _ = writeln!(text, "# HELP foreshock_{name} {help}\n# TYPE foreshock_{name} histogram");
            let of_it = series.lines().filter(|line| line.starts_with(&format!("foreshock_{name}_")));
            of_it.for_each(|line| text.extend([line, "\n"]));
        }
        text
    }

    /// Takes in what the register of blocking requests counted, and how many are in force and wait.
    pub fn note_requests(&self, tally: &foreshock_blocking::Tally, (live, waiting): (usize, usize)) {
        self.requests_followed.fetch_add(tally.followed, Ordering::Relaxed);
        self.requests_refused.fetch_add(tally.refused, Ordering::Relaxed);
        self.requests_sent.fetch_add(tally.orders, Ordering::Relaxed);
        self.requests_forgotten.fetch_add(tally.forgotten + tally.not_taken, Ordering::Relaxed);
        self.requests_live.store(live as u64, Ordering::Relaxed);
        self.requests_waiting.store(waiting as u64, Ordering::Relaxed);
    }

    /// Takes in what acts counted.
    pub fn note_acts(&self, tally: &Tally) {
        self.acts.lock().expect("nobody panics with this lock").add(tally);
    }

    /// Counts an event that came too late. So many reporters are told apart, the others are counted as one.
    pub fn note_late(&self, reporter: &str) {
        let is_known = self.late_of.contains_key(reporter) || self.late_of.len() < REPORTERS_MAX;
        *self.late_of.entry(if is_known { reporter } else { "others" }.to_owned()).or_insert(0) += 1;
    }

    /// Name, kind, help and value of each metric.
    fn values(&self) -> Vec<(String, &'static str, &'static str, u64)> {
        let acts = self.acts.lock().expect("nobody panics with this lock").metrics();
        let acts = acts.into_iter().map(|(name, help, value)| (format!("{name}_total"), "counter", help, value));
        let counters = [
            ("events_accepted", "Events that count.", &self.accepted),
            ("events_duplicate", "Events seen before.", &self.duplicates),
            ("events_confirmation", "Payments that another bank had reported before.", &self.confirmations),
            ("facts_replaced", "Facts replaced by a correction.", &self.replaced),
            ("facts_withdrawn", "Facts withdrawn.", &self.withdrawn),
            ("corrections_moved", "Corrections that would move their fact in time: refused.", &self.moved),
            ("events_late", "Events beyond the lateness.", &self.late),
            ("payments_other_currency", "Payments in a currency that no rule asks for.", &self.other_currency),
            ("codes_unknown", "Codes of open lists that became OTHER.", &self.unknown_codes),
            ("fields_unknown", "Fields of records that no feed reads.", &self.unknown_fields),
            (
                "payments_clash",
                "Payments that name another one's UETR without being its confirmation, a bank's repeats too: they count.",
                &self.clashes,
            ),
            ("records_rejected", "Records refused.", &self.rejected),
            ("expression_faults", "Values that could not be computed.", &self.faults),
            (
                "rows_shed",
                "Rows a window group did not take in: it held as many keys or entries as it may.",
                &self.shed,
            ),
            ("detections", "Detections published.", &self.detections),
            ("retractions", "Retractions published.", &self.retractions),
            ("blocking_drafts", "Drafts of blocking requests.", &self.blocking_drafts),
            ("warning_drafts", "Drafts of public warnings.", &self.warning_drafts),
            (
                "requests_followed",
                "Commands and answers about blocking requests that were followed.",
                &self.requests_followed,
            ),
            ("requests_refused", "Commands, answers and records about them that were refused.", &self.requests_refused),
            ("requests_sent", "Messages to institutions.", &self.requests_sent),
            ("requests_forgotten", "Drafts for which the register had no room.", &self.requests_forgotten),
        ];
        let gauges = [
            ("requests_live_count", "Blocking requests that may block something.", &self.requests_live),
            ("requests_waiting_count", "Drafts and proposals that wait for a person.", &self.requests_waiting),
            ("young_rows_count", "Rows that can still be judged again.", &self.young_rows),
            ("keys_count", "Keys in use in all window groups.", &self.keys),
            ("window_entries_count", "Events in the logs of those keys, once for each window group.", &self.entries),
            (
                "event_ids_count",
                "Event ids remembered against duplicates, of events that are not final.",
                &self.event_ids,
            ),
            ("past_event_ids_count", "The same of events that are final.", &self.past_event_ids),
            ("payments_count", "Payments that another bank may still report.", &self.payments),
            ("partitions_held_back_count", "Source partitions that wait: far ahead in event time.", &self.held_back),
            ("texts_count", "Texts that windows hold.", &self.texts),
            ("records_lost_count", "Records that the broker no longer had when they were to be read.", &self.lost),
            (
                "snapshot_stall_microseconds",
                "Longest time for which a snapshot stopped the process.",
                &self.snapshot_stall_us,
            ),
        ];
        let horizon_s = u64::try_from(self.horizon_us.load(Ordering::Relaxed) / 1_000_000).unwrap_or(0);
        let horizon =
            ("horizon_seconds".to_owned(), "gauge", "Event time before which all is final; 0 before the first.");
        let counters = counters.map(|(name, help, value)| (format!("{name}_total"), "counter", help, value));
        let gauges = gauges.map(|(name, help, value)| (name.to_owned(), "gauge", help, value));
        let all = counters.into_iter().chain(gauges);
        let all = all.map(|(name, kind, help, value)| (name, kind, help, value.load(Ordering::Relaxed)));
        all.chain(acts).chain([(horizon.0, horizon.1, horizon.2, horizon_s)]).collect()
    }
}

/// The routes.
pub fn router(health: Arc<Health>) -> Router {
    let ready = |State(health): State<Arc<Health>>| async move {
        let (is_ready, text) = health.ready();
        (if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(|State(health): State<Arc<Health>>| async move { health.metrics() }))
        .with_state(health)
}

/// Serves the routes on a thread of their own until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(listen: &str, health: Arc<Health>) -> anyhow::Result<std::net::SocketAddr> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("http".into()).spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router(health)).await
        })
    })?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number of a struct of counts is this in the test.
    const COUNT: u64 = 7;

    #[test]
    fn every_count_of_a_step_and_of_acts_is_a_metric() {
        let facts = StepFacts {
            accepted: COUNT,
            duplicates: COUNT,
            confirmations: COUNT,
            payment_clashes: COUNT,
            replaced: COUNT,
            withdrawn: COUNT,
            moved: COUNT,
            late: COUNT,
            faults: COUNT,
            shed: COUNT,
        };
        let size = usize::try_from(COUNT).unwrap_or_default();
        let sizes = Sizes {
            young_rows: size,
            keys: size,
            entries: size,
            event_ids: size,
            payments: size,
            texts: size,
            past_event_ids: size,
        };
        let health = Health::default();
        health.note(&facts, &sizes, 42_000_000);
        let text = health.metrics();
        for name in [
            "events_accepted_total",
            "events_duplicate_total",
            "events_confirmation_total",
            "payments_clash_total",
            "facts_replaced_total",
            "facts_withdrawn_total",
            "corrections_moved_total",
            "events_late_total",
            "expression_faults_total",
            "rows_shed_total",
            "young_rows_count",
            "keys_count",
            "window_entries_count",
            "event_ids_count",
            "past_event_ids_count",
            "payments_count",
            "texts_count",
        ] {
            assert!(text.contains(&format!("\nforeshock_{name} {COUNT}\n")), "{name} is not shown: {text}");
        }
        assert!(text.contains("\nforeshock_horizon_seconds 42\n"), "{text}");
        for (name, _) in latency::METRICS {
            let (kind, none) = (format!("# TYPE foreshock_{name} histogram\n"), format!("foreshock_{name}_count"));
            assert!(text.contains(&kind) && text.contains(&none), "{name}: {text}");
        }
        for (name, help, _) in Tally::default().metrics() {
            let line = format!("# HELP foreshock_{name}_total {help}\n");
            assert!(text.contains(&line) && text.contains(&format!("\nforeshock_{name}_total 0\n")), "{name}: {text}");
        }
    }

    #[test]
    fn late_events_are_told_apart_by_reporter_up_to_a_bound() {
        let health = Health::default();
        (0..REPORTERS_MAX + 5).for_each(|n| health.note_late(&format!("bank-{n}")));
        assert_eq!(health.late_of.len(), REPORTERS_MAX + 1);
        assert!(health.metrics().contains("foreshock_events_late_of_total{reporter=\"others\"} 5\n"));
    }
}
