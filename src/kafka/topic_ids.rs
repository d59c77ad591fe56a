//! What a topic is beside its name: Kafka's own id of it (KIP-516), which a topic that is deleted and made again does not
//! keep. The Rust client has no call for it yet, so this one room asks the C library.

use anyhow::{Context, bail, ensure};
use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaRespErr;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::time::Duration;

/// A topic as the broker has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Kafka's id of it; empty when the broker has none (before 2.8, or the embedded one).
    pub id: String,
    /// Number of its partitions.
    pub partitions: usize,
}

/// Describes these topics; one that is not there is left out.
///
/// # Errors
/// When the broker does not answer in time or cannot do it.
pub fn describe<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    wait: Duration,
) -> anyhow::Result<BTreeMap<String, TopicState>> {
    let names: Vec<CString> = topics.iter().map(|t| CString::new(*t)).collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let millis = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: every handle made here is used by this thread alone and destroyed once by its guard, in the reverse order; the
    // client outlives them; the names are copied by the call that takes them.
    unsafe {
        let collection = Guard(
            c::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
            c::rd_kafka_TopicCollection_destroy,
        );
        let options = Guard(
            c::rd_kafka_AdminOptions_new(client.native_ptr(), c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
            c::rd_kafka_AdminOptions_destroy,
        );
        let mut text = [0 as c_char; 256];
        c::rd_kafka_AdminOptions_set_request_timeout(options.0, millis, text.as_mut_ptr(), text.len());
        let queue = Guard(c::rd_kafka_queue_new(client.native_ptr()), c::rd_kafka_queue_destroy);
        c::rd_kafka_DescribeTopics(client.native_ptr(), collection.0, options.0, queue.0);
        let event = c::rd_kafka_queue_poll(queue.0, millis);
        ensure!(!event.is_null(), "the broker does not describe its topics");
        let event = Guard(event, c::rd_kafka_event_destroy);
        if c::rd_kafka_event_error(event.0) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            bail!("the broker does not describe its topics: {}", owned(c::rd_kafka_event_error_string(event.0)));
        }
        let result = c::rd_kafka_event_DescribeTopics_result(event.0);
        ensure!(!result.is_null(), "the broker gave another answer than was asked for");
        let mut count = 0;
        let found = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let mut states = BTreeMap::new();
        for at in 0..count {
            let topic = *found.add(at);
            if c::rd_kafka_error_code(c::rd_kafka_TopicDescription_error(topic))
                == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                states.insert(owned(c::rd_kafka_TopicDescription_name(topic)), state(topic));
            }
        }
        Ok(states)
    }
}

/// Several tries: a broker that has just started answers some questions with "not yet".
///
/// # Errors
/// As [`describe`], the last time.
pub fn describe_patiently<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    wait: Duration,
) -> anyhow::Result<BTreeMap<String, TopicState>> {
    let mut tried = describe(client, topics, wait);
    for _ in 0..2 {
        if tried.is_ok() {
            break;
        }
        tried = describe(client, topics, wait);
    }
    tried.context("the topics cannot be told from others of the same name")
}

/// # Safety
/// `topic` is a description that still lives.
unsafe fn state(topic: *const c::rd_kafka_TopicDescription_t) -> TopicState {
    let mut partitions = 0;
    // SAFETY: by the caller; what is returned lives as long as the description.
    unsafe {
        c::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let id = c::rd_kafka_TopicDescription_topic_id(topic);
        let is_none = id.is_null()
            || (c::rd_kafka_Uuid_most_significant_bits(id), c::rd_kafka_Uuid_least_significant_bits(id)) == (0, 0);
        let id = if is_none { String::new() } else { owned(c::rd_kafka_Uuid_base64str(id)) };
        TopicState { id, partitions }
    }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn owned(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Something of the C library that is destroyed at the end.
struct Guard<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by the call that belongs to this destructor, and destroyed here only.
            unsafe { (self.1)(self.0) }
        }
    }
}
