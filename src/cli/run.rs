//! `run`, `topics`, `tail`, `config`: the live process and what an operator needs around it.

use crate::cli::Exit;
use crate::kafka::client::client_config;
use crate::kafka::settings::Delivery;
use crate::ops::config::Config;
use crate::ops::health::{Health, serve};
use crate::rules::files::{Choice, Files};
use crate::rules::work::Work;
use crate::writer::share::{check_topics, share};
use crate::writer::standby::{Begin, become_writer};
use anyhow::{Context, bail};
use clap::Subcommand;
use foreshock_compiler::Spread;
use foreshock_core::Feed;
use foreshock_log::{self as log, EVENTS, OUT_TOPICS, OWNER, PARTS_PROGRESS, PROGRESS};
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// At an orderly end the last snapshot may take so long to the object store.
const UPLOAD_MAX: Duration = Duration::from_secs(60);

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigOption {
    /// Configuration file.
    #[arg(long, default_value = "foreshock.toml")]
    pub config: PathBuf,
}

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

/// Sets the flag at the first Ctrl-C or SIGTERM; the second one ends the process.
///
/// # Errors
/// When no handler can be set up.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
            for asked_before in [false, true] {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
                flag.store(true, Ordering::Release);
                if asked_before {
                    std::process::exit(130);
                }
            }
            std::io::Result::Ok(())
        })
    })?;
    Ok(stop)
}

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// When something cannot be reached or delivered.
    pub fn run(&self) -> anyhow::Result<Exit> {
        crate::ops::telemetry::start();
        let config = match Config::read(&self.config.config) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("{error:#}");
                return Ok(Exit::Invalid);
            }
        };
        let choice = Choice { ids: Vec::new(), no_drafts: true };
        let pack = match crate::rules::files::load(&config.rules.dir, &choice, &config.settings())? {
            Ok(pack) => pack,
            Err(problems) => {
                problems.iter().for_each(|p| eprintln!("{p}"));
                eprintln!("{} problems in the rules: not started", problems.len());
                return Ok(Exit::Invalid);
            }
        };
        let stop = stop_flag()?;
        let health = Arc::new(Health::default());
        if !config.http.listen.is_empty() {
            let address = serve(&config.http.listen, health.clone()).context("cannot serve health and metrics")?;
            tracing::info!(%address, "health and metrics");
        }
        tracing::info!(rules = pack.rules.len(), brokers = config.kafka.brokers, "starting");
        if config.spread.partitions == 0 {
            if self.role != Role::All {
                eprintln!("--role {:?}: no rules are spread; set spread.partitions", self.role);
                return Ok(Exit::Invalid);
            }
            return self.own(&config, &Work::of(pack), &health, &stop);
        }
        if config.kafka.delivery == Delivery::Idempotent {
            eprintln!("spread.partitions needs kafka.delivery = \"transactions\"");
            return Ok(Exit::Invalid);
        }
        if let Err(error) = check_topics(&config) {
            eprintln!("{error:#}");
            return Ok(Exit::Unreachable);
        }
        let (work, files) =
            crate::rules::files::cut(&pack, &config.rules.dir, &config.settings(), config.spread.partitions)?;
        match self.role {
            Role::Owner => self.own(&config, &work, &health, &stop),
            Role::Share => Ok(share_until(&config, files, &health, &stop)),
            Role::All => std::thread::scope(|scope| {
                let sharing = scope.spawn(|| share_until(&config, files, &health, &stop));
                let owned = self.own(&config, &work, &health, &stop);
                stop.store(true, Ordering::Release);
                let shared = sharing.join().expect("faults of its partitions come back as errors");
                owned.map(|owned| if owned == Exit::Ok { shared } else { owned })
            }),
        }
    }

    /// Reads the incoming topics, or stands by for it.
    fn own(&self, config: &Config, work: &Work, health: &Arc<Health>, stop: &Arc<AtomicBool>) -> anyhow::Result<Exit> {
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
        let done = writer.run(stop, UPLOAD_MAX, |_| Ok(()));
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

/// `foreshock topics`
#[derive(Debug, clap::Args)]
pub struct Topics {
    #[command(subcommand)]
    action: TopicsAction,
}

#[derive(Debug, Subcommand)]
enum TopicsAction {
    /// Makes the topics that are missing.
    Create(ConfigOption),
    /// Shows each topic's partitions and offsets.
    Describe(ConfigOption),
}

impl Topics {
    /// Runs the command.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let (TopicsAction::Create(option) | TopicsAction::Describe(option)) = &self.action;
        let config = Config::read(&option.config)?;
        let mut names: Vec<&str> =
            Feed::ALL.iter().map(|f| f.topic()).chain(OUT_TOPICS).chain([PROGRESS, OWNER]).collect();
        if config.spread.partitions > 0 {
            names.extend([EVENTS, PARTS_PROGRESS]);
        }
        match &self.action {
            TopicsAction::Create(_) => {
                let exit = create(&config, &names)?;
                say_who_runs_what(&config)?;
                Ok(exit)
            }
            TopicsAction::Describe(_) => describe(&config, &names),
        }
    }
}

