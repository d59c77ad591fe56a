//! What the statements that run take of the machine's memory. DataFusion's pool counts what sorts, joins and groups say that
//! they need; this one looks at what the process has, and so sees all.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often it is looked at while a statement runs.
const LOOK: Duration = Duration::from_millis(10);
/// The least that was in use is kept for each of these.
const SAMPLE: Duration = Duration::from_secs(1);

/// The memory that the process had of late.
#[derive(Debug)]
pub struct Memory {
    /// Most bytes by which it may grow within `window`.
    growth_max: u64,
    window: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// From when on, and the least bytes in the second after it.
    least: VecDeque<(Instant, u64)>,
    /// What ran at this moment is stopped. It need not give back all that it took at once, so those after it count from there.
    stopped: Option<Instant>,
}

impl Memory {
    /// `growth_max`: bytes that all statements may take; `time`: the longest time of a statement. What a process takes more
    /// slowly than that is not theirs.
    pub fn new(growth_max: u64, time: Duration) -> Memory {
        Memory { growth_max, window: 2 * time, seen: Mutex::default() }
    }

    /// Returns when the process has grown by more than it may while `runs`. Where the system does not tell, it never does.
    pub async fn exceeded(&self, runs: impl Fn() -> bool) {
        let (mut looks, mut begun) = (tokio::time::interval(LOOK), None);
        loop {
            looks.tick().await;
            if !runs() {
                continue;
            }
            let Some(bytes) = resident() else { return std::future::pending().await };
            let now = Instant::now();
            if self.is_exceeded(now, bytes, *begun.get_or_insert(now)) {
                return;
            }
        }
    }

    /// Is something stopped now that has run since `begun`?
    fn is_exceeded(&self, now: Instant, bytes: u64, begun: Instant) -> bool {
        let mut seen = self.seen.lock().expect("nobody panics with this lock");
        if seen.stopped.is_some_and(|stopped| stopped > begun) {
            return true;
        }
        while seen.least.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) > self.window) {
            seen.least.pop_front();
        }
        match seen.least.back_mut() {
            Some((since, in_use)) if now.saturating_duration_since(*since) < SAMPLE => *in_use = bytes.min(*in_use),
            _ => seen.least.push_back((now, bytes)),
        }
        let before = seen.least.iter().map(|(_, bytes)| *bytes).min().unwrap_or(bytes);
        let is_exceeded = bytes - before > self.growth_max;
        if is_exceeded {
            *seen = Seen { least: VecDeque::new(), stopped: Some(now) };
        }
        is_exceeded
    }
}

/// Bytes of this process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> Option<u64> {
    // SAFETY: a call without pointers.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()?.saturating_mul(page))
}

#[cfg(not(target_os = "linux"))]
fn resident() -> Option<u64> {
    None
}

/// Where the machine runs out of memory all the same, the system ends this process before those that take in and judge.
pub fn goes_first() {
    #[cfg(target_os = "linux")]
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
        tracing::debug!(%error, "the system may end another process first");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn growth_counts_from_the_least_of_the_window_and_not_from_before_it() {
        let (memory, start) = (Memory::new(100, Duration::from_secs(30)), Instant::now());
        let after = |second: u64| start + Duration::from_secs(second);
        let at = |second: u64, bytes| memory.is_exceeded(after(second), bytes, after(second));
        assert!(!at(0, 1_000) && !at(1, 1_100) && at(2, 1_101));
        // Those after it count from what there is.
        assert!(!at(3, 1_150) && !at(4, 700) && !at(5, 800) && at(6, 801));
        assert!(!at(7, 500));
        // A minute after the least it is what the process has.
        assert!(!at(68, 700) && at(69, 801));
    }

    #[test]
    fn all_that_runs_when_there_is_too_much_is_stopped_and_nothing_after_it() {
        let (memory, start) = (Memory::new(100, Duration::from_secs(30)), Instant::now());
        let after = |ms: u64| start + Duration::from_millis(ms);
        assert!(!memory.is_exceeded(after(0), 1_000, after(0)));
        assert!(memory.is_exceeded(after(10), 2_000, after(0)));
        assert!(memory.is_exceeded(after(20), 2_000, after(5)), "another one that ran");
        assert!(!memory.is_exceeded(after(30), 2_000, after(30)), "a new one");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_process_holds_is_seen() {
        let before = resident().unwrap();
        let held = vec![1_u8; 64 << 20];
        assert!(resident().unwrap() > before + (32 << 20), "{}", held.len());
    }
}
