//! Files: mapping, input, tables, gzip; the shipped mappings.

use crate::limits::MAPPING_BYTES_MAX;
use crate::{Importer, Mapping, Outcome};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::Path;

const CSV: &str = "id,t,amount,from,to\n1,2026-03-02T10:00:00Z,10.00,A,B\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_input_and_its_table_may_be_packed_whatever_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = super::PAYMENTS.to_owned()
        + "\"debtor.district\" = { column = \"from\", lookup = \"a\", value = \"state\" }\n[lookup.a]\nfile = \"a.csv.gz\"\nkey = \"acct\"\n";
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("m.toml"), mapping).unwrap();
    std::fs::write(path("a.csv.gz"), gzip(b"acct,state\nA,X\n")).unwrap();
    std::fs::write(path("plain.csv"), CSV).unwrap();
    std::fs::write(path("packed.csv"), gzip(CSV.as_bytes())).unwrap();
    for input in ["plain.csv", "packed.csv"] {
        let rows: Vec<_> = Importer::open(&path("m.toml"), &path(input)).unwrap().map(Result::unwrap).collect();
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        let Outcome::Event(event) = &row.outcome else { panic!("{row:?}") };
        assert_eq!((row.line, &event["debtor"]["district"]), (2, &"X".into()));
    }
    let none = |m: &str, i: &str| Importer::open(&path(m), &path(i)).err().unwrap().to_string();
    assert!(none("none.toml", "plain.csv").contains("none.toml: cannot be opened"));
    assert!(none("m.toml", "none.csv").contains("none.csv: cannot be opened"));
}

#[test]
fn a_file_that_breaks_off_ends_the_import_with_an_error_and_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("m.toml"), super::PAYMENTS).unwrap();
    let rows: String =
        (0..50_000_u64).map(|i| format!("{i},2026-03-02T10:00:00Z,{}.00,A,B\n", i * 7_919 % 10_007 + 1)).collect();
    let packed = gzip(format!("id,t,amount,from,to\n{rows}").as_bytes());
    std::fs::write(path("cut.csv.gz"), &packed[..packed.len() / 2]).unwrap();
    let mut importer = Importer::open(&path("m.toml"), &path("cut.csv.gz")).unwrap();
    let last = importer.by_ref().last().unwrap().unwrap_err();
    assert!(last.to_string().contains("cannot be read further") && last.line > 1, "{last}");
    assert!(importer.next().is_none());
}

#[test]
fn a_mapping_that_is_no_text_or_has_no_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.toml");
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Mapping::read(&path).unwrap_err().to_string()
    };
    assert!(refused(b"feed = \"\xFF\"").contains("a mapping is UTF-8"));
    let large = super::PAYMENTS.to_owned() + &"#".repeat(usize::try_from(MAPPING_BYTES_MAX).unwrap());
    assert!(refused(large.as_bytes()).contains("is larger than"));
}

#[test]
fn every_mapping_that_is_shipped_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".labels.toml") {
            continue; // of `evaluate`, which has a test of its own
        }
        Mapping::read(&path).unwrap_or_else(|problems| panic!("{problems}"));
        count += 1;
    }
    assert!(count >= 3);
}
