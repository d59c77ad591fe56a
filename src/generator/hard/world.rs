//! Who lives in the hard city, and what is written down of them.

use crate::Truth;
use crate::city::{HOUR_US, YUAN};
use crate::hard::HardCity;
use crate::random::Rng;
use foreshock_core::time::{DAY_US, SECOND_US, days_from_civil};

/// What a bank sends.
pub(super) struct Bank {
    pub name: &'static str,
    pub sends_balances: bool,
    pub knows_new_payees: bool,
    pub sees_screens: bool,
}

const fn bank(name: &'static str, sends_balances: bool, knows_new_payees: bool, sees_screens: bool) -> Bank {
    Bank { name, sends_balances, knows_new_payees, sees_screens }
}

static BANKS: [Bank; 6] = [
    bank("bank-a", true, true, true),
    bank("bank-b", true, true, false),
    bank("bank-c", true, false, true),
    bank("bank-d", true, false, false),
    bank("bank-e", false, true, false),
    bank("bank-f", false, false, false),
];

/// Carriers with whether they grade the other number of a call.
pub(super) const CARRIERS: [(&str, bool); 2] = [("carrier-a", true), ("carrier-b", false)];
const DISTRICTS: [&str; 6] = ["440303", "440304", "440305", "440306", "440307", "440309"];
const AGES: [&str; 6] = ["18_24", "25_34", "35_44", "45_54", "55_64", "65_PLUS"];

/// An account.
pub(super) struct Account {
    pub token: String,
    pub person: Option<String>,
    pub phone: Option<String>,
    pub device: Option<String>,
    pub bank: &'static Bank,
    pub kind: &'static str,
    pub district: &'static str,
    pub age_band: Option<&'static str>,
    pub opened_us: i64,
    pub balance: i64,
}

/// A phone with its SIM.
pub(super) struct Phone {
    pub number: String,
    pub imsi: String,
    pub imei: String,
    pub cell: String,
    pub district: &'static str,
    pub carrier: (&'static str, bool),
    pub since_us: i64,
}

/// Somebody who lives here.
pub(super) struct Person {
    pub account: usize,
    pub second: Option<usize>,
    pub phone: usize,
    pub friends: Vec<usize>,
    pub shops: Vec<usize>,
    pub landlord: Option<usize>,
    pub employer: usize,
    pub pay_day: i64,
    pub wage: i64,
    /// Payments of a hundred days.
    pub habit: i64,
}

/// How much is paid.
#[derive(Clone, Copy)]
pub(super) enum Sum {
    Minor(i64),
    /// Thousandths of what the payer has then.
    Share(i64),
}

/// A payment, until balances are known.
pub(super) struct Tx {
    pub time: i64,
    pub kind: &'static str,
    pub channel: &'static str,
    pub payer: usize,
    pub payee: usize,
    pub sum: Sum,
    pub is_refused: bool,
    pub device: Option<String>,
    pub screen: bool,
    pub card: Option<(String, &'static str)>,
    pub terminal: Option<String>,
    /// The story it belongs to: what is paid is lost, or leaves the place where it could be stopped.
    pub case: Option<(usize, Role)>,
    pub id: String,
}

/// What a payment is in its story.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Loss,
    Exit,
    Other,
}

/// The city, its random stream and what was written down.
pub(super) struct World {
    pub rng: Rng,
    pub days: i64,
    pub persons: Vec<Person>,
    pub accounts: Vec<Account>,
    pub phones: Vec<Phone>,
    pub shops: Vec<usize>,
    pub cash: usize,
    pub txs: Vec<Tx>,
    pub lines: Vec<crate::Line>,
    pub truth: Vec<Truth>,
    start_us: i64,
    names: u32,
    salt: u32,
}

impl World {
    pub fn new(city: &HardCity) -> Self {
        let salt = u32::try_from((city.seed ^ (city.seed >> 32)) & 0xFFFF_FFFF).unwrap_or(0);
        let mut world = World {
            rng: Rng::new(city.seed ^ 0x4841_5244),
            days: i64::from(city.days),
            persons: Vec::new(),
            accounts: Vec::new(),
            phones: Vec::new(),
            shops: Vec::new(),
            cash: 0,
            txs: Vec::new(),
            lines: Vec::new(),
            truth: Vec::new(),
            start_us: days_from_civil(2026, 1, 5) * DAY_US - 8 * HOUR_US,
            names: 0,
            salt,
        };
        world.found(usize::try_from(city.customers.max(50)).unwrap_or(50));
        world
    }

