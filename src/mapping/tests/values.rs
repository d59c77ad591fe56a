//! Values: every kind of field can be reached from the text of a cell.

use super::{PAYMENTS, column, decoded, events, outcomes, problems};
use crate::targets::{Kind, Target, targets};
use foreshock_core::Feed;
use foreshock_feeds::Cell;
use serde_json::json;

#[test]
fn durations_and_ages_of_a_call_record_are_whole_numbers() {
    let mapping = r#"
        feed = "telecom"
        reporter = "c1"
        [fields]
        recordId = { column = "id" }
        eventTime = { column = "t" }
        recordType = { column = "typ", map = { voice_mo = "MO_CALL", voice_mt = "MT_CALL" } }
        servedMSISDN = { column = "a" }
        calledNumber = { column = "b" }
        callDuration = { column = "dur" }
        simAgeDays = { column = "age" }
        "#;
    let csv = "id,t,typ,a,b,dur,age\n1,2026-03-02T10:00:00Z,voice_mo,tokA,tokB,42,3.0\n2,2026-03-02T10:01:00Z,voice_mt,tokA,tokC,0,\n";
    let events = events(mapping, csv);
    assert_eq!(events[0]["callDuration"], json!(42));
    let event = decoded(&events[0]).unwrap();
    assert_eq!((column(&event, "duration_s"), column(&event, "sim_age_days")), (Cell::Int(42), Cell::Int(3)));
    assert_eq!(column(&event, "answered"), Cell::Bool(true));
    let event = decoded(&events[1]).unwrap();
    assert_eq!((column(&event, "duration_s"), column(&event, "sim_age_days")), (Cell::Int(0), Cell::Null));
}

