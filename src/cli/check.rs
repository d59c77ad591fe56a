//! `check`: what `run` needs, line by line, each with what to do.

use crate::cli::Exit;
use crate::cli::options::ConfigOption;
use crate::cli::output::{OutputOption, print};
use crate::cli::topic_settings::{differences, names};
use crate::kafka::client::client_config;
use crate::ops::config::Config;
use crate::rules::files::{Choice, load, origin};
use crate::state::folder::Folder;
use crate::writer::messages::warning_fault;
use foreshock_compiler::Status;
use foreshock_log::{EVENTS, OWNER, PARTS_PROGRESS, PROGRESS, REGISTER_PROGRESS};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::path::Path;
use std::time::{Duration, SystemTime};

const WAIT: Duration = Duration::from_secs(10);
/// Clocks that differ by less are as good as equal.
const CLOCK_MS_MAX: u64 = 10_000;
/// Less free space than this is too little for three snapshots of any size worth the name.
const DISK_FREE_MIN: u64 = 1 << 30;

/// `foreshock check`
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    config: ConfigOption,
    #[command(flatten)]
    output: OutputOption,
}

/// How a line of the list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ok,
    Look,
    Fail(Exit),
}

/// The list.
#[derive(Default)]
struct List(Vec<(Mark, &'static str, String, String)>);

impl List {
    fn ok(&mut self, what: &'static str, found: impl Into<String>) {
        self.0.push((Mark::Ok, what, found.into(), String::new()));
    }

    fn look(&mut self, what: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.0.push((Mark::Look, what, found.into(), fix.into()));
    }

    fn fail(&mut self, exit: Exit, what: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.0.push((Mark::Fail(exit), what, found.into(), fix.into()));
    }

    /// The first failure decides.
    fn exit(&self) -> Exit {
        self.0.iter().find_map(|line| if let Mark::Fail(exit) = line.0 { Some(exit) } else { None }).unwrap_or(Exit::Ok)
    }
}

impl Check {
    /// Runs the command.
    ///
    /// # Errors
    /// Never: what is wrong stands in the list.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let mut list = List::default();
        match self.config.read() {
            Ok(config) => {
                list.ok("configuration", self.config.config.display().to_string());
                rules(&config, &mut list);
                disk(&config.snapshots.dir, &mut list);
                encryption(&config, &mut list);
                broker(&config, &mut list);
            }
            Err(error) => {
                list.fail(Exit::Invalid, "configuration", format!("{error:#}"), "docs/config.md has every key")
            }
        }
        let word = |mark: Mark| match mark {
            Mark::Ok => "ok",
            Mark::Look => "look",
            Mark::Fail(_) => "FAIL",
        };
        let rows = list
            .0
            .iter()
            .map(|(mark, what, found, fix)| vec![word(*mark).into(), (*what).into(), found.clone(), fix.clone()]);
        print(self.output.output, &["", "what", "found", "what_to_do"], &rows.collect::<Vec<_>>());
        Ok(list.exit())
    }
}

fn rules(config: &Config, list: &mut List) {
    let (choice, place) = (Choice { ids: Vec::new(), no_drafts: true }, origin(&config.rules.dir));
    match load(&config.rules.dir, &choice, &config.settings()) {
        Ok(Ok(pack)) if pack.rules.is_empty() => {
            list.fail(
                Exit::Invalid,
                "rules",
                format!("none of {place} is in force"),
                "status: shadow or live in a header",
            );
        }
        Ok(Ok(pack)) => {
            let live = pack.rules.iter().filter(|rule| rule.header.status == Status::Live).count();
            list.ok("rules", format!("{} of {place} in force, {live} of them live", pack.rules.len()));
            match warning_fault(&config.warnings.issuer(), &pack) {
                None => list.ok("warnings", format!("from {}", config.warnings.sender)),
                Some(fault) => list.fail(Exit::Invalid, "warnings", fault, "section [warnings], or the rule's header"),
            }
        }
        Ok(Err(problems)) => {
            for problem in problems {
                list.fail(Exit::Invalid, "rules", problem.to_string(), "foreshock rules check");
            }
        }
        Err(error) => list.fail(Exit::Invalid, "rules", format!("{error:#}"), "rules.dir"),
    }
}

fn disk(dir: &Path, list: &mut List) {
    if dir.as_os_str().is_empty() {
        return list.look("snapshots", "none are kept: a start takes every batch of the log again", "snapshots.dir");
    }
    if let Err(error) = Folder(dir.to_owned()).probe() {
        return list.fail(Exit::Findings, "snapshots", format!("{error:#}"), "a folder that this user can write to");
    }
    match free_bytes(dir) {
        Some(free) if free < DISK_FREE_MIN => {
            list.look("snapshots", format!("{} has {} MB left", dir.display(), free >> 20), "make room");
        }
        Some(free) => list.ok("snapshots", format!("{} can be written, {} GB left", dir.display(), free >> 30)),
        None => list.ok("snapshots", format!("{} can be written", dir.display())),
    }
}

fn free_bytes(dir: &Path) -> Option<u64> {
    let path = std::ffi::CString::new(dir.as_os_str().as_encoded_bytes()).ok()?;
    // SAFETY: a zeroed `statvfs` is a valid one, filled by the call; the path is a C string that outlives it.
    let (answer, found) = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut found), found)
    };
    (answer == 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}

