//! `topics`: makes and shows the topics.

use crate::cli::Exit;
use crate::cli::options::{ConfigOption, load_pack};
use crate::cli::output::{Output, OutputOption, print};
use crate::cli::topic_settings::{differences, names, wanted};
use crate::kafka::client::client_config;
use crate::ops::config::Config;
use crate::rules::files::Choice;
use anyhow::{Context, bail};
use clap::Subcommand;
use foreshock_compiler::Spread;
use foreshock_log::{EVENTS, OWNER, PARTS_PROGRESS, PROGRESS, REGISTER_PROGRESS};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use std::time::Duration;

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
    Describe {
        #[command(flatten)]
        config: ConfigOption,
        #[command(flatten)]
        output: OutputOption,
    },
}

impl Topics {
    /// Runs the command.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn run(&self) -> anyhow::Result<Exit> {
        match &self.action {
            TopicsAction::Create(option) => {
                let config = option.read()?;
                let exit = create(&config, &names(&config)?)?;
                for wrong in differences(&config).context(Exit::Unreachable)? {
                    println!("{wrong}");
                }
                say_who_runs_what(&config)?;
                Ok(exit)
            }
            TopicsAction::Describe { config, output } => {
                let config = config.read()?;
                describe(&config, &names(&config)?, output.output)
            }
        }
    }
}

fn create(config: &Config, names: &[String]) -> anyhow::Result<Exit> {
    let admin: AdminClient<_> = client_config(&config.kafka, &[]).create()?;
    let topics: Vec<NewTopic<'_>> = names
        .iter()
        .map(|n| {
            let partitions = match n.as_str() {
                PROGRESS | OWNER | REGISTER_PROGRESS => 1,
                EVENTS | PARTS_PROGRESS => config.spread.partitions.cast_signed(),
                _ => config.kafka.partitions,
            };
            let topic = NewTopic::new(n, partitions, TopicReplication::Fixed(config.kafka.replication));
            wanted(n).iter().fold(topic, |topic, (key, value, _)| topic.set(key, value))
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let results = runtime.block_on(admin.create_topics(&topics, &options));
    let results = results.context("the broker does not answer").context(Exit::Unreachable)?;
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
    let Some(pack) = load_pack(&config.rules.dir, &choice, &config.settings())? else { bail!(Exit::Invalid) };
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

fn describe(config: &Config, names: &[String], output: Output) -> anyhow::Result<Exit> {
    let consumer: BaseConsumer = client_config(&config.kafka, &[]).create()?;
    let wait = Duration::from_secs(10);
    let mut rows = Vec::new();
    for name in names {
        let metadata = consumer.fetch_metadata(Some(name), wait);
        let metadata = metadata.context("the broker does not answer").context(Exit::Unreachable)?;
        let mut ids: Vec<i32> = metadata.topics().iter().flat_map(|t| t.partitions().iter().map(|p| p.id())).collect();
        ids.sort_unstable();
        if ids.is_empty() {
            rows.push([name.as_str(), "not there", "", ""].map(str::to_owned).to_vec());
        }
        for id in ids {
            let (low, high) = consumer.fetch_watermarks(name, id, wait).context(Exit::Unreachable)?;
            rows.push(vec![name.clone(), id.to_string(), low.to_string(), high.to_string()]);
        }
    }
    print(output, &["topic", "partition", "first_offset", "next_offset"], &rows);
    Ok(Exit::Ok)
}
