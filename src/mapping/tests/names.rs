//! Names: what a mapping names must be there, and once, before the first row.

use super::{PAYMENTS, events, problems};

const CSV: &str = "id,t,amount,from,to\n1,2026-03-02T10:00:00Z,10.00,A,B\n";

#[test]
fn a_column_that_is_there_twice_is_an_error_when_it_is_named_and_none_when_not() {
    let twice = "id,t,amount,from,to,amount\n1,2026-03-02T10:00:00Z,10.00,A,B,99999.00\n";
    let expected = "m.toml:10: `fields.amount.column`: column `amount` 2 times in in.csv, as columns 3, 6";
    assert_eq!(problems(PAYMENTS, twice, &[]), expected);
    let elsewhere = "id,t,amount,from,to,note,note,\n1,2026-03-02T10:00:00Z,10.00,A,B,x,y,\n";
    assert_eq!(events(PAYMENTS, elsewhere)[0]["amount"], "10.00");
}

#[test]
fn every_column_that_is_named_and_not_there_is_told_with_its_place_and_the_nearest_one() {
    let mapping = PAYMENTS.replace("\"amount\" }", "\"Amount\" }").replace("\"to\"", "\"beneficiary\"")
        + "[[case]]\nwhen = { column = \"form\", same_as = \"too\" }\nconstants = { status = \"RJCT\" }\n";
    let found = problems(&format!("skip = [{{ column = \"kind\", values = [\"X\"] }}]\n{mapping}"), CSV, &[]);
    let expected = [
        "m.toml:1: `skip[0].column`: no column `kind` in in.csv; ",
        "m.toml:11: `fields.amount.column`: no column `Amount` in in.csv; did you mean `amount`?",
        "m.toml:13: `fields.\"creditor.accountToken\".column`: no column `beneficiary` in in.csv; there are `id`, `t`",
        "m.toml:15: `case[0].when.column`: no column `form` in in.csv; did you mean `from`?",
        "m.toml:15: `case[0].when.same_as`: no column `too` in in.csv; did you mean `to`",
    ];
    for line in expected {
        assert!(found.contains(line), "{line}\n{found}");
    }
}

#[test]
fn a_header_of_one_name_makes_think_of_the_delimiter() {
    assert!(
        problems(PAYMENTS, "id;t;amount;from;to\n", &[])
            .contains("there are `id;t;amount;from;to`; is the `delimiter` another one?")
    );
}

#[test]
fn a_field_or_feed_that_does_not_exist_is_told_with_the_nearest_one() {
    let wrong = |from: &str, to: &str| problems(&PAYMENTS.replace(from, to), CSV, &[]);
    assert!(
        wrong("txId =", "txID =")
            .contains("m.toml:8: `fields.txID`: no field `txID` in this feed; did you mean `txId`?")
    );
    assert!(wrong("txId =", "txID =").contains("nothing fills the required field `txId`"));
    assert!(wrong("creditor.accountToken", "payee_account").contains("filled by `creditor.accountToken`"));
    assert!(
        wrong("kind =", "knd =")
            .contains("m.toml:5: `constants.knd`: no field `knd` in this feed; did you mean `kind`?")
    );
    assert!(
        wrong("\"transaction\"", "\"transactoins\"")
            .contains("m.toml:2: `feed`: unknown feed `transactoins`; did you mean `transactions`?")
    );
    assert!(wrong("txId = {", "callDuration = { column = \"id\" }\ntxId = {").contains("no field `callDuration`"));
}

