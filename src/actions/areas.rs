//! Areas of a warning: from a code to names in both languages and GB/T 2260 codes.

/// An area of a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Area {
    /// The code it was found by; the key of the topic.
    pub code: String,
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// GB/T 2260, six digits, or nine for a street.
    pub geocodes: Vec<String>,
}

const CITY: &str = "440300";

/// The nine districts of Shenzhen by code.
const DISTRICTS: [(&str, &str, &str); 9] = [
    ("440303", "罗湖区", "Luohu"),
    ("440304", "福田区", "Futian"),
    ("440305", "南山区", "Nanshan"),
    ("440306", "宝安区", "Bao'an"),
    ("440307", "龙岗区", "Longgang"),
    ("440308", "盐田区", "Yantian"),
    ("440309", "龙华区", "Longhua"),
    ("440310", "坪山区", "Pingshan"),
    ("440311", "光明区", "Guangming"),
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

/// An area that is in the tables: a subject may only be named in public when it is one.
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
    let district = is_digits(code).then(|| code.get(..6)).flatten()?;
    let (_, zh, en) = DISTRICTS.iter().find(|(id, _, _)| *id == district)?;
    match code.len() {
        6 => Some(area(code, format!("深圳市{zh}"), format!("{en} District, Shenzhen"), &[code])),
        9 => Some(area(code, format!("深圳市{zh}部分街道"), format!("part of {en} District, Shenzhen"), &[code])),
        _ => None,
    }
}

/// Any area a feed may carry. One that is not in the tables is named by its code, a street by its district's code:
/// nine digits in a row are not for public text.
pub(crate) fn any(code: &str) -> Option<Area> {
    if let Some(area) = known(code) {
        return Some(area);
    }
    if !foreshock_core::ids::is_place(code) {
        return None;
    }
    let is_gb2260 = is_digits(code) && matches!(code.len(), 6 | 9);
    let shown = if is_gb2260 { code.get(..6)? } else { code };
    let geocodes: &[&str] = if is_gb2260 { &[code] } else { &[] };
    Some(area(code, format!("区域 {shown}"), format!("area {shown}"), geocodes))
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
    fn dapeng_is_not_longgang_and_shenshan_is_not_lost() {
        assert_eq!(known("440307").unwrap().zh, "深圳市龙岗区");
        assert_eq!(known("440307010").unwrap().zh, "深圳市大鹏新区部分街道");
        assert_eq!(known("440307002").unwrap().en, "part of Longgang District, Shenzhen");
        assert_eq!(known("441521103").unwrap().geocodes, ["441521103"]);
        assert_eq!(known("SZ-SHENSHAN").unwrap().geocodes.len(), 4);
    }

    #[test]
    fn an_account_is_no_area_and_an_unknown_street_is_named_by_its_district() {
        for code in ["acc-1", "ACC-1", "4403", "44030400", "440304001234", "", "４４０３０４"] {
            assert_eq!(known(code), None, "{code}");
        }
        assert_eq!(any("110101001").unwrap().en, "area 110101");
        assert_eq!(any("110101001").unwrap().geocodes, ["110101001"]);
        assert_eq!(any("ZONE-7").unwrap().geocodes, Vec::<String>::new());
        assert_eq!(any("acc-1"), None);
    }
}
