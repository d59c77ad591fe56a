//! How long records take through a process that writes: by stage, from when they were taken, and from their own timestamps,
//! each until the transaction that has them is committed.

use foreshock_core::time::SECOND_US;
use hdrhistogram::Histogram;
use std::fmt::{Display, Formatter, Write};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From bytes to columns.
    Decode,
    /// Windows, rules and what follows from them.
    Judge,
    /// From the verdict to the commit: also the wait for the delivery before.
    Deliver,
    /// From when the record was taken off the client's queue to the commit.
    Taken,
    /// From the record's timestamp to the commit: also the way through the broker, and what is wrong with the producer's clock.
    Record,
}

/// The longest time that is told apart.
const LONGEST_US: u64 = 3_600_000_000;
/// Figures that are right in each value.
const DIGITS: u8 = 2;
/// Upper ends of the buckets that Prometheus gets, microseconds.
const BUCKETS_US: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 60_000_000,
];

/// What was noted of a batch on its way.
#[derive(Debug)]
pub struct Timing {
    /// When its records were taken.
    pub taken: Instant,
    /// How long they were decoded.
    pub decoding: Duration,
    /// When all that they cause was there.
    pub judged: Instant,
    /// The records' timestamps, microseconds.
    pub record_times_us: Vec<i64>,
    /// How many records.
    pub records: u64,
}

/// A histogram of microseconds, up to an hour.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("fixed bounds are valid")
}

/// Times of one stage.
#[derive(Debug)]
struct Series {
    histogram: Histogram<u64>,
    sum_us: u64,
}

impl Default for Series {
    fn default() -> Self {
        Series { histogram: histogram(), sum_us: 0 }
    }
}

impl Series {
    fn note(&mut self, us: u64, count: u64) {
        let us = us.min(LONGEST_US);
        self.histogram.saturating_record_n(us.max(1), count);
        self.sum_us = self.sum_us.saturating_add(us.saturating_mul(count));
    }
}

/// Some quantiles of a stage, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of the records took at most this.
    pub p50_us: u64,
    /// All but one of a hundred.
    pub p99_us: u64,
    /// All.
    pub max_us: u64,
}

impl Quantiles {
    /// Of a histogram of microseconds; `None` when it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<Quantiles> {
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Quantiles { p50_us: at(0.5), p99_us: at(0.99), max_us: histogram.max() })
    }
}

impl Display for Quantiles {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let [half, most, all] = [self.p50_us, self.p99_us, self.max_us].map(shown);
        write!(f, "half within {half}, 99 of 100 within {most}, all within {all}")
    }
}

/// A time for people.
fn shown(us: u64) -> String {
    match us {
        0..10_000 => format!("{us} us"),
        10_000..10_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

/// Times by stage, of all batches that were committed.
#[derive(Debug, Default)]
pub struct Latency(Mutex<[Series; 5]>);

impl Latency {
    fn lock(&self) -> MutexGuard<'_, [Series; 5]> {
        self.0.lock().expect("nobody panics with this lock")
    }

    /// Takes in a batch that is committed now.
    pub fn note(&self, timing: &Timing) {
        let (now, wall) = (Instant::now(), SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, micros));
        let judging = (timing.judged - timing.taken).saturating_sub(timing.decoding);
        let mut series = self.lock();
        for (stage, time) in [
            (Stage::Decode, timing.decoding),
            (Stage::Judge, judging),
            (Stage::Deliver, now - timing.judged),
            (Stage::Taken, now - timing.taken),
        ] {
            series[stage as usize].note(micros(time), timing.records);
        }
        for time_us in &timing.record_times_us {
            series[Stage::Record as usize].note(wall.saturating_sub(time_us.unsigned_abs()), 1);
        }
    }

    /// Quantiles of a stage; `None` before the first record.
    pub fn quantiles(&self, stage: Stage) -> Option<Quantiles> {
        Quantiles::of(&self.lock()[stage as usize].histogram)
    }

    /// Prometheus histograms; `labels` such as `part="1"`, or none.
    pub fn write(&self, labels: &str, to: &mut String) {
        let stages = [("decode", Stage::Decode), ("judge", Stage::Judge), ("deliver", Stage::Deliver)];
        for (name, stage) in stages {
            let own = format!("stage=\"{name}\"");
            let labels: Vec<&str> = [own.as_str(), labels].into_iter().filter(|label| !label.is_empty()).collect();
            self.write_one("stage_seconds", stage, &labels.join(","), to);
        }
        self.write_one("taken_to_committed_seconds", Stage::Taken, labels, to);
        self.write_one("record_to_committed_seconds", Stage::Record, labels, to);
    }

    fn write_one(&self, name: &str, stage: Stage, labels: &str, to: &mut String) {
        let all = self.lock();
        let series = &all[stage as usize];
        let separator = if labels.is_empty() { "" } else { "," };
        let upto = |us: u64| series.histogram.count_between(0, us);
        for us in BUCKETS_US {
            let _ = writeln!(to, "foreshock_{name}_bucket{{{labels}{separator}le=\"{}\"}} {}", seconds(us), upto(us));
        }
        let count = series.histogram.len();
        let _ = writeln!(to, "foreshock_{name}_bucket{{{labels}{separator}le=\"+Inf\"}} {count}");
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(to, "foreshock_{name}_sum{labels} {}", seconds(series.sum_us));
        let _ = writeln!(to, "foreshock_{name}_count{labels} {count}");
    }
}

