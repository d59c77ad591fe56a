//! What a register must do, by hand and by the thousand.
#![allow(clippy::unwrap_used)]

mod by_hand;
mod by_stealth;
mod desk;
mod model;
mod sequences;