fn encryption(config: &Config, list: &mut List) {
    let protocol = config.kafka.properties.get("security.protocol").map_or("plaintext", String::as_str);
    let is_local = config.kafka.brokers.split(',').all(|broker| {
        let host = broker.trim().rsplit_once(':').map_or(broker, |(host, _)| host);
        host == "localhost"
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    let is_encrypted = protocol.to_ascii_lowercase().ends_with("ssl");
    match (is_encrypted, is_local) {
        (true, _) if cfg!(feature = "kafka-tls") => list.ok("TLS", protocol),
        (true, _) => {
            list.fail(Exit::Invalid, "TLS", "this program was built without it", "cargo build --features kafka-tls")
        }
        (false, true) => list.ok("TLS", "none, the broker is on this machine"),
        (false, false) => {
            let fix = "kafka.properties: \"security.protocol\" = \"ssl\" or \"sasl_ssl\"";
            list.look("TLS", "events and results cross the network in the open", fix);
        }
    }
}

fn broker(config: &Config, list: &mut List) {
    let client = client_config(&config.kafka, &[("group.id", "foreshock-check")]).create();
    let consumer: BaseConsumer = match client {
        Ok(consumer) => consumer,
        Err(error) => return list.fail(Exit::Invalid, "Kafka client", error.to_string(), "section [kafka]"),
    };
    let metadata = match consumer.fetch_metadata(None, WAIT) {
        Ok(metadata) => metadata,
        Err(error) => {
            let found = format!("{}: {error}", config.kafka.brokers);
            return list.fail(Exit::Unreachable, "broker", found, "is it up? kafka.brokers, the firewall, TLS");
        }
    };
    list.ok("broker", format!("{}, {} of the cluster", config.kafka.brokers, metadata.brokers().len()));
    let partitions =
        |name: &str| metadata.topics().iter().find(|t| t.name() == name).map_or(0, |t| t.partitions().len());
    let names = match names(config) {
        Ok(names) => names,
        Err(error) => return list.fail(Exit::Invalid, "policy", format!("{error:#}"), "blocking.policy"),
    };
    let missing: Vec<String> = names.into_iter().filter(|name| partitions(name) == 0).collect();
    if missing.is_empty() {
        list.ok("topics", "all there");
    } else {
        list.fail(Exit::Unreachable, "topics", format!("not there: {}", missing.join(", ")), "foreshock topics create");
    }
    for (name, wanted) in [
        (PROGRESS, 1),
        (OWNER, 1),
        (REGISTER_PROGRESS, 1),
        (EVENTS, config.spread.partitions),
        (PARTS_PROGRESS, config.spread.partitions),
    ] {
        let found = partitions(name);
        if wanted > 0 && found > 0 && found != wanted as usize {
            let fix = "the number cannot change: new topics, and begin with nothing";
            list.fail(Exit::Unreachable, "topics", format!("{name} has {found} partitions, not {wanted}"), fix);
        }
    }
    match differences(config) {
        Ok(found) if found.is_empty() => list.ok("settings of topics", "as they are made"),
        Ok(found) => found.iter().for_each(|wrong| list.look("settings of topics", wrong.to_string(), wrong.fix())),
        Err(error) => {
            list.look("settings of topics", format!("not known: {error:#}"), "the right to describe configurations")
        }
    }
    clock(&consumer, list);
}

/// Compares with the newest sign of life, which the broker or the process that writes has dated.
fn clock(consumer: &BaseConsumer, list: &mut List) {
    let newest = || -> Option<i64> {
        let (low, high) = consumer.fetch_watermarks(OWNER, 0, WAIT).ok()?;
        let mut tail = TopicPartitionList::new();
        tail.add_partition_offset(OWNER, 0, Offset::Offset(low.max(high - 2))).ok()?;
        consumer.assign(&tail).ok()?;
        consumer.poll(Duration::from_secs(2))?.ok()?.timestamp().to_millis()
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    match newest() {
        None => list.ok("clock", "nothing on the broker yet to compare it with"),
        Some(newest) if newest > now && newest.abs_diff(now) > CLOCK_MS_MAX => {
            let found = format!("this machine is {} s behind the newest sign of life", newest.abs_diff(now) / 1_000);
            list.look("clock", found, "NTP on every machine");
        }
        Some(_) => list.ok("clock", "not behind the broker"),
    }
}
