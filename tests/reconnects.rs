//! Clients that listen to changes and come back again and again, while rows come in: nothing is lost, nothing comes twice.
//! `FORESHOCK_RECONNECTS=1000 cargo test --test reconnects` for more.
#![allow(clippy::unwrap_used)]

#[path = "support/desk.rs"]
mod desk;

use desk::{apply, desk, payments, runtime, serve_http};
use foreshock::serve::store::Store;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Rows of a batch.
const ROWS: usize = 40;
/// Rows that one connection reads at most.
const READ_MAX: u64 = 60;

/// Rows of a connection that begins after `last` and is dropped after so many.
fn listen(port: u16, last: Option<i64>, rows: u64) -> Vec<i64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
    write!(stream, "GET /v1/changes/transactions HTTP/1.1\r\nHost: localhost\r\n{last}\r\n").unwrap();
    let mut seqs = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(id) = line.strip_prefix("id: ") {
            seqs.push(id.parse().unwrap());
        }
        // Cut off wherever it is: the row is taken once its data were read.
        if line.starts_with("data: ") && seqs.len() as u64 == rows {
            break;
        }
    }
    seqs
}

#[test]
fn whoever_comes_back_with_the_last_number_misses_nothing_and_gets_nothing_twice() {
    let wanted: u64 = std::env::var("FORESHOCK_RECONNECTS").map_or(60, |text| text.parse().unwrap());
    let (store, runtime) = (Arc::new(Store::new(10_000_000)), runtime());
    // One after another is dropped, and its place is free a little later.
    let port = serve_http(&runtime, desk(&store), None, 100).port();
    let lines: Vec<String> = payments().concat();
    let all = (wanted * READ_MAX).div_ceil(2) as usize / ROWS * ROWS;
    let (mut random, mut seen, mut reconnects) = (7_u64, Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut of_day = lines.iter().cycle();
            for number in 0..all / ROWS {
                let batch: Vec<String> = (0..ROWS)
                    .map(|row| {
                        of_day.next().unwrap().replacen("\"txId\":\"", &format!("\"txId\":\"{number}-{row}-"), 1)
                    })
                    .collect();
                apply(&store, &batch);
            }
        });
        while seen.len() < all {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let rows = (1 + (random >> 33) % READ_MAX).min((all - seen.len()) as u64);
            seen.extend(listen(port, seen.last().copied(), rows));
            reconnects += 1;
        }
    });
    let state = store.state();
    let table = &state.tables["transactions"];
    let expected: Vec<i64> = table
        .pieces
        .iter()
        .flat_map(|piece| {
            let seqs = piece.column_by_name("seq").unwrap();
            arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(seqs).values().to_vec()
        })
        .collect();
    assert_eq!((seen.len(), &seen), (all, &expected));
    println!("{reconnects} connections, {all} rows");
}
