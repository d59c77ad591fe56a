# The one door: `just` lists what there is.

default:
    @just --list

# Format and lints; warnings are errors.
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings -D clippy::too_many_lines

# All tests.
test:
    cargo test

# Random rules over random events, live against batch: `just random 20000`.
random N="5000":
    FORESHOCK_RANDOM_CASES={{N}} cargo test --test properties

# Switches on each known fault of a window engine: the random test must find it.
faults:
    cargo test --features faults --test faults -- --nocapture

# A labelled day on a broker inside the process.
demo:
    cargo run -- demo

# Benchmarks; the results go into docs/benchmarks.md by hand, with their conditions.
bench:
    cargo bench
