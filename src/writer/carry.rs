//! A snapshot under changed rules: what is still valid is kept, and batches are taken again only for what is new, from as
//! far back as that can need.

use crate::ops::config::Config;
use crate::rules::work::Work;
use crate::state::snapshot::Snapshot;
use crate::writer::pipeline::{Pipeline, Start};
use foreshock_compiler::Pack;
use foreshock_core::Feed;
use foreshock_core::time::SECOND_US;
use foreshock_engine::{Cut, SavedState};
use foreshock_log::Source;

/// The log and its records, as [`carry_over`] needs them.
pub trait Replay {
    /// What gives the records again.
    type Source: Source;

    /// The last batch, up to this one, before which no event was as young as this; `None` when that is not known.
    ///
    /// # Errors
    /// When the log does not answer.
    fn last_before(&mut self, newest_us: i64, number: u64) -> anyhow::Result<Option<u64>>;

    /// A pipeline of these rules that fills this state ([`Pipeline::fill`]) and has followed the log up to the snapshot.
    ///
    /// # Errors
    /// When the records are not there.
    fn follow(&mut self, work: Work, state: &SavedState, start: &Start) -> anyhow::Result<Pipeline<Self::Source>>;
}

/// The state of a snapshot under the rules of `work`; the inner error says why there is none.
///
/// # Errors
/// When the log or its records cannot be read: that may pass, and the snapshot is still good.
pub fn carry_over<R: Replay>(
    snapshot: &Snapshot,
    work: &Work,
    config: &Config,
    replay: &mut R,
) -> anyhow::Result<Result<SavedState, String>> {
    let state = match SavedState::read_format(&snapshot.engine, snapshot.engine_format) {
        Ok(state) => state,
        Err(error) => return Ok(Err(error)),
    };
    let missing = state.missing(&work.pack.plan);
    if missing.is_empty() {
        return Ok(carried(snapshot, work, state, None, None));
    }
    let pack = work.pack.only(&missing, &config.settings());
    let pack = pack.map_err(|problems| anyhow::anyhow!("{}", problems[0]))?;
    let start = begin(&pack, &state, snapshot, config, replay)?;
    tracing::info!(
        batch = snapshot.number,
        rules = missing.join(" "),
        from = start.number,
        "the rules have changed since the snapshot: batches before it are taken again for these"
    );
    if start.cut.is_some() {
        let made = replay.follow(Work::of(pack.clone()), &state, &start)?.saved_state();
        let done = made.and_then(|made| {
            let state = SavedState::read_format(&snapshot.engine, snapshot.engine_format)?;
            carried(snapshot, work, state, Some(made), start.cut)
        });
        match done {
            Ok(state) => return Ok(Ok(state)),
            Err(error) => tracing::warn!(error, "all batches are taken again for these rules"),
        }
    }
    let made = replay.follow(Work::of(pack), &state, &Start::default())?.saved_state();
    Ok(made.and_then(|made| carried(snapshot, work, state, Some(made), None)))
}

/// Where the rules of a pack must begin.
fn begin<R: Replay>(
    pack: &Pack,
    state: &SavedState,
    snapshot: &Snapshot,
    config: &Config,
    replay: &mut R,
) -> anyhow::Result<Start> {
    let Some(reach_us) = pack.plan.reach_us() else { return Ok(Start::default()) };
    let lateness = Feed::ALL.iter().map(|feed| i64::from(config.engine.lateness_s(*feed)) * SECOND_US);
    let (cut, before) = state.cut(reach_us, lateness.max().unwrap_or(0));
    let number = replay.last_before(before, snapshot.number)?;
    Ok(number.map_or_else(Start::default, |number| Start { number, cut: Some(cut) }))
}

fn carried(
    snapshot: &Snapshot,
    work: &Work,
    state: SavedState,
    made: Option<SavedState>,
    cut: Option<Cut>,
) -> Result<SavedState, String> {
    let (state, carried) = state.carry(&work.pack.plan, made, cut.map(|cut| cut.from))?;
    tracing::info!(
        batch = snapshot.number,
        kept = carried.kept,
        made_again = carried.made,
        "window groups of the snapshot under the changed rules"
    );
    Ok(state)
}
