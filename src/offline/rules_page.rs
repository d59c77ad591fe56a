//! A page about the rules of a folder, from their headers and the comments above their SQL. `foreshock rules page > docs/rules-shipped.md` writes the
//! committed one; a test fails when it is stale.

use foreshock_compiler::{Pack, Rule, Spread};
use foreshock_core::time::{DAY_US, SECOND_US};
use std::fmt::Write as _;

/// The page.
pub fn page(pack: &Pack) -> String {
    let mut page = String::from(
        "# The rules that come along\n\nMade by `foreshock rules page` from the files in `sql/rules`. `live` acts; `shadow` says what it finds and acts \
         on nothing: a site looks at that before it makes it live. How good they are: `detection-quality.md`. How to write one: `rules.md`.\n\n\
         | rule | | category | severity | action | status | reads |\n|---|---|---|---|---|---|---|\n",
    );
    for rule in &pack.rules {
        let h = &rule.header;
        let action = h.measure.as_ref().map_or(word(&h.action), |measure| format!("{}: {measure}", word(&h.action)));
        let _ = writeln!(
            page,
            "| [{0}](#{1}) | {2} / {3} | {4} | {5} | {action} | {6} | {7} |",
            h.id,
            h.id.to_lowercase(),
            h.title.en,
            h.title.zh,
            word(&h.category),
            word(&h.severity),
            word(&h.status),
            rule.stream
        );
    }
    pack.rules.iter().for_each(|rule| section(&mut page, rule));
    page
}

fn section(page: &mut String, rule: &Rule) {
    let h = &rule.header;
    let _ = writeln!(page, "\n## {}\n\n{} / {}. Subject: {}.\n", h.id, h.title.en, h.title.zh, h.subject);
    for paragraph in paragraphs(&rule.sql) {
        let _ = writeln!(page, "{paragraph}\n");
    }
    let spread = match &rule.spread {
        Spread::By(subject) => format!("Can be shared by several processes, by `{subject}`."),
        Spread::No(reason) => format!("Runs in one process: {reason}."),
    };
    let _ = writeln!(page, "Looks back {}. {spread} Fraud type `{}`.\n", span(rule.longest_frame_us), h.fraud_type);
    let _ = writeln!(page, "| parameter | default | from | to |\n|---|---|---|---|");
    for (name, param) in &h.params {
        let bound = |bound: Option<i64>| bound.map_or(String::new(), |v| v.to_string());
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {} |",
            format!("{} {}", param.default, param.unit).trim_end(),
            bound(param.min),
            bound(param.max)
        );
    }
}

/// The comment above the SELECT. What it says begins anew at its usual words.
fn paragraphs(sql: &str) -> Vec<String> {
    let lines = sql.lines().map(str::trim).skip_while(|line| !line.starts_with("-- "));
    let text: Vec<&str> = lines.map_while(|line| line.strip_prefix("--")).map(str::trim).collect();
    let mut text = text.join(" ");
    for word in ["Published:", "Looks alike:", "To calibrate:"] {
        text = text.replacen(&format!(" {word}"), &format!("\n{word}"), 1);
    }
    let bold = |line: &str| match line.split_once(": ") {
        Some((word @ ("Pattern" | "Published" | "Looks alike" | "To calibrate"), rest)) => {
            format!("**{word}**: {rest}")
        }
        _ => line.to_owned(),
    };
    text.lines().map(bold).collect()
}

/// A word of a header as it is written there.
pub fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

fn span(us: i64) -> String {
    let units = [(DAY_US, "days"), (3_600 * SECOND_US, "hours"), (60 * SECOND_US, "minutes")];
    let fitting = units.iter().find(|(unit, _)| us >= 2 * unit || us == *unit);
    fitting.map_or_else(|| format!("{} seconds", us / SECOND_US), |(unit, name)| format!("{} {name}", us / unit))
}