#[test]
fn a_number_that_is_not_whole_is_refused_with_its_column_and_nothing_is_rounded() {
    let mapping = format!("{PAYMENTS}\"debtor.accountAgeDays\" = {{ column = \"age\" }}\n");
    let row = |age: &str| {
        let csv = format!("id,t,amount,from,to,age\n1,2026-03-02T10:00:00Z,10.00,A,B,{age}\n");
        outcomes(&mapping, csv.as_bytes()).concat()
    };
    for bad in ["4.5", "12x", "1e3", "\"1,000\"", "99999999999999999999"] {
        assert_eq!(row(bad), "2 import_integer age", "{bad}");
    }
    assert!(row(" 12 ").contains(r#""accountAgeDays":12"#));
}

#[test]
fn words_of_yes_and_no_become_booleans_as_cells_and_as_constants() {
    let mapping = PAYMENTS.replace("[fields]", "screenShareActive = \"true\"\ncallInProgress = false\n[fields]")
        + "firstTimePayee = { column = \"first\", map = { \"是\" = true, \"否\" = \"no\" } }\n";
    let mut csv = "id,t,amount,from,to,first\n".to_owned();
    for word in ["true", "Y", "1", "是", "FALSE", "no", "0", "否", ""] {
        csv += &format!("{word}-id,2026-03-02T10:00:00Z,10.00,A,B,{word}\n");
    }
    let csv = csv.replace("是-id", "yes-id").replace("否-id", "no-id").replace("\n-id", "\nempty-id");
    let found: Vec<Cell> =
        events(&mapping, &csv).iter().map(|e| column(&decoded(e).unwrap(), "first_time_payee")).collect();
    let (yes, no) = (Cell::Bool(true), Cell::Bool(false));
    assert_eq!(found[..4], vec![yes.clone(); 4]);
    assert_eq!(found[4..], [no.clone(), no.clone(), no.clone(), no, Cell::Null]);
    let event = &events(&mapping, &csv)[0];
    assert_eq!((&event["screenShareActive"], &event["callInProgress"]), (&json!(true), &json!(false)));
    let maybe = csv.replace(",Y\n", ",maybe\n");
    assert_eq!(outcomes(&mapping, maybe.as_bytes())[1], "3 import_boolean first");
}

/// A text that its kind takes.
fn sample(kind: Kind) -> &'static str {
    match kind {
        Kind::Token | Kind::Reporter | Kind::Text => "A-1",
        Kind::Code(codes) | Kind::OpenCode(codes) => codes[0],
        Kind::Currency => "CNY",
        Kind::Place => "SZ-01",
        Kind::Int(..) => "7",
        Kind::Bool => "yes",
        Kind::Money | Kind::MoneyPositive | Kind::Loss => "12.50",
        Kind::Score => "0.875",
        Kind::Time => "2026-03-02T10:00:00+08:00",
    }
}

#[test]
fn every_field_of_every_feed_can_be_filled_from_csv_and_the_decoder_takes_it() {
    for feed in Feed::ALL {
        let all = targets(feed);
        let field = |t: &Target| format!("\"{}\" = {{ column = \"{}\" }}\n", t.path, t.path);
        let mapping = format!("feed = \"{}\"\nreporter = \"r\"\n[fields]\n", feed.table())
            + &all.iter().map(field).collect::<String>();
        let header: Vec<&str> = all.iter().map(|t| t.path).collect();
        let cells: Vec<&str> = all.iter().map(|t| sample(t.kind)).collect();
        let event = &events(&mapping, &format!("{}\n{}\n", header.join(","), cells.join(",")))[0];
        let event = decoded(event).unwrap_or_else(|e| panic!("{feed:?} {e:?}"));
        let empty: Vec<&str> =
            feed.columns().iter().zip(&event.cells).filter(|(_, c)| **c == Cell::Null).map(|(c, _)| c.name).collect();
        assert!(empty.is_empty(), "{feed:?} {empty:?}");
        assert_eq!(event.feed, feed);
    }
}

#[test]
fn numbers_are_read_in_the_form_that_the_mapping_names_and_in_no_other() {
    let german = format!("number = {{ decimal = \",\", group = \".\" }}\ndelimiter = \";\"\n{PAYMENTS}");
    let csv = "id;t;amount;from;to\n1;2026-03-02T10:00:00Z;1.234,50;A;B\n2;2026-03-02T10:00:00Z;1,234.50;A;B\n";
    let rows = outcomes(&german, csv.as_bytes());
    assert!(rows[0].contains(r#""amount":"1234.50""#), "{rows:?}");
    assert_eq!(rows[1], "3 import_number amount");
    // Without a form a comma is no sign of a number.
    let plain = "id,t,amount,from,to\n1,2026-03-02T10:00:00Z,\"1,234.50\",A,B\n";
    assert_eq!(outcomes(PAYMENTS, plain.as_bytes()), ["2 import_number amount"]);
}

#[test]
fn a_score_in_the_notation_of_floats_is_read_exactly_and_an_amount_in_it_is_not() {
    let mapping = format!("{PAYMENTS}bankScore = {{ column = \"score\" }}\n");
    let csv = |score: &str| format!("id,t,amount,from,to,score\n1,2026-03-02T10:00:00Z,10.00,A,B,{score}\n");
    for (score, permille) in [
        ("9.5e-05", 0),
        ("8.765e-1", 876),
        ("1E0", 1_000),
        ("1e-3", 1),
        (" 5e-1 ", 500),
        ("0e99", 0),
        ("1e-99999999999", 0),
        ("0.5", 500),
        (".5", 500),
    ] {
        let event = decoded(&events(&mapping, &csv(score))[0]).unwrap();
        assert_eq!(column(&event, "bank_score_permille"), Cell::Int(permille), "{score}");
    }
    let beyond = &events(&mapping, &csv("2e0"))[0];
    assert_eq!(decoded(beyond).unwrap_err(), ("number_range", "/bankScore".into()));
    for bad in ["1e", "e5", "1e1.5", "0x1p-3", "1,5e-1", "--1e-1", "1e-5 or so"] {
        let bad = format!("\"{bad}\"");
        assert_eq!(outcomes(&mapping, csv(&bad).as_bytes()), ["2 import_number score"], "{bad}");
    }
    let amount = csv("0.5").replace("10.00", "1e3");
    assert_eq!(outcomes(&mapping, amount.as_bytes()), ["2 import_number amount"]);
    let constant = |score: &str| PAYMENTS.replace("[constants]", &format!("[constants]\nbankScore = \"{score}\""));
    let plain = "id,t,amount,from,to\n1,2026-03-02T10:00:00Z,10.00,A,B\n";
    assert_eq!(column(&decoded(&events(&constant("1.5e-2"), plain)[0]).unwrap(), "bank_score_permille"), Cell::Int(15));
    for bad in ["1.5e0", "1.0001", "-1e-3"] {
        assert!(problems(&constant(bad), plain, &[]).contains("bankScore"), "{bad}");
    }
    // The decimal sign of the mapping goes for this notation too.
    let german = format!("number = {{ decimal = \",\", group = \".\" }}\ndelimiter = \";\"\n{mapping}");
    let row = |score: &str| csv(score).replace("10.00", "10").replace(',', ";").replace('|', ",");
    let event = decoded(&events(&german, &row("8|765e-01"))[0]).unwrap();
    assert_eq!(column(&event, "bank_score_permille"), Cell::Int(876));
}

#[test]
fn local_times_become_moments_by_the_zone_and_the_form_of_the_mapping() {
    let mapping = PAYMENTS.replace("column = \"t\"", "column = \"t\", format = \"%Y/%m/%d %H:%M:%S\"");
    assert!(problems(&mapping, "", &[]).contains("m.toml:9: `fields.creDtTm.format`: does not tell the offset"));
    let mapping = format!("time_zone = \"Asia/Shanghai\"\n{mapping}");
    let csv = "id,t,amount,from,to\n1,2026/3/2 18:00:00,1,A,B\n2,2026-03-02 18:00:00,1,A,B\n";
    let rows = outcomes(&mapping, csv.as_bytes());
    assert!(rows[0].contains("2026-03-02T10:00:00Z"), "{rows:?}");
    assert_eq!(rows[1], "3 import_time t");
}

#[test]
fn a_prefix_tells_customer_7_from_terminal_7() {
    let mapping =
        PAYMENTS.replace("\"from\"", "\"from\", prefix = \"C:\"").replace("\"to\"", "\"to\", prefix = \"T:\"");
    let event = &events(&mapping, "id,t,amount,from,to\n1,2026-03-02T10:00:00Z,10.00,7,7\n")[0];
    let event = decoded(event).unwrap();
    assert_eq!(column(&event, "payer_account"), Cell::Text("C:7".into()));
    assert_eq!(column(&event, "payee_account"), Cell::Text("T:7".into()));
    let ambiguous =
        PAYMENTS.replace("\"from\"", "\"from\", prefix = \"C\"").replace("\"to\"", "\"to\", prefix = \"C1\"");
    assert!(problems(&ambiguous, "", &[]).contains("begins with the other prefix `C`"));
}

#[test]
fn names_of_any_script_become_tokens_that_stay_apart() {
    let mapping = PAYMENTS.replace("\"to\"", "\"to\", clean = true");
    let names = ["张三", "李四", "王五 ", "王五", "Ünal", "Unal", "O'Neil", "O-Neil", "😀", "😁"];
    let rows = names.map(|n| format!("1,2026-03-02T10:00:00Z,10.00,A,{n}\n")).concat();
    let mut tokens: Vec<String> = events(&mapping, &format!("id,t,amount,from,to\n{rows}"))
        .iter()
        .map(|e| match column(&decoded(e).unwrap(), "payee_account") {
            Cell::Text(token) => token,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tokens[7], "O-Neil");
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), names.len());
}

#[test]
fn words_for_nothing_are_no_account_and_a_mapping_may_name_its_own() {
    let csv = "id,t,amount,from,to\n1,2026-03-02T10:00:00Z,10.00,NULL,B\n2,2026-03-02T10:00:01Z,10.00,NaN,B\n\
        3,2026-03-02T10:00:02Z,10.00,A,-\n4,2026-03-02T10:00:02Z,10.00,\\N,B\n5,2026-03-02T10:00:02Z,NaN,A,B\n\
        6,2026-03-02T10:00:02Z,1,A, null \n7,2026-03-02T10:00:02Z,1,(none),B\n";
    let refused = |mapping: &str| -> Vec<String> {
        let all = events(mapping, csv);
        all.iter().map(|e| decoded(e).map_or_else(|(code, at)| format!("{code} {at}"), |e| e.event_id)).collect()
    };
    let (payer, payee) = ("field_missing /debtor/accountToken", "field_missing /creditor/accountToken");
    let amount = "field_missing /amount";
    assert_eq!(refused(PAYMENTS), [payer, payer, payee, payer, amount, payee, "token_invalid /debtor/accountToken"]);
    let own = format!("null = [\"(none)\"]\n{PAYMENTS}")
        .replace("column = \"amount\"", "column = \"amount\", null = [\"NaN\"]");
    let found = refused(&own);
    assert_eq!((found[0].as_str(), found[4].as_str(), found[6].as_str()), ("tx:t:1", amount, payer));
}

#[test]
fn a_code_that_is_also_a_word_for_nothing_stays_a_code() {
    let mapping = "feed = \"telecom\"\nreporter = \"c\"\n[constants]\nrecordType = \"MO_CALL\"\n[fields]\nrecordId.column = \"id\"\n\
        eventTime.column = \"t\"\nservedMSISDN.column = \"a\"\npeerGrade.column = \"grade\"\ncalledNumber.column = \"b\"\n";
    let event = &events(mapping, "id,t,a,grade,b\n1,2026-03-02T10:00:00Z,A,NONE,NONE\n")[0];
    assert_eq!((&event["peerGrade"], event.get("calledNumber")), (&json!("NONE"), None));
}
