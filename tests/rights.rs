//! What people see who may not see everything: no name, no row of another institution, nothing without a purpose, in rows, in
//! errors and in changes; and everything they ask is written down. `FORESHOCK_RIGHTS_CASES=10000 cargo test --test rights` for more.
#![allow(clippy::unwrap_used)]

#[path = "support/desk.rs"]
mod desk;

use arrow::util::pretty::pretty_format_batches;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use desk::{apply, desk, desk_of, me, payments, runtime, serve_http};
use foreshock::history::upkeep::Keeping;
use foreshock::rights::audit::{Audit, first_break};
use foreshock::rights::grant::{Grant, Person};
use foreshock::rights::pseudonym::Pseudonyms;
use foreshock::rights::users::{Secret, Users};
use foreshock::serve::archive::{Archive, Archived};
use foreshock::serve::query::{Desk, Seen};
use foreshock::serve::store::Store;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// In every token of a person, an account, a number or a device.
const NAME: &str = "CANARYNAME";
/// In the ids of every payment of another institution.
const OTHER: &str = "CANARYOTHER";

/// A day's payments with canaries in them, in batches.
fn with_canaries() -> [Vec<String>; 2] {
    let with_canaries = |line: &String| {
        let mut body: Value = serde_json::from_str(line).unwrap();
        if body["reporter"] != "bank-a" {
            body["txId"] = format!("{OTHER}{}", body["txId"].as_str().unwrap()).into();
        }
        body.as_object_mut().unwrap().remove("merchantId");
        body.to_string().replace("Token\":\"", &format!("Token\":\"{NAME}"))
    };
    let batches = payments();
    [0, 1].map(|at: usize| batches[at].iter().map(with_canaries).collect())
}

fn store() -> Arc<Store> {
    let store = Arc::new(Store::new(1_000_000));
    with_canaries().iter().for_each(|lines| apply(&store, lines));
    store
}

/// The same, the first batch in a history in this folder.
fn kept_store(folder: &std::path::Path) -> Arc<Store> {
    let open = || Archive::open(folder.to_str().unwrap(), Duration::from_secs(60), Keeping::default()).unwrap();
    let (mut archive, store, batches) = (open().0, Arc::new(Store::new(1_000_000)), with_canaries());
    apply(&store, &batches[0]);
    archive.keep(&store, &Archived::default()).unwrap();
    let store = Arc::new(Store::new(1_000_000));
    store.begin(open().1);
    apply(&store, &batches[1]);
    store
}

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Somebody of bank-a who sees no names, with a purpose or without one.
fn restricted(purpose: bool) -> Person {
    let grant = Grant {
        institutions: Some(words(&["bank-a"])),
        personal: false,
        purposes: words(&["FRAUD"]),
        ..Grant::everything()
    };
    let mut person =
        Person { name: "wang".into(), role: "bank".into(), grant: Arc::new(grant), purpose: None, until: None };
    if purpose {
        person.name_purpose("FRAUD", "A-7").unwrap();
    }
    person
}

