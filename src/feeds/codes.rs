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
pub(crate) const REPORTER: Code =
    code("reporter_invalid", "缺少报送机构或格式错误", "the reporter is missing or no token without a colon");
pub(crate) const PLACE: Code = code("place_invalid", "区域代码不合规", "a district or cell is 1 to 16 of A-Z 0-9 -");
pub(crate) const CODE_UNKNOWN: Code = code("code_unknown", "代码不在允许范围", "the code is not in its closed set");
pub(crate) const CURRENCY: Code = code("currency_unknown", "未知币种", "the currency is not in ISO 4217");
pub(crate) const AMOUNT: Code = code("amount_invalid", "金额格式错误", "an amount is a decimal text such as \"12.50\"");
pub(crate) const DECIMALS: Code =
    code("amount_decimals", "金额小数位过多", "the amount has more decimals than its currency");
pub(crate) const AMOUNT_RANGE: Code = code("amount_range", "金额超出范围", "the amount is outside the allowed range");
pub(crate) const NUMBER_RANGE: Code = code("number_range", "数值超出范围", "the number is outside the allowed range");
pub(crate) const TIME: Code = code("time_invalid", "时间格式错误", "a time is RFC 3339 with an offset");
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
    TOKEN,
    REPORTER,
    PLACE,
    CODE_UNKNOWN,
    CURRENCY,
    AMOUNT,
    DECIMALS,
    AMOUNT_RANGE,
    NUMBER_RANGE,
    TIME,
    FUTURE,
    ACTION,
    CORRECTION_TIME,
];