fn create(config: &Config, names: &[&str]) -> anyhow::Result<Exit> {
    let admin: AdminClient<_> = client_config(&config.kafka, &[]).create()?;
    let topics: Vec<NewTopic<'_>> = names
        .iter()
        .map(|n| {
            let partitions = match *n {
                PROGRESS | OWNER => 1,
                EVENTS | PARTS_PROGRESS => config.spread.partitions.cast_signed(),
                _ => config.kafka.partitions,
            };
            let topic = NewTopic::new(n, partitions, TopicReplication::Fixed(config.kafka.replication));
            match *n {
                PROGRESS | PARTS_PROGRESS => topic.set("retention.ms", "-1"),
                OWNER => topic.set("retention.ms", "3600000"),
                _ => topic,
            }
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let results = runtime.block_on(admin.create_topics(&topics, &options)).context("the broker does not answer")?;
    for result in results {
        match result {
            Ok(name) => println!("{name}: made"),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => println!("{name}: was there"),
            Err((name, error)) => bail!("{name}: {error}"),
        }
    }
    Ok(Exit::Ok)
}

/// Which rules are spread and which need one process.
fn say_who_runs_what(config: &Config) -> anyhow::Result<()> {
    if config.spread.partitions == 0 {
        return Ok(());
    }
    let choice = Choice { ids: Vec::new(), no_drafts: true };
    let pack = match crate::rules::files::load(&config.rules.dir, &choice, &config.settings())? {
        Ok(pack) => pack,
        Err(problems) => bail!("{}", problems[0]),
    };
    println!("\nrules over the {} partitions of {EVENTS}, by subject:", config.spread.partitions);
    for rule in &pack.rules {
        if let Spread::By(subject) = &rule.spread {
            println!("  {:<9} {subject} of {}", rule.header.id, rule.stream);
        }
    }
    println!("rules in the one process that reads the incoming topics:");
    for rule in &pack.rules {
        if let Spread::No(reason) = &rule.spread {
            println!("  {:<9} {reason}", rule.header.id);
        }
    }
    Ok(())
}

fn describe(config: &Config, names: &[&str]) -> anyhow::Result<Exit> {
    let consumer: BaseConsumer = client_config(&config.kafka, &[]).create()?;
    let wait = Duration::from_secs(10);
    for name in names {
        let metadata = consumer.fetch_metadata(Some(name), wait).context("the broker does not answer")?;
        let mut ids: Vec<i32> = metadata.topics().iter().flat_map(|t| t.partitions().iter().map(|p| p.id())).collect();
        ids.sort_unstable();
        if ids.is_empty() {
            println!("{name}: not there");
        }
        for id in ids {
            let (low, high) = consumer.fetch_watermarks(name, id, wait)?;
            println!("{name} {id}: offsets {low} to {high}");
        }
    }
    Ok(Exit::Ok)
}

/// `foreshock tail`
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// `detections`, `alerts`, `blocking`, `warnings`, `rejected`, `late`, or a topic.
    what: String,
    #[command(flatten)]
    config: ConfigOption,
    /// Broker, instead of the configuration's.
    #[arg(long)]
    brokers: Option<String>,
    /// End when nothing has come for so many seconds; without it, never.
    #[arg(long)]
    idle: Option<u64>,
}

impl Tail {
    /// Runs the command.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let mut config = if self.brokers.is_some() { Config::default() } else { Config::read(&self.config.config)? };
        if let Some(brokers) = &self.brokers {
            config.kafka.brokers.clone_from(brokers);
        }
        let topic = match self.what.as_str() {
            "detections" => log::DETECTIONS,
            "alerts" => log::ALERTS,
            "blocking" => log::BLOCKING_DRAFTS,
            "warnings" => log::WARNING_DRAFTS,
            "rejected" => log::REJECTED,
            "late" => log::LATE,
            other => other,
        };
        let defaults =
            [("group.id", "foreshock-tail"), ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest")];
        let consumer: BaseConsumer = client_config(&config.kafka, &defaults).create()?;
        let metadata =
            consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).context("the broker does not answer")?;
        let mut list = rdkafka::TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|t| t.partitions()) {
            list.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let wait = self.idle.map_or(Duration::from_secs(3_600), Duration::from_secs);
        loop {
            match consumer.poll(wait) {
                Some(Ok(message)) => println!("{}", String::from_utf8_lossy(message.payload().unwrap_or_default())),
                Some(Err(error)) => eprintln!("{error}"),
                None if self.idle.is_some() => return Ok(Exit::Ok),
                None => {}
            }
        }
    }
}

/// `foreshock config`
#[derive(Debug, clap::Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Shows every key with its value.
    Show {
        #[command(flatten)]
        config: ConfigOption,
        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
    },
}

impl ConfigCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let ConfigAction::Show { config: option, origin } = &self.action;
        let config = match Config::read(&option.config) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("{error:#}");
                return Ok(Exit::Invalid);
            }
        };
        let text = std::fs::read_to_string(&option.config)?;
        for (key, value, is_given) in config.origins(&text)? {
            let from = if is_given { option.config.display().to_string() } else { "default".into() };
            println!("{key} = {value}{}", if *origin { format!("    # {from}") } else { String::new() });
        }
        Ok(Exit::Ok)
    }
}
