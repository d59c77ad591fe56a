//! `run`: the live process.

use crate::cli::options::{ConfigOption, load_pack};
use crate::cli::stop::stop_flag;
use crate::cli::topic_settings::missing;
use crate::cli::{Exit, topic_settings};
use crate::kafka::settings::Delivery;
use crate::ops::config::Config;
use crate::ops::health::{Health, serve};
use crate::rules::files::{Choice, Files, cut, origin};
use crate::rules::work::Work;
use crate::writer::beside::write_beside;
use crate::writer::messages::warning_fault;
use crate::writer::share::{check_topics, share};
use crate::writer::standby::{Begin, become_writer};
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// At an orderly end the last snapshot may take so long to the object store.
const UPLOAD_MAX: Duration = Duration::from_secs(60);

/// `foreshock run`
#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    config: ConfigOption,
    /// Do not stand by while another process of the group writes: end it and go on in its place.
    #[arg(long)]
    take_over: bool,
    /// What this process does when rules are spread (`spread.partitions`).
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
}

/// Which work a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// Both.
    All,
    /// Reads the incoming topics, runs the rules that need all events, sends events on; or stands by for it.
    Owner,
    /// A share of the rules that spread.
    Share,
}

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// When something cannot be reached or delivered.
    pub fn run(&self) -> anyhow::Result<Exit> {
        crate::ops::telemetry::start();
        let config = self.config.read()?;
        let choice = Choice { ids: Vec::new(), no_drafts: true };
        let Some(pack) = load_pack(&config.rules.dir, &choice, &config.settings()).context(Exit::Invalid)? else {
            eprintln!("not started");
            return Ok(Exit::Invalid);
        };
        if pack.rules.is_empty() {
            let origin = origin(&config.rules.dir);
            eprintln!(
                "no rule of {origin} is in force: drafts and retired rules do not run; `status: shadow` or `status: live` in \
                 a rule's header puts it in force, `foreshock rules list` shows them: not started"
            );
            return Ok(Exit::Invalid);
        }
        if let Some(fault) = warning_fault(&config.warnings.issuer(), &pack) {
            eprintln!("{fault}: not started");
            return Ok(Exit::Invalid);
        }
        let register = match register(&config) {
            Ok(register) => register,
            Err(error) => {
                eprintln!("{error:#}: not started");
                return Ok(error.downcast_ref::<Exit>().copied().unwrap_or(Exit::Invalid));
            }
        };
        let register = register.as_ref();
        let stop = stop_flag()?;
        let health = Arc::new(Health::default());
        if !config.http.listen.is_empty() {
            let address = serve(&config.http.listen, health.clone()).context("cannot serve health and metrics")?;
            tracing::info!(%address, "health and metrics");
        }
        topic_settings::warn(&config);
        tracing::info!(
            rules = pack.rules.len(),
            from = origin(&config.rules.dir),
            brokers = config.kafka.brokers,
            "starting"
        );
        if config.spread.partitions == 0 {
            if self.role != Role::All {
                eprintln!("--role {:?}: no rules are spread; set spread.partitions", self.role);
                return Ok(Exit::Invalid);
            }
            return self.own(&config, (&Work::of(pack), register), &health, &stop);
        }
        if config.kafka.delivery == Delivery::Idempotent {
            eprintln!("spread.partitions needs kafka.delivery = \"transactions\"");
            return Ok(Exit::Invalid);
        }
        if let Err(error) = check_topics(&config) {
            eprintln!("{error:#}");
            return Ok(Exit::Unreachable);
        }
        let (work, files) = cut(&pack, &config.rules.dir, &config.settings(), config.spread.partitions)?;
        match self.role {
            Role::Owner => self.own(&config, (&work, register), &health, &stop),
            Role::Share => Ok(share_until(&config, files, &health, &stop)),
            Role::All => std::thread::scope(|scope| {
                let sharing = scope.spawn(|| share_until(&config, files, &health, &stop));
                let owned = self.own(&config, (&work, register), &health, &stop);
                stop.store(true, Ordering::Release);
                let shared = sharing.join().expect("faults of its partitions come back as errors");
                owned.map(|owned| if owned == Exit::Ok { shared } else { owned })
            }),
        }
    }

    /// Reads the incoming topics, or stands by for it.
    fn own(
        &self,
        config: &Config,
        (work, register): (&Work, Option<&Work>),
        health: &Arc<Health>,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Exit> {
        let begin = if self.take_over { Begin::TakeOver } else { Begin::StandBy };
        let mut writer = match become_writer(config, work, &[], begin, health, stop) {
            Ok(Some(writer)) => writer,
            Ok(None) => {
                tracing::info!("asked to stop before this process began to write; nothing was changed");
                return Ok(Exit::Ok);
            }
            Err(error) => {
                eprintln!("{error:#}");
                return Ok(Exit::Unreachable);
            }
        };
        let done = std::thread::scope(|scope| {
            let register =
                register.as_ref().map(|work| scope.spawn(move || register_until(config, work, health, stop)));
            let done = writer.run(stop, UPLOAD_MAX, |_| Ok(()));
            stop.store(true, Ordering::Release);
            let registered = register.map_or(Ok(()), |thread| thread.join().expect("faults come back as errors"));
            done.and(registered)
        });
        if let Err(error) = done {
            tracing::error!(error = format!("{error:#}"), "ended; what was not committed is done by the next start");
            return Ok(Exit::Unreachable);
        }
        tracing::info!(
            accepted = health.accepted.load(Ordering::Relaxed),
            "stopped: everything taken was delivered and committed"
        );
        Ok(Exit::Ok)
    }
}

/// The register of blocking requests, where there is a policy, and all is there that it needs: a missing topic would hold up every lift.
fn register(config: &Config) -> anyhow::Result<Option<Work>> {
    let Some(keys) = config.blocking.read()? else { return Ok(None) };
    anyhow::ensure!(
        config.kafka.delivery == Delivery::Transactions,
        "blocking.policy needs kafka.delivery = \"transactions\""
    );
    let missing = missing(config).context(Exit::Unreachable)?;
    if !missing.is_empty() {
        return Err(anyhow::anyhow!(
            "topics are not there: {}; `foreshock topics create` makes them",
            missing.join(", ")
        ))
        .context(Exit::Unreachable);
    }
    Ok(Some(Work::register(Arc::new(keys))))
}

/// Keeps the register of blocking requests; when it ends badly, so does the process.
fn register_until(config: &Config, work: &Work, health: &Arc<Health>, stop: &AtomicBool) -> anyhow::Result<()> {
    let done = write_beside(config, work, work.log().name(), health, stop);
    stop.store(true, Ordering::Release);
    done.context("the register of blocking requests")
}

/// Takes part in the group; when a partition ends badly, so does the process.
fn share_until(config: &Config, files: Files, health: &Arc<Health>, stop: &AtomicBool) -> Exit {
    let done = share(config, files, health, stop);
    stop.store(true, Ordering::Release);
    match done {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended; what was not committed is done by the next process");
            Exit::Unreachable
        }
    }
}
