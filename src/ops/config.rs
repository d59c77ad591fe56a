//! Configuration of `run` and `demo`: a TOML file; unknown keys are errors with their line.

use crate::history::upkeep::Keeping;
use crate::kafka::settings::Kafka;
use crate::ops::blocking::Blocking;
use crate::state::bucket::Bucket;
use anyhow::Context;
use foreshock_actions::Issuer;
use foreshock_compiler::Settings;
use foreshock_core::Feed;
use foreshock_core::limits::BATCH_EVENTS_LIMIT;
use foreshock_engine::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use url::Url;

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Broker and topics.
    pub kafka: Kafka,
    /// The window engine.
    pub engine: EngineSettings,
    /// Rules and their parameters.
    pub rules: Rules,
    /// Several processes that share rules.
    pub spread: SpreadSettings,
    /// The state on disk.
    pub snapshots: Snapshots,
    /// Health and metrics.
    pub http: Http,
    /// Who warns.
    pub warnings: Warnings,
    /// Who may block.
    pub blocking: Blocking,
    /// The process that is asked.
    pub serve: Serve,
    /// What it keeps for years.
    pub history: History,
}

/// `[engine]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Key ranges per window group, and threads.
    pub shards: usize,
    /// How late an event may come, in seconds.
    pub lateness_s: u32,
    /// The same for one feed, by its table name.
    pub feed_lateness_s: BTreeMap<String, u32>,
    /// After so many seconds without a record the horizon no longer waits for a partition; 0 for never. What it sends
    /// later is too late when it lies before the horizon.
    pub idle_s: u32,
    /// A partition so many seconds of event time ahead of another one that still sends waits for it; 0 for never. The
    /// horizon stands at the one most behind, and all that is younger is kept. For catching up only: a source whose clock is
    /// slow would hold up all others for as long as it sends.
    pub skew_s: u32,
    /// Most events that are not final: young rows, or event ids remembered. At so many only the partitions that hold the
    /// horizon back are read on, until it follows.
    pub young_max: usize,
    /// Most events of one micro-batch.
    pub batch_events_max: usize,
    /// Most keys in use in each window group. Rows of further ones are not counted there, and what they may be missing
    /// from is marked `incomplete` and leads to no act.
    pub keys_max: usize,
    /// Most entries (events) in each window group. When seven eighths are there rows of new keys are not counted there, when
    /// all are no row is; marked in the same way.
    pub entries_max: u32,
    /// Most texts, while a rule with texts has windows that never end. Beyond it rows of window groups with texts are not
    /// counted, marked in the same way.
    pub texts_max: usize,
    /// Refuse events more than five minutes ahead of their record's timestamp.
    pub refuse_future: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            shards: 2,
            lateness_s: 120,
            feed_lateness_s: BTreeMap::new(),
            idle_s: 600,
            skew_s: 0,
            young_max: 10_000_000,
            batch_events_max: foreshock_core::limits::BATCH_EVENTS_MAX,
            keys_max: 2_000_000,
            entries_max: 50_000_000,
            texts_max: 50_000_000,
            refuse_future: true,
        }
    }
}

impl EngineSettings {
    /// How late an event of a feed may come, in seconds.
    pub fn lateness_s(&self, feed: Feed) -> u32 {
        self.feed_lateness_s.get(feed.table()).copied().unwrap_or(self.lateness_s)
    }

    /// What each window group may hold.
    pub fn limits(&self) -> Limits {
        Limits { keys_max: self.keys_max, entries_max: self.entries_max, texts_max: self.texts_max }
    }
}

/// `[spread]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpreadSettings {
    /// Partitions over which the rules that spread are shared: most processes that can have a share. 0 for none: one process
    /// runs all rules. It cannot change once there are events.
    pub partitions: u32,
}

/// `[rules]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Folder with `rules/` and `views/`; empty for `sql`, or where that is not there for the rules that are built in.
    pub dir: PathBuf,
    /// Parameters for all rules that have them (`currency`) and, as `"M01.min_payers_day"`, for one.
    pub params: BTreeMap<String, String>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { dir: PathBuf::new(), params: BTreeMap::new() }
    }
}