    fn found(&mut self, count: usize) {
        self.cash = self.open("INTERNAL", 3_000, 0);
        self.shops = (0..count / 8).map(|_| self.open("MERCHANT", 900, 0)).collect();
        let employers: Vec<usize> =
            (0..count / 40 + 1).map(|_| self.open("BUSINESS", 2_000, 50_000_000 * YUAN)).collect();
        let landlords: Vec<usize> = (0..count / 8 + 1).map(|_| self.open("PERSONAL", 1_500, 60_000 * YUAN)).collect();
        for at in 0..count {
            let wage = self.log_yuan(3_000, 5);
            let saved = wage * self.rng.between(1, 80) / 10;
            let account = self.open_person(saved);
            let second = self.rng.chance(300).then(|| self.open_like(account, saved / 2));
            let phone = self.open_phone(3_000);
            let number = self.phones[phone].number.clone();
            for own in [Some(account), second].into_iter().flatten() {
                self.accounts[own].phone = Some(number.clone());
            }
            let friends = (0..8)
                .map(|_| if self.rng.chance(700) { (at + self.rng.index(20)) % count } else { self.rng.index(count) });
            let friends = friends.collect();
            let shops = (0..6).map(|_| self.shops[self.rng.index(self.shops.len())]).collect();
            let landlord = self.rng.chance(450).then(|| self.rng.pick(&landlords));
            let employer = self.rng.pick(&employers);
            let (pay_day, habit) = (self.rng.pick(&[5, 10, 15, 25]), self.log(40, 4));
            self.persons.push(Person {
                account,
                second,
                phone,
                friends,
                shops,
                landlord,
                employer,
                pay_day,
                wage,
                habit,
            });
        }
    }

    /// A token that says nothing about what it stands for and is never made twice.
    pub fn token(&mut self, prefix: &str) -> String {
        self.names += 1;
        let mut x = self.names ^ self.salt;
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        format!("{prefix}{:08x}", x ^ (x >> 16))
    }

    /// An account that was opened at most so many days before the beginning.
    pub fn open(&mut self, kind: &'static str, days: i64, balance: i64) -> usize {
        let account = Account {
            token: self.token("acct-"),
            person: None,
            phone: None,
            device: None,
            bank: &BANKS[self.rng.index(BANKS.len())],
            kind,
            district: self.rng.pick(&DISTRICTS),
            age_band: None,
            opened_us: self.start_us - self.rng.between(0, days) * DAY_US,
            balance,
        };
        self.accounts.push(account);
        self.accounts.len() - 1
    }

    fn open_person(&mut self, balance: i64) -> usize {
        let account = self.open("PERSONAL", 3_000, balance);
        let (person, device, age) = (self.token("per-"), self.token("dev-"), self.rng.pick(&AGES));
        let of = &mut self.accounts[account];
        (of.person, of.device, of.age_band) = (Some(person), Some(device), Some(age));
        account
    }

    /// Another account of the same person.
    pub fn open_like(&mut self, other: usize, balance: i64) -> usize {
        let account = self.open("PERSONAL", 900, balance);
        let like = &self.accounts[other];
        let (person, device, phone, age, district) =
            (like.person.clone(), like.device.clone(), like.phone.clone(), like.age_band, like.district);
        let of = &mut self.accounts[account];
        (of.person, of.device, of.phone, of.age_band, of.district) = (person, device, phone, age, district);
        account
    }

