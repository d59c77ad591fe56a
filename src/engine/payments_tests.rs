use super::*;
use proptest::prelude::*;

/// As a list that is walked.
#[derive(Default)]
struct Naive(Vec<SavedClaim>);

impl Naive {
    fn unconfirm(&mut self, event: u64) {
        self.0.iter_mut().for_each(|(_, _, by)| by.retain(|by| by.event != event));
    }

    fn take(&mut self, event: u64) {
        self.unconfirm(event);
        self.0.retain(|(_, claim, _)| claim.event != event);
    }

    fn put(&mut self, uetr: u128, report: Claim) {
        self.unconfirm(report.event);
        if !self.0.iter().any(|(payment, claim, _)| (*payment, *claim) == (uetr, report)) {
            self.take(report.event);
            self.0.push((uetr, report, Vec::new()));
        }
    }

    fn confirm(&mut self, uetr: u128, report: &Claim, since: i64) -> Finding {
        self.0.sort_unstable_by_key(|(_, claim, _)| (claim.time, claim.event));
        let is_alike = |claim: &Claim| claim.facts == report.facts && claim.reporter != report.reporter;
        let alike = self.0.iter().filter(|(of, claim, _)| *of == uetr && claim.time >= since && is_alike(claim));
        let alike: Vec<SavedClaim> = alike.cloned().collect();
        if let Some(own) = alike.iter().find(|(_, _, by)| by.iter().any(|by| by.event == report.event)) {
            return Finding { confirms: true, rests_on: own.1.time };
        }
        let other = |by: &[Confirmation]| by.iter().find(|by| by.reporter == report.reporter).map(|by| by.rests_on);
        let free = alike.iter().position(|(_, _, by)| other(by).is_none());
        let passed = alike.iter().take(free.unwrap_or(alike.len())).filter_map(|(_, _, by)| other(by)).min();
        let rests_on = passed.unwrap_or(i64::MAX);
        let Some(free) = free else { return Finding { confirms: false, rests_on } };
        let rests_on = rests_on.min(alike[free].1.time);
        self.unconfirm(report.event);
        let by = Confirmation { reporter: report.reporter, event: report.event, rests_on: rests_on.min(report.time) };
        let free = self.0.iter_mut().find(|(_, claim, _)| claim.event == alike[free].1.event);
        free.into_iter().for_each(|(_, _, confirmed)| {
            confirmed.push(by);
            confirmed.sort_unstable_by_key(|by| by.reporter);
        });
        Finding { confirms: true, rests_on }
    }
}

fn report(uetr: u128, facts: u128, reporter: u64, event: u64, time: i64) -> Claim {
    Claim::new(&Payment { uetr, facts, reporter, event }, time)
}

proptest! {
    #[test]
    fn they_answer_as_a_list_of_all_claims_does(
        steps in prop::collection::vec((0_u8..14, 0_u128..3, 0_u128..2, 0_i64..3, 0_u64..9, 0_i64..6), 1..150)
    ) {
        let (mut payments, mut naive, mut horizon) = (Payments::default(), Naive::default(), 0);
        for (kind, uetr, facts, since, event, second) in steps {
            // An event has one reporter.
            let report = report(uetr, facts + 1, 1 + event % 3, 1 + event, horizon + (event as i64 % 4) * SECOND_US);
            let since = horizon + since * SECOND_US;
            let other = |(of, claim, _): &SavedClaim| *of == uetr && claim.time >= since && claim.event != report.event;
            prop_assert_eq!(payments.is_claimed(uetr, &report, since), naive.0.iter().any(other));
            match kind {
                0..5 => {
                    payments.put(uetr, report);
                    naive.put(uetr, report);
                }
                5..9 => {
                    prop_assert_eq!(payments.confirm(uetr, &report, since), naive.confirm(uetr, &report, since));
                }
                9 | 10 => {
                    payments.take(report.event);
                    naive.take(report.event);
                }
                11 => {
                    payments.unconfirm(report.event);
                    naive.unconfirm(report.event);
                }
                12 => {
                    horizon += second * SECOND_US / 3;
                    payments.forget_before(horizon);
                    naive.0.retain(|(_, claim, _)| claim.second() >= horizon.div_euclid(SECOND_US));
                }
                _ => payments = Payments::load(payments.save()),
            }
            naive.0.sort_unstable_by_key(|(uetr, claim, _)| (claim.time, *uetr, claim.event));
            prop_assert_eq!(payments.save(), naive.0.clone());
            prop_assert_eq!(payments.len(), naive.0.len());
        }
    }
}

#[test]
fn of_very_many_reports_that_say_the_same_a_bank_confirms_so_many_and_its_others_count() {
    let mut payments = Payments::default();
    let events = 1..=LOOKED_AT as u64 + 2;
    events.clone().for_each(|event| payments.put(7, report(7, 1, 1, event, event as i64)));
    let mut confirms = |event: u64, since| payments.confirm(7, &report(7, 1, 2, 1_000 + event, 0), since).confirms;
    let confirmed: Vec<u64> = events.filter(|event| confirms(*event, 0)).collect();
    assert_eq!(confirmed.len(), LOOKED_AT);
    assert!(confirms(1, 0), "told again");
    assert!(confirms(2_000, 2), "when the oldest are forgotten the next ones are looked at");
}

#[test]
fn what_confirms_nothing_more_and_what_is_confirmed_no_more_are_not_remembered() {
    let mut payments = Payments::default();
    payments.put(7, report(7, 1, 1, 1, 0));
    assert!(payments.confirm(7, &report(7, 1, 2, 2, 0), 0).confirms);
    assert!(payments.confirm(7, &report(7, 1, 3, 3, 0), 0).confirms);
    payments.take(2);
    payments.forget_before(SECOND_US);
    assert_eq!(payments.len(), 0);
    assert!(payments.confirmations.is_empty());
}

#[test]
fn an_event_whose_own_old_claim_is_forgotten_still_confirms_another_one() {
    let mut payments = Payments::default();
    payments.put(7, report(7, 1, 1, 1, 0));
    payments.put(7, report(7, 2, 2, 2, SECOND_US));
    let again = report(7, 2, 1, 1, SECOND_US);
    assert!(payments.confirm(7, &again, 1).confirms);
    payments.forget_before(SECOND_US);
    let other = report(7, 2, 1, 3, SECOND_US);
    assert!(!payments.confirm(7, &other, 1).confirms);
    assert!(payments.confirm(7, &again, 1).confirms);
}
