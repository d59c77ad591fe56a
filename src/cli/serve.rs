//! `serve`: the process that is asked.

use crate::cli::Exit;
use crate::cli::options::{ConfigOption, load_pack};
use crate::cli::stop::stop_flag;
use crate::kafka::settings::Delivery;
use crate::rules::files::Choice;
use crate::serve::memory::goes_first;
use crate::serve::process::{Reader, Since};
use anyhow::Context;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// `foreshock serve`
#[derive(Debug, clap::Args)]
pub struct Serve {
    #[command(flatten)]
    config: ConfigOption,
}

impl Serve {
    /// Runs the command.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let config = self.config.read()?;
        crate::ops::telemetry::start();
        goes_first();
        if config.spread.partitions > 0 {
            eprintln!("spread.partitions is set: `serve` cannot follow rules that several processes share yet");
            return Ok(Exit::Invalid);
        }
        if config.kafka.delivery == Delivery::Idempotent {
            eprintln!(
                "kafka.delivery = \"idempotent\": after a crash of the writer a batch may have results of two attempts, which a \
                 reader cannot tell apart; `serve` needs \"transactions\""
            );
            return Ok(Exit::Invalid);
        }
        let choice = Choice { ids: Vec::new(), no_drafts: false };
        let Some(pack) = load_pack(&config.rules.dir, &choice, &config.settings())? else { return Ok(Exit::Invalid) };
        let stop = stop_flag()?;
        let reader = Reader::start(&config, &pack, Since::Configured).context(Exit::Invalid)?;
        tracing::info!(address = %reader.address, postgres = ?reader.postgres, brokers = config.kafka.brokers, "answers statements");
        while !stop.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(100));
        }
        // What a history lacks it takes in at the next start.
        reader.end();
        Ok(Exit::Ok)
    }
}