/// Names and help texts of the histograms.
pub const METRICS: [(&str, &str); 3] = [
    ("stage_seconds", "How long the batch of a record was in a stage."),
    ("taken_to_committed_seconds", "From when a record was taken until all that it causes was committed."),
    ("record_to_committed_seconds", "From a record's timestamp until all that it causes was committed."),
];

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds as decimal seconds.
fn seconds(us: u64) -> String {
    let unit = SECOND_US.unsigned_abs();
    let text = format!("{}.{:06}", us / unit, us % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_is_in_every_bucket_from_its_time_on_and_in_the_sum() {
        let latency = Latency::default();
        assert_eq!(latency.quantiles(Stage::Decode), None);
        let now = Instant::now();
        let judged = now.checked_sub(Duration::from_millis(20)).unwrap_or(now);
        let taken = judged.checked_sub(Duration::from_millis(5)).unwrap_or(judged);
        let decoding = Duration::from_micros(2_400);
        latency.note(&Timing { taken, decoding, judged, record_times_us: vec![0], records: 3 });
        let mut text = String::new();
        latency.write("part=\"1\"", &mut text);
        let has = |line: &str| assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
        has("foreshock_stage_seconds_bucket{stage=\"decode\",part=\"1\",le=\"0.001\"} 0");
        has("foreshock_stage_seconds_bucket{stage=\"decode\",part=\"1\",le=\"0.0025\"} 3");
        has("foreshock_stage_seconds_bucket{stage=\"judge\",part=\"1\",le=\"0.0025\"} 0");
        has("foreshock_stage_seconds_bucket{stage=\"judge\",part=\"1\",le=\"0.005\"} 3");
        has("foreshock_stage_seconds_bucket{stage=\"deliver\",part=\"1\",le=\"0.015\"} 0");
        has("foreshock_stage_seconds_bucket{stage=\"deliver\",part=\"1\",le=\"+Inf\"} 3");
        has("foreshock_stage_seconds_sum{stage=\"decode\",part=\"1\"} 0.0072");
        has("foreshock_record_to_committed_seconds_bucket{part=\"1\",le=\"60\"} 0");
        has("foreshock_record_to_committed_seconds_count{part=\"1\"} 1");
        let mut alone = String::new();
        latency.write("", &mut alone);
        assert!(alone.contains("foreshock_taken_to_committed_seconds_count 3\n"), "{alone}");
        assert!(alone.contains("foreshock_taken_to_committed_seconds_bucket{le=\"0.015\"} 0\n"), "{alone}");
        let decode = latency.quantiles(Stage::Decode).expect("three records");
        assert!((2_380..2_420).contains(&decode.p50_us) && decode.p50_us == decode.p99_us, "{decode:?}");
    }

    #[test]
    fn seconds_are_decimal_without_needless_zeros() {
        assert_eq!([0, 1, 2_500, 1_000_000, 61_000_010].map(seconds), ["0", "0.000001", "0.0025", "1", "61.00001"]);
    }
}