/// What somebody gets to read.
fn said(
    desk: &Arc<Desk>,
    runtime: &tokio::runtime::Runtime,
    statement: &str,
    person: Person,
) -> Result<String, String> {
    let answer = runtime.block_on(desk.answer(statement, person));
    answer
        .map(|answer| pretty_format_batches(&answer.batches).unwrap().to_string())
        .map_err(|refused| format!("{} {}", refused.state, refused.message))
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const COLUMNS: [&str; 12] = [
    "event_id",
    "tx_id",
    "reporter",
    "amount",
    "event_time",
    "payer_account",
    "payee_account",
    "payer_person",
    "device",
    "seq",
    "currency",
    "payer_institution",
];

fn value(random: &mut Random, depth: usize) -> String {
    let column = random.pick(&COLUMNS).to_owned();
    if depth == 0 {
        return column;
    }
    let inner = value(random, depth - 1);
    match random.below(13) {
        0 => format!("CAST({inner} AS BIGINT)"),
        1 => format!("CAST({inner} AS TIMESTAMP)"),
        2 => format!("upper(CAST({inner} AS TEXT))"),
        3 => format!("CAST({inner} AS TEXT) || {column}"),
        4 => format!("CASE WHEN reporter = 'bank-b' THEN 1 / 0 ELSE length(CAST({inner} AS TEXT)) END"),
        5 => "CASE WHEN reporter <> 'bank-a' THEN CAST(tx_id AS BIGINT) ELSE 1 END".into(),
        6 => format!("coalesce(NULLIF(CAST({inner} AS TEXT), 'x'), {column})"),
        7 => format!("regexp_like(CAST({inner} AS TEXT), '.*')"),
        8 => format!("substr(CAST({inner} AS TEXT), 1, {})", random.below(40)),
        9 => format!("arrow_cast({inner}, 'Int64')"),
        10 => format!("first_value({inner}) OVER (ORDER BY seq)"),
        11 => format!("lag({inner}, {}) OVER (PARTITION BY currency ORDER BY seq)", random.below(30)),
        _ => format!("encode(CAST({inner} AS BYTEA), 'hex')"),
    }
}

fn table(random: &mut Random) -> String {
    match random.below(8) {
        0 | 1 => "transactions".into(),
        2 => format!("changes('transactions', {})", random.below(3) as i64 - 1),
        3 => "(SELECT * FROM transactions UNION ALL SELECT * FROM transactions)".into(),
        4 => "(SELECT * FROM transactions ORDER BY seq DESC LIMIT 500)".into(),
        5 => "(SELECT a.* FROM transactions a JOIN transactions b ON a.event_id = b.event_id)".into(),
        6 => "foreshock.public.transactions".into(),
        _ => "(SELECT DISTINCT * FROM transactions)".into(),
    }
}

fn statement(random: &mut Random) -> String {
    let columns: Vec<String> = (0..1 + random.below(3))
        .map(|_| {
            let depth = random.below(3);
            value(random, depth)
        })
        .collect();
    let (table, depth) = (table(random), random.below(3));
    let condition = match random.below(5) {
        0 => format!("WHERE {} IS NOT NULL", value(random, depth)),
        1 => format!("WHERE CAST({} AS BIGINT) > 0", value(random, depth)),
        2 => "WHERE reporter <> 'bank-a'".into(),
        3 => "WHERE reporter = 'bank-b' OR 1 / (CASE WHEN reporter = 'bank-b' THEN 0 ELSE 1 END) > 0".into(),
        _ => String::new(),
    };
    match random.below(7) {
        0 => format!("SELECT {}, count(*) FROM {table} t {condition} GROUP BY 1", columns[0]),
        1 => format!("SELECT min({c}), max({c}), array_agg({c}) FROM {table} t {condition}", c = random.pick(&COLUMNS)),
        2 => format!("EXPLAIN SELECT {} FROM {table} t {condition}", columns.join(", ")),
        3 => format!("SELECT string_agg(CAST({} AS TEXT), ',') FROM {table} t {condition}", random.pick(&COLUMNS)),
        4 => format!(
            "SELECT * FROM {} LIMIT 20",
            random.pick(&[
                "legs",
                "activity",
                "institutions",
                "late",
                "rejected",
                "alerts",
                "detections",
                "rules",
                "columns",
                "information_schema.tables",
                "information_schema.columns",
                "information_schema.views",
                "information_schema.df_settings",
                "system.limits",
                "pg_catalog.pg_class",
                "below_transactions",
                "transactions_corrections"
            ])
        ),
        5 => format!("SELECT count(DISTINCT {}) FROM {table} t {condition}", random.pick(&COLUMNS)),
        _ => format!("SELECT {} FROM {table} t {condition} LIMIT 50", columns.join(", ")),
    }
}

#[test]
fn no_statement_of_somebody_restricted_shows_a_name_or_anything_of_another_institution() {
    shows_nothing(&store(), 250);
}

#[test]
fn nor_does_one_over_a_history_and_the_rows_after_it() {
    let folder = tempfile::tempdir().unwrap();
    shows_nothing(&kept_store(folder.path()), 60);
}

fn shows_nothing(store: &Arc<Store>, cases: u64) {
    let cases: u64 = std::env::var("FORESHOCK_RIGHTS_CASES").ok().and_then(|v| v.parse().ok()).unwrap_or(cases);
    let (desk, runtime) = (desk(store), runtime());
    // The canaries are there.
    let all = said(&desk, &runtime, "SELECT * FROM transactions LIMIT 500", me()).unwrap();
    assert!(all.contains(NAME) && all.contains(OTHER));
    let (mut answered, mut refused) = (0, 0);
    for seed in 1..=cases {
        let text = statement(&mut Random(seed * 7_919));
        let found = said(&desk, &runtime, &text, restricted(true));
        let count = if found.is_ok() { &mut answered } else { &mut refused };
        *count += 1;
        let seen = match found {
            Ok(seen) | Err(seen) => seen,
        };
        assert!(!seen.contains(NAME) && !seen.contains(OTHER), "seed {seed}: {text}\n{seen}");
        // Nor in another form of it.
        let hex: String = NAME.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!seen.contains(&hex) && !seen.contains(&NAME[..6]), "seed {seed}: {text}\n{seen}");
    }
    println!("{answered} answered, {refused} refused or ended with an error");
    assert!(answered * 3 > cases && refused > 0);
}

