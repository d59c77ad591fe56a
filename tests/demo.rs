//! The demo as a stranger runs it: drafts are on their topics, readable by another client, and the warning is valid CAP.
#![allow(clippy::unwrap_used)]

#[path = "support/process.rs"]
mod process;

use process::{binary, foreshock, shared_data, text, wait_for};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

#[test]
fn the_demo_leaves_a_blocking_draft_and_a_valid_warning_draft_for_another_client() {
    let history = tempfile::tempdir().unwrap();
    let kept = history.path().to_str().unwrap();
    let mut demo = binary().args(["demo", "--history", kept]).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(demo.stdout.take().unwrap());
    let said = Arc::new(Mutex::new(String::new()));
    let to = said.clone();
    std::thread::spawn(move || {
        output.lines().map_while(Result::ok).for_each(|line| *to.lock().unwrap() += &format!("{line}\n"));
    });
    let is_said = |what: &str| wait_for(what, || said.lock().unwrap().contains(what).then_some(()));
    is_said("stays up until Ctrl-C");
    let all = said.lock().unwrap().clone();
    let broker = all.lines().find_map(|line| line.strip_prefix("broker   ")).unwrap();
    let broker = broker.split_whitespace().next().unwrap().to_owned();
    assert!(all.contains("late 0, refused 0"), "{all}");
    let tailed = foreshock(&["tail", "blocking", "--brokers", &broker, "--idle", "3"]);
    let blocking = text(&tailed.stdout);
    let count = format!("{} records", blocking.lines().count());
    assert!(text(&tailed.stderr).ends_with(&format!("{count}\n")), "{}", text(&tailed.stderr));
    let draft: serde_json::Value = serde_json::from_str(blocking.lines().next().expect("a blocking draft")).unwrap();
    assert_eq!(draft["measure"], "STOP_PAYMENT");
    assert!(draft["expiresAt"].is_string() && draft["evidence"]["detectionId"].is_string(), "{draft}");
    let warnings = text(&foreshock(&["tail", "warnings", "--brokers", &broker, "--idle", "3"]).stdout);
    assert!(warnings.contains("<status>Draft</status>"), "{warnings}");
    validate(warnings.split("<?xml").nth(1).expect("a warning draft"));
    // The officers begin when the first draft is there, and have their bank's answer to the lift at last.
    is_said("LiftSent to Lifted");
    let _ = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert_eq!(demo.wait().unwrap().code(), Some(0), "Ctrl-C stops it cleanly");
    the_history_tells_of_it(kept);
}

/// What it kept explains its detections, and as a batch gives them again.
fn the_history_tells_of_it(kept: &str) {
    let ask = |statement: &str| {
        let done = foreshock(&["sql", "--history", kept, "--output", "csv", statement]);
        assert!(done.status.success(), "{statement}: {}", text(&done.stderr));
        text(&done.stdout).lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let some = ask("SELECT min(detection_id) FROM detections WHERE rule_id IN ('M01', 'T01', 'T02') GROUP BY rule_id");
    assert_eq!(
        some.len(),
        3,
        "{:?}",
        ask("SELECT rule_id, count(*), max(seq) FROM detection_revisions GROUP BY rule_id")
    );
    let requests = ask("SELECT state, proposed_by, approved_by FROM requests WHERE proposed_by IS NOT NULL");
    assert!(requests.contains(&"LIFTED,officer.li,officer.wu".to_owned()), "{requests:?}");
    for id in some {
        let counts = ask(&format!(
            "SELECT count(*) FILTER (WHERE part = 'value') > 2, \
             count(*) FILTER (WHERE part = 'value' AND value IS DISTINCT FROM published), \
             count(*) FILTER (WHERE part = 'event') > 1, count(*) FILTER (WHERE part = 'rule') \
             FROM explain_detection('{id}')"
        ));
        assert_eq!(counts, ["true,0,true,1"], "{id}");
    }
    let stand = ask("SELECT count(*) FROM detections WHERE rule_id = 'M03'");
    let again = foreshock(&["backtest", "--history", kept, "--rule", "M03"]);
    assert!(text(&again.stdout).contains(&format!("M03        {}\n", stand[0])), "{}", text(&again.stdout));
    let live =
        foreshock(&["replay", "--history", kept, "--rule", "M03", "--rule", "T01", "--shards", "2", "--compare"]);
    assert!(text(&live.stdout).contains(&format!("M03        {}\n", stand[0])), "{}", text(&live.stdout));
    assert!(text(&live.stdout).contains(", 0 differences"), "{}", text(&live.stdout));
    let missing = foreshock(&["sql", "--history", kept, "SELECT * FROM explain_detection('none')"]);
    assert!(text(&missing.stderr).contains("no detection `none` stands"), "{}", text(&missing.stderr));
}

#[test]
fn a_demo_for_some_seconds_stays_up_for_them_and_ends_by_itself() {
    let start = std::time::Instant::now();
    let demo = foreshock(&["demo", "--for", "4s"]);
    assert!(start.elapsed() >= std::time::Duration::from_secs(4), "it ended before its time");
    // 1: no detection in the first seconds.
    assert!(matches!(demo.status.code(), Some(0 | 1)), "{}", text(&demo.stderr));
    assert!(!text(&demo.stdout).contains("stays up until Ctrl-C"), "{}", text(&demo.stdout));
}

fn validate(after_declaration: &str) {
    let Some(data) = shared_data() else { return };
    if Command::new("xmllint").arg("--version").stderr(Stdio::null()).status().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "xmllint is required in CI");
        println!("SKIPPED: no xmllint, the warning is not validated");
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("<?xml{}", after_declaration.trim_end())).unwrap();
    for schema in ["CAP-v1.2.xsd", "cap12_extended.xsd"] {
        let path = data.join("cap/schema").join(schema);
        let done = Command::new("xmllint")
            .args(["--nonet", "--noout", "--schema"])
            .arg(path)
            .arg(file.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{schema}: {}", text(&done.stderr));
    }
}