/// `[snapshots]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshots {
    /// Folder for snapshots; empty for none: a start then takes every batch of the log again.
    pub dir: PathBuf,
    /// Where each is copied to for a start on another machine: `s3://bucket/prefix`, `az://..`, `gs://..`, `file:///..`;
    /// empty for nowhere. Its settings and credentials are those of the environment (`AWS_..`, `AZURE_..`, `GOOGLE_..`).
    pub object_store: String,
    /// Seconds between two snapshots; one is also written at an orderly end.
    pub every_s: u32,
}

impl Default for Snapshots {
    fn default() -> Self {
        Snapshots { dir: PathBuf::new(), object_store: String::new(), every_s: 300 }
    }
}

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address of `/livez`, `/readyz`, `/metrics`; empty for none.
    pub listen: String,
}

impl Default for Http {
    fn default() -> Self {
        Http { listen: "127.0.0.1:9464".into() }
    }
}

/// `[serve]`: the process that answers SQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// Where it answers; only a loopback address is taken.
    pub listen: String,
    /// It knows the log from so many hours before its start on.
    pub live_hours: u32,
    /// Most rows in memory, of each table: the oldest are let go of.
    pub rows_max: usize,
    /// Most rows of an answer.
    pub answer_rows_max: usize,
    /// Most megabytes of an answer.
    pub answer_mb: usize,
    /// Megabytes that all statements together may reserve for sorting, joining and grouping.
    pub memory_mb: usize,
    /// Longest time of a statement, seconds.
    pub time_s: u32,
    /// Statements at once; more wait.
    pub at_once: usize,
    /// Where PostgreSQL clients are answered, such as 127.0.0.1:5640; empty: nowhere.
    pub postgres: String,
    /// Most connections of PostgreSQL clients.
    pub connections_max: usize,
    /// The file of those who may ask; empty: everyone on this machine, and nobody else.
    pub users: PathBuf,
    /// The file in which the statements of these people are written down; needed with `users`.
    pub audit: PathBuf,
    /// The certificate that PostgreSQL clients see (PEM, with its chain), and its key. Without them only a loopback address
    /// is taken.
    pub tls_cert: PathBuf,
    /// The key.
    pub tls_key: PathBuf,
    /// PostgreSQL clients of this machine may speak without TLS.
    pub plaintext: bool,
    /// The file of the private key that signs the commands of people (`foreshock key NAME`); its public key stands in the policy
    /// under `readers`. Empty: no commands are taken.
    pub key: PathBuf,
}

impl Default for Serve {
    fn default() -> Self {
        Serve {
            listen: "127.0.0.1:8640".into(),
            live_hours: 24,
            rows_max: 2_000_000,
            answer_rows_max: 100_000,
            answer_mb: 256,
            memory_mb: 1_024,
            time_s: 30,
            at_once: 4,
            postgres: String::new(),
            connections_max: 50,
            users: PathBuf::new(),
            audit: PathBuf::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            plaintext: false,
            key: PathBuf::new(),
        }
    }
}

impl Serve {
    /// No limit may be nothing, nor so much that it cannot be counted.
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!((1..=64).contains(&self.at_once), "serve.at_once must be 1 to 64");
        anyhow::ensure!((1..=10_000).contains(&self.connections_max), "serve.connections_max must be 1 to 10000");
        let (cert, key) = (&self.tls_cert, &self.tls_key);
        let is_both = cert.as_os_str().is_empty() == key.as_os_str().is_empty();
        anyhow::ensure!(is_both, "serve.tls_cert and serve.tls_key belong together: one is missing");
        let is_audited = self.users.as_os_str().is_empty() == self.audit.as_os_str().is_empty();
        anyhow::ensure!(is_audited, "serve.users and serve.audit belong together: one is missing");
        anyhow::ensure!((2..=3_600).contains(&self.time_s), "serve.time_s must be 2 to 3600");
        for (name, value) in [("rows_max", self.rows_max), ("answer_rows_max", self.answer_rows_max)] {
            anyhow::ensure!(value > 0, "serve.{name} must be at least 1");
        }
        for (name, value) in [("answer_mb", self.answer_mb), ("memory_mb", self.memory_mb)] {
            anyhow::ensure!((1..=1 << 20).contains(&value), "serve.{name} must be 1 to {}", 1 << 20);
        }
        Ok(())
    }
}

