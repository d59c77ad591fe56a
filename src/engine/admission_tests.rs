use super::*;
use proptest::prelude::*;

fn admit(admission: &mut Admission, partition: usize, id: &str, time: i64) -> Admitted {
    report(admission, partition, id, time, ReportAction::New, None)
}

/// The payment of a report: which one, what is said of it, by which bank.
type Said = (u128, u128, u64);

fn report(
    admission: &mut Admission,
    partition: usize,
    id: &str,
    time: i64,
    action: ReportAction,
    payment: Option<Said>,
) -> Admitted {
    let hash = admission.begin(std::iter::once(id))[0];
    let event = event_digest(id);
    let payment = payment.map(|(uetr, facts, reporter)| Payment { uetr, facts, reporter, event });
    admission.admit(partition, &Report { id, hash, time, action, payment }, 10)
}

#[test]
fn a_correction_replaces_or_withdraws_its_fact_and_what_is_withdrawn_counts_again_only_by_an_update() {
    use ReportAction::{New, Update, Withdraw};
    let mut admission = Admission::new(&[Presence::Expected]);
    let mut say = |id, time, action| report(&mut admission, 0, id, time, action, None);
    assert_eq!(say("a", 100, New), Admitted::Yes);
    assert_eq!(say("a", 100, Update), Admitted::Replaces);
    assert_eq!(say("a", 101, Update), Admitted::Moves);
    assert_eq!(say("a", 100, Withdraw), Admitted::Withdraws);
    assert_eq!(say("a", 100, New), Admitted::Duplicate);
    assert_eq!(say("a", 100, Update), Admitted::Replaces);
    assert_eq!(say("b", 95, Update), Admitted::Yes, "an update of what never came is the fact");
    assert_eq!(say("c", 95, Withdraw), Admitted::Withdraws);
    assert_eq!(say("c", 95, New), Admitted::Duplicate, "withdrawn before it came");
    assert_eq!(say("a", 80, Update), Admitted::Late(11));
}

/// Of one payment with the facts 1, unless said otherwise: a bank's report.
fn say(admission: &mut Admission, bank: u64, id: &str, time: i64, action: ReportAction) -> Admitted {
    report(admission, 0, id, time, action, Some((7, 1, bank)))
}

#[test]
fn a_payment_counts_once_whichever_bank_is_first_and_again_when_that_report_is_withdrawn() {
    use ReportAction::{New, Update, Withdraw};
    let mut admission = Admission::new(&[Presence::Expected]);
    let mut say = |bank, id, time, action| say(&mut admission, bank, id, time, action);
    assert_eq!(say(1, "payer", 100, New), Admitted::Yes);
    assert_eq!(say(2, "payee", 103, New), Admitted::Confirmation);
    assert_eq!(say(2, "payee", 103, Update), Admitted::Confirmation);
    assert_eq!(say(2, "payee", 103, Withdraw), Admitted::Withdraws);
    assert_eq!(say(3, "third", 103, New), Admitted::Confirmation, "the payer's report still stands");
    assert_eq!(say(1, "payer", 100, Withdraw), Admitted::Withdraws);
    assert_eq!(say(3, "fourth", 103, New), Admitted::Yes);
    assert_eq!(say(1, "fifth", 103 + REMEMBERED_US, New), Admitted::Confirmation);
    assert_eq!(say(2, "sixth", 120 + REMEMBERED_US, New), Admitted::Confirmation, "by the bound before itself");
    assert_eq!(say(1, "seventh", 120 + REMEMBERED_US, New), Admitted::Yes, "too long after");
    assert_eq!(say(2, "eighth", 120 + REMEMBERED_US, New), Admitted::Confirmation, "of the seventh");
}

