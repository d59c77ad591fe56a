//! What a report does to the fact that it names.

/// ISO 20022 `FraudReportingAction`, as far as it changes what counts. Field `reportAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReportAction {
    /// `NEWF`: a fact. The first one of an event id counts, the same again is a duplicate.
    #[default]
    New,
    /// `UPDT`, `REOP`: replaces the fact of the same event id, or is the fact when there is none.
    Update,
    /// `CLSE`, `DUPL`: the fact of this event id does not count.
    Withdraw,
}

impl ReportAction {
    /// Every code with what it does.
    pub const CODES: [(&str, ReportAction); 5] = [
        ("NEWF", ReportAction::New),
        ("UPDT", ReportAction::Update),
        ("REOP", ReportAction::Update),
        ("CLSE", ReportAction::Withdraw),
        ("DUPL", ReportAction::Withdraw),
    ];

    /// From its code; `None` for an unknown one.
    pub fn from_code(code: &str) -> Option<ReportAction> {
        Self::CODES.into_iter().find(|(known, _)| *known == code).map(|(_, action)| action)
    }
}
