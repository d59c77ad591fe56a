//! How fast records come in: partitions far ahead wait, silent ones are not waited for.

use crate::ops::config::EngineSettings;
use crate::ops::health::Health;
use foreshock_core::time::SECOND_US;
use foreshock_engine::Engine;
use foreshock_log::{Source, Tick};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Holds back and raises.
pub(super) struct Flow {
    skew_us: i64,
    idle: Duration,
    young_max: usize,
    /// Another process decides for this one: the events were admitted before.
    is_behind: bool,
    /// There are as many events as may be that are not final.
    is_full: bool,
    health: Arc<Health>,
}

impl Flow {
    pub(super) fn new(settings: &EngineSettings, is_behind: bool, health: Arc<Health>) -> Flow {
        Flow {
            skew_us: i64::from(settings.skew_s) * SECOND_US,
            idle: Duration::from_secs(u64::from(settings.idle_s)),
            young_max: settings.young_max,
            is_behind,
            is_full: false,
            health,
        }
    }

    /// Who waits for a silent partition has no records: its tick is a batch of its own, or all would wait for ever.
    pub(super) fn needs_ticks(&self) -> bool {
        self.is_full
    }

    /// Partitions far ahead in event time wait for the others; when memory is full, all that are ahead.
    pub(super) fn hold_back(&mut self, engine: &Engine, source: &mut impl Source) {
        if self.is_behind {
            return;
        }
        let sizes = engine.sizes();
        let is_full = sizes.young_rows.max(sizes.event_ids) >= self.young_max;
        let ahead = if is_full {
            engine.all_but_last()
        } else if self.skew_us > 0 {
            engine.ahead(self.skew_us, |number| source.still_sends(number))
        } else {
            Vec::new()
        };
        if std::mem::replace(&mut self.is_full, is_full) != is_full {
            let why = if is_full { "engine.young_max is reached: waiting for the partitions most behind" } else { "" };
            self.health.set("memory", !is_full, why);
            tracing::warn!(is_full, rows = sizes.young_rows, event_ids = sizes.event_ids, "events that are not final");
        }
        self.health.held_back.store(ahead.len() as u64, Ordering::Relaxed);
        source.hold_back(&ahead);
    }

    /// Partitions that have been silent for long, with the bound to raise them to.
    pub(super) fn ticks(&self, engine: &Engine, source: &mut impl Source) -> Vec<Tick> {
        if self.idle.is_zero() || self.is_behind {
            return Vec::new();
        }
        let silent = source.silent(self.idle);
        let numbers: Vec<usize> = silent.iter().map(|s| s.2).collect();
        let Some(bound_us) = engine.tick(&numbers).filter(|_| !silent.is_empty()) else { return Vec::new() };
        silent.into_iter().map(|(topic, partition, _)| Tick { topic, partition, bound_us }).collect()
    }
}

/// Raises the partitions that ticks name.
pub(super) fn raise(engine: &mut Engine, source: &impl Source, ticks: &[Tick]) {
    for tick in ticks {
        if let Some(number) = source.number(&tick.topic, tick.partition) {
            engine.raise(number, tick.bound_us);
        }
    }
}
