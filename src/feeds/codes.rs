//! Why a record is refused: stable codes with their text in both languages. Never the value.

/// One reason for refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable name.
    pub code: &'static str,
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

const fn code(code: &'static str, zh: &'static str, en: &'static str) -> Code {
    Code { code, zh, en }
}

pub(crate) const TOO_LARGE: Code = code("record_too_large", "记录过大", "the record is larger than the limit");
pub(crate) const INVALID_JSON: Code = code("json_invalid", "不是有效的 JSON", "the record is not valid JSON");
pub(crate) const NOT_OBJECT: Code = code("json_not_object", "不是 JSON 对象", "the record is not a JSON object");
pub(crate) const UNKNOWN_FEED: Code = code("feed_unknown", "无法识别的报送类型", "no field names the kind of report");
pub(crate) const WRONG_FEED: Code =
    code("feed_wrong", "报送类型与主题不符", "the report is of another kind than its topic");
pub(crate) const ENVELOPE: Code = code("envelope_invalid", "信封格式错误", "the CloudEvents envelope lacks a part");
pub(crate) const MISSING: Code = code("field_missing", "缺少必填字段", "a required field is missing");
pub(crate) const TYPE: Code = code("field_type", "字段类型错误", "the field is of the wrong type");
pub(crate) const TOKEN: Code = code("token_invalid", "标识不合规", "an id or token is 1 to 64 of A-Z a-z 0-9 . _ : -");
pub(crate) const TWICE: Code = code("field_twice", "字段重复", "the field stands twice in the record");
pub(crate) const REPORTER: Code =
    code("reporter_invalid", "缺少报送机构或格式错误", "the reporter is missing or no token without a colon");
pub(crate) const SOURCE: Code = code(
    "source_unknown",
    "信封来源未对应任何机构",
    "the CloudEvents source is no institution id, and the configuration maps it to none",
);
pub(crate) const REPORTER_NOT_ALLOWED: Code =
    code("reporter_not_allowed", "该主题不得报送此机构的记录", "the topic may not carry records of this reporter");
pub(crate) const EVENT_ID: Code =
    code("event_id_invalid", "事件编号与本行不符", "an event id is <feed>:<reporter>:<record id> of its own row");
pub(crate) const PLACE: Code = code("place_invalid", "区域代码不合规", "a district or cell is 1 to 16 of A-Z 0-9 -");
pub(crate) const CODE_UNKNOWN: Code = code("code_unknown", "代码不在允许范围", "the code is not in its closed set");
pub(crate) const CURRENCY: Code = code("currency_unknown", "未知币种", "the currency is not in ISO 4217");
pub(crate) const AMOUNT: Code = code("amount_invalid", "金额格式错误", "an amount is a decimal text such as \"12.50\"");
pub(crate) const DECIMALS: Code =
    code("amount_decimals", "金额小数位过多", "the amount has more decimals than its currency");
pub(crate) const AMOUNT_RANGE: Code = code("amount_range", "金额超出范围", "the amount is outside the allowed range");
pub(crate) const NUMBER: Code = code("number_invalid", "数值格式错误", "the text is not one whole decimal number");
pub(crate) const NUMBER_RANGE: Code = code("number_range", "数值超出范围", "the number is outside the allowed range");
pub(crate) const TIME: Code = code(
    "time_invalid",
    "时间格式错误",
    "a time is RFC 3339 with an offset, such as 2026-03-02T10:00:00+08:00, of a date that exists",
);
pub(crate) const LEAP_SECOND: Code = code(
    "time_leap_second",
    "不接受第 60 秒",
    "second 60 is not taken: send a leap second as second 59 with the fraction .999999",
);
pub(crate) const TIME_RANGE: Code =
    code("time_range", "时间超出允许范围", "the time is before 1970-01-01 or not before 2200-01-01 UTC");
pub(crate) const FUTURE: Code =
    code("time_future", "时间在未来", "the event time is more than 5 minutes after the record");
pub(crate) const ACTION: Code =
    code("action_unknown", "未知的报送动作", "reportAction is one of NEWF, UPDT, REOP, CLSE, DUPL");
/// For the engine's caller: a correction that moves a fact in time.
pub const CORRECTION_TIME: Code = code(
    "correction_time",
    "更正不得改变时间",
    "a correction has another event time than its fact: withdraw the fact (CLSE) and report a new one",
);

/// All codes.
pub const CODES: &[Code] = &[
    TOO_LARGE,
    INVALID_JSON,
    NOT_OBJECT,
    UNKNOWN_FEED,
    WRONG_FEED,
    ENVELOPE,
    MISSING,
    TYPE,
    TWICE,
    TOKEN,
    REPORTER,
    SOURCE,
    REPORTER_NOT_ALLOWED,
    EVENT_ID,
    PLACE,
    CODE_UNKNOWN,
    CURRENCY,
    AMOUNT,
    DECIMALS,
    AMOUNT_RANGE,
    NUMBER,
    NUMBER_RANGE,
    TIME,
    LEAP_SECOND,
    TIME_RANGE,
    FUTURE,
    ACTION,
    CORRECTION_TIME,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_codes_have_one_name_or_one_text() {
        for text in [|c: &Code| c.code, |c: &Code| c.zh, |c: &Code| c.en] {
            assert_eq!(CODES.iter().map(text).collect::<BTreeSet<_>>().len(), CODES.len());
        }
    }

    #[test]
    fn the_span_that_a_refusal_names_is_that_of_the_limits() {
        use foreshock_core::{limits, time::format_rfc3339};
        assert!(format_rfc3339(limits::EVENT_TIME_US_MIN).starts_with("1970-01-01T00:00:00.000000"));
        assert!(format_rfc3339(limits::EVENT_TIME_US_MAX + 1).starts_with("2200-01-01T00:00:00.000000"));
        assert!(TIME_RANGE.en.contains("1970-01-01") && TIME_RANGE.en.contains("2200-01-01"));
    }
}
