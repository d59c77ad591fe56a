//! Threads for the engine's tasks.

use foreshock_engine::Runner;
use std::sync::Mutex;

/// Runs tasks on a few scoped threads; a single task runs on the calling one.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Threads besides the caller's are `threads - 1`.
    pub threads: usize,
}

impl Runner for Pool {
    fn run<'a>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'a>>) {
        if self.threads < 2 || tasks.len() < 2 {
            return foreshock_engine::Inline.run(tasks);
        }
        let queue = Mutex::new(tasks.into_iter());
        let work = || {
            loop {
                let task = queue.lock().expect("a task that panics ends the process").next();
                let Some(task) = task else { break };
                task();
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(work);
            }
            work();
        });
    }
}
