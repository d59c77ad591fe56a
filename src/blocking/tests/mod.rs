//! What a register must do, by hand and by the thousand.
#![allow(clippy::unwrap_used)]

mod by_hand;
mod model;
mod sequences;
