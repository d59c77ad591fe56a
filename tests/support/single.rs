//! One process, its configuration, what goes in and what its `/readyz` says.
#![allow(dead_code, clippy::unwrap_used)]

use super::broker::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A file for a broker at this address.
pub fn config(folder: &Path, address: &str) -> String {
    let path = folder.join("foreshock.toml");
    std::fs::write(
        &path,
        format!(
            "[kafka]\nbrokers = \"{address}\"\npartitions = 1\n[engine]\nrefuse_future = false\n[http]\nlisten = \"\"\n"
        ),
    )
    .unwrap();
    path.display().to_string()
}

/// A mule gets a sum and passes it on within minutes: rules M03 and M04 fire once for each pair. Pairs follow each other.
pub fn pass_through(n: usize) -> Vec<String> {
    let clock = |minutes: usize| format!("{:02}:{:02}", 8 + minutes / 60, minutes % 60);
    let line = |id: &str, time: String, payer: &str, payee: &str, amount: &str, balance: &str| {
        format!(
            r#"{{"txId":"{id}{n}","reporter":"bank-a","creDtTm":"2026-03-02T{time}+08:00","kind":"TRANSFER","amount":"{amount}","currency":"CNY","debtor":{{"accountToken":"{payer}{n}","balanceBefore":"{balance}"}},"creditor":{{"accountToken":"{payee}{n}"}}}}"#
        )
    };
    vec![
        line("in", format!("{}:00", clock(n * 6)), "V", "MULE", "30000.00", "900000.00"),
        line("out", format!("{}:30", clock(n * 6 + 5)), "MULE", "NEXT", "29900.00", "30010.00"),
    ]
}

/// Status and text of `/readyz`.
pub fn ready(port: u16) -> (bool, String) {
    let answer = get(port, "/readyz");
    (answer.starts_with("HTTP/1.1 200"), answer)
}

/// The value of a metric; `None` while there is no answer.
pub fn metric(port: u16, name: &str) -> Option<i64> {
    let answer = get(port, "/metrics");
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return "no answer".into() };
    let mut answer = String::new();
    let asked =
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
    let _ = asked.and_then(|()| stream.read_to_string(&mut answer));
    answer
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}: not in two minutes");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A configuration with `/readyz` and snapshots, with the port.
pub fn with_snapshots(folder: &Path, address: &str) -> (String, u16) {
    let (path, port) = (config(folder, address), free_port());
    let state = folder.join("state").display().to_string();
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\""));
    std::fs::write(&path, format!("{text}[snapshots]\ndir = \"{state}\"\nevery_s = 1\n")).unwrap();
    (path, port)
}
