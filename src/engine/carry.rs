//! Carries a state over to changed rules: what is still valid is kept, what is new comes from a second state, of an engine
//! that took the same events again for the rules concerned only.
//!
//! A window group is valid when the new plan has one of the same fingerprint over the same rows. The young rows are the
//! same in both states, for the same events count, whatever the rules.

use crate::admission::Cut;
use crate::batch_bytes::batch_from_bytes;
use crate::cell::Cell;
use crate::engine::Engine;
use crate::expr::downcast;
use crate::intern::Interner;
use crate::key_log::KeyLog;
use crate::layout::Layout;
use crate::plan::{PackPlan, RulePlan, StreamPlan};
use crate::published::SavedPublished;
use crate::readers::candidates;
use crate::rows::{NO_INPUT, SavedRows};
use crate::save::{Logs, Saved, SavedGroup, SavedPlan, SavedState, SavedStream};
use arrow_array::{RecordBatch, StringArray};
use foreshock_core::limits::CONFIRMATION_US;
use std::collections::BTreeSet;
use std::mem::take;

/// How much of a state was of use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Window groups whose state was kept.
    pub kept: usize,
    /// Window groups made again.
    pub made: usize,
}

type Stream = SavedStream<KeyLog>;

impl SavedState {
    /// Ids of the rules of a plan for which the events must be taken again: those that are new to this state, and those
    /// that read a window group which it does not have. All rules that read such a group are among them, so a pack of them
    /// alone has the very same group.
    pub fn missing(&self, plan: &PackPlan) -> Vec<String> {
        plan.streams.iter().flat_map(|stream| self.missing_in(stream)).collect()
    }

    fn missing_in(&self, stream: &StreamPlan) -> Vec<String> {
        let saved = self.0.streams.iter().map(|s| &s.plan).find(|p| p.is_of(stream));
        let wanted = SavedPlan::new(stream).groups;
        let has = |group: usize| saved.is_some_and(|s| s.group(&wanted[group]).is_some());
        let is_there = |rule: &RulePlan| {
            saved.is_some_and(|s| s.rule(rule).is_some()) && stream.groups_read(rule).into_iter().all(has)
        };
        stream.rules.iter().filter(|rule| !is_there(rule)).map(|rule| rule.id.clone()).collect()
    }

    /// Lets a new engine make what this state lacks: it gets the texts under the same ids and lets go of none of these. With
    /// a cut it begins in the midst of the events.
    pub fn lend(&self, engine: &mut Engine, cut: Option<Cut>) {
        engine.texts = Interner::lent(self.0.texts.clone());
        cut.into_iter().for_each(|cut| engine.admission.begin_at(cut, &self.0.admission));
    }

    /// Where an engine may begin that makes windows which reach back so far, in microseconds; and the event time before which
    /// all must be that it does not take again.
    pub fn cut(&self, reach_us: i64, lateness_us: i64) -> (Cut, i64) {
        let from = self.0.admission.horizon().saturating_sub(reach_us);
        let before = from.saturating_sub(2 * CONFIRMATION_US).saturating_sub(lateness_us);
        (Cut { from, certain_from: before.saturating_add(CONFIRMATION_US) }, before)
    }

    /// The state under another plan. `made` is that of an engine with lent texts which took all events again that count from
    /// event time `from` on (all there ever were for `None`), for the rules that are missing.
    ///
    /// # Errors
    /// When the two states do not fit together; then all events must be taken again for all rules.
    pub fn carry(
        self,
        plan: &PackPlan,
        made: Option<SavedState>,
        from: Option<i64>,
    ) -> Result<(SavedState, Carried), String> {
        let (mut old, mut made) = (self.0, made.map(|made| made.0));
        if made.as_ref().is_some_and(|made| made.admission.horizon() != old.admission.horizon()) {
            return Err("the events taken again lead to another horizon".into());
        }
        let mut carried = Carried::default();
        let mut streams = Vec::new();
        for stream in &plan.streams {
            let of_stream = |saved: &mut Saved<KeyLog>| {
                let at = saved.streams.iter().position(|s| s.plan.is_of(stream))?;
                Some(saved.streams.swap_remove(at))
            };
            let (kept, made) = (of_stream(&mut old), made.as_mut().and_then(of_stream));
            streams.push(one_stream(stream, kept, made, from, &mut carried)?);
        }
        let texts = made.map_or(old.texts, |made| made.texts);
        Ok((SavedState(Saved { texts, streams, ..old }), carried))
    }
}

