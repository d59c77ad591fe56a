//! `institution`: plays a bank or carrier that answers blocking requests, with a toy ledger.

use crate::cli::Exit;
use crate::cli::stop::stop_flag;
use crate::institution::{Ledger, Receiver, receive};
use crate::kafka::settings::Kafka;
use crate::ops::blocking::read_key;
use anyhow::Context;
use foreshock_signatures::is_public_key;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `foreshock institution`
#[derive(Debug, clap::Args)]
pub struct Institution {
    /// Its code in the policy.
    #[arg(long = "as", value_name = "CODE")]
    code: String,
    /// The broker.
    #[arg(long, default_value = "127.0.0.1:9092")]
    brokers: String,
    /// The file of its private key (`foreshock key NAME`).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A public key of the writer, as `foreshock key` prints it: NAME=BASE64. May be given several times.
    #[arg(long = "writer", value_name = "NAME=BASE64", required = true)]
    writers: Vec<String>,
    /// A TOML file of accounts: token = \"balance\". Without it every account is there and holds enough.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

impl Institution {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file is wrong or the broker cannot be reached.
    pub fn run(&self) -> anyhow::Result<Exit> {
        crate::ops::telemetry::start();
        let signer = read_key(&self.key).with_context(|| format!("--key {}", self.key.display()));
        let signer = signer.context(Exit::Invalid)?;
        let writers = self.writers.iter().map(|text| writer(text)).collect::<anyhow::Result<BTreeMap<_, _>>>();
        let balances = self.ledger.as_ref().map(|path| -> anyhow::Result<BTreeMap<String, String>> {
            let text = std::fs::read_to_string(path).with_context(|| format!("--ledger {}", path.display()))?;
            toml::from_str(&text).with_context(|| format!("--ledger {}", path.display()))
        });
        let ledger = Ledger::new(balances.transpose().context(Exit::Invalid)?);
        let writers = writers.context(Exit::Invalid)?;
        let mut receiver = Receiver { code: self.code.clone(), signer, writers, ledger, done: BTreeMap::new() };
        let kafka = Kafka { brokers: self.brokers.clone(), ..Kafka::default() };
        let stop = stop_flag()?;
        let done = receive(&kafka, &mut receiver, &stop, |_, answers| {
            for answer in answers {
                println!("{} revision {}: {:?}", answer.request_id, answer.revision, answer.stage);
            }
        });
        done.context(Exit::Unreachable)?;
        Ok(Exit::Ok)
    }
}

fn writer(text: &str) -> anyhow::Result<(String, String)> {
    let (name, key) = text.split_once('=').context("--writer: write NAME=BASE64")?;
    anyhow::ensure!(is_public_key(key), "--writer {name}: a public key is 32 bytes in base64");
    Ok((name.to_owned(), key.to_owned()))
}
