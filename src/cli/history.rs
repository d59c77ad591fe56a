//! `history`: what a history holds, its upkeep by hand, a person's erasure.

use crate::cli::Exit;
use crate::cli::options::ConfigOption;
use crate::history::Library;
use crate::history::upkeep;
use crate::ops::config::Config;
use crate::serve::archive::{kinds, runtime};
use anyhow::Context;
use foreshock_core::Feed;
use std::collections::BTreeSet;

/// `foreshock history`
#[derive(Debug, clap::Args)]
pub struct HistoryCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tables, rows, files, and up to which batch.
    Show(Place),
    /// Put small files together, let go of what is old, remove files that nobody needs.
    Tend(Place),
    /// Blank the tokens of a person in the facts.
    Erase(Erase),
}

#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    config: ConfigOption,
    /// The history; without it `history.dir` of the configuration.
    #[arg(long, value_name = "DIR")]
    dir: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Erase {
    #[command(flatten)]
    place: Place,
    /// A token of the person: account, number, device or person. More than once for more.
    #[arg(long = "subject", required = true)]
    subjects: Vec<String>,
    /// The case that asks for it; it stands in Delta's log.
    #[arg(long)]
    case: String,
}

impl Place {
    /// Where it is, for whoever only looks: who names the folder needs no configuration.
    fn to_look_at(&self) -> anyhow::Result<String> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            None => Ok(self.open()?.1),
        }
    }

    /// The configuration says what must stay: without it nothing is changed.
    fn open(&self) -> anyhow::Result<(Config, String)> {
        let config = self.config.read()?;
        let place = self.dir.clone().unwrap_or_else(|| config.history.dir.clone());
        anyhow::ensure!(!place.is_empty(), "no history: give --dir, or history.dir in the configuration");
        Ok((config, place))
    }
}

impl HistoryCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no history of ours, or it cannot be written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        match &self.command {
            Command::Show(place) => show(place),
            Command::Tend(place) => tend(place),
            Command::Erase(erase) => erase.run(),
        }
    }
}

fn show(place: &Place) -> anyhow::Result<Exit> {
    let place = place.to_look_at()?;
    runtime()?.block_on(async {
        let library = Library::read(&place, kinds()).await.context(Exit::Invalid)?;
        println!("{}", library.place());
        for book in &library.books {
            let rows = book.past().await?.rows;
            let batch = book.done().map_or("none".into(), |done| done.to_string());
            println!("  {:<32} {rows:>12} rows {:>6} files, up to batch {batch}", book.kind.name, book.file_count()?);
        }
        Ok(Exit::Ok)
    })
}

fn tend(place: &Place) -> anyhow::Result<Exit> {
    let (config, place) = place.open()?;
    runtime()?.block_on(async {
        let mut library = Library::read(&place, kinds()).await.context(Exit::Invalid)?;
        let changed = upkeep::all(&mut library, &config.history.keeping(), upkeep::today()?).await?;
        for (table, done) in &changed {
            let upkeep::Done { compacted, removed, unnamed, files } = done;
            println!("{table}: {removed} rows let go of, {unnamed} name nobody any more, {compacted} files put together, {files} files removed");
        }
        if changed.is_empty() {
            println!("nothing was to be done");
        }
        Ok(Exit::Ok)
    })
}

impl Erase {
    fn run(&self) -> anyhow::Result<Exit> {
        let (config, place) = self.place.open()?;
        let holds = upkeep::read_holds(&config.history.holds)?;
        let tables: BTreeSet<&str> = Feed::ALL.iter().map(|feed| feed.table()).collect();
        runtime()?.block_on(async {
            let mut library = Library::read(&place, kinds()).await.context(Exit::Invalid)?;
            let erased = upkeep::erase(&mut library, &tables, &self.subjects, &holds, &self.case).await?;
            for (table, rows) in &erased {
                println!("{table}: {rows} rows no longer name them");
            }
            if erased.is_empty() {
                println!("no row names them");
            }
            println!("a running `serve` of this history shows it after its next commit; results (detections, drafts) are evidence and stay");
            Ok(Exit::Ok)
        })
    }
}
