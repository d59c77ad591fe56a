//! `user`: the lines of a user for the file of users.

use crate::cli::Exit;
use crate::rights::users::Secret;
use anyhow::Context;
use std::io::{BufRead, IsTerminal};

/// `foreshock user`
#[derive(Debug, clap::Args)]
pub struct User {
    /// The name to log in with.
    name: String,
    /// The role, which the file describes.
    #[arg(long, default_value = "analyst")]
    role: String,
}

impl User {
    /// Reads a password from standard input and prints what is kept of it.
    ///
    /// # Errors
    /// When the name cannot be written, or the password is too short.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        anyhow::ensure!(
            [&self.name, &self.role].iter().all(|name| (1..=63).contains(&name.len()) && name.chars().all(is_plain)),
            "a name has 1 to 63 letters, digits, and of . _ @ -"
        );
        if std::io::stdin().is_terminal() {
            eprintln!("The password of {} (it is shown as you type; better pipe it in):", self.name);
        }
        let mut password = String::new();
        std::io::stdin().lock().read_line(&mut password).context("cannot read the password")?;
        let secret = Secret::of(password.trim_end_matches(['\r', '\n']))?;
        println!("[users.\"{}\"]\nrole = \"{}\"\nsecret = \"{}\"", self.name, self.role, secret.text());
        Ok(Exit::Ok)
    }
}
