//! A history in a real S3 server: written by the demo, asked, shown and tended from another process, and by two at once.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/process.rs"]
mod process;
#[path = "support/s3.rs"]
mod s3;

use process::text;
use s3::S3;
use std::process::{Command, Output};

const PLACE: &str = "s3://snapshots/history";

fn foreshock_in(s3: &S3, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_foreshock")).args(arguments).envs(s3.environment()).output().unwrap()
}

#[test]
fn a_history_in_an_object_store_is_written_asked_and_tended() {
    let Some(s3) = S3::start() else { return };
    let demo = foreshock_in(&s3, &["demo", "--for", "30s", "--history", PLACE]);
    assert!(demo.status.success(), "{}{}", text(&demo.stdout), text(&demo.stderr));
    let asked = |statement: &str| {
        let output = foreshock_in(&s3, &["sql", "--history", PLACE, "--output", "csv", statement]);
        assert!(output.status.success(), "{statement}: {}", text(&output.stderr));
        text(&output.stdout).lines().nth(1).unwrap().to_owned()
    };
    let counts = || {
        (
            asked("SELECT count(*), sum(amount) FROM transactions"),
            asked("SELECT count(DISTINCT detection_id), count(*) FROM detections"),
        )
    };
    let before = counts();
    assert!(!before.0.starts_with("0,") && !before.1.starts_with("0,"), "{before:?}");
    let shown = foreshock_in(&s3, &["history", "show", "--dir", PLACE]);
    assert!(
        text(&shown.stdout).contains("transactions") && text(&shown.stdout).contains(PLACE),
        "{}",
        text(&shown.stdout)
    );
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("foreshock.toml");
    std::fs::write(&config, "[history]\ndays = { transactions = 0, telecom = 0, late = 0, rejected = 0 }\n").unwrap();
    let tend = ["history", "tend", "--dir", PLACE, "--config", config.to_str().unwrap()];
    let both = std::thread::scope(|scope| {
        let ran = [0, 1].map(|_| scope.spawn(|| foreshock_in(&s3, &tend)));
        ran.map(|thread| thread.join().unwrap())
    });
    assert!(both.iter().all(|output| output.status.success()), "{}", both.map(|o| text(&o.stderr)).join("\n"));
    let again = foreshock_in(&s3, &tend);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(counts(), before);
    let away = foreshock_in(&s3, &["history", "show", "--dir", "s3://no-such-bucket/history"]);
    assert_eq!(away.status.code(), Some(3), "{}", text(&away.stderr));
}
