//! Who lives in the city: persons with account, phone and friends; shops, landlords, employers, cash. Hands out
//! victims so that no person is in two scenarios before everybody had a turn. Knows no event.

use crate::book::Book;
use crate::random::Rng;
use foreshock_core::time::SECOND_US;

/// Position in [`World::parties`].
pub(crate) type PartyId = usize;

/// Minor units in one yuan.
pub(crate) const YUAN: i64 = 100;
/// Microseconds of a minute.
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds of an hour.
pub(crate) const HOUR_US: i64 = 60 * MINUTE_US;
/// Districts of the city.
pub(crate) const DISTRICTS: [&str; 4] = ["440303", "440304", "440305", "440306"];

const BANKS: [&str; 3] = ["bank-a", "bank-b", "bank-c"];
const CARRIERS: [&str; 2] = ["carrier-a", "carrier-b"];
const AGE_BANDS: [&str; 6] = ["18_24", "25_34", "35_44", "45_54", "55_64", "65_PLUS"];
const MCCS: [&str; 5] = ["5411", "5812", "5814", "5912", "4111"];
const PERSONS: usize = 800;
const STAFF: usize = 40;
const TENANTS: usize = 3;
const TRIES: usize = 100;
/// How many in 24 of the day's payments, calls and messages fall into each hour.
const HOURS: [u64; 24] = [3, 1, 1, 1, 1, 3, 12, 30, 52, 62, 66, 70, 74, 60, 58, 60, 62, 68, 74, 70, 60, 44, 24, 8];

/// One side of a payment.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) account: String,
    pub(crate) person: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) bank: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) district: &'static str,
    pub(crate) age_band: Option<&'static str>,
    pub(crate) age_days: Option<i64>,
    pub(crate) mcc: Option<&'static str>,
    /// Balance at the start of the day in minor units, where the bank reports balances.
    pub(crate) opening: Option<i64>,
}

/// A phone with its SIM.
#[derive(Debug, Clone)]
pub(crate) struct Handset {
    pub(crate) number: String,
    pub(crate) imsi: String,
    pub(crate) imei: String,
    pub(crate) cell: String,
    pub(crate) district: &'static str,
    pub(crate) carrier: &'static str,
}

/// Somebody who lives here.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) party: PartyId,
    pub(crate) handset: Handset,
    pub(crate) friends: [usize; 3],
    pub(crate) shops: [PartyId; 4],
    pub(crate) landlord: Option<PartyId>,
    pub(crate) employer: PartyId,
}

/// The city, its random stream and the book its events are written into.
pub(crate) struct World {
    pub(crate) scale: u32,
    pub(crate) rng: Rng,
    pub(crate) book: Book,
    pub(crate) parties: Vec<Party>,
    pub(crate) persons: Vec<Person>,
    pub(crate) employers: Vec<PartyId>,
    /// When each person's phone is in a call: (start, end).
    busy: Vec<Vec<(i64, i64)>>,
    cash: Vec<PartyId>,
    order: Vec<usize>,
    taken: usize,
    names: u32,
}

impl World {
    pub(crate) fn new(seed: u64, scale: u32) -> Self {
        let mut world = World {
            scale,
            rng: Rng::new(seed),
            book: Book::new(seed),
            parties: Vec::new(),
            persons: Vec::new(),
            employers: Vec::new(),
            busy: Vec::new(),
            cash: Vec::new(),
            order: Vec::new(),
            taken: 0,
            names: 0,
        };
        world.found();
        world
    }

    fn found(&mut self) {
        let count = PERSONS * usize::try_from(self.scale).unwrap_or(1);
        for bank in BANKS {
            let id = self.open_account("INTERNAL", None, None);
            self.party_mut(id).bank = bank;
            self.cash.push(id);
        }
        let shops: Vec<_> = (0..count / 10).map(|_| self.open_shop(None)).collect();
        let landlords: Vec<_> = (0..count / 6).map(|_| self.open_account("PERSONAL", None, None)).collect();
        let far = 50_000_000 * YUAN;
        self.employers = (0..count / STAFF).map(|_| self.open_account("BUSINESS", None, Some(far))).collect();
        for idx in 0..count {
            let party = self.open_person_account();
            let handset = self.handset_of(party);
            let friends = [1, 7, 31].map(|step| (idx + step) % count);
            let near = [0, 1, 2, 3].map(|_| self.rng.pick(&shops));
            let rents = idx % 2 == 0;
            let landlord = rents.then(|| landlords.get(idx / 2 / TENANTS).copied()).flatten();
            let employer = self.employers.get(idx / STAFF).copied().unwrap_or_default();
            self.persons.push(Person { party, handset, friends, shops: near, landlord, employer });
        }
        self.busy = vec![Vec::new(); count];
        self.order = (0..count).collect();
        let World { rng, order, .. } = self;
        rng.shuffle(order);
    }

