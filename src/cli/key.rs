//! `key`: a key that signs.

use crate::cli::Exit;
use anyhow::Context;
use foreshock_signatures::Signer;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// `foreshock key`
#[derive(Debug, clap::Args)]
pub struct Key {
    /// Its name, which stands in every signature: another one for each new key, such as writer-2026.
    name: String,
    /// The file of the private key, which must not be there yet; `NAME.key` where none is named.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Key {
    /// Makes a key: the private one in a file that only its owner can read, the public one printed as a line of the policy.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let signer = Signer::generate(&self.name).map_err(anyhow::Error::msg)?;
        let path = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.key", self.name)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).with_context(|| format!("cannot make {}", path.display()))?;
        file.write_all(signer.secret().as_bytes())?;
        println!("\"{}\" = \"{}\"", signer.kid(), signer.public());
        Ok(Exit::Ok)
    }
}