fn one_stream(
    plan: &StreamPlan,
    kept: Option<Stream>,
    made: Option<Stream>,
    from: Option<i64>,
    carried: &mut Carried,
) -> Result<Stream, String> {
    let Some(kept) = kept else {
        // Nothing watched these rows before, so all their rules are new.
        let made = made.filter(|made| made.plan == SavedPlan::new(plan));
        carried.made += plan.groups.len();
        return made.ok_or_else(|| format!("the windows of `{}` were not made again", plan.name));
    };
    let rows = made.as_ref().map(|made| Correspondence::new(plan, &kept.rows, &made.rows, from)).transpose()?;
    let made = made.zip(rows);
    let made_plan = made.as_ref().map(|(made, _)| &made.plan);
    let donor = |wanted: &SavedGroup| {
        let kept = kept.plan.group(wanted).map(Donor::Kept);
        let donor = kept.or_else(|| made_plan?.group(wanted).map(Donor::Made));
        donor.ok_or_else(|| format!("a window group of `{}` is in neither state", plan.name))
    };
    let donors = SavedPlan::new(plan).groups.iter().map(donor).collect::<Result<Vec<_>, _>>()?;
    let made_count = donors.iter().filter(|d| matches!(d, Donor::Made(_))).count();
    carried.made += made_count;
    carried.kept += donors.len() - made_count;
    merge(plan, &donors, kept, made)
}

/// Which of the two states has a group, and its number there.
#[derive(Debug, Clone, Copy)]
enum Donor {
    Kept(usize),
    Made(usize),
}

/// The rows of the state that was made again, as numbered in the one that is kept.
struct Correspondence {
    kept_first: u64,
    made_first: u64,
    /// Of each young row of the one: which of the other it is.
    kept: Vec<usize>,
}

impl Correspondence {
    fn new(plan: &StreamPlan, kept: &SavedRows, made: &SavedRows, from: Option<i64>) -> Result<Self, String> {
        let counts = |at: &usize| from.is_none_or(|from| kept.times[*at] >= from);
        let same: Vec<usize> = (0..kept.times.len()).filter(counts).collect();
        let (kept_ids, made_ids) = (event_ids(plan, kept)?, event_ids(plan, made)?);
        let is_same = |(made_at, kept_at): (usize, &usize)| {
            kept.times[*kept_at] == made.times[made_at] && kept_ids[*kept_at] == made_ids[made_at]
        };
        let fits = same.len() == made.times.len() && same.iter().enumerate().all(is_same);
        if !fits {
            return Err(format!("the events of `{}` taken again are not those that counted", plan.name));
        }
        Ok(Correspondence { kept_first: kept.first, made_first: made.first, kept: same })
    }

    /// A row's number in the state that is kept. One that is no longer young only needs to be lower than those.
    fn number(&self, row: u64) -> u64 {
        match row.checked_sub(self.made_first) {
            Some(at) => self.kept_first + self.kept[at as usize] as u64,
            None => self.kept_first.saturating_sub(self.made_first - row),
        }
    }

    /// Of each young row that is kept: which of those made again it is.
    fn made(&self, rows: usize) -> Vec<Option<usize>> {
        let mut made = vec![None; rows];
        self.kept.iter().enumerate().for_each(|(made_at, kept_at)| made[*kept_at] = Some(made_at));
        made
    }
}

fn young_batch(rows: &SavedRows) -> Result<Option<RecordBatch>, String> {
    let Some(bytes) = &rows.batch else { return Ok(None) };
    let batch = batch_from_bytes(bytes)?;
    let past = (rows.first - rows.first_row) as usize;
    Ok(Some(batch.slice(past, rows.times.len())))
}

fn event_ids(plan: &StreamPlan, rows: &SavedRows) -> Result<Vec<String>, String> {
    let Some(batch) = young_batch(rows)? else { return Ok(Vec::new()) };
    let column = plan.schema.index_of("event_id").expect("every stream has event_id");
    let ids: &StringArray = downcast(batch.column(column));
    Ok(ids.iter().map(|id| id.unwrap_or_default().to_owned()).collect())
}

fn merge(
    plan: &StreamPlan,
    donors: &[Donor],
    mut kept: Stream,
    made: Option<(Stream, Correspondence)>,
) -> Result<Stream, String> {
    let count = kept.rows.times.len();
    let batch = young_batch(&kept.rows)?;
    let (mut made, numbers) = made.map_or((None, None), |(made, numbers)| (Some(made), Some(numbers)));
    let made_at = numbers.as_ref().map_or_else(|| vec![None; count], |n| n.made(count));
    let columns = Columns { plan, donors, kept: &kept, made: made.as_ref(), made_at: &made_at };
    let (cells, inputs) = (columns.cells(), columns.inputs());
    let published = published(plan, &mut kept, made.as_mut(), numbers.as_ref());
    let doubted = made
        .iter_mut()
        .zip(&numbers)
        .flat_map(|(made, n)| take(&mut made.rows.doubted).into_iter().map(|row| n.number(row)));
    let doubted: BTreeSet<u64> = take(&mut kept.rows.doubted).into_iter().chain(doubted).collect();
    let mut logs: Logs<KeyLog> = Vec::with_capacity(donors.len());
    let mut shed = Vec::with_capacity(donors.len());
    for (donor, group) in donors.iter().zip(&plan.groups) {
        let (mut of_group, last_shed) = match (donor, &mut made) {
            (Donor::Kept(at), _) => (take(&mut kept.logs[*at]), kept.shed[*at]),
            (Donor::Made(at), Some(made)) => (take(&mut made.logs[*at]), made.shed[*at]),
            (Donor::Made(_), None) => unreachable!("only a state that there is gives a group"),
        };
        if let (Donor::Made(_), Some(numbers)) = (donor, &numbers) {
            let layout = Layout::new(group);
            of_group.iter_mut().for_each(|(_, log)| log.renumber(&layout, |row| numbers.number(row)));
        }
        logs.push(of_group);
        shed.push(last_shed);
    }
    let rows = SavedRows {
        cells,
        inputs,
        candidates: batch.map_or_else(Vec::new, |batch| candidates(plan, &batch, &mut 0)),
        published,
        doubted: doubted.into_iter().collect(),
        ..kept.rows
    };
    Ok(SavedStream { plan: SavedPlan::new(plan), rows, logs, shed })
}

