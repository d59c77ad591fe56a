//! `run`, `topics`, `tail`, `config`: the live process and what an operator needs around it.

use crate::cli::Exit;
use crate::config::Config;
use crate::health::{Health, serve};
use crate::owner::{Begin, lead};
use crate::progress::{OWNER, PROGRESS};
use crate::rules::Choice;
use crate::sinks::kafka::client_config;
use crate::sinks::wire::OUT_TOPICS;
use anyhow::{Context, bail};
use clap::Subcommand;
use foreshock_core::Feed;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
        crate::telemetry::start();
        let config = match Config::read(&self.config.config) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("{error:#}");
                return Ok(Exit::Invalid);
            }
        };
        let choice = Choice { ids: Vec::new(), no_drafts: true };
        let pack = match crate::rules::load(&config.rules.dir, &choice, &config.settings())? {
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
        let begin = if self.take_over { Begin::TakeOver } else { Begin::StandBy };
        let mut leader = match lead(&config, &pack, &[], begin, &health, &stop) {
            Ok(Some(leader)) => leader,
            Ok(None) => {
                tracing::info!("asked to stop before this process began to write; nothing was changed");
                return Ok(Exit::Ok);
            }
            Err(error) => {
                eprintln!("{error:#}");
                return Ok(Exit::Unreachable);
            }
        };
        if leader.lost() > 0 {
            tracing::error!(
                lost = leader.lost(),
                "the broker no longer has records that were judged before: windows that reach back to them are incomplete"
            );
        }
        tracing::info!(batch = leader.number(), "started: this process writes");
        let mut told = leader.lost();
        let done = leader.run(&stop, |turn| {
            if turn.lost > std::mem::replace(&mut told, turn.lost) {
                tracing::error!(lost = turn.lost, "the broker no longer had these records when we came to them");
            }
            Ok(())
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
        let names: Vec<&str> = Feed::ALL.iter().map(|f| f.topic()).chain(OUT_TOPICS).chain([PROGRESS, OWNER]).collect();
        match &self.action {
            TopicsAction::Create(option) => create(&Config::read(&option.config)?, &names),
            TopicsAction::Describe(option) => describe(&Config::read(&option.config)?, &names),
        }
    }
}

fn create(config: &Config, names: &[&str]) -> anyhow::Result<Exit> {
    let admin: AdminClient<_> = client_config(&config.kafka, &[]).create()?;
    let topics: Vec<NewTopic<'_>> = names
        .iter()
        .map(|n| {
            let partitions = if [PROGRESS, OWNER].contains(n) { 1 } else { config.kafka.partitions };
            let topic = NewTopic::new(n, partitions, TopicReplication::Fixed(config.kafka.replication));
            match *n {
                PROGRESS => topic.set("retention.ms", "-1"),
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
            "detections" => crate::sinks::wire::DETECTIONS,
            "alerts" => crate::sinks::wire::ALERTS,
            "blocking" => crate::sinks::wire::BLOCKING_DRAFTS,
            "warnings" => crate::sinks::wire::WARNING_DRAFTS,
            "rejected" => crate::sinks::wire::REJECTED,
            "late" => crate::sinks::wire::LATE,
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
