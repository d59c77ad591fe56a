//! Who gives way to whom where there are fewer processors than work.

/// What the command `nice` adds when it is not told: about a tenth of the share of a thread that does not give way.
#[cfg(target_os = "linux")]
const NICE: libc::c_int = 10;
/// The value beyond which nobody gives way.
#[cfg(target_os = "linux")]
const LEAST: libc::c_int = 19;

/// The calling thread gives way to all that have not called this, in every process of the machine: what somebody asks must not
/// hold up what a record causes. On Linux alone: elsewhere the system's value is that of the whole process.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: calls without pointers. 0 is the calling thread; an error leaves its priority as it was.
        let answer = unsafe {
            let own = libc::getpriority(libc::PRIO_PROCESS, 0);
            libc::setpriority(libc::PRIO_PROCESS, 0, (own + NICE).min(LEAST))
        };
        if answer != 0 {
            tracing::debug!(error = %std::io::Error::last_os_error(), "statements have the priority of everything else");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_and_the_one_that_began_it_does_not() {
        // SAFETY: a call without pointers.
        let own = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = own();
        let of_thread = std::thread::spawn(move || {
            give_way();
            own()
        });
        assert_eq!((of_thread.join().ok(), own()), (Some((before + NICE).min(LEAST)), before));
    }
}