#[test]
fn a_key_or_value_that_the_mapping_itself_gets_wrong_is_told_before_the_first_row() {
    for (from, to, expected) in [
        ("\"TRANSFER\"", "\"TRANSFERS\"", "m.toml:5: `constants.kind`: `TRANSFERS` is not one of TRANSFER, "),
        ("\"CNY\"", "\"RMB\"", "`RMB` is not an ISO 4217 currency"),
        ("column = \"id\"", "colum = \"id\"", "m.toml:8: unknown field `colum`, expected one of `column`, `lookup`"),
        ("reporter = \"t\"", "reporter = \"t:1\"", "m.toml:3: `reporter`: a reporter is"),
        ("column = \"amount\"", "column = \"amount\", clean = true", "`fields.amount.clean`: is for tokens"),
        ("column = \"id\"", "column = \"id\", format = \"s\"", "`fields.txId.format`: is for times"),
        ("column = \"id\"", "column = \"id\", value = \"x\"", "both or neither"),
        (
            "column = \"amount\"",
            "column = \"amount\", map = { x = \"y\" }",
            "`fields.amount.map.\"x\"`: `y` is not an amount",
        ),
        ("kind =", "txId = \"1\"\nkind =", "`constants.txId`: stands under `fields` too"),
        ("kind =", "channel = \"MOBIL_APP\"\nkind =", "did you mean `MOBILE_APP`?"),
        ("kind =", "status = \"\"\nkind =", "`constants.status`: is empty"),
        ("feed =", "time_zone = \"Asia/Shangai\"\nfeed =", "did you mean `Asia/Shanghai`"),
        ("feed =", "encoding = \"gbk18030\"\nfeed =", "unknown encoding `gbk18030`; did you mean `gb18030`?"),
        ("feed =", "delimiter = \"||\"\nfeed =", "`delimiter`: is one sign"),
        ("feed =", "delimiter = \"'\"\nquote = \"'\"\nfeed =", "the same sign"),
        ("feed =", "number = { group = \".\" }\nfeed =", "`number`: `decimal` and `group` are one sign each"),
        ("feed =", "token_key = \"short\"\nfeed =", "`token_key`: a key that cannot be guessed"),
        ("feed =", "skip = [{ column = \"id\" }]\nfeed =", "`skip[0]`: a condition has either"),
        ("amount =", "# amount =", "nothing fills the required field `amount`, an amount above 0"),
    ] {
        let found = problems(&PAYMENTS.replacen(from, to, 1), CSV, &[]);
        assert!(found.contains(expected), "{expected}\n{found}");
    }
}

const LOOKUP: &str = "[lookup.accounts]\nfile = \"a.csv\"\nkey = \"acct\"\n";

fn with_lookup(field: &str) -> String {
    format!("{PAYMENTS}\"debtor.district\" = {{ column = \"from\", {field} }}\n{LOOKUP}")
}

#[test]
fn a_table_is_checked_as_the_input_is() {
    let good = with_lookup("lookup = \"accounts\", value = \"state\"");
    let found = |mapping: &str, table: &str| problems(mapping, CSV, &[("a.csv", table)]);
    let other = with_lookup("lookup = \"acounts\", value = \"state\"");
    assert!(found(&other, "").contains("no table `[lookup.acounts]`; did you mean `accounts`?"));
    assert!(problems(&good, CSV, &[]).contains("a.csv: cannot be opened"));
    assert!(found(&good, "").contains("a.csv: is empty"));
    let value = "`fields.\"debtor.district\".value`: no column `state` in a.csv; did you mean `stat`?";
    assert!(found(&good, "acct,stat\n").contains(value));
    assert!(found(&good, "account,state\n").contains("m.toml:14: `lookup.accounts.key`: no column `acct` in a.csv"));
    assert!(found(&good, "acct,state,state\n").contains("column `state` 2 times in a.csv, as columns 2, 3"));
    assert!(found(&good, "acct,state\nA,X\nB,Y\nA,Z\n").contains("a.csv:4: the same key as in line 2"));
    assert!(found(&good, "acct,state\nA,X\nB\n").contains("a.csv:3: the row has 1 fields, the header 2"));
    assert!(found(&good, "acct,state\n,X\n").contains("a.csv:2: the key is empty"));
}

#[test]
fn a_key_that_the_table_lacks_is_counted_and_leaves_the_field_out() {
    let mapping = with_lookup("lookup = \"accounts\", value = \"state\"");
    let csv = format!("{CSV}2,2026-03-02T10:00:00Z,1,C,B\n3,2026-03-02T10:00:00Z,1,NULL,B\n");
    let mut importer = super::begin(&mapping, csv.as_bytes(), &[("a.csv", "acct,state\nA,X\n")]).unwrap();
    let rows: Vec<_> = importer.by_ref().map(Result::unwrap).collect();
    let crate::Outcome::Event(first) = &rows[0].outcome else { panic!("{:?}", rows[0]) };
    assert_eq!(first["debtor"]["district"], "X");
    assert_eq!(importer.summary().missing.get("accounts"), Some(&1));
    let text = importer.summary().to_string();
    assert_eq!(text, "3 events, 0 rows left out by the mapping, 0 refused; 1 keys not in the look-up table accounts");
}

#[test]
fn a_report_that_withdraws_needs_its_id_and_time_only() {
    let mapping = "feed = \"transaction\"\nreporter = \"t\"\n[constants]\nreportAction = \"CLSE\"\n[fields]\ntxId.column = \"id\"\ncreDtTm.column = \"t\"\n";
    assert!(super::decoded(&events(mapping, CSV)[0]).is_ok());
    assert!(problems(&mapping.replace("creDtTm.column = \"t\"", ""), CSV, &[]).contains("`creDtTm`, a time"));
}
