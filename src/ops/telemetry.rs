//! Logs: for people on a terminal, JSON elsewhere; never personal data.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Delta's crates tell of each file that they read.
const DEFAULT: &str = "info,buoyant_kernel=warn,buoyant_kernel_engine=warn,deltalake_core=warn";

/// Starts logging to standard error; `RUST_LOG` sets the level.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() { builder.try_init() } else { builder.json().try_init() };
    if let Err(error) = started {
        eprintln!("logging was already started: {error}");
    }
}
