//! What became of an incoming record.

/// Does a record count?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is a new fact.
    Counts,
    /// It replaces the fact of its event id and time, or stands where that was withdrawn.
    Replaces,
    /// It withdraws the fact of its event id and time, also one that comes later.
    Withdraws,
    /// Its event was reported before.
    Duplicate,
    /// Another bank's report of a payment that counts already.
    Confirmation,
    /// Beyond the lateness.
    Late,
    /// It cannot be read, breaks a rule of its feed, or is a correction that would move its fact in time.
    Refused,
}

impl Fate {
    /// Every one.
    pub const ALL: [Fate; 7] =
        [Fate::Counts, Fate::Replaces, Fate::Withdraws, Fate::Duplicate, Fate::Confirmation, Fate::Late, Fate::Refused];

    /// Its letter in the record of a batch.
    pub fn letter(self) -> char {
        match self {
            Fate::Counts => '.',
            Fate::Replaces => 'r',
            Fate::Withdraws => 'w',
            Fate::Duplicate => 'd',
            Fate::Confirmation => 'c',
            Fate::Late => 'l',
            Fate::Refused => 'x',
        }
    }

    /// The one of a letter.
    pub fn of_letter(letter: char) -> Option<Fate> {
        Fate::ALL.into_iter().find(|fate| fate.letter() == letter)
    }
}