#[test]
fn a_report_that_counts_again_is_the_one_of_its_payment_only_when_no_other_has_come() {
    use ReportAction::{New, Update, Withdraw};
    for other_comes_first in [false, true] {
        let mut admission = Admission::new(&[Presence::Expected]);
        let bank = |id: &str| if id == "payee" { 2 } else { 1 };
        let mut say = |id: &str, action| say(&mut admission, bank(id), id, 100, action);
        assert_eq!(say("payer", New), Admitted::Yes);
        assert_eq!(say("payer", Withdraw), Admitted::Withdraws);
        if other_comes_first {
            assert_eq!(say("payee", New), Admitted::Yes);
            assert_eq!(say("payer", Update), Admitted::Confirmation);
        } else {
            assert_eq!(say("payer", Update), Admitted::Replaces);
            assert_eq!(say("payee", New), Admitted::Confirmation);
            assert_eq!(say("payee", Withdraw), Admitted::Withdraws);
            assert_eq!(say("payee", Update), Admitted::Confirmation, "the payer's report stands");
        }
    }
}

#[test]
fn what_one_bank_reports_under_one_payment_id_are_events_and_another_bank_confirms_any_of_them() {
    let mut admission = Admission::new(&[Presence::Expected]);
    let mut say = |bank, id: &str, facts| report(&mut admission, 0, id, 100, ReportAction::New, Some((7, facts, bank)));
    assert_eq!(say(1, "a1", 1), Admitted::Yes);
    assert_eq!(say(1, "a2", 1), Admitted::Clash, "the same bank twice");
    assert_eq!(say(1, "a3", 2), Admitted::Clash, "another amount");
    assert_eq!(say(2, "b1", 3), Admitted::Clash, "another bank that says something else");
    assert_eq!(say(2, "b2", 2), Admitted::Confirmation, "of the third");
    assert_eq!(say(3, "c1", 3), Admitted::Confirmation, "of the fourth");
    assert_eq!(say(3, "c2", 1), Admitted::Confirmation, "of the first");
    assert_eq!(say(1, "a4", 3), Admitted::Confirmation, "the first bank, of another one's");
    assert_eq!(admission.payment_count(), 4, "confirmations are not remembered");
}

#[test]
fn another_bank_confirms_what_a_report_says_since_its_correction() {
    let mut admission = Admission::new(&[Presence::Expected]);
    let mut say = |bank, id: &str, facts, action| report(&mut admission, 0, id, 100, action, Some((7, facts, bank)));
    assert_eq!(say(1, "a", 1, ReportAction::New), Admitted::Yes);
    assert_eq!(say(1, "a", 2, ReportAction::Update), Admitted::Replaces);
    assert_eq!(say(2, "b", 2, ReportAction::New), Admitted::Confirmation);
    assert_eq!(say(3, "c", 1, ReportAction::New), Admitted::Clash, "nobody says so any more");
    assert_eq!(say(1, "a", 9, ReportAction::Withdraw), Admitted::Withdraws, "whatever it says of the payment");
    assert_eq!(say(2, "b", 2, ReportAction::New), Admitted::Clash, "the third one's still counts");
}

#[test]
fn an_update_may_name_the_payment_that_its_fact_did_not() {
    let mut admission = Admission::new(&[Presence::Expected]);
    assert_eq!(admit(&mut admission, 0, "a", 100), Admitted::Yes);
    assert_eq!(say(&mut admission, 1, "a", 100, ReportAction::Update), Admitted::Replaces);
    assert_eq!(say(&mut admission, 2, "b", 101, ReportAction::New), Admitted::Confirmation);
}

#[test]
fn an_id_is_known_by_the_bound_of_its_partition_and_not_by_what_happens_to_be_remembered() {
    for cut_after_each in [false, true] {
        let mut admission = Admission::new(&[Presence::Expected]);
        let mut say = |id, time, action| {
            let admitted = report(&mut admission, 0, id, time, action, None);
            if cut_after_each {
                admission.advance();
            }
            admitted
        };
        let new = ReportAction::New;
        assert_eq!(say("a", 100, new), Admitted::Yes);
        assert_eq!(say("late one", 110 + REMEMBERED_US, new), Admitted::Yes);
        assert_eq!(say("a", 105 + REMEMBERED_US, new), Admitted::Duplicate, "the bound is at what it remembers");
        assert_eq!(say("a", 105 + REMEMBERED_US, ReportAction::Update), Admitted::Moves);
        assert_eq!(say("b", 111 + REMEMBERED_US, new), Admitted::Yes);
        assert_eq!(say("a", 106 + REMEMBERED_US, ReportAction::Update), Admitted::Yes, "one microsecond beyond");
        assert_eq!(say("a", 107 + REMEMBERED_US, new), Admitted::Duplicate, "of the update");
    }
}