#[test]
fn a_pseudonym_joins_and_counts_like_the_name_that_it_stands_for() {
    let store = store();
    let (desk, runtime) = (desk(&store), runtime());
    let query = "SELECT count(DISTINCT payer_account) AS d, count(*) AS c, sum(amount) AS s FROM transactions WHERE reporter = 'bank-a'";
    assert_eq!(said(&desk, &runtime, query, restricted(true)), said(&desk, &runtime, query, me()));
    let joined = "SELECT count(*) AS c FROM legs a JOIN transactions t ON t.payer_account = a.account AND t.reporter = 'bank-a' \
                  WHERE a.event_id LIKE 'tx:bank-a:%'";
    let (mine, all) = (said(&desk, &runtime, joined, restricted(true)), said(&desk, &runtime, joined, me()));
    assert!(mine.is_ok() && mine == all, "{mine:?} {all:?}");
}

#[test]
fn a_trace_and_a_profile_by_a_pseudonym_show_no_more_than_statements_do() {
    let (desk, runtime) = (desk(&store()), runtime());
    let busiest = "SELECT payer_account FROM transactions WHERE payer_account IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1";
    let token = runtime.block_on(desk.answer(busiest, restricted(true))).unwrap().batches[0].column(0).clone();
    let token = token.as_any().downcast_ref::<arrow::array::StringArray>().unwrap().value(0).to_owned();
    for function in [format!("trace('{token}', '2026-01-01T00:00:00Z', 5)"), format!("profile('{token}')")] {
        let rows = said(&desk, &runtime, &format!("SELECT * FROM {function}"), restricted(true)).unwrap();
        assert!(rows.contains("p-") && !rows.contains(NAME) && !rows.contains(OTHER), "{rows}");
        let locked = said(&desk, &runtime, &format!("SELECT * FROM {function}"), restricted(false)).unwrap_err();
        assert!(locked.starts_with("42501"), "{locked}");
    }
}

#[test]
fn without_purpose_and_case_there_are_no_rows_about_persons_and_a_session_has_one_of_each() {
    let store = store();
    let (desk, runtime) = (desk(&store), runtime());
    for table in [
        "transactions",
        "legs",
        "activity",
        "detections",
        "detection_revisions",
        "alerts",
        "changes('transactions', 0)",
    ] {
        let refused = said(&desk, &runtime, &format!("SELECT count(*) FROM {table}"), restricted(false)).unwrap_err();
        assert!(refused.starts_with("42501") && refused.contains("SET foreshock.purpose"), "{table}: {refused}");
    }
    for table in ["rules", "columns", "institutions", "system.watermarks", "rejected", "warning_drafts"] {
        assert!(said(&desk, &runtime, &format!("SELECT count(*) FROM {table}"), restricted(false)).is_ok(), "{table}");
    }
    let mut person = restricted(false);
    for (purpose, case) in [("CURIOSITY", "A-7"), ("FRAUD", ""), ("FRAUD", " "), ("FRAUD", &"x".repeat(101))] {
        assert!(person.name_purpose(purpose, case).is_err(), "{purpose} {case}");
    }
    person.name_purpose("FRAUD", "A-7").unwrap();
    person.name_purpose("FRAUD", "A-7").unwrap();
    assert!(person.name_purpose("FRAUD", "A-8").is_err());
}

#[test]
fn a_role_opens_its_tables_and_the_others_have_no_name() {
    let store = store();
    let (desk, runtime) = (desk(&store), runtime());
    let mut person = restricted(true);
    person.grant = Arc::new(Grant { tables: Some(words(&["legs", "rules"])), ..Grant::clone(&person.grant) });
    for table in ["legs", "rules"] {
        assert!(said(&desk, &runtime, &format!("SELECT count(*) FROM {table}"), person.clone()).is_ok(), "{table}");
    }
    for table in ["transactions", "detections", "codes", "changes('transactions', 0)"] {
        let refused = said(&desk, &runtime, &format!("SELECT count(*) FROM {table}"), person.clone()).unwrap_err();
        assert!(refused.contains("not found") || refused.contains("there is no table"), "{table}: {refused}");
    }
    let tables = said(&desk, &runtime, "SHOW TABLES", person).unwrap();
    assert!(tables.contains("legs") && !tables.contains("transactions"), "{tables}");
}

