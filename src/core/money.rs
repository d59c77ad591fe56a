//! Money: integer minor units of a currency. Never a float.

use crate::decimal::Decimal;
use crate::limits::AMOUNT_MINOR_MAX;
use std::cmp::Ordering;

/// ISO 4217 codes in use with their minor-unit digits, and XTS (the code for tests; two digits here by contract), five bytes
/// each. ISO 4217 list one as of 2026-01-01 (XCG instead of ANG, EUR instead of BGN); codes of funds, metals and accounting
/// units are left out. A test of `feeds` compares it with another list.
const CURRENCIES: &str = "AED2 AFN2 ALL2 AMD2 AOA2 ARS2 AUD2 AWG2 AZN2 BAM2 BBD2 BDT2 BHD3 BIF0 BMD2 BND2 BOB2 BRL2 BSD2 BTN2 BWP2 BYN2 BZD2 CAD2 CDF2 \
    CHF2 CLP0 CNY2 COP2 CRC2 CUP2 CVE2 CZK2 DJF0 DKK2 DOP2 DZD2 EGP2 ERN2 ETB2 EUR2 FJD2 FKP2 GBP2 GEL2 GHS2 GIP2 GMD2 GNF0 GTQ2 \
    GYD2 HKD2 HNL2 HTG2 HUF2 IDR2 ILS2 INR2 IQD3 IRR2 ISK0 JMD2 JOD3 JPY0 KES2 KGS2 KHR2 KMF0 KPW2 KRW0 KWD3 KYD2 KZT2 LAK2 LBP2 \
    LKR2 LRD2 LSL2 LYD3 MAD2 MDL2 MGA2 MKD2 MMK2 MNT2 MOP2 MRU2 MUR2 MVR2 MWK2 MXN2 MYR2 MZN2 NAD2 NGN2 NIO2 NOK2 NPR2 NZD2 OMR3 \
    PAB2 PEN2 PGK2 PHP2 PKR2 PLN2 PYG0 QAR2 RON2 RSD2 RUB2 RWF0 SAR2 SBD2 SCR2 SDG2 SEK2 SGD2 SHP2 SLE2 SOS2 SRD2 SSP2 STN2 SVC2 \
    SYP2 SZL2 THB2 TJS2 TMT2 TND3 TOP2 TRY2 TTD2 TWD2 TZS2 UAH2 UGX0 USD2 UYU2 UZS2 VED2 VES2 VND0 VUV0 WST2 XAF0 XCD2 XCG2 XOF0 \
    XPF0 XTS2 YER2 ZAR2 ZMW2 ZWG2";

/// Bytes of an entry with the space after it.
const ENTRY: usize = 5;

/// The currency codes, in order.
pub fn currencies() -> impl Iterator<Item = &'static str> {
    CURRENCIES.split(' ').filter_map(|entry| entry.get(..3))
}

/// Digits after the point of a currency; `None` for a code that is not in the list.
pub fn minor_digits(currency: &str) -> Option<u32> {
    let wanted: [u8; 3] = currency.as_bytes().try_into().ok()?;
    let (mut low, mut high) = (0, CURRENCIES.len().div_ceil(ENTRY));
    while low < high {
        let middle = low.midpoint(high);
        let entry = &CURRENCIES.as_bytes()[middle * ENTRY..][..ENTRY - 1];
        match entry[..3].cmp(&wanted) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Some(u32::from(entry[3] - b'0')),
        }
    }
    None
}

/// Why an amount was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadAmount {
    /// Not a plain decimal number such as `-12.50`.
    NotDecimal,
    /// More decimals than the currency has.
    TooManyDecimals,
    /// Beyond [`AMOUNT_MINOR_MAX`].
    TooLarge,
}

/// Parses a plain decimal into minor units. Zeros beyond the currency's decimals are accepted.
pub fn parse_minor(text: &str, digits: u32) -> Result<i64, BadAmount> {
    let decimal = Decimal::parse(text).filter(|d| !d.has_exponent()).ok_or(BadAmount::NotDecimal)?;
    let floor = decimal.floor(digits).ok_or(BadAmount::TooLarge)?;
    if !floor.is_exact {
        return Err(BadAmount::TooManyDecimals);
    }
    if floor.value.abs() > AMOUNT_MINOR_MAX { Err(BadAmount::TooLarge) } else { Ok(floor.value) }
}

/// Prints minor units as a decimal with exactly `digits` decimals.
pub fn format_minor(minor: i64, digits: u32) -> String {
    if digits == 0 {
        return minor.to_string();
    }
    let unit = 10_u64.pow(digits);
    let (sign, value) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    format!("{sign}{}.{:0width$}", value / unit, value % unit, width = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_currency_is_found_and_nothing_else() {
        let codes: Vec<&str> = currencies().collect();
        assert!(codes.is_sorted() && codes.len() > 150);
        let digits = |code: &str| CURRENCIES.split(' ').find_map(|entry| entry.strip_prefix(code)?.parse().ok());
        let letters = || b'A'..=b'Z';
        for bytes in letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c]))) {
            let code = std::str::from_utf8(&bytes).expect("ASCII");
            assert_eq!(minor_digits(code), digits(code), "{code}");
        }
        assert_eq!(["", "CN", "CNY2", "cny", "\u{e9}Y"].map(minor_digits), [None; 5]);
    }

    #[test]
    fn amounts_become_exact_minor_units() {
        assert_eq!(parse_minor("12.5", 2), Ok(1250));
        assert_eq!(parse_minor("0.10", 2), Ok(10));
        assert_eq!(parse_minor("-3", 0), Ok(-3));
        assert_eq!(parse_minor("0012.500", 2), Ok(1250));
        assert_eq!(parse_minor("10000000000000", 2), Ok(AMOUNT_MINOR_MAX));
    }

    #[test]
    fn what_is_not_an_exact_amount_is_refused() {
        assert_eq!(parse_minor("1.234", 2), Err(BadAmount::TooManyDecimals));
        assert_eq!(parse_minor("10000000000000.01", 2), Err(BadAmount::TooLarge));
        for bad in ["", "-", "1.", ".5", "1e3", "+1", "1,5", "NaN", "1 "] {
            assert_eq!(parse_minor(bad, 2), Err(BadAmount::NotDecimal), "{bad}");
        }
    }

    #[test]
    fn the_yen_has_no_decimals_and_a_made_up_code_no_entry() {
        assert_eq!((minor_digits("JPY"), minor_digits("CNY"), minor_digits("XTS")), (Some(0), Some(2), Some(2)));
        assert_eq!((minor_digits("QQQ"), minor_digits("CN")), (None, None));
        assert_eq!((minor_digits("XCG"), minor_digits("VED"), minor_digits("ANG")), (Some(2), Some(2), None));
        assert_eq!((minor_digits("D2 "), minor_digits("é1")), (None, None));
        assert!(currencies().all(|c| minor_digits(c).is_some_and(|d| d <= 3)));
        assert_eq!((format_minor(-5, 2), format_minor(1250, 2)), ("-0.05".into(), "12.50".into()));
    }
}