    pub fn open_phone(&mut self, days: i64) -> usize {
        let phone = Phone {
            number: self.token("num-"),
            imsi: self.token("imsi-"),
            imei: self.token("imei-"),
            cell: format!("C{}", self.rng.below(400)),
            district: self.rng.pick(&DISTRICTS),
            carrier: self.rng.pick(&CARRIERS),
            since_us: self.start_us - self.rng.between(0, days) * DAY_US,
        };
        self.phones.push(phone);
        self.phones.len() - 1
    }

    /// Each of the `doublings` of `low` is as likely as the next: small ones are many.
    pub fn log(&mut self, low: i64, doublings: i64) -> i64 {
        let from = low << self.rng.between(0, (doublings - 1).max(0));
        self.rng.between(from, 2 * from - 1)
    }

    /// The same in yuan, as minor units; one in two is a whole ten.
    pub fn log_yuan(&mut self, low: i64, doublings: i64) -> i64 {
        let yuan = self.log(low, doublings);
        if self.rng.chance(500) {
            yuan / 10 * 10 * YUAN + if yuan < 10 { YUAN } else { 0 }
        } else {
            yuan * YUAN + self.rng.between(0, 99)
        }
    }

    /// A time on a day, by the hours in which people are awake.
    pub fn at(&mut self, day: i64) -> i64 {
        const HOURS: [i64; 24] = [2, 1, 1, 1, 1, 2, 5, 9, 13, 15, 16, 17, 18, 16, 14, 14, 15, 17, 19, 19, 17, 13, 8, 4];
        let mut left = self.rng.between(0, HOURS.iter().sum::<i64>() - 1);
        let hour = HOURS.iter().position(|weight| {
            left -= weight;
            left < 0
        });
        self.day_us(day) + i64::try_from(hour.unwrap_or(12)).unwrap_or(12) * HOUR_US + self.rng.between(0, HOUR_US - 1)
    }

    pub fn day_us(&self, day: i64) -> i64 {
        self.start_us + day * DAY_US
    }

    /// How lively a day is, in hundredths: weekends and the festival are.
    pub fn pace(&self, day: i64) -> i64 {
        match (day % 7, day) {
            (_, 43..=45) => 190, // the Spring Festival of 2026
            (5 | 6, _) => 130,
            _ => 100,
        }
    }

    /// Day of the month, from 1; months of thirty days do.
    pub fn month_day(day: i64) -> i64 {
        (day + 4) % 30 + 1
    }

    /// How often something happens, of so many thousandths of a case a day.
    pub fn times(&mut self, permille: i64) -> i64 {
        permille / 1_000 + i64::from(self.rng.between(0, 999) < permille % 1_000)
    }

    /// What happens in the whole city so many times a day per 2,000 customers, in thousandths.
    pub fn times_in_city(&mut self, permille: i64) -> i64 {
        let customers = i64::try_from(self.persons.len()).unwrap_or(i64::MAX);
        self.times(permille * customers / 2_000)
    }

    /// Minutes as time.
    pub fn minutes(&mut self, low: i64, doublings: i64) -> i64 {
        self.log(low, doublings) * 60 * SECOND_US + self.rng.between(0, 59) * SECOND_US
    }

    pub fn someone(&mut self) -> usize {
        self.rng.index(self.persons.len())
    }

    /// A story begins.
    pub fn tell(&mut self, scenario: &'static str, is_fraud: bool) -> usize {
        let instance = format!("{scenario}-{}", self.truth.len() + 1);
        self.truth.push(Truth::new(scenario, is_fraud, instance));
        self.truth.len() - 1
    }

    pub fn named(&mut self, case: usize, account: usize) {
        let token = self.accounts[account].token.clone();
        self.truth[case].subject(token);
    }
}
