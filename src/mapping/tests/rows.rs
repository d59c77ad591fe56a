//! Rows: each is refused alone.

use super::{PAYMENTS, begin, events, outcomes};

fn lines(rows: &[String]) -> Vec<String> {
    let shown = |r: &String| r.split(" {").next().unwrap_or_default().to_owned();
    rows.iter().map(shown).collect()
}

#[test]
fn an_unclosed_quote_costs_one_row_and_tells_the_line_where_it_opened() {
    let csv = "id,t,amount,from,to,note\n1,2026-03-02T10:00:00Z,1,A,B,\"open\n2,2026-03-02T10:00:00Z,1,C,D,ok\n\
        3,2026-03-02T10:00:00Z,1,E,F,\"fine\"\n4,2026-03-02T10:00:00Z,1,G,H,\"two\nlines\"\n5,2026-03-02T10:00:00Z,1,I,J,\"\n";
    assert_eq!(lines(&outcomes(PAYMENTS, csv.as_bytes())), ["2 csv_quote", "3", "4", "5", "7 csv_quote"]);
    let mut importer = begin(PAYMENTS, csv.as_bytes(), &[]).unwrap();
    let first = importer.next().unwrap().unwrap();
    let crate::Outcome::Refused(refusal) = first.outcome else { panic!("{first:?}") };
    assert!(refusal.reason.contains("opened in line 2"), "{}", refusal.reason);
    assert_eq!(importer.by_ref().count(), 4);
    let by_decoder = importer.refuse("token_invalid", "/debtor/accountToken", "a token is something else");
    assert_eq!(by_decoder.to_string(), "token_invalid /debtor/accountToken (column `from`): a token is something else");
    let text = importer.summary().to_string();
    let expected =
        "2 events, 0 rows left out by the mapping, 3 refused (csv_quote 2, token_invalid 1); 1 rows over several lines";
    assert_eq!(text, expected);
}

#[test]
fn without_a_quote_sign_quotes_are_text() {
    let mapping = format!("quote = \"\"\n{PAYMENTS}");
    let csv = "id,t,amount,from,to,note\n1,2026-03-02T10:00:00Z,1,A,B,\"open\n2,2026-03-02T10:00:00Z,1,C,D,ok\n";
    assert_eq!(lines(&outcomes(&mapping, csv.as_bytes())), ["2", "3"]);
}

#[test]
fn what_is_wrong_in_a_column_that_nobody_names_does_no_harm() {
    let csv = b"id,t,amount,from,to,note\n1,2026-03-02T10:00:00Z,1,A,B,\xFF\xFE\n2,2026-03-02T10:00:00Z,1,\xC0,D,ok\n\
        3,2026-03-02T10:00:00Z,1,E,F\n4,2026-03-02T10:00:00Z,1,G,H,x,y\n5,2026-03-02T10:00:00Z,1,I,J,NaN\n";
    let found = lines(&outcomes(PAYMENTS, csv));
    assert_eq!(found, ["2", "3 csv_damaged from", "4 csv_fields", "5 csv_fields", "6"]);
}

#[test]
fn a_quote_that_is_not_doubled_costs_the_row_only_where_the_column_is_named() {
    let csv = "id,t,amount,from,to,note\n1,2026-03-02T10:00:00Z,1,A,B,\"5\" pipe\"\n2,2026-03-02T10:00:00Z,1,\"C\"x,D,ok\n\
        3,2026-03-02T10:00:00Z,1,E,F,6\" pipe\n";
    assert_eq!(lines(&outcomes(PAYMENTS, csv.as_bytes())), ["2", "3 csv_quote from", "4"]);
}

