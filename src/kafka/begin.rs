//! How a source begins: which partitions it reads, and from where.

use crate::kafka::client::{QUEUE_LOOK, QUEUE_MAX, client_config, patiently};
use crate::kafka::partition::Partition;
use crate::kafka::settings::{Kafka, TopicMadeAnew};
use crate::kafka::settle::{differs, ids};
use crate::kafka::source::{Bookmark, Intake, KafkaSource};
use crate::kafka::tail::check_partitions;
use crate::kafka::topic_ids::{describe, describe_patiently};
use crate::kafka::watch::{Place, Watch};
use anyhow::{Context, bail};
use foreshock_core::{Feed, Presence};
use foreshock_log::{ANSWERS, BLOCKING_DRAFTS, COMMANDS, EVENTS};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

impl KafkaSource {
    /// Connects and takes what the intake names: from the bookmark on, so that the state can be made again; without it
    /// from the committed offsets on.
    ///
    /// # Errors
    /// When the broker cannot be reached, a topic is not there or was made anew.
    pub fn new(kafka: &Kafka, intake: Intake<'_>, resume: Option<&Bookmark>) -> anyhow::Result<KafkaSource> {
        let defaults = [
            ("group.id", kafka.group_id.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // Where the broker no longer has an offset, it must be known what is lost: see `settle`.
            ("auto.offset.reset", "error"),
            ("fetch.wait.max.ms", "10"),
            QUEUE_MAX,
            QUEUE_LOOK,
            ("isolation.level", "read_committed"),
        ];
        let consumer: BaseConsumer =
            client_config(kafka, &defaults).create().context("cannot make the Kafka consumer")?;
        let names: Vec<&str> = match intake {
            Intake::Feeds { .. } => Feed::ALL.map(Feed::topic).to_vec(),
            Intake::Part(_) => vec![EVENTS],
            Intake::Register => vec![BLOCKING_DRAFTS, COMMANDS, ANSWERS],
        };
        let known = resume.map(|r| r.topics.clone()).unwrap_or_default();
        let described = match describe(consumer.client(), &names, METADATA_TIMEOUT) {
            Ok(described) => described,
            // A broker that gave ids before will again.
            Err(_) if !known.is_empty() => describe_patiently(consumer.client(), &names, METADATA_TIMEOUT)?,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::info!(error, "the broker gives no ids of topics: one made anew is not noticed");
                BTreeMap::new()
            }
        };
        let mut source = KafkaSource {
            consumer,
            watch: Watch::start(kafka, names.iter().map(|name| (*name).to_owned()).collect())?,
            partitions: Vec::new(),
            numbers: BTreeMap::new(),
            latest: 0,
            topics: ids(&described),
            in_log: resume.map(|r| r.first_topics.clone()).unwrap_or_default(),
            made_anew: kafka.topic_made_anew,
            grows: !matches!(intake, Intake::Part(_)),
            looked: Instant::now(),
            reset: None,
            is_following: resume.is_some(),
            is_paused: false,
            last_error: None,
            gone: None,
            fault: None,
            lost: 0,
        };
        source.add_partitions(intake, &names, resume)?;
        match resume {
            Some(resume) => source.begin_at(resume)?,
            None => source.begin_at_committed()?,
        }
        Ok(source)
    }