#[test]
fn behind_another_admission_an_id_that_counted_again_counts_again() {
    let mut admission = Admission::behind();
    let mut say = |time, action| report(&mut admission, 0, "a", time, action, None);
    assert_eq!(say(100, ReportAction::New), Admitted::Yes);
    assert_eq!(say(100, ReportAction::New), Admitted::Duplicate, "sent on twice");
    assert_eq!(say(100 + REMEMBERED_US, ReportAction::New), Admitted::Yes);
    assert_eq!(say(100 + REMEMBERED_US, ReportAction::Update), Admitted::Replaces);
}

#[test]
fn in_the_midst_of_the_events_what_hangs_on_one_that_is_doubtful_is_not_certain() {
    let cut = Cut { from: 100, certain_from: -50 };
    for (again, is_uncertain) in [("doubtful", true), ("certain", false)] {
        let mut admission = Admission::new(&[Presence::Expected]);
        let nothing = admission.save();
        admission.begin_at(cut, &nothing);
        let mut say = |id, time| report(&mut admission, 0, id, time, ReportAction::New, None);
        assert_eq!(say("doubtful", 0), Admitted::Late(0), "before the cut; its partition's bound is not known");
        assert_eq!(say("certain", 11), Admitted::Late(0));
        assert_eq!(say(again, 200), Admitted::Duplicate);
        assert_eq!(admission.is_uncertain(), is_uncertain, "{again}");
    }
}

#[test]
fn in_the_midst_of_the_events_a_report_is_not_certain_that_comes_second_to_a_doubtful_confirmation() {
    let cut = Cut { from: 100, certain_from: -50 };
    for (confirmed_at, is_uncertain) in [(5, true), (12, false)] {
        let mut admission = Admission::new(&[Presence::Expected]);
        let nothing = admission.save();
        admission.begin_at(cut, &nothing);
        assert_eq!(admit(&mut admission, 0, "doubtful", 6), Admitted::Late(0));
        let mut say = |bank, id: &str, time| say(&mut admission, bank, id, time, ReportAction::New);
        assert_eq!(say(1, "payer", 11), Admitted::Late(0));
        assert_eq!(say(2, "payee", confirmed_at), Admitted::Late(0), "older than what is doubtful, or not");
        assert_eq!(say(2, "payee again", 105), Admitted::Clash);
        assert_eq!(admission.is_uncertain(), is_uncertain, "{confirmed_at}");
    }
}

/// What an admission says that forgets nothing and looks at all that was.
#[derive(Default)]
struct Naive {
    bounds: [i64; 2],
    /// Id, time, is withdrawn.
    facts: Vec<(u8, i64, bool)>,
    claims: Vec<NaiveClaim>,
}

struct NaiveClaim {
    id: u8,
    time: i64,
    said: Said,
    /// Bank and id of what has confirmed it.
    confirmed: Vec<(u64, u8)>,
}

impl Naive {
    fn admit(&mut self, partition: usize, id: u8, time: i64, action: ReportAction, said: Option<Said>) -> Admitted {
        let bound = self.bounds[partition];
        if time < bound {
            return Admitted::Late(bound - time);
        }
        self.bounds[partition] = bound.max(time - 10);
        let since = bound - REMEMBERED_US;
        let known = self.facts.iter().rposition(|fact| fact.0 == id && fact.1 >= since);
        match (action, known) {
            (ReportAction::New, Some(_)) => Admitted::Duplicate,
            (_, Some(at)) if self.facts[at].1 != time => Admitted::Moves,
            (ReportAction::Withdraw, known) => {
                self.unconfirm(id);
                if known.is_some() {
                    self.claims.retain(|claim| claim.id != id);
                }
                self.facts.push((id, time, true));
                Admitted::Withdraws
            }
            (ReportAction::Update, Some(at)) => {
                if self.facts[at].2 && self.confirms(id, said, since) {
                    return Admitted::Confirmation;
                }
                self.claim(id, time, said);
                self.facts.push((id, time, false));
                Admitted::Replaces
            }
            (_, None) if self.confirms(id, said, since) => Admitted::Confirmation,
            (_, None) => {
                let is_other =
                    |c: &NaiveClaim| c.id != id && c.time >= since && said.is_some_and(|said| said.0 == c.said.0);
                let clashes = self.claims.iter().any(is_other);
                if said.is_some() {
                    self.claim(id, time, said);
                } else if action == ReportAction::Update {
                    self.unconfirm(id);
                }
                self.facts.push((id, time, false));
                if clashes { Admitted::Clash } else { Admitted::Yes }
            }
        }
    }

