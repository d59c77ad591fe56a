//! One stream's step: new rows in, levels of window groups one after the other, verdicts out.

use crate::corrections::Corrections;
use crate::dirty::{Dirty, Step};
use crate::door::Door;
use crate::eval::Evaluation;
use crate::expr::downcast;
use crate::faults::{Fault, on};
use crate::group::{Group, Limits};
use crate::inputs::{Answers, Context, Keys, Leaving, Task, Work};
use crate::key_log::KeyLog;
use crate::output::{State, Verdict};
use crate::plan::{AccumulatorPlan, Function, RulePlan, StreamPlan, ValueKind};
use crate::readers::{bit, candidates, readers, window_readers};
use crate::rows::{NO_INPUT, YoungRows};
use crate::runner::{Inline, Runner};
use crate::save::{SavedPlan, SavedStream};
use crate::shared::Shared;
use crate::stage::{GroupInput, Stage, log_order, set_flags, with_old};
use crate::state_hash::StateHasher;
use crate::verdicts::{Said, hold, output, publish, retract};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use hashbrown::{DefaultHashBuilder, HashMap};

/// Stages of fewer rows run on the calling thread: handing them over costs more than the work (docs/benchmarks.md).
const INLINE_ROWS_MAX: usize = 512;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) plan: StreamPlan,
    groups: Vec<Group>,
    young: YoungRows,
    levels: usize,
    /// Of each window column: the rules that read it.
    window_readers: Vec<u64>,
}

/// Something changed that every rule reads.
const ALL_RULES: u64 = u64::MAX;

impl Stream {
    pub(crate) fn new(plan: StreamPlan, shards: usize, limits: Limits) -> Self {
        let column = |name: &str| plan.schema.index_of(name).expect("every stream has event_id and event_time");
        let young = YoungRows::new(column("event_id"), column("event_time"), plan.windows.len(), plan.groups.len());
        let groups = plan.groups.iter().map(|g| Group::new(g, readers(&plan, g), shards, limits)).collect();
        let levels = plan.groups.iter().map(|g| g.level + 1).max().unwrap_or(0);
        Stream { window_readers: window_readers(&plan), plan, groups, young, levels }
    }

    pub(crate) fn save(&self) -> SavedStream<&KeyLog> {
        SavedStream {
            plan: SavedPlan::new(&self.plan),
            rows: self.young.save(),
            logs: self.groups.iter().map(Group::logs).collect(),
            shed: self.groups.iter().map(|group| group.last_shed).collect(),
        }
    }

    pub(crate) fn load(
        &mut self,
        saved: SavedStream<KeyLog>,
        hasher: &DefaultHashBuilder,
        horizon: i64,
    ) -> Result<(), String> {
        if saved.plan != SavedPlan::new(&self.plan) {
            return Err("its rules are others".into());
        }
        if saved.logs.len() != self.groups.len() || saved.shed.len() != self.groups.len() {
            return Err("its windows are others".into());
        }
        self.groups.iter_mut().zip(saved.shed).for_each(|(group, shed)| group.last_shed = shed);
        let pairs = self.groups.iter_mut().zip(saved.logs);
        let places: Vec<HashMap<u64, u64>> = pairs.map(|(group, logs)| group.take_in(logs, hasher, horizon)).collect();
        self.young.load(saved.rows, |group, old| places[group].get(&old).copied().unwrap_or(NO_INPUT))
    }

    pub(crate) fn hash_state(&self, horizon: i64, to: &mut StateHasher<'_>) {
        let mut windows: Vec<(ValueKind, u64)> = self.plan.windows.iter().map(|kind| (*kind, 0)).collect();
        for (group, plan) in self.groups.iter().zip(&self.plan.groups) {
            plan.cursors.iter().flat_map(|c| &c.accumulators).for_each(|a| windows[a.window].1 = group.readers);
        }
        self.young.hash_state(horizon, &windows, to);
        let ranks = self.young.ranks(horizon);
        let rank = |row: u64| ranks.get(&row).map_or(-1, |rank| rank.cast_signed());
        for group in &self.groups {
            let live = group.logs().into_iter().filter(|(_, log)| !log.is_idle(group.layout.idle_before(horizon)));
            live.for_each(|(_, log)| log.hash_state(horizon, rank, &group.layout, to));
        }
    }

