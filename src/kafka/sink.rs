//! Delivery to Kafka. A batch goes out whole: its messages and its progress record in one transaction, or, where the
//! broker has none, by an idempotent producer with the progress record last.

use crate::kafka::client::client_config;
use crate::kafka::settings::{Delivery, Kafka};
use crate::kafka::tail::Tail;
use anyhow::{Context, bail};
use foreshock_log::{GivenUp, Ledger, Log, Message, OWNER, OnWait, Progress, Sign, TakenOver, TooLarge, deliver};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientContext, Message as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Below `socket.timeout.ms`: what is not answered by then counts as not known.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two looks for acknowledgements. `BaseProducer::poll` would turn round and round for its last millisecond, on a
/// processor that the broker may want.
const POLL: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(200);
/// How often an idle process shows that it lives.
const SIGN_EVERY: Duration = Duration::from_millis(500);

/// What came of a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The last one is fresh enough.
    NotDue,
    /// The broker has it.
    Given,
    /// The broker does not answer.
    NotGiven(String),
}

#[derive(Debug, Default)]
struct Deliveries {
    open: AtomicI64,
    error: Mutex<Option<anyhow::Error>>,
    transport_errors: AtomicU64,
}

fn undelivered(error: &KafkaError, topic: &str) -> anyhow::Error {
    use RDKafkaErrorCode::{InvalidMessageSize, MessageSizeTooLarge};
    if matches!(error.rdkafka_error_code(), Some(MessageSizeTooLarge | InvalidMessageSize)) {
        return TooLarge { topic: topic.to_owned() }.into();
    }
    anyhow::Error::new(error.clone()).context(format!("a message to {topic} was not delivered"))
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        self.transport_errors.fetch_add(1, Ordering::AcqRel);
        tracing::debug!(%error, reason, "producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.open.fetch_sub(1, Ordering::AcqRel);
        if let Err((error, message)) = result {
            let error = undelivered(error, message.topic());
            self.error.lock().expect("nobody panics with this lock").get_or_insert(error);
        }
    }
}

/// The producer.
pub struct KafkaSink {
    kafka: Kafka,
    log: Log,
    producer: BaseProducer<Deliveries>,
    /// When those who stand by last saw something of this process.
    last_sign: Instant,
    /// The outcome of a sign is not known: the log must be asked before anything is written.
    is_open: bool,
}

impl KafkaSink {
    /// Connects. In transactions this ends any other process that writes this log: what it has not committed is void.
    ///
    /// # Errors
    /// When a setting is not valid or the broker does not answer.
    pub fn new(kafka: &Kafka, log: Log) -> anyhow::Result<KafkaSink> {
        let (producer, last_sign) = (producer(kafka, log)?, Instant::now());
        let sink = KafkaSink { kafka: kafka.clone(), log, producer, last_sign, is_open: false };
        if kafka.delivery == Delivery::Transactions {
            sink.producer.init_transactions(CALL_TIMEOUT).context("cannot begin transactions with the broker")?;
        }
        Ok(sink)
    }

    /// Delivers a batch, in order, and returns when the broker has all of it. `on_wait` is called while it takes long.
    ///
    /// # Errors
    /// When it cannot be delivered: the batch is not done.
    pub fn deliver(&mut self, messages: &[Message], progress: &Progress, on_wait: OnWait<'_>) -> anyhow::Result<()> {
        self.last_sign = Instant::now();
        if self.kafka.delivery == Delivery::Idempotent {
            self.send(messages, on_wait)?;
            self.flush(on_wait)?;
            self.send(&[self.progress_message(progress)], on_wait)?;
            return self.flush(on_wait);
        }
        deliver(self, messages, progress, on_wait)
    }

    /// Tells those who stand by that this process lives, when it has not been seen to do so for a while.
    ///
    /// # Errors
    /// When another process has taken over.
    pub fn sign(&mut self, sign: &Sign, on_wait: OnWait<'_>) -> anyhow::Result<Signed> {
        let is_due = sign.is_gone || self.last_sign.elapsed() >= SIGN_EVERY;
        if !is_due {
            return Ok(Signed::NotDue);
        }
        self.last_sign = Instant::now();
        if self.kafka.delivery == Delivery::Idempotent {
            return Ok(self.ask());
        }
        let payload = serde_json::to_vec(sign).context("a sign is plain data")?;
        let message = Message::new(OWNER, String::new(), payload);
        let Err(error) = self.transaction(&[message], on_wait) else { return Ok(Signed::Given) };
        if self.is_fenced(&error) {
            return Err(error.context(TakenOver));
        }
        if !on_wait() {
            return Err(GivenUp.into());
        }
        // The log tells whether another process has written since. Asked before the renewal, which would end that process,
        // and after it, for it may have come between.
        let is_taken = |last: &Option<Progress>| last.as_ref().is_some_and(|last| last.number >= sign.next);
        match self.last() {
            Ok(last) if is_taken(&last) => return Err(error.context(TakenOver)),
            Ok(_) => match self.renew().and_then(|()| self.last()) {
                Ok(last) if is_taken(&last) => return Err(error.context(TakenOver)),
                Err(error) if self.is_fenced(&error) => return Err(error.context(TakenOver)),
                // Not looked up: this producer must not write before it is.
                Err(_) => self.is_open = true,
                Ok(_) => self.is_open = false,
            },
            Err(_) => self.is_open = true,
        }
        Ok(Signed::NotGiven(format!("{error:#}")))
    }

    /// Asks the broker whether it answers, when it has not been heard for a while. Nobody stands by who would want a sign.
    pub fn ask_when_due(&mut self) -> Signed {
        if self.last_sign.elapsed() < SIGN_EVERY {
            return Signed::NotDue;
        }
        self.last_sign = Instant::now();
        self.ask()
    }

