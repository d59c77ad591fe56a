//! What did not go the usual way: each limit that was reached, each thing left out. Nothing follows from it.

/// One line for each count: its name, and its help for people. So no count can lack either, or be left out of the list.
macro_rules! tally {
    ($($name:ident: $help:literal,)+) => {
        /// Counts since they were last taken. No part of the saved state: like every metric they tell of one process.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub struct Tally {
            $(#[doc = $help] pub $name: u64,)+
        }

        impl Tally {
            /// Name (without prefix and unit), help and value of each count.
            pub fn metrics(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $help, self.$name)),+]
            }

            /// Adds the counts of another one.
            pub fn add(&mut self, other: &Tally) {
                $(self.$name = self.$name.saturating_add(other.$name);)+
            }
        }
    };
}

tally! {
    alerts_rule_changed: "Alerts closed because their rule is no longer in force.",
    drafts_rule_changed: "Drafts withdrawn because their rule is no longer in force.",
    drafts_retracted: "Drafts withdrawn because all their detections were taken back.",
    drafts_without_money: "Detections by which nothing is asked for: nothing is left that could be stopped.",
    drafts_gone: "Blocking drafts withdrawn because nothing was left that could be stopped, by the last balance known.",
    drafts_forgotten: "Drafts that can no longer be withdrawn or added to: there were too many.",
    reasons_unlisted: "Detections that a blocking draft counts and does not name: there were too many.",
    warnings_withheld_text: "Warnings not drafted, or not withdrawn: title or fraud type of the rule fail the filter.",
    warnings_withheld_issuer: "Warnings not drafted, or not withdrawn: the settings of who warns make no valid message.",
    warnings_withheld_time: "Warnings not drafted, or not withdrawn: CAP cannot write their event time.",
    warning_areas_replaced: "Warnings for the known place around a district that is in no table.",
    warning_texts_cut: "Titles and headlines of warnings cut to their longest length.",
    warning_characters_replaced: "Characters of warnings that XML cannot hold.",
    warning_identifiers_forgotten: "Identifiers of warnings no longer remembered; none is given again.",
    episodes_evicted_subject: "Alerts closed early: one subject had too many under one rule.",
    episodes_evicted_full: "Alerts closed early: there were too many.",
    detections_untracked: "Detections that an alert counts and cannot tell apart: there were too many.",
    detections_unlisted: "Detections that an alert counts without their ids: it lists the first ones.",
    revisions_unsaid: "New values of a detection that an alert has already: it carries none, and a warning keeps the first ones.",
    retractions_unmatched: "Retractions of detections that are in no open alert.",
    evidence_values_cut: "Values left out of the evidence of blocking drafts: it has the first ones.",
    legal_basis_cut: "Articles left out of blocking drafts: they name the first ones.",
    amounts_omitted: "Amounts at risk left out of blocking drafts: without a currency that exists, or no whole number.",
    columns_ignored: "Values of the columns district, institution and currency that are no text.",
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