    pub(crate) fn young_count(&self) -> usize {
        self.young.len()
    }

    /// For each group: how long before the horizon it can hold a text, `None` for ever.
    pub(crate) fn text_reaches(&self) -> impl Iterator<Item = Option<i64>> {
        self.groups.iter().filter_map(|g| g.layout.text_reach())
    }

    pub(crate) fn weigh(&self) -> (u64, usize) {
        self.groups.iter().map(Group::weigh).fold((0, 0), |sum, group| (sum.0 + group.0, sum.1 + group.1))
    }

    pub(crate) fn key_count(&self) -> usize {
        self.groups.iter().map(Group::key_count).sum()
    }

    pub(crate) fn entry_count(&self) -> usize {
        self.groups.iter().map(Group::entry_count).sum()
    }

    /// Takes in new rows and judges them and every old row whose windows they touch.
    pub(crate) fn step(
        &mut self,
        batch: RecordBatch,
        corrections: &Corrections,
        shared: &mut Shared<'_>,
        verdicts: &mut Vec<Verdict>,
    ) {
        let mut dirty = Dirty::default();
        self.young.remove(corrections).into_iter().for_each(|row| dirty.note(row, row, ALL_RULES));
        dirty.settle();
        let candidates = candidates(&self.plan, &batch, shared.faults);
        let first_new = self.young.push(batch, candidates);
        let new_rows: Vec<u64> = (first_new..self.young.next()).collect();
        if new_rows.is_empty() && dirty.rows().is_empty() {
            return;
        }
        let mut step = Step { shared, dirty, first_new };
        let is_handed_on = self.young.hand_on(corrections, self.plan.rules.len(), first_new);
        for level in 0..self.levels {
            let rows = with_old(&step.dirty, &new_rows);
            let stage = self.gather(level, &rows, &mut step);
            self.run_level(&stage, &mut step);
            step.dirty.settle();
        }
        let mut rows = with_old(&step.dirty, &new_rows);
        // The new version of a fact may no longer be what the old one was said to be.
        if !is_handed_on {
            rows.retain(|row| self.young.is_candidate(*row));
        }
        let watched = if is_handed_on { rows.len() } else { rows.partition_point(|row| *row < first_new) };
        self.judge(&rows, watched, &mut step, verdicts);
    }