    fn ask(&self) -> Signed {
        let answer = self.producer.client().fetch_metadata(Some(self.log.topic()), PATIENCE);
        answer.map_or_else(|error| Signed::NotGiven(error.to_string()), |_| Signed::Given)
    }

    /// The next [`KafkaSink::sign`] is due.
    pub fn sign_at_once(&mut self) {
        self.last_sign = self.last_sign.checked_sub(SIGN_EVERY).unwrap_or(self.last_sign);
    }

    fn progress_message(&self, progress: &Progress) -> Message {
        let payload = serde_json::to_vec(progress).expect("progress is plain data");
        let partition = Some(self.log.partition());
        Message { partition, ..Message::new(self.log.topic(), progress.number.to_string(), payload) }
    }

    /// One try. After any error nothing is known about it.
    fn transaction(&self, messages: &[Message], on_wait: OnWait<'_>) -> anyhow::Result<()> {
        let errors = || self.producer.context().transport_errors.load(Ordering::Acquire);
        let before = errors();
        self.producer.begin_transaction()?;
        self.send(messages, on_wait)?;
        self.flush(on_wait)?;
        self.producer.commit_transaction(CALL_TIMEOUT)?;
        // Errors of the connection come by `poll` only.
        self.producer.poll(Duration::ZERO);
        if errors() != before {
            // librdkafka may have asked twice inside the call: its Ok may be that of another transaction.
            bail!("the connection failed while a transaction was committed");
        }
        Ok(())
    }

    fn send(&self, messages: &[Message], on_wait: OnWait<'_>) -> anyhow::Result<()> {
        for message in messages {
            let open = &self.producer.context().open;
            open.fetch_add(1, Ordering::AcqRel);
            let mut record = BaseRecord::to(&message.topic).key(&message.key).payload(&message.payload);
            record.partition = message.partition;
            record.headers = headers(message);
            // A full local queue is back-pressure: wait for room.
            while let Err((error, back)) = self.producer.send(record) {
                if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                    open.fetch_sub(1, Ordering::AcqRel);
                    return Err(undelivered(&error, &message.topic));
                }
                record = back;
                self.serve(on_wait)?;
            }
        }
        Ok(())
    }

    /// Takes acknowledgements as they come; `on_wait` when none has come for long.
    fn serve(&self, on_wait: OnWait<'_>) -> anyhow::Result<()> {
        let open = || self.producer.context().open.load(Ordering::Acquire);
        let (before, start) = (open(), Instant::now());
        while open() == before {
            self.producer.poll(Duration::ZERO);
            if open() != before {
                break;
            }
            std::thread::sleep(POLL);
            if start.elapsed() > PATIENCE {
                return if on_wait() { Ok(()) } else { Err(GivenUp.into()) };
            }
        }
        Ok(())
    }

    fn flush(&self, on_wait: OnWait<'_>) -> anyhow::Result<()> {
        while self.producer.context().open.load(Ordering::Acquire) > 0 {
            self.serve(on_wait)?;
        }
        let error = self.producer.context().error.lock().expect("nobody panics with this lock").take();
        error.map_or(Ok(()), Err)
    }
}

fn headers(message: &Message) -> Option<OwnedHeaders> {
    let add = |headers: OwnedHeaders, (key, value): &(&str, String)| headers.insert(Header { key, value: Some(value) });
    (!message.headers.is_empty()).then(|| message.headers.iter().fold(OwnedHeaders::new(), add))
}

fn producer(kafka: &Kafka, log: Log) -> anyhow::Result<BaseProducer<Deliveries>> {
    let id = format!("{}-{}", kafka.group_id, log.name());
    let mut defaults = vec![("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "1")];
    if kafka.delivery == Delivery::Transactions {
        defaults.extend([
            ("transactional.id", id.as_str()),
            ("transaction.timeout.ms", "30000"),
            ("message.timeout.ms", "30000"),
            ("socket.timeout.ms", "20000"),
            ("retry.backoff.ms", "5"),
        ]);
    } else {
        defaults.push(("message.timeout.ms", "300000"));
    }
    let producer = client_config(kafka, &defaults).create_with_context(Deliveries::default());
    producer.context("cannot make the Kafka producer")
}

impl Ledger for KafkaSink {
    fn write(&mut self, messages: &[Message], progress: &Progress, on_wait: OnWait<'_>) -> anyhow::Result<()> {
        if std::mem::take(&mut self.is_open) {
            bail!("the outcome of the last sign of life is not known");
        }
        let mut all = messages.to_vec();
        all.push(self.progress_message(progress));
        self.transaction(&all, on_wait)
    }

    /// A new producer, for one with an unknown outcome must never be used again.
    fn renew(&mut self) -> anyhow::Result<()> {
        self.producer = producer(&self.kafka, self.log)?;
        Ok(self.producer.init_transactions(CALL_TIMEOUT)?)
    }

    fn last(&mut self) -> anyhow::Result<Option<Progress>> {
        Tail::of(&self.kafka, self.log)?.last()
    }

    fn is_fenced(&self, error: &anyhow::Error) -> bool {
        use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
        let says_so = |code: RDKafkaErrorCode| matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch);
        let codes = error.chain().filter_map(|e| e.downcast_ref::<KafkaError>()?.rdkafka_error_code());
        // A message that was under way then only says that it was thrown away.
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        codes.chain(fatal).any(says_so)
    }

    fn pause(&mut self) {
        std::thread::sleep(PAUSE);
    }
}
