//! Work in a copy of the process, so that this one goes on: the operating system copies a page when one of the two
//! changes it. Redis writes its snapshots in this way.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// A copy at work.
#[derive(Debug)]
pub struct Copy {
    pid: libc::pid_t,
    has_ended: Cell<bool>,
    /// When it began.
    pub started: Instant,
}

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It still works.
    NotYet,
    /// Its work gave `true`.
    Done,
    /// Its work gave `false`, or it died.
    Failed,
}

impl Copy {
    /// Begins work in a copy of the process. The work must not log, ask the network, or wait for another thread: the copy
    /// has none.
    ///
    /// # Errors
    /// When the operating system gives no copy.
    pub fn begin(work: impl FnOnce() -> bool) -> io::Result<Copy> {
        let started = Instant::now();
        // SAFETY: the copy runs `work` on the one thread it has and leaves by `_exit`, which runs no destructor and no
        // handler of a thread that is not there. What another thread held at this moment stays held: the work allocates,
        // and allocators are made for that (glibc by handlers of its own, mimalloc by a heap for each thread); should it
        // wait for ever all the same, it is killed by [`Copy::kill`] and nothing is lost.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let is_done = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
                // SAFETY: ends the copy at once.
                unsafe { libc::_exit(i32::from(!is_done)) }
            }
            pid => Ok(Copy { pid, has_ended: Cell::new(false), started }),
        }
    }

    /// Has it ended? To be asked until it has.
    pub fn end(&self) -> End {
        if self.has_ended.get() {
            return End::Failed;
        }
        let mut status = 0;
        // SAFETY: asks for a child of ours, without waiting.
        let answer = unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) };
        self.has_ended.set(answer != 0);
        match answer {
            0 => End::NotYet,
            pid if pid == self.pid && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 => End::Done,
            _ => End::Failed,
        }
    }

    /// Ends it; [`Copy::end`] then tells that it failed.
    pub fn kill(&self) {
        if self.has_ended.get() {
            return;
        }
        // SAFETY: a child of ours that has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
    }
}

/// A copy whose end nobody waits for is ended: it holds the sockets of this process.
impl Drop for Copy {
    fn drop(&mut self) {
        if self.has_ended.get() {
            return;
        }
        self.kill();
        while self.end() == End::NotYet {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(copy: &Copy) -> End {
        loop {
            match copy.end() {
                End::NotYet => std::thread::yield_now(),
                end => return end,
            }
        }
    }

    #[test]
    fn a_copy_does_its_work_on_the_memory_of_the_moment_and_tells_how_it_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let mut numbers = vec![1_u8; 100_000];
        let copy = Copy::begin(|| std::fs::write(&path, &numbers).is_ok()).expect("a copy");
        numbers.fill(2);
        assert_eq!(wait(&copy), End::Done);
        assert_eq!(std::fs::read(&path).expect("written"), vec![1; 100_000]);
        assert_eq!(wait(&Copy::begin(|| false).expect("a copy")), End::Failed);
        let endless = Copy::begin(|| {
            loop {
                std::thread::yield_now();
            }
        })
        .expect("a copy");
        assert_eq!(endless.end(), End::NotYet);
        endless.kill();
        assert_eq!(wait(&endless), End::Failed);
    }
}
