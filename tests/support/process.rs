//! The real binary as a process.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `FORESHOCK_BINARY` names another one: a long run must not be disturbed by a new build.
pub fn binary() -> Command {
    let built = env!("CARGO_BIN_EXE_foreshock").into();
    let mut command = Command::new(std::env::var_os("FORESHOCK_BINARY").unwrap_or(built));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // Brokers go away in these tests: what the client says of it is no news.
    if std::env::var_os("RUST_LOG").is_none() {
        command
            .env("RUST_LOG", "info,librdkafka=off,buoyant_kernel=warn,buoyant_kernel_engine=warn,deltalake_core=warn");
    }
    command
}

pub fn foreshock(arguments: &[&str]) -> Output {
    binary().args(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `../shared/data`, or `None` with a notice where it is not there (in CI that is a failure).
pub fn shared_data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "the shared data are required in CI");
    println!("SKIPPED: no shared data beside the project");
    None
}

/// Looks again and again until there is something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{what}: not in two minutes");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// A process that is asked to end when dropped.
pub struct Running(pub Child);

impl Running {
    pub fn start(arguments: &[&str]) -> Running {
        Running(binary().args(arguments).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap())
    }

    /// The same, with its log in a file.
    pub fn start_logging(arguments: &[&str], log: &Path) -> Running {
        Running::start_in(&[], arguments, log)
    }

    /// The same, with these environment variables.
    pub fn start_in(environment: &[(&str, String)], arguments: &[&str], log: &Path) -> Running {
        let log = std::fs::File::create(log).unwrap();
        let mut command = binary();
        command.args(arguments).envs(environment.iter().map(|(k, v)| (k, v))).stdout(Stdio::null()).stderr(log);
        Running(command.spawn().unwrap())
    }

    /// SIGTERM, then its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
