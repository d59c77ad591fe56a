//! `gen`: a labelled city in files.

use crate::cli::Exit;
use anyhow::Context;
use foreshock_core::time::format_rfc3339;
use foreshock_generator::{Few1, HardCity, Line, Truth, few1, generate};
use serde_json::json;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// `foreshock gen`
#[derive(Debug, clap::Args)]
pub struct Gen {
    /// The same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A bigger city.
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// Instead of a day: so many days of a city that is hard, in city.ndjson and truth.ndjson.
    #[arg(long, value_name = "DAYS", conflicts_with = "few1")]
    hard: Option<u32>,
    /// The hard city: persons.
    #[arg(long, default_value_t = 2_000)]
    customers: u32,
    /// Instead of a city: so many events of workload FEW-1, in few1.ndjson.
    #[arg(long, value_name = "EVENTS")]
    few1: Option<usize>,
    /// FEW-1: accounts.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u32,
    /// FEW-1: thousandths of the Zipf exponent; 0 is uniform.
    #[arg(long, default_value_t = 1_000)]
    zipf: u32,
    /// FEW-1: events per thousand that come up to 30 s late.
    #[arg(long, default_value_t = 0)]
    late: u32,
    /// FEW-1: events per thousand that the first account pays beside what it draws.
    #[arg(long, default_value_t = 0)]
    hot: u32,
    /// Folder for history.ndjson, day.ndjson, truth.ndjson (the hard city: city.ndjson, truth.ndjson).
    #[arg(long)]
    out: PathBuf,
}

impl Gen {
    fn few1(&self, events: usize) -> Few1 {
        Few1 {
            seed: self.seed,
            events,
            accounts: self.accounts,
            zipf_permille: self.zipf,
            late_permille: self.late,
            hot_permille: self.hot,
            ..Few1::default()
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        std::fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        if let Some(events) = self.few1 {
            let mut file = create(&self.out.join("few1.ndjson"))?;
            for line in few1(self.few1(events)) {
                writeln!(file, "{}", line.json)?;
            }
            file.flush()?;
            return Ok(Exit::Ok);
        }
        let lines = |lines: &[Line]| lines.iter().map(|l| l.json.clone()).collect::<Vec<_>>();
        if let Some(days) = self.hard {
            let city = HardCity { seed: self.seed, customers: self.customers, days }.generate();
            write(&self.out.join("city.ndjson"), &lines(&city.lines))?;
            write(&self.out.join("truth.ndjson"), &city.truth.iter().map(truth_line).collect::<Vec<_>>())?;
            println!("{} events, {} stories", city.lines.len(), city.truth.len());
            return Ok(Exit::Ok);
        }
        let city = generate(self.seed, self.scale);
        write(&self.out.join("history.ndjson"), &lines(&city.history))?;
        write(&self.out.join("day.ndjson"), &lines(&city.day))?;
        write(&self.out.join("truth.ndjson"), &city.truth.iter().map(truth_line).collect::<Vec<_>>())?;
        println!(
            "{} events of history, {} of the day, {} stories",
            city.history.len(),
            city.day.len(),
            city.truth.len()
        );
        Ok(Exit::Ok)
    }
}

fn truth_line(truth: &Truth) -> String {
    json!({
        "scenario": truth.scenario,
        "fraud": truth.fraud,
        "instance": truth.instance,
        "subjects": truth.subjects,
        "event_ids": truth.event_ids,
        "first": format_rfc3339(truth.first_us),
        "last": format_rfc3339(truth.last_us),
        "rules": truth.rules,
        "amount": truth.amount,
        "stop_before": truth.stop_before_us.map(format_rfc3339),
    })
    .to_string()
}

fn create(path: &Path) -> anyhow::Result<BufWriter<std::fs::File>> {
    Ok(BufWriter::new(std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?))
}

fn write(path: &Path, lines: &[String]) -> anyhow::Result<()> {
    let mut file = create(path)?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(())
}