    /// Evaluates the inputs of every group of a level and finds which rows enter and which leave.
    fn gather<'r>(&mut self, level: usize, rows: &'r [u64], step: &mut Step<'_, '_>) -> Stage<'r> {
        let mut evaluation = Evaluation::new(&self.plan, rows, &self.young);
        let times: Vec<i64> = rows.iter().map(|r| self.young.time(*r)).collect();
        let order = log_order(rows, &times, &self.young);
        let causes = step
            .dirty
            .rows()
            .iter()
            .map(|note| note.cause)
            .chain(rows[step.dirty.rows().len()..].iter().copied())
            .collect();
        let mut stage = Stage { rows, times, causes, keys: Vec::new(), groups: Vec::new() };
        let mut keys_of: HashMap<&[usize], usize> = HashMap::new();
        for (group, plan) in self.plan.groups.iter().enumerate().filter(|(_, g)| g.level == level) {
            let young = &self.young;
            let mut expr =
                |idx: usize, shared: &mut Shared<'_>| evaluation.expr(idx, young, shared.texts, shared.faults);
            let passes = plan.filter.map(|f| expr(f, step.shared));
            let keys = *keys_of.entry(&plan.keys).or_insert_with(|| {
                let columns: Vec<ArrayRef> = plan.keys.iter().map(|k| expr(*k, step.shared)).collect();
                stage.keys.push(Keys::new(&columns, rows.len(), step.shared.hasher));
                stage.keys.len() - 1
            });
            let mut flags = vec![0_i64; if plan.filters.is_empty() { 0 } else { rows.len() }];
            for (bit, filter) in plan.filters.iter().enumerate() {
                set_flags(&mut flags, bit, downcast(&expr(*filter, step.shared)));
            }
            let arrays = plan.arguments.iter().map(|(argument, kind)| (expr(*argument, step.shared), *kind)).collect();
            let (arguments, works) = (Vec::new(), Vec::new());
            stage.groups.push(GroupInput { group, keys, passes, arrays, arguments, flags, is_shut: false, works });
        }
        drop(keys_of);
        for idx in 0..stage.groups.len() {
            let layout = &self.groups[stage.groups[idx].group].layout;
            let needed = step.shared.texts.len().saturating_add(rows.len() * layout.texts_of_entry());
            stage.groups[idx].is_shut = layout.texts_of_entry() > 0 && needed > step.shared.texts_max;
            // Above the first level an old row's arguments tell whether it changes; below, the texts of rows that are shed
            // must not fill the memory either.
            if level > 0 {
                let new = if stage.groups[idx].is_shut { step.dirty.rows().len()..rows.len() } else { 0..0 };
                stage.groups[idx].fill(&new.collect::<Vec<_>>(), step.shared);
            }
            let (works, shed) = self.split(&stage, &stage.groups[idx], &order, step);
            stage.groups[idx].works = works;
            if level == 0 {
                stage.groups[idx].fill(&shed, step.shared);
            }
        }
        stage
    }

    /// Sorts the rows of a group into key ranges: what enters, what leaves; the rest stays as it is. Also the positions in
    /// the stage of rows that are shed.
    fn split(
        &mut self,
        stage: &Stage<'_>,
        input: &GroupInput,
        order: &[u32],
        step: &mut Step<'_, '_>,
    ) -> (Vec<Work>, Vec<usize>) {
        let passes = input.passes.as_ref().map(downcast::<BooleanArray>);
        let inputs = stage.inputs(input);
        let mut door = Door::new(&mut self.groups[input.group], order.len(), step.shared.horizon, input.is_shut);
        let group = &self.groups[input.group];
        let level = self.plan.groups[input.group].level;
        let mut works: Vec<Work> = group.ranges.iter().map(|_| Work::default()).collect();
        let mut left = Vec::new();
        for at in order {
            let idx = *at as usize;
            let row = stage.rows[idx];
            let is_old = row < step.first_new;
            let is_dead = is_old && self.young.is_dead(row);
            if is_old && level == 0 && !is_dead {
                continue;
            }
            let passes = passes.is_none_or(|p| p.is_valid(idx) && p.value(idx));
            let is_in = passes && !inputs.keys.null[idx] && !is_dead;
            let place = self.young.input(row, input.group);
            if is_old && is_in && place != NO_INPUT && group.holds(place, &inputs, idx, &self.young) {
                continue;
            }
            let enters_or_leaves = is_in != (place != NO_INPUT);
            if is_old && enters_or_leaves && on(Fault::UpdatesOnly) {
                continue;
            }
            if place != NO_INPUT {
                works[(place >> 32) as usize].leaving.push(Leaving { row, place, cause: stage.causes[idx] });
                if !is_in {
                    left.push(row);
                }
            }
            if is_in {
                let work = &mut works[group.range_of(inputs.keys.hashes[idx])];
                if place != NO_INPUT || door.lets_in(group, &inputs, idx) {
                    work.entering.push(*at);
                } else if door.knows(group, &inputs, idx) {
                    work.missing.push(*at);
                }
            }
        }
        for row in left {
            self.clear_answers(row, input.group, &mut step.dirty);
        }
        if !door.shed.is_empty() {
            let rows: Vec<u64> = door.shed.iter().map(|at| stage.rows[*at]).collect();
            for row in &rows {
                // What was said of an old row is said again, marked.
                if self.young.doubt(*row) && *row < step.first_new {
                    let cause = step.dirty.cause(*row);
                    step.dirty.note(*row, cause, ALL_RULES);
                }
            }
            *step.shared.shed += rows.len() as u64;
            let newest = door.shed.iter().map(|at| stage.times[*at]).max().unwrap_or(i64::MIN);
            let group = &mut self.groups[input.group];
            group.last_shed = group.last_shed.max(newest);
        }
        (works, door.shed)
    }

    /// May a result for this row miss events that were shed? Beyond the first level nobody follows which window
    /// has seen which result: all are in doubt as long as something shed can matter.
    fn is_doubtful(&self, row: u64) -> bool {
        if on(Fault::ShedUnmarked) {
            return false;
        }
        let reaches = || self.groups.iter().map(Group::doubtful_until).max().unwrap_or(i64::MIN);
        let span: i64 = self.groups.iter().map(|g| g.layout.reach()).fold(0, i64::saturating_add);
        self.young.is_doubted(row)
            || self.levels > 1 && reaches() > i64::MIN && self.young.time(row) <= reaches().saturating_add(span)
    }

    /// A row that leaves a group has no answers there any more.
    fn clear_answers(&mut self, row: u64, group: usize, dirty: &mut Dirty) {
        self.young.set_input(row, group, NO_INPUT);
        let (mut changed, mut rules) = (false, 0);
        for accumulator in self.plan.groups[group].cursors.iter().flat_map(|c| &c.accumulators) {
            if self.young.set_cell(row, accumulator.window, None) {
                (changed, rules) = (true, rules | self.window_readers[accumulator.window]);
            }
        }
        if changed {
            let cause = dirty.cause(row);
            dirty.note(row, cause, rules);
        }
    }

    fn run_level(&mut self, stage: &Stage<'_>, step: &mut Step<'_, '_>) {
        let mut results: Vec<(&GroupInput, usize, Option<Answers>)> = Vec::new();
        for input in &stage.groups {
            let busy = input.works.iter().enumerate().filter(|(_, w)| !w.is_empty());
            results.extend(busy.map(|(number, _)| (input, number, None)));
        }
        {
            let context = &Context {
                young: &self.young,
                texts: step.shared.texts,
                horizon: step.shared.horizon,
                first_new: step.first_new,
            };
            let mut tasks = Vec::with_capacity(results.len());
            let (mut groups, mut results) = (self.groups.iter_mut().enumerate(), results.iter_mut());
            for input in &stage.groups {
                let (_, group) = groups.find(|(number, _)| *number == input.group).expect("groups stand in order");
                let about = group.facts();
                let Group { layout, ranges, .. } = group;
                let (layout, inputs) = (&*layout, stage.inputs(input));
                for (range, work) in ranges.iter_mut().zip(&input.works).filter(|(_, work)| !work.is_empty()) {
                    let (_, number, answers) = results.next().expect("one for each range with work");
                    let number = *number;
                    let run = move || {
                        let task = Task { number, layout, work, inputs: &inputs, context, about };
                        *answers = Some(range.step(&task));
                    };
                    tasks.push(Box::new(run) as Box<dyn FnOnce() + Send + '_>);
                }
            }
            if stage.rows.len() < INLINE_ROWS_MAX { Inline.run(tasks) } else { step.shared.runner.run(tasks) }
        }
        for (input, number, answers) in results {
            let answers = answers.expect("the runner ran every task");
            self.store(input.group, &answers, &input.works[number], stage.rows, step);
        }
    }

    fn store(&mut self, group: usize, answers: &Answers, work: &Work, rows: &[u64], step: &mut Step<'_, '_>) {
        for at in &answers.doubtful {
            let row = answers.rows[*at];
            // What was said of it is said again, marked.
            if self.young.doubt(row) && row < step.first_new {
                step.dirty.note(row, answers.causes[*at], ALL_RULES);
            }
        }
        for (at, place) in work.entering.iter().zip(&answers.places) {
            self.young.set_input(rows[*at as usize], group, *place);
        }
        let plans: Vec<&AccumulatorPlan> =
            self.plan.groups[group].cursors.iter().flat_map(|c| &c.accumulators).collect();
        for ((row, cause), cells) in
            answers.rows.iter().zip(&answers.causes).zip(answers.cells.chunks_exact(plans.len().max(1)))
        {
            let (mut changed, mut rules) = (false, 0);
            for (plan, cell) in plans.iter().zip(cells) {
                let mut cell = *cell;
                if *row < step.first_new && on(Fault::ExtremeKeptOnRemoval) && plan.function == Function::Max {
                    cell = cell.max(self.young.cell(*row, plan.window));
                }
                if self.young.set_cell(*row, plan.window, cell) {
                    (changed, rules) = (true, rules | self.window_readers[plan.window]);
                }
            }
            if changed && *row < step.first_new {
                step.dirty.note(*row, *cause, rules);
            }
        }
    }

    /// `watched`: so many of the rows may have been spoken of before.
    fn judge(&mut self, rows: &[u64], watched: usize, step: &mut Step<'_, '_>, verdicts: &mut Vec<Verdict>) {
        if rows.is_empty() {
            return;
        }
        let old = rows.partition_point(|row| *row < step.first_new);
        let judges: Vec<u64> = rows[..old].iter().map(|row| step.dirty.rules(*row)).collect();
        let mut evaluation = Evaluation::new(&self.plan, rows, &self.young);
        for (number, rule) in self.plan.rules.iter().enumerate() {
            let is_judged = |at: usize| judges.get(at).is_none_or(|rules| rules & bit(number) != 0);
            let holds = rule.predicate.map(|p| evaluation.expr(p, &self.young, step.shared.texts, step.shared.faults));
            let holds = holds.as_ref().map(downcast::<BooleanArray>);
            let young = &self.young;
            let is_true = |at: usize| holds.is_none_or(|h| h.is_valid(at) && h.value(at)) && !young.is_dead(rows[at]);
            let firing: Vec<u32> =
                (0..rows.len()).filter(|at| is_judged(*at) && is_true(*at)).map(|at| at as u32).collect();
            let key = |row: u64| (row, number as u32);
            let is_silent = |(at, row): &(usize, &u64)| is_judged(*at) && !is_true(*at) && young.is_said(key(**row));
            let silent: Vec<u64> =
                rows.iter().enumerate().take(watched).filter(is_silent).map(|(_, row)| *row).collect();
            for row in silent {
                let cause = self.young.event_id(step.dirty.cause(row)).to_owned();
                let said = retract(&mut self.young, key(row));
                self.speak(number, State::Retracted, said, cause, row, verdicts);
            }
            if firing.is_empty() {
                continue;
            }
            let at = UInt32Array::from(firing.clone());
            let detections = output(&self.plan, rule, &mut evaluation, &at, &self.young, step.shared);
            for (at, detection) in firing.iter().zip(detections) {
                let row = rows[*at as usize];
                let cause = step.dirty.cause(row);
                if rule.is_final {
                    hold(&mut self.young, key(row), cause, detection);
                } else {
                    let is_incomplete = self.is_doubtful(row);
                    let (taken_back, said) = publish(&mut self.young, key(row), cause, detection, is_incomplete);
                    let cause = self.young.event_id(cause).to_owned();
                    self.speak(number, State::Retracted, taken_back, cause.clone(), row, verdicts);
                    self.speak(number, State::Detected, said, cause, row, verdicts);
                }
            }
        }
    }

    fn speak(
        &self,
        rule: usize,
        state: State,
        said: Option<Said>,
        cause: String,
        row: u64,
        verdicts: &mut Vec<Verdict>,
    ) {
        let Some((revision, detection)) = said else { return };
        let is_incomplete = self.is_doubtful(row);
        let stream = self.plan.name.clone();
        verdicts.push(Verdict { stream, rule, state, revision, detection, cause, is_incomplete });
    }

    /// These rules have said nothing so far: what is noted of them was never published. What a final rule still has to say
    /// stays.
    pub(crate) fn begin_rules(&mut self, begins: &dyn Fn(&RulePlan) -> bool) {
        for (number, _) in self.plan.rules.iter().enumerate().filter(|(_, rule)| begins(rule)) {
            self.young.forget_said(number as u32);
        }
    }

    /// Lets go of rows before the horizon: what waited for that is said, and values that changed since they were published.
    pub(crate) fn finish_before(&mut self, horizon: i64, verdicts: &mut Vec<Verdict>) {
        let name = self.plan.name.clone();
        let mut finals = Vec::new();
        self.young.take_finals(horizon, |row, rule, published| finals.push((row, rule, published)));
        for (row, rule, mut published) in finals {
            let is_incomplete = self.is_doubtful(row);
            if let Some((detection, cause)) = published.pending.take() {
                let revision = published.next_revision(&detection.subject);
                verdicts.push(Verdict {
                    stream: name.clone(),
                    rule: rule as usize,
                    state: State::Detected,
                    revision,
                    detection,
                    cause,
                    is_incomplete,
                });
            }
        }
        self.young.pop_before(horizon);
    }
}