#[test]
fn over_http_a_password_a_purpose_and_a_case_are_asked_for() {
    let (store, runtime) = (store(), runtime());
    let secret = Secret::of("correct horse battery").unwrap().text();
    let file = format!(
        "[users.wang]\nrole = \"bank\"\nsecret = \"{secret}\"\n[roles.bank]\ninstitutions = [\"bank-a\"]\npurposes = [\"FRAUD\"]\n"
    );
    let users = Some(Arc::new(Users::parse(&file, std::path::Path::new("")).unwrap()));
    let port = serve_http(&runtime, desk(&store), users, 1).port();
    let ask = |headers: &str| {
        let body = "SELECT count(*) AS c, count(DISTINCT reporter) AS r, max(payer_account) AS a FROM transactions";
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!(
            "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let basic = |word: &str| format!("Authorization: Basic {}\r\n", STANDARD.encode(word));
    let right = basic("wang:correct horse battery");
    for (headers, status) in [
        (String::new(), "401"),
        ("Authorization: Basic !!!\r\n".into(), "401"),
        (basic("wang"), "401"),
        (basic("wang:wrong"), "401"),
        (basic("nobody:correct horse battery"), "401"),
        (right.clone(), "403"),
        (format!("{right}X-Purpose: FRAUD\r\n"), "403"),
        (format!("{right}X-Purpose: CURIOSITY\r\nX-Case: A-7\r\n"), "403"),
        (format!("{right}X-Purpose: FRAUD\r\nX-Case: A-7\r\n"), "200"),
    ] {
        let answer = ask(&headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {answer}");
        assert!(!answer.contains(NAME), "{answer}");
        if status == "200" {
            assert!(answer.contains("\"r\":1") && answer.contains("\"a\":\"p-"), "{answer}");
        }
    }
}

#[test]
fn every_statement_is_written_down_and_one_that_cannot_be_is_not_answered() {
    let (store, runtime) = (store(), runtime());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.ndjson");
    let desk = desk_of(&store, Seen { pseudonyms: Pseudonyms::new(b"key"), audit: Some(Audit::open(&path).unwrap()) });
    let asked = [
        ("SELECT event_id FROM transactions LIMIT 3", true),
        ("SELECT nosuch FROM transactions", true),
        ("DROP TABLE rules", true),
        ("SELECT count(*) FROM transactions", false),
    ];
    for (text, purpose) in asked {
        let _ = said(&desk, &runtime, text, restricted(purpose));
    }
    let lines: Vec<Value> =
        std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |at: usize, name: &str| lines[at][name].clone();
    assert_eq!(lines.len(), asked.len());
    for (at, (text, purpose)) in asked.iter().enumerate() {
        assert_eq!(
            (of(at, "statement"), of(at, "user"), of(at, "role")),
            ((*text).into(), "wang".into(), "bank".into())
        );
        assert_eq!(of(at, "case"), if *purpose { Value::from("A-7") } else { Value::Null });
    }
    assert_eq!((of(0, "rows"), of(0, "tables")), (3.into(), serde_json::json!(["transactions"])));
    assert_eq!([1, 2, 3].map(|at| of(at, "sqlstate")), ["42703", "25006", "42501"].map(Value::from));
    assert_eq!(first_break(&path).unwrap(), None);
    // A client that goes away.
    let waiting = "SELECT * FROM changes('transactions', 9000000000000000000, INTERVAL '1 minute')";
    runtime.block_on(async {
        let asked = desk.answer(waiting, restricted(true));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(100), asked).await.is_err());
    });
    let last = std::fs::read_to_string(&path).unwrap().lines().last().map(str::to_owned).unwrap();
    assert!(last.contains(r#""sqlstate":"57014""#) && last.contains("INTERVAL '1 minute'"), "{last}");
    // A full disk.
    let full = std::path::Path::new("/dev/full");
    if full.exists() {
        let audit = Some(Audit::open(full).unwrap());
        let desk = desk_of(&store, Seen { pseudonyms: Pseudonyms::new(b"key"), audit });
        let refused = said(&desk, &runtime, "SELECT 1", restricted(true)).unwrap_err();
        assert!(refused.starts_with("58030"), "{refused}");
    }
}

#[test]
fn who_may_read_the_audit_sees_it_as_a_table_and_every_statement_that_runs_and_others_only_their_own() {
    let (store, runtime, folder) = (store(), runtime(), tempfile::tempdir().unwrap());
    let audit = Some(Audit::open(&folder.path().join("audit.ndjson")).unwrap());
    let desk = desk_of(&store, Seen { pseudonyms: Pseudonyms::new(b"key"), audit });
    let grant = Grant { tables: Some(words(&["audit"])), personal: false, ..Grant::everything() };
    let auditor =
        Person { name: "zhao".into(), role: "audit".into(), grant: Arc::new(grant), purpose: None, until: None };
    said(&desk, &runtime, "SELECT event_id FROM transactions LIMIT 3", restricted(true)).unwrap();
    let of_wang = "SELECT \"user\", \"case\", statement, rows, array_to_string(tables, ',') AS t FROM audit WHERE \"user\" = 'wang'";
    let told = said(&desk, &runtime, of_wang, auditor.clone()).unwrap();
    assert!(
        told.contains("| wang | A-7  | SELECT event_id FROM transactions LIMIT 3 | 3    | transactions |"),
        "{told}"
    );
    let refused = said(&desk, &runtime, "SELECT * FROM audit", restricted(true)).unwrap_err();
    assert!(refused.contains("not found"), "{refused}");
    let waiting = "SELECT * FROM changes('transactions', 9000000000000000000, INTERVAL '1 minute')";
    let seen = "SELECT user_name, statement FROM system.queries ORDER BY id";
    runtime.block_on(async {
        let asked = tokio::spawn({
            let desk = desk.clone();
            async move { desk.answer(waiting, restricted(true)).await.map(drop) }
        });
        let told = async |person: Person| {
            let answer = desk.answer(seen, person).await.unwrap();
            pretty_format_batches(&answer.batches).unwrap().to_string()
        };
        while !told(auditor.clone()).await.contains("1 minute") {
            tokio::task::yield_now().await;
        }
        let mut other = restricted(false);
        other.name = "zhou".into();
        let own = told(other).await;
        assert!(own.contains("zhou") && !own.contains("wang"), "{own}");
        asked.abort();
    });
}

#[test]
fn a_role_of_an_area_sees_the_rows_about_it_in_memory_and_in_a_history_and_no_other() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let (fresh, kept) = (store(), kept_store(folder.path()));
    let grant = Grant { areas: Some(words(&["440305", "SZ-DAPENG"])), ..Grant::everything() };
    let person = Person { grant: Arc::new(grant), ..me() };
    let is_near = |column: &str| {
        format!(
            "((starts_with({column}, '440305') OR {column} IN ('440307009', '440307010', '440307011')) AND {column} IS NOT NULL)"
        )
    };
    let near = format!("{} OR {}", is_near("payer_district"), is_near("payee_district"));
    for store in [&fresh, &kept] {
        let desk = desk(store);
        let ask = |statement: &str, person: Person| said(&desk, &runtime, statement, person).unwrap();
        let sums = "SELECT count(*), sum(amount), min(seq), max(seq) FROM transactions";
        let own = ask(sums, person.clone());
        assert_eq!(own, ask(&format!("{sums} WHERE {near}"), me()));
        assert_ne!(own, ask(sums, me()));
        let far = format!("SELECT count(*) AS n FROM transactions WHERE NOT ({near})");
        assert!(ask(&far, person.clone()).contains("| 0 "));
        let others =
            "SELECT count(*) AS n FROM (SELECT event_id FROM detections UNION ALL SELECT event_id FROM late) o";
        assert!(ask(others, person.clone()).contains("| 0 "));
    }
    let file = "[users]\n[roles.r]\nareas = [\"Nanshan\"]\n";
    let unknown = Users::parse(file, std::path::Path::new("")).unwrap_err();
    assert!(unknown.to_string().contains("`Nanshan` is no area"), "{unknown}");
}

#[test]
fn whoever_came_with_a_token_is_answered_until_its_end() {
    let (desk, runtime) = (desk(&store()), runtime());
    let at = |seconds: i64| {
        let now = std::time::SystemTime::now();
        let distance = Duration::from_secs(seconds.unsigned_abs());
        Person { until: Some(if seconds < 0 { now - distance } else { now + distance }), ..restricted(true) }
    };
    assert!(said(&desk, &runtime, "SELECT count(*) FROM transactions", at(60)).is_ok());
    let refused = said(&desk, &runtime, "SELECT count(*) FROM transactions", at(-1)).unwrap_err();
    assert!(refused.starts_with("28000"), "{refused}");
}
