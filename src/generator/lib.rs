//! A made-up city: a hundred thin days of history, one full day with frauds and their look-alikes in it, and the
//! truth about them. Values in, values out: no clock, no file, no thread; one seed, one sequence of bytes. Knows the
//! JSON of the feeds, not the rules that read them. Used by the demo, `evaluate` and the benches.

mod background;
mod book;
mod city;
mod few1;
mod flow;
mod hard;
mod joint;
mod json;
mod lookalikes;
mod personal;
mod random;
mod telecom;
#[cfg(test)]
mod tests;

pub use few1::{Few1, few1};
pub use hard::{HardCity, HardGenerated};

use foreshock_core::{Feed, time};

/// What is generated: a seed and a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct City {
    /// Everything random follows from it.
    pub seed: u64,
    /// 1 is the small demo city of 800 persons; multiplies persons and instances, not the size of an instance.
    pub scale: u32,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Event time in microseconds.
    pub time_us: i64,
    /// The event as the reporter sends it.
    pub json: String,
    /// Its feed.
    pub feed: Feed,
}

/// One fraud, or one honest thing that looks like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Kind of scenario, such as `scam_call`.
    pub scenario: &'static str,
    /// False for a look-alike.
    pub fraud: bool,
    /// Name of this instance, such as `scam_call-2`.
    pub instance: String,
    /// Accounts, persons, devices, numbers and districts that a rule may name.
    pub subjects: Vec<String>,
    /// The events that make it up, all on the day.
    pub event_ids: Vec<String>,
    /// Time of its first event.
    pub first_us: i64,
    /// Time of its last event.
    pub last_us: i64,
    /// Rules that should find it; empty for a look-alike and where nobody knows.
    pub rules: Vec<&'static str>,
    /// Minor units that were stolen, where that is told.
    pub amount: Option<i64>,
    /// When the first of it left the account that the victim had paid.
    pub stop_before_us: Option<i64>,
}

impl Truth {
    /// Without events yet.
    pub(crate) fn new(scenario: &'static str, fraud: bool, instance: String) -> Self {
        Truth {
            scenario,
            fraud,
            instance,
            subjects: Vec::new(),
            event_ids: Vec::new(),
            first_us: i64::MAX,
            last_us: i64::MIN,
            rules: Vec::new(),
            amount: None,
            stop_before_us: None,
        }
    }

    pub(crate) fn subject(&mut self, subject: String) {
        if !self.subjects.contains(&subject) {
            self.subjects.push(subject);
        }
    }

    pub(crate) fn event(&mut self, (event_id, time_us): (String, i64)) {
        self.event_ids.push(event_id);
        self.first_us = self.first_us.min(time_us);
        self.last_us = self.last_us.max(time_us);
    }
}

/// A generated city: lines sorted by (time, json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The hundred days before.
    pub history: Vec<Line>,
    /// Monday, 2 March 2026, in Asia/Shanghai.
    pub day: Vec<Line>,
    /// What was put into the day.
    pub truth: Vec<Truth>,
}

/// Start of the generated day: 2026-03-02T00:00:00+08:00.
pub fn day_start_us() -> i64 {
    time::days_from_civil(2026, 3, 2) * time::DAY_US - 8 * 3_600 * time::SECOND_US
}

/// Generates the city of a seed and a scale (a scale of 0 counts as 1).
pub fn generate(seed: u64, scale: u32) -> Generated {
    City { seed, scale }.generate()
}

impl City {
    /// Generates this city.
    pub fn generate(&self) -> Generated {
        let mut world = city::World::new(self.seed, self.scale.max(1));
        background::history(&mut world);
        background::day(&mut world);
        for nth in 0..world.scale {
            joint::add(&mut world, nth);
            flow::add(&mut world, nth);
            personal::add(&mut world, nth);
            telecom::add(&mut world, nth);
            lookalikes::add(&mut world, nth);
        }
        world.finish()
    }
}