    fn unconfirm(&mut self, id: u8) {
        self.claims.iter_mut().for_each(|claim| claim.confirmed.retain(|by| by.1 != id));
    }

    /// In the place of an earlier one, unless it says the same.
    fn claim(&mut self, id: u8, time: i64, said: Option<Said>) {
        self.unconfirm(id);
        self.claims.retain(|claim| claim.id != id || (claim.time, Some(claim.said)) == (time, said));
        if let Some(said) = said.filter(|_| self.claims.iter().all(|claim| claim.id != id)) {
            self.claims.push(NaiveClaim { id, time, said, confirmed: Vec::new() });
        }
    }

    fn confirms(&mut self, id: u8, said: Option<Said>, since: i64) -> bool {
        let Some((uetr, facts, bank)) = said else { return false };
        self.claims.sort_by_key(|claim| (claim.time, event_digest(&claim.id.to_string())));
        let is_alike = |c: &NaiveClaim| c.time >= since && (c.said.0, c.said.1) == (uetr, facts) && c.said.2 != bank;
        if self.claims.iter().any(|claim| is_alike(claim) && claim.confirmed.contains(&(bank, id))) {
            return true;
        }
        let is_free = |claim: &NaiveClaim| is_alike(claim) && claim.confirmed.iter().all(|by| by.0 != bank);
        let Some(free) = self.claims.iter().position(is_free) else { return false };
        self.unconfirm(id);
        self.claims[free].confirmed.push((bank, id));
        true
    }
}

proptest! {
    /// Ids and payments that come again just inside and just outside of what is known; a partition far behind.
    #[test]
    fn what_counts_does_not_hang_on_where_the_batches_end_or_the_state_is_saved(
        events in prop::collection::vec(
            (0_usize..4, 0_u8..5, 0_i64..9, 0_i64..12, 0_u8..6, prop::option::of((0_u128..2, 1_u128..3))), 1..60),
        cuts in prop::collection::vec(0_u8..6, 60),
    ) {
        let presence = [Presence::Expected; 2];
        let (mut whole, mut cut, mut naive) = (Admission::new(&presence), Admission::new(&presence), Naive::default());
        // The bounds of the twin begin at a time that is before all.
        naive.bounds = [i64::MIN / 2; 2];
        let mut now = [0_i64, 0];
        for ((partition, id, jump, back, kind, payment), cut_here) in events.into_iter().zip(cuts) {
            let partition = usize::from(partition == 0);
            // An id belongs to one bank and comes through one partition.
            let number = id * 2 + partition as u8;
            now[partition] += jump * REMEMBERED_US / 8;
            let time = now[partition] - back;
            let action = [ReportAction::New, ReportAction::Update, ReportAction::Withdraw][usize::from(kind.saturating_sub(3))];
            let said = payment.map(|(uetr, facts)| (uetr * 2 + partition as u128, facts, 1 + u64::from(id % 3)));
            let name = number.to_string();
            let expected = naive.admit(partition, number, time, action, said);
            prop_assert_eq!(report(&mut whole, partition, &name, time, action, said), expected);
            prop_assert_eq!(report(&mut cut, partition, &name, time, action, said), expected);
            if cut_here < 4 {
                cut.advance();
            }
            if cut_here == 0 {
                let bytes = postcard::to_stdvec(&cut.save()).unwrap();
                cut = Admission::new(&presence);
                cut.load(postcard::from_bytes(&bytes).unwrap()).unwrap();
                prop_assert_eq!(postcard::to_stdvec(&cut.save()).unwrap(), bytes);
            }
        }
        whole.advance();
        cut.advance();
        prop_assert_eq!(whole.seen_counts(), cut.seen_counts());
        prop_assert_eq!(whole.payments.save(), cut.payments.save());
    }
}

