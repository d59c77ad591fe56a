//! Calls, messages and changes of honest people's phones.

use crate::Line;
use crate::hard::world::World;
use crate::json::Object;
use foreshock_core::time::{DAY_US, SECOND_US};
use foreshock_core::{Feed, ids};

/// One day of everybody.
pub(super) fn day(world: &mut World, day: i64) {
    for person in 0..world.persons.len() {
        let phone = world.persons[person].phone;
        for _ in 0..world.times(1_300) {
            let friends = &world.persons[person].friends;
            let friend = world.persons[friends[world.rng.index(friends.len())]].phone;
            let (time, seconds) = (world.at(day), world.log(8, 8));
            world.call(phone, friend, "KNOWN", time, seconds);
        }
        // Couriers, doctors, landlords, pollsters: nobody's contacts.
        for _ in 0..world.times(350) {
            let (other, time) = (world.someone(), world.at(day));
            let (stranger, seconds) = (world.persons[other].phone, world.log(6, 7));
            let grade = if world.rng.chance(30) { "MEDIUM" } else { "NONE" };
            world.call(stranger, phone, grade, time, seconds);
        }
        for _ in 0..world.times(900) {
            let time = world.at(day);
            let (class, sender) =
                world.rng.pick(&[("OTP", "10690001"), ("OTP", "10690002"), ("A2P", "95588"), ("A2P", "10690003")]);
            let template = format!("tpl-{sender}-{}", world.rng.below(4));
            world.sms(phone, sender, class, &template, time);
        }
        if world.rng.chance(1) && world.rng.chance(500) {
            let (what, time) = (
                world.rng.pick(&["SIM_SWAP", "SIM_SWAP", "DEVICE_CHANGE", "DEVICE_CHANGE", "FORWARDING", "PORTING"]),
                world.at(day),
            );
            world.change(phone, what, time);
        }
    }
}

impl World {
    /// A call as both sides' carriers report it when it is over. Ids of both records.
    pub fn call(
        &mut self,
        from: usize,
        to: usize,
        grade: &'static str,
        start: i64,
        seconds: i64,
    ) -> [(String, i64); 2] {
        let (caller, callee) = (self.phones[from].number.clone(), self.phones[to].number.clone());
        let end = start + seconds * SECOND_US;
        let sides = [(from, "MO_CALL"), (to, "MT_CALL")];
        sides.map(|(served, way)| {
            let peer_grade = if grade == "KNOWN" || way == "MT_CALL" { grade } else { "NONE" };
            let (mut json, id) = self.record(served, way, end);
            json.text("phase", "COMPLETE");
            json.text("callingNumber", &caller);
            json.text("calledNumber", &callee);
            if self.phones[served].carrier.1 {
                json.text("peerGrade", peer_grade);
            }
            json.time("seizureTime", start);
            json.plain("callDuration", seconds);
            self.written(json, served, &id, end)
        })
    }

    /// A message as the receiver's carrier reports it.
    pub fn sms(&mut self, to: usize, sender: &str, class: &str, template: &str, time: i64) -> (String, i64) {
        let (mut json, id) = self.record(to, "MT_SMS", time);
        json.text("callingNumber", sender);
        json.text("calledNumber", &self.phones[to].number);
        json.text("smsClass", class);
        json.text("templateHash", template);
        self.written(json, to, &id, time)
    }

    /// A change of a subscription.
    pub fn change(&mut self, phone: usize, what: &str, time: i64) -> (String, i64) {
        let (mut json, id) = self.record(phone, "SUBSCRIBER_EVENT", time);
        json.text("change", what);
        self.written(json, phone, &id, time)
    }

    fn record(&mut self, served: usize, record_type: &str, time: i64) -> (Object, String) {
        let (id, phone) = (self.token("R"), &self.phones[served]);
        let mut json = Object::new();
        json.text("recordId", &id);
        json.text("reporter", phone.carrier.0);
        json.time("eventTime", time);
        json.text("recordType", record_type);
        json.text("servedMSISDN", &phone.number);
        json.text("servedIMSI", &phone.imsi);
        json.text("servedIMEI", &phone.imei);
        json.plain("simAgeDays", ((time - phone.since_us) / DAY_US).max(0));
        (json, id)
    }

    fn written(&mut self, mut json: Object, served: usize, id: &str, time: i64) -> (String, i64) {
        let phone = &self.phones[served];
        json.text("location", &phone.cell);
        json.text("district", phone.district);
        json.text("originCountry", "CN");
        let event = (ids::event_id(Feed::Telecom.prefix(), phone.carrier.0, id), time);
        self.lines.push(Line { time_us: time, json: json.done(), feed: Feed::Telecom });
        event
    }
}