    /// A token that says nothing about what it stands for and is never made twice.
    pub(crate) fn token(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}-{:08x}", self.book.scramble(self.names))
    }

    pub(crate) fn open_account(&mut self, kind: &'static str, age_days: Option<i64>, opening: Option<i64>) -> PartyId {
        let party = Party {
            account: self.token("acct"),
            person: None,
            phone: None,
            device: None,
            bank: self.rng.pick(&BANKS),
            kind,
            district: self.rng.pick(&DISTRICTS),
            age_band: None,
            age_days,
            mcc: None,
            opening,
        };
        self.parties.push(party);
        self.parties.len() - 1
    }

    pub(crate) fn open_shop(&mut self, age_days: Option<i64>) -> PartyId {
        let id = self.open_account("MERCHANT", age_days, None);
        let mcc = self.rng.pick(&MCCS);
        self.party_mut(id).mcc = Some(mcc);
        id
    }

    /// A fresh account of somebody the city does not know: weeks old, nearly empty, with a phone and a device.
    pub(crate) fn open_mule(&mut self) -> PartyId {
        let (age, opening) = (self.rng.between(6, 70), self.rng.between(1, 40 * YUAN));
        let id = self.open_account("PERSONAL", Some(age), Some(opening));
        self.name_holder(id);
        id
    }

    fn open_person_account(&mut self) -> PartyId {
        let (age, opening) = (self.rng.between(200, 4_000), self.rng.between(20_000 * YUAN, 150_000 * YUAN));
        let id = self.open_account("PERSONAL", Some(age), Some(opening));
        let band = self.rng.pick(&AGE_BANDS);
        self.name_holder(id);
        self.party_mut(id).age_band = Some(band);
        id
    }

    pub(crate) fn name_holder(&mut self, id: PartyId) {
        let (person, phone, device) = (self.token("pers"), self.token("num"), self.token("dev"));
        let party = self.party_mut(id);
        (party.person, party.phone, party.device) = (Some(person), Some(phone), Some(device));
    }

    fn handset_of(&mut self, id: PartyId) -> Handset {
        let (district, phone) = (self.party(id).district, self.party(id).phone.clone());
        let handset = self.new_handset(district);
        Handset { number: phone.unwrap_or_default(), ..handset }
    }

    /// A phone that belongs to no account.
    pub(crate) fn new_handset(&mut self, district: &'static str) -> Handset {
        Handset {
            number: self.token("num"),
            imsi: self.token("imsi"),
            imei: self.token("imei"),
            cell: format!("{district}-{:03}", self.rng.below(40)),
            district,
            carrier: self.rng.pick(&CARRIERS),
        }
    }

    pub(crate) fn party(&self, id: PartyId) -> &Party {
        self.parties.get(id).expect("party ids come from this list")
    }

    pub(crate) fn party_mut(&mut self, id: PartyId) -> &mut Party {
        self.parties.get_mut(id).expect("party ids come from this list")
    }

    pub(crate) fn person(&self, idx: usize) -> &Person {
        self.persons.get(idx).expect("person positions come from this list")
    }

    /// The account token of a party.
    pub(crate) fn account(&self, id: PartyId) -> String {
        self.party(id).account.clone()
    }

    /// Balance at the start of the day, 0 where none is known.
    pub(crate) fn opening(&self, id: PartyId) -> i64 {
        self.party(id).opening.unwrap_or(0)
    }

    /// The account that cash of a customer's bank goes to and comes from.
    pub(crate) fn cash_of(&self, id: PartyId) -> PartyId {
        let bank = self.party(id).bank;
        let own = self.cash.iter().copied().find(|&c| self.party(c).bank == bank);
        own.expect("every bank has a cash account")
    }

    /// The next person with at least 60,000 yuan who was in no scenario yet, as far as there is one.
    pub(crate) fn take_person(&mut self) -> usize {
        loop {
            let idx = self.order.get(self.taken % self.order.len()).copied().unwrap_or_default();
            self.taken += 1;
            if self.opening(self.person(idx).party) >= 60_000 * YUAN {
                return idx;
            }
        }
    }

    /// A time of the day when people are up, as microseconds after midnight; before 23:40.
    pub(crate) fn waking_us(&mut self) -> i64 {
        let mut left = self.rng.below(HOURS.iter().sum());
        let mut hour = 0;
        for weight in HOURS {
            if left < weight {
                break;
            }
            left -= weight;
            hour += 1;
        }
        (hour * HOUR_US + self.rng.between(0, HOUR_US - 1)).min(23 * HOUR_US + self.rng.between(0, 39 * MINUTE_US))
    }

    /// A time on the generated day between two hours, to the microsecond.
    pub(crate) fn at(&mut self, from_hour: i64, to_hour: i64) -> i64 {
        crate::day_start_us() + self.rng.between(from_hour * HOUR_US, to_hour * HOUR_US)
    }

    /// A time between two hours at which a person can talk for so many seconds: nobody is in two calls at once.
    pub(crate) fn free_at(&mut self, idx: usize, [from_hour, to_hour]: [i64; 2], seconds: i64) -> i64 {
        let mut start = self.at(from_hour, to_hour);
        for _ in 0..TRIES {
            let end = start + seconds * SECOND_US;
            let is_free = self.busy.get(idx).is_none_or(|calls| calls.iter().all(|&(s, e)| e < start || end < s));
            if is_free {
                break;
            }
            start = self.at(from_hour, to_hour);
        }
        self.talk(idx, start, seconds);
        start
    }

    /// Notes that a person's phone is in a call.
    pub(crate) fn talk(&mut self, idx: usize, start: i64, seconds: i64) {
        if let Some(calls) = self.busy.get_mut(idx) {
            calls.push((start, start + seconds * SECOND_US));
        }
    }

    /// So many minutes, give or take, in microseconds.
    pub(crate) fn minutes(&mut self, low: i64, high: i64) -> i64 {
        self.rng.between(low * MINUTE_US, high * MINUTE_US)
    }

    /// An amount in minor units between two amounts in yuan.
    pub(crate) fn yuan(&mut self, low: i64, high: i64) -> i64 {
        self.rng.between(low * YUAN, high * YUAN)
    }
}
