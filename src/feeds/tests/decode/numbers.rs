//! Every number is read exactly and whole, or refused with the reason.

use crate::{call, cell, decoded, payment, refused};
use foreshock_feeds::Cell;

fn score(text: &str) -> Result<Cell, &'static str> {
    let event = decoded(&payment(&format!(",\"bankScore\":{text}"))).map_err(|r| r.code.code)?;
    Ok(cell(&event, "bank_score_permille"))
}

fn duration(text: &str) -> Result<Cell, &'static str> {
    let event = decoded(&call(&format!(",\"callDuration\":{text}"))).map_err(|r| r.code.code)?;
    Ok(cell(&event, "duration_s"))
}

#[test]
fn a_score_is_the_floor_of_its_thousandths_whatever_its_exponent() {
    for (text, permille) in [
        ("1.0001e-6", 0),
        ("1.0004e-06", 0),
        ("1e-7", 0),
        ("9.5e-06", 0),
        ("0.999e-9", 0),
        ("\"1.000e-9\"", 0),
        ("8.769E-1", 876),
        ("0.8769999999999999999999999", 876),
        ("0.0009999999999999999999999", 0),
        ("10e-1", 1_000),
        ("1", 1_000),
        ("1.0000000000000000000", 1_000),
        ("-0.0", 0),
        ("\"0.876\"", 876),
        ("\"00.5\"", 500),
    ] {
        assert_eq!(score(text), Ok(Cell::Int(permille)), "{text}");
    }
}

#[test]
fn a_score_outside_0_to_1_is_refused_however_little_it_is_outside() {
    for text in ["1.0009", "1.0000000000000000001", "-1e-7", "-0.0000000000000000000000001", "2", "\"1.0009\"", "1e400"]
    {
        assert_eq!(score(text), Err("number_range"), "{text}");
    }
}

#[test]
fn a_score_with_anything_around_its_digits_is_refused() {
    for text in ["0.876; DROP", "0.500abc", "0.1234 ", " 0.5", "+0.5", ".5", "0.", "0x1", "NaN", "", "1e", "０.5"] {
        assert_eq!(score(&format!("\"{text}\"")), Err("number_invalid"), "{text}");
    }
    assert_eq!((score("true"), score("{}")), (Err("field_type"), Err("field_type")));
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    for (text, whole) in
        [("42", 42), ("42.0", 42), ("4.2e1", 42), ("420e-1", 42), ("-0", 0), ("-0.0e5", 0), ("1E3", 1_000)]
    {
        assert_eq!(duration(text), Ok(Cell::Int(whole)), "{text}");
    }
    for (text, code) in [
        ("42.5", "field_type"),
        ("42.00000000000000000001", "field_type"),
        ("1e-400", "field_type"),
        ("\"42\"", "field_type"),
        ("-1", "number_range"),
        ("1000001", "number_range"),
        ("9007199254740993", "number_range"),
        ("18446744073709551616", "number_range"),
        ("1e400", "number_range"),
    ] {
        assert_eq!(duration(text), Err(code), "{text}");
    }
}

#[test]
fn a_number_of_any_length_is_decided_without_being_written_out() {
    let nines = "9".repeat(100_000);
    for (text, expected) in [
        (format!("1e{nines}"), (Err("number_range"), Err("number_range"))),
        (format!("1e-{nines}"), (Ok(Cell::Int(0)), Err("field_type"))),
        (format!("0e{nines}"), (Ok(Cell::Int(0)), Ok(Cell::Int(0)))),
        (nines.clone(), (Err("number_range"), Err("number_range"))),
        (format!("0.{nines}"), (Ok(Cell::Int(999)), Err("field_type"))),
        (format!("{nines}e-99999"), (Err("number_range"), Err("field_type"))),
    ] {
        assert_eq!((score(&text), duration(&text)), expected, "{}", &text[..12]);
    }
}

#[test]
fn the_refusal_of_a_number_names_its_field() {
    assert_eq!(refused(&payment(r#","debtor":{"accountToken":"A","accountAgeDays":1.5}"#)).0, "field_twice");
    let older = payment("").replace(r#""debtor":{"#, r#""debtor":{"accountAgeDays":100000.5,"#);
    assert_eq!(refused(&older), ("field_type", "/debtor/accountAgeDays".into()));
}
