//! What a source makes of what the watch has found out: topics made anew or with more partitions, records that are gone.

use crate::kafka::partition::Partition;
use crate::kafka::settings::TopicMadeAnew;
use crate::kafka::source::KafkaSource;
use crate::kafka::topic_ids::TopicState;
use anyhow::{anyhow, bail};
use foreshock_core::Presence;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the broker is asked again what it has.
const AGAIN: Duration = Duration::from_secs(1);

impl KafkaSource {
    pub(super) fn why_anew(&self, topic: &str, was: &str) -> String {
        format!(
            "topic `{topic}` was deleted and made again (Kafka's id of it was {was}, is {}): the records that were judged are \
             not in it. To go on with the new one, set kafka.topic_made_anew = \"go_on\": what windows hold stays, records of \
             the old one that were not yet judged count as lost; or begin with nothing, with new topics and no snapshots",
            self.topics.get(topic).map_or("unknown", String::as_str)
        )
    }

    /// Takes in what the watch has found out: topics made anew or with more partitions, records that are gone.
    pub(super) fn settle(&mut self) {
        if let Some(found) = self.watch.take_topics()
            && let Err(error) = self.settle_topics(&found)
        {
            self.fault.get_or_insert(error);
        }
        let Some(reset) = &mut self.reset else { return };
        let ends: Vec<_> = self.partitions.iter().map(|p| self.watch.ends(&p.place)).collect();
        if ends.iter().any(|ends| ends.is_none_or(|ends| ends.asked < reset.since)) {
            if reset.asked.elapsed() > AGAIN {
                reset.asked = Instant::now();
                self.watch.ask(self.partitions.iter().map(|p| p.place.clone()));
            }
            return;
        }
        self.reset = None;
        for (partition, ends) in self.partitions.iter_mut().zip(ends.into_iter().flatten()) {
            self.lost += partition.skip_to(ends.low);
            if partition.next.is_some_and(|next| next > ends.high) {
                let (name, next) = (partition.name(), partition.next.unwrap_or_default());
                self.fault.get_or_insert_with(|| {
                    anyhow!(
                        "{name} ends at offset {} and was read up to {next}: its end was lost (a replica that lagged behind \
                         became the leader?) or the topic was made anew",
                        ends.high
                    )
                });
            }
        }
        if let Err(error) = self.assign() {
            self.fault.get_or_insert(error);
        }
    }

    fn settle_topics(&mut self, found: &BTreeMap<String, TopicState>) -> anyhow::Result<()> {
        let now = ids(found);
        let anew: Vec<String> = now.keys().filter(|t| differs(&self.topics, &now, t)).cloned().collect();
        let before = std::mem::take(&mut self.topics);
        self.topics = before.iter().chain(&now).map(|(k, v)| (k.clone(), v.clone())).collect();
        for topic in &anew {
            if self.made_anew == TopicMadeAnew::Stop {
                bail!(self.why_anew(topic, &before[topic]));
            }
            tracing::error!(topic, "deleted and made again: read from its beginning");
            self.partitions.iter_mut().filter(|p| p.place.0 == *topic).for_each(Partition::begin_anew);
        }
        if !anew.is_empty() {
            // A reset that is under way is of the topic that is gone.
            self.reset = None;
            self.assign()?;
        }
        for (topic, state) in found {
            let known = self.partitions.iter().filter(|p| p.place.0 == *topic).count();
            if self.grows && state.partitions > known {
                self.take_new_partitions(topic)?;
            }
        }
        Ok(())
    }

    /// Partitions added to a topic are read from their beginning. The horizon does not wait for them before they send.
    pub(super) fn take_new_partitions(&mut self, topic: &str) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for partition in self.partitions_of(topic)? {
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
