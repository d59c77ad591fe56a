//! Areas of a warning: from a code to names in both languages and GB/T 2260 codes.
//!
//! A code comes from whoever sends events. So only what stands in these tables, or in the issuer, gets into a warning.

/// An area of a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Area {
    /// The code it is found by; the key of the topic.
    pub code: String,
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// GB/T 2260, six digits, or nine for a street.
    pub geocodes: Vec<String>,
}

const CITY: &str = "440300";

/// A district: code, names, and the last three digits of its streets and functional zones.
type District = (&'static str, &'static str, &'static str, &'static [u16]);

/// The nine districts of Shenzhen by code.
const DISTRICTS: [District; 9] = [
    ("440303", "罗湖区", "Luohu", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ("440304", "福田区", "Futian", &[1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 400]),
    ("440305", "南山区", "Nanshan", &[1, 2, 3, 5, 6, 7, 8, 9, 400]),
    ("440306", "宝安区", "Bao'an", &[17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 400]),
    ("440307", "龙岗区", "Longgang", &[3, 6, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
    ("440308", "盐田区", "Yantian", &[1, 2, 3, 4, 403]),
    ("440309", "龙华区", "Longhua", &[1, 2, 3, 4, 5, 6]),
    ("440310", "坪山区", "Pingshan", &[1, 2, 3, 4, 5, 6, 401]),
    ("440311", "光明区", "Guangming", &[1, 2, 3, 4, 5, 6]),
];

/// Two areas without a district code of their own: streets of Longgang, and of Haifeng County outside the city.
/// So nine digits are looked at first, or Dapeng would be Longgang.
const NEW_AREAS: [(&str, &str, &str, &[&str]); 2] = [
    ("SZ-DAPENG", "大鹏新区", "Dapeng New District", &["440307009", "440307010", "440307011"]),
    (
        "SZ-SHENSHAN",
        "深汕特别合作区",
        "Shenshan Special Cooperation Zone",
        &["441521102", "441521103", "441521104", "441521105"],
    ),
];

/// An area that is in the tables.
pub(crate) fn known(code: &str) -> Option<Area> {
    if code == CITY {
        return Some(area(code, "深圳市".to_owned(), "Shenzhen".to_owned(), &[code]));
    }
    for (id, zh, en, streets) in NEW_AREAS {
        let zh = format!("深圳市{zh}");
        if code == id {
            return Some(area(code, zh, format!("{en}, Shenzhen"), streets));
        }
        if streets.contains(&code) {
            return Some(area(code, format!("{zh}部分街道"), format!("part of {en}, Shenzhen"), &[code]));
        }
    }
    let (district, street) = is_digits(code).then(|| code.split_at_checked(6)).flatten()?;
    let (_, zh, en, streets) = DISTRICTS.iter().find(|(id, ..)| *id == district)?;
    let has_street = street.len() == 3 && street.parse().is_ok_and(|street| streets.contains(&street));
    match street {
        "" => Some(area(code, format!("深圳市{zh}"), format!("{en} District, Shenzhen"), &[code])),
        _ if has_street => {
            Some(area(code, format!("深圳市{zh}部分街道"), format!("part of {en} District, Shenzhen"), &[code]))
        }
        _ => None,
    }
}

/// Every area with a name of its own: code, name in Chinese, name in English; the city, its districts and new areas, their streets.
pub fn all() -> Vec<[String; 3]> {
    let mut codes = vec![CITY.to_owned()];
    for (id, _, _, streets) in DISTRICTS {
        codes.push(id.to_owned());
        codes.extend(streets.iter().map(|street| format!("{id}{street:03}")));
    }
    for (id, _, _, streets) in NEW_AREAS {
        codes.push(id.to_owned());
        codes.extend(streets.iter().map(|street| (*street).to_owned()));
    }
    let mut areas: Vec<[String; 3]> =
        codes.iter().filter_map(|code| known(code)).map(|area| [area.code, area.zh, area.en]).collect();
    areas.sort();
    areas.dedup();
    areas
}

/// Is it an area that is in the tables?
pub fn is_known(code: &str) -> bool {
    known(code).is_some()
}

/// Does a place (a district, a street, or a code within it) lie in an area? The streets of a new area are in no district.
pub fn lies_in(place: &str, code: &str) -> bool {
    let Some(area) = known(code) else { return false };
    let new = NEW_AREAS.iter().find(|(_, _, _, streets)| streets.iter().any(|street| place.starts_with(street)));
    if code == CITY {
        return place.starts_with(&CITY[..4]) || new.is_some();
    }
    let is_within = area.geocodes.iter().any(|geocode| place.starts_with(geocode.as_str()));
    is_within && (code.len() > 6 || new.is_none())
}

/// The smallest known area around a code that is in no table: street, district or city by its first digits.
pub(crate) fn around(code: &str) -> Option<Area> {
    if !is_digits(code) {
        return None;
    }
    let part = |digits: usize| code.get(..digits).and_then(known);
    let city = || code.get(..4).filter(|part| CITY.starts_with(part)).and_then(|_| known(CITY));
    part(9).or_else(|| part(6)).or_else(city)
}

/// The place of the issuer. One that is not in the tables is named by its code: an operator chose it, no producer.
pub(crate) fn of_issuer(place_code: &str) -> Area {
    let by_code = || area(place_code, format!("区域 {place_code}"), format!("area {place_code}"), &[place_code]);
    known(place_code).unwrap_or_else(by_code)
}

fn area(code: &str, zh: String, en: String, geocodes: &[&str]) -> Area {
    let geocodes = geocodes.iter().map(|geocode| (*geocode).to_owned()).collect();
    Area { code: code.to_owned(), zh, en, geocodes }
}

fn is_digits(code: &str) -> bool {
    code.bytes().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lies_in_its_street_its_district_and_its_city_and_dapeng_in_no_district() {
        for (place, inside, outside) in [
            ("440305001", vec!["440305001", "440305", "440300"], vec!["440305002", "440304", "SZ-DAPENG"]),
            ("440305", vec!["440305", "440300"], vec!["440305001"]),
            ("440307010", vec!["440307010", "SZ-DAPENG", "440300"], vec!["440307"]),
            ("440307012", vec!["440307", "440300"], vec!["SZ-DAPENG"]),
            ("441521103", vec!["SZ-SHENSHAN", "440300"], vec!["440307"]),
            ("110000", vec![], vec!["440300", "440305"]),
        ] {
            for code in inside {
                assert!(lies_in(place, code), "{place} in {code}");
            }
            for code in outside {
                assert!(!lies_in(place, code), "{place} not in {code}");
            }
        }
        assert!(all().len() > 80 && all().iter().all(|[code, ..]| is_known(code)));
    }

    #[test]
    fn dapeng_is_not_longgang_and_shenshan_is_not_lost() {
        assert_eq!(known("440307").unwrap().zh, "深圳市龙岗区");
        assert_eq!(known("440307010").unwrap().zh, "深圳市大鹏新区部分街道");
        assert_eq!(known("440307012").unwrap().en, "part of Longgang District, Shenzhen");
        assert_eq!(known("441521103").unwrap().geocodes, ["441521103"]);
        assert_eq!(known("SZ-SHENSHAN").unwrap().geocodes.len(), 4);
    }

    #[test]
    fn neither_an_account_nor_a_street_that_does_not_exist_is_a_known_area() {
        for code in [
            "acc-1",
            "ACC-1",
            "4403",
            "44030400",
            "440304003",
            "440304999",
            "440304001234",
            "",
            "４４０３０４",
            "110101",
        ] {
            assert_eq!(known(code), None, "{code}");
        }
    }

    #[test]
    fn around_an_unknown_code_is_the_nearest_place_by_its_first_digits() {
        let around = |code: &str| around(code).map(|area| area.code);
        assert_eq!(around("440304001234"), Some("440304001".to_owned()));
        assert_eq!(around("440307010007"), Some("440307010".to_owned()), "Dapeng, not Longgang");
        assert_eq!(around("440304999"), Some("440304".to_owned()));
        assert_eq!(around("440399001"), Some(CITY.to_owned()));
        for code in ["110101", "44", "", "ZONE-7", "SZ-DAPENG-9", "440304-CALL-ME", "４４０３０４"] {
            assert_eq!(around(code), None, "{code}");
        }
    }

    #[test]
    fn the_place_of_an_issuer_elsewhere_is_named_by_its_code() {
        assert_eq!((of_issuer("110100").en, of_issuer("440300").en), ("area 110100".to_owned(), "Shenzhen".to_owned()));
    }
}