/// `[history]`: Delta Lake tables of all that `serve` has read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Folder; empty for none: `serve` then knows the last `serve.live_hours` in memory.
    pub dir: String,
    /// Seconds between two commits; there is one earlier where 128 MB wait.
    pub every_s: u32,
    /// Days that rows stay, by table, where it is not [`DAYS_KEPT`]; 0 for ever. They go a day at a time, by the day of their
    /// event.
    pub days: BTreeMap<String, u32>,
    /// Days after which rows name nobody any more, by table; a table that is not named keeps its names.
    pub names_days: BTreeMap<String, u32>,
    /// Hours that files stay which the newest version of a table no longer needs: for statements and readers under way.
    pub file_hours: u32,
    /// The file of what must stay whatever its age (`docs/history.md`).
    pub holds: PathBuf,
}

impl Default for History {
    fn default() -> Self {
        History {
            dir: String::new(),
            every_s: 60,
            days: BTreeMap::new(),
            names_days: BTreeMap::new(),
            file_hours: 24,
            holds: PathBuf::new(),
        }
    }
}

/// Days that rows of these tables stay when nothing else is said; all others stay.
pub const DAYS_KEPT: [(&str, u32); 4] = [("telecom", 30), ("transactions", 180), ("late", 180), ("rejected", 180)];

impl History {
    /// How long what is kept.
    pub fn keeping(&self) -> Keeping {
        let mut days: BTreeMap<String, u32> = DAYS_KEPT.map(|(table, days)| (table.to_owned(), days)).into();
        days.extend(self.days.clone());
        days.retain(|_, days| *days > 0);
        let names_days = self.names_days.clone();
        Keeping { days, names_days, file_hours: self.file_hours, holds: self.holds.clone() }
    }

    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!((1..=3_600).contains(&self.every_s), "history.every_s must be 1 to 3600");
        anyhow::ensure!((1..=720).contains(&self.file_hours), "history.file_hours must be 1 to 720");
        for (table, days) in &self.days {
            anyhow::ensure!(*days <= 36_500, "history.days.{table} must be 0 (for ever) to 36500");
        }
        for (table, days) in &self.names_days {
            anyhow::ensure!((1..=36_500).contains(days), "history.names_days.{table} must be 1 to 36500");
        }
        Ok(())
    }
}

/// `[warnings]`: the sender of public warnings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Warnings {
    /// Address of the sender.
    pub sender: String,
    /// Agency in Chinese.
    pub agency_zh: String,
    /// Agency in English.
    pub agency_en: String,
    /// Page with the warnings.
    pub web: String,
    /// Number to call.
    pub contact: String,
    /// Six digits of the place.
    pub place_code: String,
    /// Three digits of the agency.
    pub agency_code: String,
}

impl Default for Warnings {
    fn default() -> Self {
        let Issuer { sender, agency_zh, agency_en, web, contact, place_code, agency_code } = Issuer::default();
        Warnings { sender, agency_zh, agency_en, web, contact, place_code, agency_code }
    }
}

