//! Ids that anyone can compute again: UUIDv8 (RFC 9562) of BLAKE3 over parts, each prefixed by its length.

/// Id of the detection of one event by one rule in one version: what it says about the subject.
pub fn detection_id(rule_id: &str, rule_version: &str, event_id: &str, subject: &str) -> String {
    uuid_text(uuid_v8(&[rule_id, rule_version, event_id, subject]))
}

/// Id of the episode that an event opens.
pub(crate) fn alert_id(rule_id: &str, subject: &str, first_event_id: &str) -> u128 {
    uuid_v8(&[rule_id, subject, first_event_id])
}

/// Id of an episode's blocking request: 32 hexadecimal digits, because ISO 20022 allows 35 characters.
pub(crate) fn request_id(alert: u128) -> String {
    format!("{:032x}", uuid_v8(&["blocking.request", &uuid_text(alert)]))
}

/// A detection id as a key: 16 bytes whatever text the caller uses.
pub(crate) fn member_key(detection_id: &str) -> u128 {
    uuid_v8(&[detection_id])
}

/// The usual form with hyphens.
pub(crate) fn uuid_text(id: u128) -> String {
    let (a, b, c) = (id >> 96, (id >> 80) & 0xffff, (id >> 64) & 0xffff);
    let (d, e) = ((id >> 48) & 0xffff, id & 0xffff_ffff_ffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

fn uuid_v8(parts: &[&str]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // Without the length, ("ab", "c") and ("a", "bc") would be one id.
        let length = u64::try_from(part.len()).expect("a length fits 64 bits on every machine Rust has");
        hasher.update(&length.to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0_u8; 16];
    hasher.finalize_xof().fill(&mut bytes);
    let version = 8_u128 << 76;
    let variant = 2_u128 << 62;
    (u128::from_be_bytes(bytes) & !(0xf_u128 << 76) & !(3_u128 << 62)) | version | variant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_8_and_never_changes() {
        let id = detection_id("M05", "0123456789abcdef", "tx:bank-a:1", "p-1");
        let at = |i: usize| id.chars().nth(i).unwrap();
        assert_eq!((id.len(), at(8), at(13), at(18), at(23)), (36, '-', '-', '-', '-'));
        assert_eq!(at(14), '8');
        assert!("89ab".contains(at(19)), "{id}");
        assert_eq!(id, "311e5e4d-6c3b-8f61-a5b2-d784e5d333b8");
    }

    #[test]
    fn the_border_between_two_parts_counts() {
        assert_ne!(detection_id("ab", "c", "d", "e"), detection_id("a", "bc", "d", "e"));
        assert_ne!(detection_id("a", "b", "", "c"), detection_id("a", "", "b", "c"));
    }

    #[test]
    fn a_request_id_is_short_enough_for_iso_20022() {
        let id = request_id(alert_id("M05", "acc-1", "tx:bank-a:1"));
        assert!(id.len() <= crate::limits::REQUEST_ID_CHARS_MAX);
        assert!(foreshock_core::ids::is_token(&id));
    }
}
