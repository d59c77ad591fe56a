//! The door: arguments in, exit code out.

/// Each key of a window group is a few small allocations: see docs/decisions/0007-allocator.md for the measurement.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    foreshock::cli::main()
}
