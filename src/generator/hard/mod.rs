//! A city that is hard: weeks of life in which fraud is rare and looks like life. Nothing here knows a rule or its thresholds: rates, sums and times of
//! fraud are drawn from ranges that begin below what anybody would look for, honest look-alikes from the same ones. Some banks send no
//! balances, some do not say whether a payee is new, one carrier grades nobody. `docs/decisions/0028-a-hard-city.md` has the figures with their sources.

mod frauds;
mod ledger;
mod life;
mod lookalikes;
mod phones;
mod world;

use crate::{Line, Truth};
use world::World;

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardCity {
    /// Everything random follows from it.
    pub seed: u64,
    /// Persons.
    pub customers: u32,
    /// Days from Monday, 5 January 2026 on, in Asia/Shanghai.
    pub days: u32,
}

/// Lines sorted by (time, json), and the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardGenerated {
    /// All events.
    pub lines: Vec<Line>,
    /// Frauds, and what is honest and looks alike.
    pub truth: Vec<Truth>,
}

impl HardCity {
    /// Generates this city.
    pub fn generate(&self) -> HardGenerated {
        let mut world = World::new(self);
        for day in 0..world.days {
            life::day(&mut world, day);
            phones::day(&mut world, day);
            lookalikes::day(&mut world, day);
            frauds::day(&mut world, day);
        }
        world.finish()
    }
}

#[cfg(test)]
mod tests;
