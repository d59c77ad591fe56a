//! Who runs the tasks of a level.

/// Runs the tasks of a level. The engine owns no thread: the caller brings one of these.
pub trait Runner {
    /// Runs every task once and returns when all are done.
    fn run<'a>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'a>>);
}

/// Runs tasks one after the other on the calling thread.
#[derive(Debug, Default, Clone, Copy)]
pub struct Inline;

impl Runner for Inline {
    fn run<'a>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'a>>) {
        for task in tasks {
            task();
        }
    }
}
