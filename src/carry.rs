//! A snapshot under changed rules: what is still valid is kept, and the batches are taken again only for what is new.

use crate::config::Config;
use crate::pipeline::{Pipeline, Work};
use crate::snapshot::Snapshot;
use crate::sources::Source;
use foreshock_engine::SavedState;

/// The state of a snapshot under the rules of `work`. `again` makes a pipeline of the rules it is given, tells it what it
/// fills ([`Pipeline::fill`]), and lets it follow the log up to the snapshot's batch.
///
/// # Errors
/// When the snapshot cannot be used for these rules.
pub fn carry_over<S: Source>(
    snapshot: &Snapshot,
    work: &Work,
    config: &Config,
    again: impl FnOnce(Work, &SavedState) -> anyhow::Result<Pipeline<S>>,
) -> anyhow::Result<SavedState> {
    let state = SavedState::read(&snapshot.engine).map_err(anyhow::Error::msg)?;
    let missing = state.missing(&work.pack.plan);
    let made = if missing.is_empty() {
        None
    } else {
        let pack = work.pack.only(&missing, &config.settings());
        let pack = pack.map_err(|problems| anyhow::anyhow!("{}", problems[0]))?;
        tracing::info!(
            batch = snapshot.number,
            rules = missing.join(" "),
            "the rules have changed since the snapshot: the batches before it are taken again for these"
        );
        Some(again(Work::of(pack), &state)?.saved_state()?)
    };
    let (state, carried) = state.carry(&work.pack.plan, made, None).map_err(anyhow::Error::msg)?;
    tracing::info!(
        batch = snapshot.number,
        kept = carried.kept,
        made_again = carried.made,
        "window groups of the snapshot under the changed rules"
    );
    Ok(state)
}
