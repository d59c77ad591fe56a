//! A stack that is deep enough. DataFusion walks expressions by recursion, in places without a look at how much stack is
//! left; two hundred operators in a chain need more than a thread has by default.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

/// Only what is touched is taken from the machine.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs the work on such a stack and waits for it.
pub(crate) fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    scope(|scope| {
        let thread = Builder::new().name("compiler".into()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.expect("the system has a thread for the compiler");
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