impl Warnings {
    /// Who warns, as the acts want it.
    pub fn issuer(&self) -> Issuer {
        let Warnings { sender, agency_zh, agency_en, web, contact, place_code, agency_code } = self.clone();
        Issuer { sender, agency_zh, agency_en, web, contact, place_code, agency_code }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a key or value is not valid: with line, column and the keys there are.
    pub fn read(path: &Path) -> anyhow::Result<Config> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let config: Config = toml::from_str(&text).with_context(|| format!("configuration {}", path.display()))?;
        anyhow::ensure!((1..=256).contains(&config.engine.shards), "engine.shards must be 1 to 256");
        anyhow::ensure!(config.engine.young_max > 0, "engine.young_max must be at least 1");
        anyhow::ensure!(config.engine.keys_max > 0, "engine.keys_max must be at least 1");
        anyhow::ensure!(config.engine.texts_max > 0, "engine.texts_max must be at least 1");
        anyhow::ensure!(config.engine.entries_max > 0, "engine.entries_max must be at least 1");
        anyhow::ensure!(
            config.snapshots.object_store.is_empty() || !config.snapshots.dir.as_os_str().is_empty(),
            "snapshots.object_store needs snapshots.dir: a snapshot is written there and then copied"
        );
        if !config.snapshots.object_store.is_empty() {
            Bucket::open(&config.snapshots.object_store, None)?;
        }
        config.kafka.fault().map_or(Ok(()), |fault| Err(anyhow::anyhow!(fault)))?;
        anyhow::ensure!(config.kafka.failover_ms >= 1_000, "kafka.failover_ms must be 1000 or more");
        for name in config.engine.feed_lateness_s.keys() {
            let tables = Feed::ALL.map(Feed::table);
            anyhow::ensure!(
                tables.contains(&name.as_str()),
                "engine.feed_lateness_s: no feed `{name}`; there are {}",
                tables.join(", ")
            );
        }
        anyhow::ensure!(
            (1..=BATCH_EVENTS_LIMIT).contains(&config.engine.batch_events_max),
            "engine.batch_events_max must be 1 to {BATCH_EVENTS_LIMIT}"
        );
        config.serve.check()?;
        config.history.check()?;
        config.blocking.read_policy()?;
        Ok(config)
    }

    /// Rule parameters as the compiler wants them.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in &self.rules.params {
            settings.set(name, value);
        }
        settings
    }

    /// Every key with its value, and whether it comes from the file. Secrets are covered.
    ///
    /// # Errors
    /// Never for a configuration that was read.
    pub fn origins(&self, file_text: &str) -> anyhow::Result<Vec<(String, String, bool)>> {
        let all = toml::Table::try_from(self)?;
        let given: toml::Table = toml::from_str(file_text)?;
        let mut keys = Vec::new();
        for (section, values) in &all {
            for (key, value) in values.as_table().into_iter().flatten() {
                let given = given.get(section).and_then(|s| s.get(key));
                match value.as_table().filter(|inner| !inner.is_empty()) {
                    Some(inner) => keys.extend(inner.iter().map(|(name, value)| {
                        let is_given = given.and_then(|g| g.get(name)).is_some();
                        (format!("{section}.{key}.\"{name}\""), shown(name, value), is_given)
                    })),
                    None => keys.push((format!("{section}.{key}"), shown(key, value), given.is_some())),
                }
            }
        }
        Ok(keys)
    }
}

/// A value for people: not what opens doors.
fn shown(name: &str, value: &toml::Value) -> String {
    const SECRET: [&str; 8] =
        ["password", "secret", "passphrase", "token", ".pem", "jaas", "credential", "oauthbearer.config"];
    let name = name.to_ascii_lowercase();
    let is_key = name.contains("key") && name.starts_with("ssl") && !name.ends_with(".location");
    if is_key || SECRET.iter().any(|word| name.contains(word)) {
        return "\"(not shown)\"".to_owned();
    }
    // A URL may have its password in it.
    match value.as_str().and_then(|text| Url::parse(text).ok()) {
        Some(mut url) if url.password().is_some() => match url.set_password(Some("(not shown)")) {
            Ok(()) => format!("\"{url}\""),
            Err(()) => "\"(not shown)\"".to_owned(),
        },
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_configuration_are_not_shown() {
        let text = r#"
            [kafka.properties]
            "sasl.password" = "hunter2"
            "ssl.key.password" = "hunter2"
            "ssl.key.pem" = "hunter2"
            "sasl.oauthbearer.client.secret" = "hunter2"
            "sasl.username" = "bank"
            "ssl.key.location" = "/etc/key.pem"
            [snapshots]
            dir = "state"
            object_store = "https://user:hunter2@store.example/x"
        "#;
        let config: Config = toml::from_str(text).expect("a configuration");
        let shown = format!("{:?}", config.origins(text).expect("keys"));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("bank") && shown.contains("/etc/key.pem") && shown.contains("sasl.password"), "{shown}");
    }
}