/// What the rows have in columns, of the one state or the other.
struct Columns<'a> {
    plan: &'a StreamPlan,
    donors: &'a [Donor],
    kept: &'a Stream,
    made: Option<&'a Stream>,
    made_at: &'a [Option<usize>],
}

impl Columns<'_> {
    fn cells(&self) -> Vec<Cell> {
        let mut windows = vec![None; self.plan.windows.len()];
        for (donor, group) in self.donors.iter().zip(&self.plan.groups) {
            let accumulators = group.cursors.iter().flat_map(|c| &c.accumulators);
            for (place, accumulator) in accumulators.enumerate() {
                windows[accumulator.window] = Some((*donor, place));
            }
        }
        let column = |plan: &SavedPlan, group: usize, place: usize| plan.groups[group].windows[place];
        let columns: Vec<Donor> = windows
            .into_iter()
            .map(|window| match window.expect("every window column is an accumulator's") {
                (Donor::Kept(group), place) => Donor::Kept(column(&self.kept.plan, group, place)),
                (Donor::Made(group), place) => {
                    Donor::Made(self.made.map_or(0, |made| column(&made.plan, group, place)))
                }
            })
            .collect();
        let (kept, made) = (self.kept, self.made);
        let of = |stream: &Stream, row: usize, column: usize| stream.rows.cells[row * stream.plan.windows + column];
        self.rows(&columns, |row, at| of(kept, row, at), |row, at| made.and_then(|made| of(made, row, at)), None)
    }

    fn inputs(&self) -> Vec<u64> {
        let of = |stream: &Stream, row: usize, group: usize| stream.rows.inputs[row * stream.plan.groups.len() + group];
        let made = |row, at| self.made.map_or(NO_INPUT, |made| of(made, row, at));
        self.rows(self.donors, |row, at| of(self.kept, row, at), made, NO_INPUT)
    }

    /// Row by row what each donor has in its column; `nothing` for a row that was not taken again.
    fn rows<T: Copy>(
        &self,
        columns: &[Donor],
        kept: impl Fn(usize, usize) -> T,
        made: impl Fn(usize, usize) -> T,
        nothing: T,
    ) -> Vec<T> {
        let of_row = |(row, made_at): (usize, &Option<usize>)| {
            let (kept, made, made_at) = (&kept, &made, *made_at);
            columns.iter().map(move |column| match column {
                Donor::Kept(at) => kept(row, *at),
                Donor::Made(at) => made_at.map_or(nothing, |made_row| made(made_row, *at)),
            })
        };
        self.made_at.iter().enumerate().flat_map(of_row).collect()
    }
}

type PublishedList = Vec<((u64, u32), SavedPublished)>;

/// What was said by the rules there were; what a new final rule still has to say.
fn published(
    plan: &StreamPlan,
    kept: &mut Stream,
    made: Option<&mut Stream>,
    numbers: Option<&Correspondence>,
) -> PublishedList {
    let number = |rules: &[(String, String)], of: u32| {
        let (id, version) = &rules[of as usize];
        plan.rules.iter().position(|r| (&r.id, &r.version) == (id, version)).map(|at| at as u32)
    };
    let said = take(&mut kept.rows.published).into_iter();
    let mut all: PublishedList =
        said.filter_map(|((row, rule), said)| Some(((row, number(&kept.plan.rules, rule)?), said))).collect();
    if let (Some(made), Some(numbers)) = (made, numbers) {
        let is_new = |rule: u32| !kept.plan.rules.contains(&made.plan.rules[rule as usize]);
        let said = take(&mut made.rows.published).into_iter().filter(|((_, rule), _)| is_new(*rule));
        all.extend(
            said.filter_map(|((row, rule), said)| Some(((numbers.number(row), number(&made.plan.rules, rule)?), said))),
        );
    }
    all.sort_unstable_by_key(|(key, _)| *key);
    all
}
