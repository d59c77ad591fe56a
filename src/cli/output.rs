//! How commands print: tables for people, JSON for programs, and a reader that goes away early.

use crate::cli::Exit;
use comfy_table::{Table, presets};
use std::sync::atomic::{AtomicU8, Ordering};

/// How a listing is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs: an array of objects.
    Json,
}

/// `--output` of a listing.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct OutputOption {
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Rows with names for their columns: a table, aligned whatever the script, or JSON.
pub fn print(output: Output, names: &[&str], rows: &[Vec<String>]) {
    if output == Output::Json {
        let object = |row: &Vec<String>| -> serde_json::Map<String, serde_json::Value> {
            names.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.as_str().into())).collect()
        };
        return print_json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(names.iter().map(|name| name.replace('_', " ")));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.add_rows(rows);
    for line in table.to_string().lines() {
        println!("{}", line.trim_end());
    }
}

/// Anything as JSON.
pub fn print_json(value: &impl serde::Serialize) {
    println!("{}", serde_json::to_string_pretty(value).expect("listings are plain data"));
}

/// What the command will end with, should the reader of its output go away before it is all printed.
static DECIDED: AtomicU8 = AtomicU8::new(0);

/// The work is done and ends with this; what is left is to print.
pub fn decided(exit: Exit) -> Exit {
    DECIDED.store(exit.code(), Ordering::Relaxed);
    exit
}

/// `foreshock .. | head` ends the reader first: that is no fault of ours and needs no message.
pub fn end_quietly_with_the_pipe() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to stdout") {
            std::process::exit(i32::from(DECIDED.load(Ordering::Relaxed)));
        }
        usual(info);
    }));
}
