//! `rules explain`: a rule's windows, who shares them, what they cost in memory.

use crate::cli::Exit;
use crate::cli::options::RuleOptions;
use foreshock_compiler::{Pack, Rule, Spread};
use foreshock_core::time::{DAY_US, SECOND_US};
use foreshock_engine::{CursorPlan, Frame, GroupPlan, StreamPlan};
use std::collections::BTreeSet;

pub(super) fn explain(options: &RuleOptions) -> anyhow::Result<Exit> {
    let all = RuleOptions { ids: Vec::new(), ..options.clone() };
    let Some(pack) = all.load()? else { return Ok(Exit::Findings) };
    for rule in pack.rules.iter().filter(|r| options.ids.is_empty() || options.ids.contains(&r.header.id)) {
        explain_rule(&pack, rule);
    }
    Ok(Exit::Ok)
}

fn explain_rule(pack: &Pack, rule: &Rule) {
    println!("{} {} (version {}), over `{}`", rule.header.id, rule.header.title.en, rule.version, rule.stream);
    let Some(stream) = pack.plan.streams.iter().find(|s| s.name == rule.stream) else { return };
    let used: Vec<BTreeSet<usize>> = stream.rules.iter().map(|r| stream.groups_read(r)).collect();
    let (mut per_event, mut per_key) = (0, 0);
    for group in &used[rule.position] {
        let plan = &stream.groups[*group];
        let others =
            stream.rules.iter().zip(&used).filter(|(r, groups)| r.id != rule.header.id && groups.contains(group));
        let others: Vec<&str> = others.map(|(r, _)| r.id.as_str()).collect();
        print_group(stream, plan, &others);
        per_event += plan.entry_bytes();
        per_key += plan.key_bytes();
    }
    println!("  in all {per_event} bytes per event in its windows, {per_key} per key");
    println!(
        "  answered again: with each batch all young rows of one key and time; with a correction all younger ones of its key"
    );
    match &rule.spread {
        Spread::By(subject) => println!("  can be spread over processes, by its subject `{subject}`"),
        Spread::No(reason) => println!("  runs in one process: {reason}"),
    }
}

fn print_group(stream: &StreamPlan, group: &GroupPlan, others: &[&str]) {
    let shared = if others.is_empty() { "its own".to_owned() } else { format!("shared with {}", others.join(", ")) };
    println!(
        "  level {} key ({}): {} bytes per event, {} per key, {} while it has one event; {shared}",
        group.level,
        key_names(stream, group).join(", "),
        group.entry_bytes(),
        group.key_bytes(),
        group.one_event_key_bytes(),
    );
    for cursor in &group.cursors {
        println!("    {}: {}", frame(&cursor.frame), functions(stream, group, cursor));
    }
}

fn functions(stream: &StreamPlan, group: &GroupPlan, cursor: &CursorPlan) -> String {
    let one = |a: &foreshock_engine::AccumulatorPlan| {
        let argument = a.argument.map_or("*".into(), |s| column_names(stream, group.arguments[s].0));
        let filter = a.filter.map_or(String::new(), |_| " filtered".to_owned());
        format!("{:?}({argument}){filter}", a.function)
    };
    cursor.accumulators.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn frame(frame: &Frame) -> String {
    let back = |us: &i64| if *us == 0 { "the row".to_owned() } else { format!("{} before", span(*us)) };
    match frame {
        Frame::Range { preceding: None, end } => format!("from the beginning to {}", back(end)),
        Frame::Range { preceding: Some(width), end } => format!("from {} to {}", back(width), back(end)),
        Frame::Rows { preceding: None, end } => format!("from the first row to {end} rows before"),
        Frame::Rows { preceding: Some(n), end } => format!("from {n} to {end} rows before"),
    }
}

fn span(us: i64) -> String {
    for (unit, name) in [(DAY_US, "d"), (3_600 * SECOND_US, "h"), (60 * SECOND_US, "min"), (SECOND_US, "s")] {
        if us % unit == 0 {
            return format!("{} {name}", us / unit);
        }
    }
    format!("{us} us")
}

fn key_names(stream: &StreamPlan, group: &GroupPlan) -> Vec<String> {
    group.keys.iter().map(|k| column_names(stream, *k)).collect()
}

/// The columns an expression reads.
fn column_names(stream: &StreamPlan, idx: usize) -> String {
    let fields = stream.schema.fields();
    let name = |c: &usize| fields.get(*c).map_or_else(|| format!("window {}", c - fields.len()), |f| f.name().clone());
    stream.exprs[idx].columns().iter().map(name).collect::<Vec<_>>().join(" ")
}
