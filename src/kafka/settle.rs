//! What a source makes of what the watch has found out: topics made anew or with more partitions, records that are gone.

use crate::kafka::partition::Partition;
use crate::kafka::settings::TopicMadeAnew;
use crate::kafka::source::{KafkaSource, Reset};
use crate::kafka::topic_ids::{TopicState, describe};
use anyhow::{anyhow, bail};
use foreshock_core::Presence;
use foreshock_log::MadeAnew;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the broker is asked again what it has.
const AGAIN: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_secs(10);

impl KafkaSource {
    pub(super) fn made_anew(&self, topic: &str, was: &str) -> MadeAnew {
        MadeAnew(format!(
            "topic `{topic}` was deleted and made again (Kafka's id of it was {was}, is {}): the records that were judged are \
             not in it. To go on with the new one, set kafka.topic_made_anew = \"go_on\": what windows hold stays, records of \
             the old one that nobody had read are gone; or begin with nothing, with new topics and no snapshots",
            self.topics.get(topic).map_or("unknown", String::as_str)
        ))
    }

    /// Takes in what the watch has found out: topics made anew or with more partitions, records that are gone.
    pub(super) fn settle(&mut self) {
        if let Some(found) = self.watch.take_topics()
            && let Err(error) = self.settle_topics(&found)
        {
            self.fault.get_or_insert(error);
        }
        self.settle_reset();
    }

    /// Where the broker did not have an offset: skips to what it has, partition by partition as the answers come.
    fn settle_reset(&mut self) {
        let Some(mut reset) = self.reset.take() else { return };
        let mut is_moved = false;
        reset.left.retain(|number, next| {
            let partition = &mut self.partitions[*number];
            let Some(ends) = self.watch.ends(&partition.place).filter(|ends| ends.asked >= reset.since) else {
                return true;
            };
            let skipped = partition.skip_to(ends.low);
            is_moved |= skipped > 0;
            // Whoever takes batches again counts what is missing from these.
            self.lost += if self.is_following { 0 } else { skipped };
            if next.is_some_and(|next| next > ends.high) {
                let (name, next) = (partition.name(), next.unwrap_or_default());
                self.fault.get_or_insert_with(|| {
                    anyhow!(
                        "{name} ends at offset {} and was read up to {next}: its end was lost (a replica that lagged behind \
                         became the leader?) or the topic was made anew",
                        ends.high
                    )
                });
            }
            false
        });
        if (is_moved || reset.left.is_empty())
            && let Err(error) = self.assign()
        {
            self.fault.get_or_insert(error);
        }
        if reset.left.is_empty() {
            return;
        }
        if reset.asked.elapsed() > AGAIN {
            reset.asked = Instant::now();
            self.watch.ask(reset.left.keys().map(|number| self.partitions[*number].place.clone()));
        }
        self.reset = Some(reset);
    }

    /// Asks the broker what it has, since it did not have what was asked for.
    pub(super) fn note_reset(&mut self) {
        if self.reset.is_none() {
            let (now, partitions) = (Instant::now(), self.partitions.iter().enumerate());
            self.reset = Some(Reset { since: now, asked: now, left: partitions.map(|(n, p)| (n, p.next)).collect() });
            self.watch.ask(self.partitions.iter().map(|p| p.place.clone()));
        }
    }

    /// The topics as they are now, asked at once: for a process that follows and sees other ids in the log than it knows.
    pub(super) fn look_at_topics(&mut self) -> anyhow::Result<()> {
        let names: Vec<&str> = self.topics.keys().map(String::as_str).collect();
        let found = describe(self.consumer.client(), &names, WAIT)?;
        self.settle_topics(&found)
    }

    fn settle_topics(&mut self, found: &BTreeMap<String, TopicState>) -> anyhow::Result<()> {
        let now = ids(found);
        let anew: Vec<String> = now.keys().filter(|t| differs(&self.topics, &now, t)).cloned().collect();
        let before = std::mem::take(&mut self.topics);
        self.topics = before.iter().chain(&now).map(|(k, v)| (k.clone(), v.clone())).collect();
        for topic in &anew {
            if self.made_anew == TopicMadeAnew::Stop {
                bail!(self.made_anew(topic, &before[topic]));
            }
            tracing::error!(topic, "deleted and made again: read from its beginning");
            self.partitions.iter_mut().filter(|p| p.place.0 == *topic).for_each(Partition::begin_anew);
        }
        if !anew.is_empty() {
            // A reset that is under way is of the topic that is gone.
            self.reset = None;
            self.assign()?;
        }
        let gone = self.topics.keys().find(|topic| !found.contains_key(*topic));
        self.gone = gone.map(|topic| format!("topic `{topic}` is not there any more"));
        for (topic, state) in found {
            let known = self.partitions.iter().filter(|p| p.place.0 == *topic).count();
            if self.grows && state.partitions > known {
                self.take_new_partitions(topic, state.partitions)?;
            }
        }
        Ok(())
    }

    /// Partitions added to a topic are read from their beginning. The horizon does not wait for them before they send.
    pub(super) fn take_new_partitions(&mut self, topic: &str, count: usize) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::try_from(count)? {
            let place = (topic.to_owned(), partition);
            if self.numbers.contains_key(&place) {
                continue;
            }
            tracing::info!(topic, partition, "a partition was added: it is read too");
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
            self.add(place, Presence::Optional, 0);
        }
        Ok(self.consumer.incremental_assign(&list)?)
    }
}

/// The ids that there are.
pub(super) fn ids(found: &BTreeMap<String, TopicState>) -> BTreeMap<String, String> {
    found.iter().filter(|(_, s)| !s.id.is_empty()).map(|(name, s)| (name.clone(), s.id.clone())).collect()
}

/// Has a topic another id in the two? Where one of them does not know, it has not.
pub(super) fn differs(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>, topic: &str) -> bool {
    a.get(topic).zip(b.get(topic)).is_some_and(|(a, b)| a != b)
}
