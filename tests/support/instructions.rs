//! How many instructions one more record costs, counted by valgrind: the same on every machine and beside any load, so a test may
//! hold it. Of a test of this very binary, run twice with different numbers of records.

use std::process::Command;

/// Says to the counted test how many records it takes.
const RECORDS: &str = "FORESHOCK_RECORDS";

/// So many records were asked for.
pub fn wanted() -> usize {
    std::env::var(RECORDS).ok().and_then(|count| count.parse().ok()).unwrap_or(100)
}

/// Instructions per record of the test of this name; `None` where there is no valgrind, or another processor than the bounds are
/// for.
pub fn per_record(test: &str, few: u64, many: u64) -> Option<u64> {
    if !cfg!(target_arch = "x86_64") || Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("no valgrind on an x86-64: nothing is counted");
        return None;
    }
    Some((count(test, many) - count(test, few)) / (many - few))
}

fn count(test: &str, records: u64) -> u64 {
    let this = std::env::current_exe().expect("a test knows its file");
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(this)
        .args(["--exact", test, "--test-threads=1"])
        .env(RECORDS, records.to_string())
        .output()
        .expect("valgrind is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said.lines().find_map(|line| line.split_once("I refs:").or(line.split_once("I   refs:")));
    let (_, number) = line.unwrap_or_else(|| panic!("no count: {said}"));
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}
