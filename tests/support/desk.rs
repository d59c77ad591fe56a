//! A desk over the payments of a generated day, and statements that try it.
#![allow(dead_code, clippy::unwrap_used)]

use foreshock::kafka::settings::Kafka;
use foreshock::ops::config::Config;
use foreshock::ops::intake::Intake;
use foreshock::rights::grant::Person;
use foreshock::rights::pseudonym::Pseudonyms;
use foreshock::rights::users::Users;
use foreshock::rules::files::{Choice, load};
use foreshock::serve::assembly::{Assembly, Incoming};
use foreshock::serve::catalog::Facts;
use foreshock::serve::door::{Door, router};
use foreshock::serve::evidence::Exports;
use foreshock::serve::itself::Itself;
use foreshock::serve::query::{Desk, Limits, Seen};
use foreshock::serve::rows::rows;
use foreshock::serve::store::{Change, Store};
use foreshock_core::Feed;
use foreshock_log::{Log, Range};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The payments of a generated day, in batches.
pub fn payments() -> Vec<Vec<String>> {
    let day = foreshock_generator::generate(1, 1).day;
    let of = |lines: &[foreshock_generator::Line]| -> Vec<String> {
        lines.iter().filter(|line| line.feed == Feed::Transactions).map(|line| line.json.clone()).collect()
    };
    day.chunks(2_000).take(4).map(of).collect()
}

/// One more batch in the tables.
pub fn apply(store: &Store, lines: &[String]) {
    let number = store.state().number.map_or(0, |number| number + 1);
    let (topic, from) = (Feed::Transactions.topic().to_owned(), number as i64 * 10_000);
    let range = Range { topic, partition: 0, from, to: from + lines.len() as i64 };
    let place = (range.topic.clone(), 0);
    let progress = serde_json::json!({
        "number": number, "ranges": [range], "fates": [format!("{}.", lines.len())], "messages": 0, "rules": "",
    });
    let mut assembly = Assembly::after(Log::Engine, number.checked_sub(1));
    assembly.progress(serde_json::from_value(progress).unwrap()).unwrap();
    for (nth, line) in lines.iter().enumerate() {
        let (offset, bytes) = (from + nth as i64, line.clone().into());
        assembly.incoming(&place, Incoming { offset, time_us: None, source: None, bytes });
    }
    let rows = rows(&assembly.next(false).unwrap(), &Intake::new(&Config::default()));
    store.apply(Change { log: Log::Engine, number, as_of: None, written_us: None, rows, in_force: Vec::new() });
}

/// Whoever is on this machine.
pub fn me() -> Person {
    Person::on_this_machine("li")
}

/// A desk with small limits.
pub fn desk(store: &Arc<Store>) -> Arc<Desk> {
    desk_of(store, Seen { pseudonyms: Pseudonyms::new(b"key"), audit: None })
}

/// The same with a file for statements.
pub fn desk_of(store: &Arc<Store>, seen: Seen) -> Arc<Desk> {
    let (config, choice) = (Config::default(), Choice { ids: Vec::new(), no_drafts: true });
    let pack = load(&config.rules.dir, &choice, &config.settings()).unwrap().unwrap();
    let time = Duration::from_secs(2);
    let limits = Limits { rows: 10_000, answer_bytes: 32 << 20, memory_bytes: 64 << 20, time, at_once: 2 };
    Arc::new(Desk::new(store.clone(), Facts::new(&pack).unwrap(), limits, seen, Itself::default()).unwrap())
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Answers over HTTP from now on: where. So many clients can listen to changes.
pub fn serve_http(
    runtime: &tokio::runtime::Runtime,
    desk: Arc<Desk>,
    users: Option<Arc<Users>>,
    listeners: usize,
) -> SocketAddr {
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    let (followed, health) = Default::default();
    let routes = router(Door {
        desk,
        users,
        health,
        followed,
        archived: None,
        listeners: Arc::new(Semaphore::new(listeners)),
        requests: None,
        exports: Arc::new(Exports::new(Kafka::default(), None, true)),
    });
    runtime.spawn(async move { axum::serve(socket, routes).await });
    address
}