#[test]
fn the_same_rows_come_out_of_every_encoding() {
    let csv = "编号,时间,金额,付款,收款\n1,2026-03-02T10:00:00Z,1.5,甲,乙\n";
    let mapping = PAYMENTS
        .replace("\"id\"", "\"编号\"")
        .replace("\"t\" }", "\"时间\" }")
        .replace("\"amount\"", "\"金额\"")
        .replace("\"from\"", "\"付款\", clean = true")
        .replace("\"to\"", "\"收款\", clean = true");
    let utf16 = |big: bool| -> Vec<u8> {
        csv.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let gb18030 = encoding_rs::GB18030.encode(csv).0.into_owned();
    let expected = outcomes(&mapping, csv.as_bytes());
    assert!(expected[0].contains(r#""amount":"1.5""#), "{expected:?}");
    for (encoding, bytes) in [
        ("UTF-8", [b"\xEF\xBB\xBF", csv.as_bytes()].concat()),
        ("gb18030", gb18030.clone()),
        ("GBK", gb18030.clone()),
        ("utf-16", [&[0xFF, 0xFE][..], &utf16(false)].concat()),
        ("utf-16", [&[0xFE, 0xFF][..], &utf16(true)].concat()),
        ("utf-16le", utf16(false)),
        ("utf-16be", utf16(true)),
    ] {
        let mapping = format!("encoding = \"{encoding}\"\n{mapping}");
        assert_eq!(outcomes(&mapping, &bytes), expected, "{encoding}");
    }
    // Read in the wrong encoding no column has its name.
    assert!(begin(&mapping, &gb18030, &[]).is_err());
}

#[test]
fn a_case_without_a_value_takes_away_what_the_fields_gave() {
    let swapped = format!(
        "{PAYMENTS}\"debtor.balanceBefore\" = {{ column = \"b1\" }}\n\"creditor.balanceBefore\" = {{ column = \"b2\" }}\n\
        [[case]]\nwhen = {{ column = \"back\", values = [1] }}\n[case.constants]\nstatus = \"RJCT\"\n[case.fields]\n\
        \"debtor.accountToken\" = {{ column = \"to\" }}\n\"creditor.accountToken\" = {{ column = \"from\" }}\n\
        \"debtor.balanceBefore\" = {{ column = \"b2\" }}\n\"creditor.balanceBefore\" = {{ column = \"b1\" }}\n"
    );
    let csv = "id,t,amount,from,to,b1,b2,back\n1,2026-03-02T10:00:00Z,1,A,B,5,,0\n2,2026-03-02T10:00:00Z,1,A,B,5,,1\n";
    let rows = events(&swapped, csv);
    assert_eq!((&rows[0]["debtor"]["balanceBefore"], rows[0]["creditor"].get("balanceBefore")), (&"5".into(), None));
    assert_eq!((rows[1]["debtor"].get("balanceBefore"), &rows[1]["creditor"]["balanceBefore"]), (None, &"5".into()));
    assert_eq!((rows[0].get("status"), &rows[1]["status"]), (None, &"RJCT".into()));
}

#[test]
fn a_value_that_a_case_overrides_need_not_be_one() {
    let mapping = PAYMENTS.to_owned()
        + "[[case]]\nwhen = { column = \"what\", values = [\"b\"] }\nfields = { amount = { column = \"other\" } }\n";
    let csv = "id,t,amount,from,to,what,other\n1,2026-03-02T10:00:00Z,?,A,B,b,5\n2,2026-03-02T10:00:00Z,?,A,B,,5\n\
        3,2026-03-02T10:00:00Z,5,A,B,b,?\n";
    assert_eq!(lines(&outcomes(&mapping, csv.as_bytes())), ["2", "3 import_number amount", "4 import_number other"]);
}

#[test]
fn rows_are_left_out_by_their_text_and_spaces_belong_to_it_unless_trimmed() {
    let mapping = format!("skip = [{{ column = \"from\", values = [\"X\", 7] }}]\n{PAYMENTS}");
    let csv = "id,t,amount,from,to\n1,2026-03-02T10:00:00Z,1,X,B\n2,2026-03-02T10:00:00Z,1,7,B\n3,2026-03-02T10:00:00Z,1, X,B\n";
    assert_eq!(lines(&outcomes(&mapping, csv.as_bytes())), ["2 left out", "3 left out", "4"]);
    let trimmed = format!("trim = true\n{mapping}");
    let csv = csv.replace("id,t,", " id , t ,");
    assert_eq!(lines(&outcomes(&trimmed, csv.as_bytes())), ["2 left out", "3 left out", "4 left out"]);
}

#[test]
fn a_default_stands_for_what_is_not_mapped_and_for_nothing() {
    let mapping = format!(
        "{PAYMENTS}channel = {{ column = \"c\", map = {{ net = \"WEB\", x = \"\" }}, default = \"POS\" }}\n\
        \"debtor.district\" = {{ column = \"d\", default = \"SZ\" }}\n"
    );
    let row = |cells: &str| format!("1,2026-03-02T10:00:00Z,1,A,B,{cells}\n");
    let csv = format!("id,t,amount,from,to,c,d\n{}", ["net,GZ", "shop,", "NULL,null", "x,GZ"].map(row).concat());
    let rows = events(&mapping, &csv);
    let channels: Vec<_> = rows.iter().map(|r| r.get("channel").and_then(|c| c.as_str())).collect();
    let districts: Vec<_> = rows.iter().map(|r| r["debtor"]["district"].as_str().unwrap()).collect();
    assert_eq!(channels, [Some("WEB"), Some("POS"), Some("POS"), None]);
    assert_eq!(districts, ["GZ", "SZ", "SZ", "GZ"]);
}
