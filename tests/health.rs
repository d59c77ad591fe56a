//! Health and metrics over HTTP.
#![allow(clippy::unwrap_used)]

use foreshock::ops::health::{Health, serve};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn readyz_names_each_dependency_with_its_last_error_and_metrics_are_prometheus_text() {
    let health = Arc::new(Health::default());
    let address = serve("127.0.0.1:0", health.clone()).unwrap();
    assert!(get(address, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").starts_with("HTTP/1.1 503"), "nothing is known yet");
    health.set("kafka source", true, "");
    health.set("kafka sink", false, "waiting for acknowledgements");
    let down = get(address, "/readyz");
    assert!(down.starts_with("HTTP/1.1 503") && down.contains("kafka sink: down"), "{down}");
    health.set("kafka sink", true, "");
    let up = get(address, "/readyz");
    assert!(up.starts_with("HTTP/1.1 200") && up.contains("last error: waiting for acknowledgements"), "{up}");
    health.late.store(7, Ordering::Relaxed);
    assert!(get(address, "/metrics").contains("\nforeshock_events_late_total 7\n"));
}
