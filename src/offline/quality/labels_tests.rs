use super::*;
use std::io::Write;

const MAPPING: &str = "judge = \"account\"\n[case]\nid = { column = \"no\" }\nkind = { column = \"kind\" }\n\
    fraud = { column = \"sar\", values = [\"yes\"] }\naccounts = [{ column = \"who\", split = \" \", prefix = \"A-\" }]\n\
    first = { column = \"from\" }\nlast = { column = \"to\" }\namount = { column = \"lost\" }\nslack_seconds = 60\n";

fn cases(mapping: &str, labels: &str) -> anyhow::Result<(By, Vec<Case>)> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).map(|()| path)
    };
    let (mapping, labels) = (write("m.toml", mapping)?, write("l.csv", labels)?);
    LabelMapping::read(&mapping)?.cases(&labels)
}

fn fault(mapping: &str, labels: &str) -> String {
    format!("{:#}", cases(mapping, labels).unwrap_err())
}

#[test]
fn rows_of_one_id_are_one_case() {
    let labels = "no,kind,sar,who,from,to,lost\n\
        1,fan_in,yes,a b,2026-03-02T10:00:00Z,2026-03-02T11:00:00Z,12.50\n\
        1,fan_in,yes,c,2026-03-02T09:00:00Z,2026-03-02T10:30:00Z,\n\
        2,fan_in,no,d,2026-03-02T10:00:00Z,,\n";
    let (by, cases) = cases(MAPPING, labels).unwrap();
    assert_eq!((by, cases.len()), (By::Account, 2));
    assert_eq!(cases[0].accounts, ["A-a", "A-b", "A-c"].map(str::to_owned).into());
    let time = |text| parse_rfc3339(text).unwrap();
    assert_eq!(cases[0].span, Some((time("2026-03-02T09:00:00Z"), time("2026-03-02T11:00:00Z"))));
    assert_eq!(cases[0].slack_us, 60 * SECOND_US);
    assert_eq!((cases[0].amount, cases[0].is_fraud, cases[1].is_fraud), (Some(1_250), true, false));
    assert_eq!(cases[1].span.unwrap().0, cases[1].span.unwrap().1, "without an end it ends at once");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let labels = |row: &str| format!("no,kind,sar,who,from,to,lost\n{row}\n");
    let good = "1,k,yes,a,2026-03-02T10:00:00Z,2026-03-02T11:00:00Z,1";
    assert!(cases(MAPPING, &labels(good)).is_ok());
    for (mapping, row, expected) in [
        (MAPPING.to_owned(), good.replace("2026-03-02T10:00:00Z", "monday"), "l.csv:2: `from`: `monday` is no time"),
        (MAPPING.to_owned(), good.replace(",1", ",1.005"), "`lost`: `1.005` is no amount with 2 digits"),
        (MAPPING.to_owned(), "1,k".to_owned(), "l.csv:2"),
        (
            MAPPING.replace("\"who\"", "\"whom\""),
            good.to_owned(),
            "no column `whom`; they have from, kind, lost, no, sar",
        ),
        (MAPPING.replace("judge = \"account\"", "judge = \"event\""), good.to_owned(), "needs `events`"),
        (MAPPING.replace("first =", "frist ="), good.to_owned(), "frist"),
        (MAPPING.replace("\"account\"", "\"accounts\""), good.to_owned(), "accounts"),
    ] {
        let told = fault(&mapping, &labels(&row));
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn every_mapping_of_labels_that_is_shipped_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_labels: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(".labels.toml")).collect();
    assert!(of_labels.len() >= 3);
    for path in of_labels {
        LabelMapping::read(&path).unwrap();
    }
}