    /// Those of the state first, in its order; then what there is besides.
    fn add_partitions(&mut self, intake: Intake<'_>, names: &[&str], resume: Option<&Bookmark>) -> anyhow::Result<()> {
        let mut found: Vec<(Place, bool)> = Vec::new();
        match intake {
            Intake::Feeds { .. } | Intake::Register => {
                for name in names {
                    let expected = if let Intake::Feeds { expected } = intake { expected } else { &[] };
                    let is_expected = expected.iter().any(|feed| feed.topic() == *name);
                    let partitions = self.partitions_of(name)?;
                    if partitions.is_empty() {
                        bail!("topic `{name}` is not there; `foreshock topics create` makes it");
                    }
                    found.extend(partitions.into_iter().map(|p| (((*name).to_owned(), p), is_expected)));
                }
            }
            Intake::Part(part) => {
                check_partitions(EVENTS, self.partitions_of(names[0])?.len(), part.of)?;
                found.push(((EVENTS.to_owned(), part.number.cast_signed()), true));
            }
        }
        if let Some(gone) = resume.and_then(|r| r.order.iter().find(|place| !found.iter().any(|f| f.0 == **place))) {
            bail!("partition {} of topic `{}` is not there any more", gone.1, gone.0);
        }
        let rank = |place: &Place| resume.and_then(|r| r.order.iter().position(|p| p == place)).unwrap_or(usize::MAX);
        found.sort_by_cached_key(|(place, _)| rank(place));
        for (place, is_expected) in found {
            let name = format!("{}/{}", place.0, place.1);
            let waits = |has_records| match (intake, resume) {
                (Intake::Part(_), _) => true,
                (_, Some(resume)) => resume.waits_for.contains(&name),
                (_, None) => is_expected || has_records,
            };
            let (low, high) = patiently(|| self.consumer.fetch_watermarks(&place.0, place.1, METADATA_TIMEOUT))
                .with_context(|| format!("cannot read the ends of {name}"))?;
            self.add(place, if waits(low < high) { Presence::Expected } else { Presence::Optional }, low);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, place: Place, presence: Presence, low: i64) {
        self.numbers.insert(place.clone(), self.partitions.len());
        self.partitions.push(Partition::new(place, presence, low));
    }

    pub(super) fn partitions_of(&self, topic: &str) -> anyhow::Result<Vec<i32>> {
        let metadata =
            self.consumer.fetch_metadata(Some(topic), METADATA_TIMEOUT).context("the broker does not answer")?;
        let mut partitions: Vec<i32> =
            metadata.topics().iter().flat_map(|t| t.partitions().iter().map(|p| p.id())).collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// So that the state can be made again.
    fn begin_at(&mut self, resume: &Bookmark) -> anyhow::Result<()> {
        let anew: Vec<String> =
            self.topics.keys().filter(|t| differs(&resume.topics, &self.topics, t)).cloned().collect();
        if let (Some(topic), TopicMadeAnew::Stop) = (anew.first(), self.made_anew) {
            bail!(self.made_anew(topic, &resume.topics[topic]));
        }
        for partition in &mut self.partitions {
            let first = resume.offsets.get(&partition.place).filter(|_| !anew.contains(&partition.place.0));
            partition.next = Some(first.map_or(partition.low, |first| (*first).max(partition.low)));
            partition.done = partition.next;
        }
        self.assign()
    }

    /// A partition that stays silent has then been read to there, too.
    fn begin_at_committed(&mut self) -> anyhow::Result<()> {
        let list = self.list(|_| true);
        let committed = patiently(|| self.consumer.committed_offsets(list.clone(), METADATA_TIMEOUT))
            .context("cannot read the committed offsets")?;
        for element in committed.elements() {
            let place = (element.topic().to_owned(), element.partition());
            if let (Some(number), Offset::Offset(offset)) = (self.numbers.get(&place), element.offset()) {
                self.partitions[*number].next = Some(offset);
            }
        }
        for partition in &mut self.partitions {
            partition.next.get_or_insert(partition.low);
            partition.done = partition.next;
        }
        self.assign()
    }

    /// Reads every partition from its next offset on. What the client holds is read again.
    pub(super) fn assign(&mut self) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for Partition { place, next, low, .. } in &self.partitions {
            list.add_partition_offset(&place.0, place.1, Offset::Offset(next.unwrap_or(*low)))?;
        }
        self.consumer.assign(&list).context("cannot take the partitions")?;
        if self.is_paused {
            self.consumer.pause(&list)?;
        }
        let held = self.list(|p| p.is_held);
        Ok(self.consumer.pause(&held)?)
    }

    pub(super) fn list(&self, is_wanted: impl Fn(&Partition) -> bool) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in self.partitions.iter().filter(|p| is_wanted(p)) {
            list.add_partition(&partition.place.0, partition.place.1);
        }
        list
    }
}
