//! Runs over files: events in and out, the net result, cases of rules.

pub mod cases;
pub mod files;
pub mod kept;
pub mod live;
pub mod net;
pub mod ordered;
pub mod piece;
pub mod quality;
pub mod reading;
pub mod rules_page;
pub mod schemas;
pub mod standing;
pub mod writer;
