//! `evidence`: what a detection stands on, in one file; and whether such a file is whole.

use crate::cli::Exit;
use crate::cli::asker::Login;
use crate::evidence::Bundle;
use crate::evidence::verify::verify;
use anyhow::Context;
use clap::Subcommand;
use foreshock_signatures::{FIELD, Fault, Type, is_public_key, open};
use serde_json::{Map, Value};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// `foreshock evidence`
#[derive(Debug, clap::Args)]
pub struct EvidenceCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Writes the file of a detection that stands, by a running `serve`.
    Export(Export),
    /// Checks a file with nothing but this program: each byte, the signature, and the rule run again.
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The detection.
    detection: String,
    /// The file; it must not be there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The reader.
    #[arg(long, default_value = "http://127.0.0.1:8640", env = "FORESHOCK_SERVER")]
    server: String,
    /// Who asks, where the reader wants to know; the password is in FORESHOCK_PASSWORD. Or a token in FORESHOCK_TOKEN.
    #[arg(long, env = "FORESHOCK_USER")]
    user: Option<String>,
    /// For what: one of the role's purposes.
    #[arg(long, requires = "case", env = "FORESHOCK_PURPOSE")]
    purpose: Option<String>,
    /// The case that it is for.
    #[arg(long, requires = "purpose", env = "FORESHOCK_CASE")]
    case: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// The file.
    file: PathBuf,
    /// The public key that may have signed it: NAME=BASE64, as `foreshock key` prints it.
    #[arg(long = "key", value_name = "NAME=BASE64", required_unless_present = "unsigned")]
    keys: Vec<String>,
    /// Look at no signature: the file may be anybody's.
    #[arg(long, conflicts_with = "keys")]
    unsigned: bool,
}

impl EvidenceCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the reader or a file cannot be reached.
    pub fn run(&self) -> anyhow::Result<Exit> {
        match &self.action {
            Action::Export(export) => export.run(),
            Action::Verify(check) => check.run(),
        }
    }
}

impl Export {
    fn run(&self) -> anyhow::Result<Exit> {
        anyhow::ensure!(!self.out.exists(), "--out: {} is there", self.out.display());
        let login = Login::of(&self.server, self.user.as_ref(), self.purpose.as_ref(), self.case.as_ref());
        let url = format!("{}/v1/evidence/{}", self.server.trim_end_matches('/'), self.detection);
        let request = login.put_into(reqwest::Client::new().get(url));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (status, bytes) = runtime.block_on(async {
            let said = request.send().await;
            let said = said.with_context(|| format!("no reader at {}: `foreshock serve` is one", self.server));
            let said = said.context(Exit::Unreachable)?;
            anyhow::Ok((said.status(), said.bytes().await.context("the reader's answer broke off")?))
        })?;
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            eprintln!("{}", problem["detail"].as_str().unwrap_or("the reader gives no evidence"));
            return Ok(Exit::Findings);
        }
        let place = || format!("cannot write {}", self.out.display());
        // Names of persons are in it: for its owner only.
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.out);
        file.and_then(|mut file| file.write_all(&bytes)).with_context(place)?;
        let bundle: Bundle = bundle(&serde_json::from_slice::<Map<String, Value>>(&bytes)?)?;
        println!("{}: {} events, {}", self.out.display(), bundle.events.len(), bundle.detection.rule_id);
        Ok(Exit::Ok)
    }
}

impl Verify {
    fn run(&self) -> anyhow::Result<Exit> {
        let keys: Option<Vec<(&str, &str)>> = self.keys.iter().map(|key| key.split_once('=')).collect();
        let keys = keys.filter(|keys| keys.iter().all(|(_, public)| is_public_key(public)));
        let keys = keys.context("--key: write NAME=BASE64").context(Exit::Invalid)?;
        let place = || format!("cannot read {}", self.file.display());
        let is_too_large = std::fs::metadata(&self.file).with_context(place)?.len() > Type::Evidence.bytes_max() as u64;
        anyhow::ensure!(!is_too_large, "{} is too large to be one of ours", self.file.display());
        let bytes = std::fs::read(&self.file).with_context(place)?;
        match self.check(&bytes, &keys) {
            Ok(lines) => {
                lines.iter().for_each(|line| println!("{}", in_one_line(line)));
                let vouches = if self.unsigned { ", and NOT SIGNED: anybody may have made it" } else { "" };
                println!("{}: whole{vouches}", self.file.display());
                Ok(Exit::Ok)
            }
            Err(error) => {
                eprintln!("{}: NOT whole: {}", self.file.display(), in_one_line(&format!("{error:#}")));
                Ok(Exit::Findings)
            }
        }
    }

    fn check(&self, bytes: &[u8], keys: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        let object = if self.unsigned {
            serde_json::from_slice(bytes).context("no JSON object")?
        } else {
            let mut fault = Fault::Key;
            // One name may have two keys: one takes the place of the other for a while.
            let opened = keys.iter().find_map(|(name, public)| {
                let known = |kid: &str, _: &Map<String, Value>| (kid == *name).then(|| (*public).to_owned());
                match open(bytes, Type::Evidence, known) {
                    Ok(opened) => Some(opened),
                    Err(found) => {
                        fault = if fault == Fault::Key { found } else { fault };
                        None
                    }
                }
            });
            let opened = opened.ok_or(fault)?;
            lines.push(format!("ok       signed by {}", opened.kid));
            opened.object
        };
        let bundle = bundle(&object)?;
        for custody in &bundle.custody {
            let case = custody.case_ref.as_ref().map_or_else(String::new, |case| format!(", case {case}"));
            lines.push(format!(
                "claimed  {} by {} at {} with {}{case}",
                custody.action, custody.by, custody.at, custody.tool
            ));
        }
        let proved = verify(&bundle).map_err(anyhow::Error::msg)?;
        lines.extend(proved.into_iter().map(|line| format!("ok       {line}")));
        Ok(lines)
    }
}

/// What a file says must not look like what this program says of it: no further line, no sign for a terminal.
fn in_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The bundle in an object, whose signature was looked at or need not be.
fn bundle(object: &Map<String, Value>) -> anyhow::Result<Bundle> {
    let mut object = object.clone();
    object.remove(FIELD);
    serde_json::from_value(Value::Object(object)).context("not of the form that is documented")
}
