//! Measures that an institution can be asked for, and what each is taken against (Art. 30 of the regulation; message of `blocking.request.v1`).

/// What kind of thing a measure is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// An account.
    Account,
    /// A card.
    Card,
    /// A number.
    Phone,
    /// A subscriber of a network.
    Imsi,
    /// A device.
    Imei,
    /// A SIM card.
    Iccid,
}

impl TargetKind {
    const ALL: [TargetKind; 6] = [
        TargetKind::Account,
        TargetKind::Card,
        TargetKind::Phone,
        TargetKind::Imsi,
        TargetKind::Imei,
        TargetKind::Iccid,
    ];

    /// Its name in messages and headers.
    pub fn name(self) -> &'static str {
        match self {
            TargetKind::Account => "account",
            TargetKind::Card => "card",
            TargetKind::Phone => "phone",
            TargetKind::Imsi => "imsi",
            TargetKind::Imei => "imei",
            TargetKind::Iccid => "iccid",
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

const MONEY: &[TargetKind] = &[TargetKind::Account, TargetKind::Card];
const NUMBER: &[TargetKind] = &[TargetKind::Phone, TargetKind::Imsi];

/// Each measure, with what it can be taken against; the first is meant where nothing is said.
pub const MEASURES: [(&str, &[TargetKind]); 9] = [
    ("STOP_PAYMENT", MONEY),
    ("FREEZE", MONEY),
    ("DELAY_SETTLEMENT", MONEY),
    ("RECALL_PAYMENT", MONEY),
    ("VERIFY_IDENTITY", &[TargetKind::Account, TargetKind::Card, TargetKind::Phone]),
    ("NUMBER_SUSPEND", NUMBER),
    ("NUMBER_REVERIFY", NUMBER),
    ("CALL_BLOCK", NUMBER),
    ("IOT_SIM_SUSPEND", &[TargetKind::Imsi, TargetKind::Iccid, TargetKind::Imei]),
];

/// What a measure can be taken against; `None` for one that is not known.
pub fn targets(measure: &str) -> Option<&'static [TargetKind]> {
    MEASURES.iter().find(|(name, _)| *name == measure).map(|(_, targets)| *targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_that_leads_back_to_it() {
        for kind in TargetKind::ALL {
            assert_eq!(TargetKind::parse(kind.name()), Some(kind));
        }
        assert_eq!(TargetKind::parse("Account"), None);
    }

    #[test]
    fn a_measure_against_numbers_is_never_meant_for_an_account() {
        for measure in ["NUMBER_SUSPEND", "NUMBER_REVERIFY", "CALL_BLOCK", "IOT_SIM_SUSPEND"] {
            assert!(!targets(measure).unwrap().contains(&TargetKind::Account), "{measure}");
        }
        assert_eq!(targets("STOP"), None);
    }
}