#[test]
fn what_is_too_late_does_not_hang_on_the_other_partition() {
    let order_one = [(0, "a", 100), (1, "b", 500), (0, "c", 80), (0, "d", 95)];
    let order_two = [(1, "b", 500), (0, "a", 100), (0, "c", 80), (0, "d", 95)];
    for order in [order_one, order_two] {
        let mut admission = Admission::new(&[Presence::Expected; 2]);
        let answer: Vec<_> = order.iter().map(|(p, id, t)| (*id, admit(&mut admission, *p, id, *t))).collect();
        assert!(answer.contains(&("c", Admitted::Late(10))));
        assert!(answer.contains(&("d", Admitted::Yes)));
    }
}

#[test]
fn the_horizon_waits_for_an_expected_partition_and_not_for_an_optional_one() {
    for (presence, horizon) in [(Presence::Expected, i64::MIN), (Presence::Optional, 90)] {
        let mut admission = Admission::new(&[Presence::Expected, presence]);
        admit(&mut admission, 0, "a", 100);
        admission.advance();
        assert_eq!(admission.horizon(), horizon);
    }
}

#[test]
fn a_silent_partition_is_raised_to_the_lowest_bound_of_the_others_and_judged_by_it_when_it_returns() {
    let mut admission = Admission::new(&[Presence::Expected; 3]);
    admit(&mut admission, 0, "a", 100);
    admit(&mut admission, 1, "b", 500);
    admit(&mut admission, 2, "c", 400);
    admission.advance();
    assert_eq!(admission.horizon(), 90);
    let bound = admission.tick(&[0]).unwrap();
    assert_eq!(bound, 390);
    admission.raise(0, bound);
    admission.advance();
    assert_eq!(admission.horizon(), 390);
    assert_eq!(admit(&mut admission, 0, "d", 389), Admitted::Late(1));
    assert_eq!(admit(&mut admission, 0, "e", 390), Admitted::Yes);
    assert_eq!(admission.tick(&[0, 1, 2]), None);
}

#[test]
fn partitions_are_ahead_of_the_lowest_that_still_sends() {
    let mut admission = Admission::new(&[Presence::Expected; 4]);
    for (partition, time) in [(0, 100), (1, 500), (2, 700)] {
        admit(&mut admission, partition, &format!("e{partition}"), time);
    }
    assert_eq!(admission.ahead(300, |_| true), [1, 2], "the fourth has not sent anything yet");
    assert_eq!(admission.ahead(400, |_| true), [2], "exactly so far is not ahead");
    assert_eq!(admission.ahead(100, |partition| partition > 0), [2], "nobody waits for one that is silent");
    assert!(admission.ahead(0, |_| false).is_empty());
}

#[test]
fn a_partition_that_begins_late_never_reaches_behind_the_horizon() {
    let mut admission = Admission::new(&[Presence::Expected, Presence::Optional]);
    admit(&mut admission, 0, "a", 100);
    admission.advance();
    assert_eq!(admission.horizon(), 90);
    assert_eq!(admit(&mut admission, 1, "b", 95), Admitted::Yes);
    assert_eq!(admit(&mut admission, 1, "c", 89), Admitted::Late(1));
}

#[test]
fn an_event_exactly_at_the_bound_is_in_time_and_a_second_one_is_a_duplicate() {
    let mut admission = Admission::new(&[Presence::Expected]);
    assert_eq!(admit(&mut admission, 0, "a", 100), Admitted::Yes);
    assert_eq!(admit(&mut admission, 0, "b", 90), Admitted::Yes);
    assert_eq!(admit(&mut admission, 0, "b", 90), Admitted::Duplicate);
    assert_eq!(admit(&mut admission, 0, "c", 89), Admitted::Late(1));
}
