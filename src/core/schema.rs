//! The column tables of the four feeds: the one place where a column's SQL name, type, JSON field, unit, privacy class
//! and comments stand. SQL tables, decoders and documents all read these.

/// SQL type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// TEXT.
    Text,
    /// BIGINT.
    Bigint,
    /// BOOLEAN.
    Boolean,
    /// TIMESTAMPTZ, microseconds, UTC.
    Time,
}

/// Who may see a column outside the police network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// Says nothing about a person.
    Public,
    /// Harmless alone, not for public output.
    Limited,
    /// A person, an account, a number, a device: tokens only, never in logs or warnings.
    Personal,
}

/// How a field is checked and converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Put together from feed, reporter and record id.
    EventId,
    /// The record's `reporter`, else the CloudEvents `source`, else the configured default.
    Reporter,
    /// Computed by the feed's decoder from several fields.
    Derived,
    /// RFC 3339 with offset, in the span of event times.
    Time,
    /// 1 to 64 of `[A-Za-z0-9._:-]`.
    Token,
    /// A closed code set: another value refuses the record. With a default when absent.
    Code(&'static [&'static str], Option<&'static str>),
    /// An open code set: another value becomes `OTHER` and is counted. With a default when absent.
    OpenCode(&'static [&'static str], Option<&'static str>),
    /// ISO 4217.
    Currency,
    /// Decimal text in the record's currency.
    Money,
    /// As [`Check::Money`], above zero.
    MoneyPositive,
    /// A whole number in a range, however it is written.
    Int(i64, i64),
    /// true or false.
    Bool,
    /// 0 to 1, as a number or its text, kept as whole thousandths; the rest is cut off.
    Permille,
    /// District or cell.
    Place,
}

/// One column of a feed.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// SQL name.
    pub name: &'static str,
    /// SQL type.
    pub ty: Type,
    /// Whether it can be NULL.
    pub nullable: bool,
    /// How the field is checked.
    pub check: Check,
    /// Path in the JSON event, parts separated by `.`; empty when computed.
    pub path: &'static str,
    /// Unit of a number, else empty.
    pub unit: &'static str,
    /// Who may see it.
    pub privacy: Privacy,
    /// Comment in Chinese.
    pub zh: &'static str,
    /// Comment in English.
    pub en: &'static str,
}

/// One of the four kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feed {
    /// Payments.
    Transactions,
    /// Calls, messages, subscriber events.
    Telecom,
    /// Victims' complaints.
    Complaints,
    /// Suspicious-activity reports.
    SuspiciousReports,
}

impl Feed {
    /// All feeds, in a fixed order.
    pub const ALL: [Feed; 4] = [Feed::Transactions, Feed::Telecom, Feed::Complaints, Feed::SuspiciousReports];

    /// SQL table.
    pub fn table(self) -> &'static str {
        match self {
            Feed::Transactions => "transactions",
            Feed::Telecom => "telecom",
            Feed::Complaints => "complaints",
            Feed::SuspiciousReports => "suspicious_reports",
        }
    }

    /// Incoming topic.
    pub fn topic(self) -> &'static str {
        match self {
            Feed::Transactions => "report.transaction.v1",
            Feed::Telecom => "report.telecom.v1",
            Feed::Complaints => "report.complaint.v1",
            Feed::SuspiciousReports => "report.suspicious.v1",
        }
    }

    /// First part of an event id.
    pub fn prefix(self) -> &'static str {
        match self {
            Feed::Transactions => "tx",
            Feed::Telecom => "tel",
            Feed::Complaints => "cpl",
            Feed::SuspiciousReports => "sar",
        }
    }

    /// JSON field of the record id.
    pub fn id_field(self) -> &'static str {
        match self {
            Feed::Transactions => "txId",
            Feed::Telecom => "recordId",
            Feed::Complaints => "complaintId",
            Feed::SuspiciousReports => "entity_reference",
        }
    }

    /// The columns of its table.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Feed::Transactions => TRANSACTIONS,
            Feed::Telecom => TELECOM,
            Feed::Complaints => COMPLAINTS,
            Feed::SuspiciousReports => SUSPICIOUS_REPORTS,
        }
    }
}

const KINDS: &[&str] = &["TRANSFER", "CARD_PURCHASE", "CASH_WITHDRAWAL", "CASH_DEPOSIT", "REFUND", "FEE"];
const STATUSES: &[&str] = &["ACSC", "PDNG", "RJCT"];
const DIRECTIONS: &[&str] = &["DEBIT", "CREDIT"];
const ACCOUNT_TYPES: &[&str] = &["PERSONAL", "BUSINESS", "WALLET", "MERCHANT", "CARD", "INTERNAL", "UNKNOWN"];
const AGE_BANDS: &[&str] = &["U18", "18_24", "25_34", "35_44", "45_54", "55_64", "65_PLUS", "UNKNOWN"];
const CHANNELS: &[&str] = &["MOBILE_APP", "WEB", "COUNTER", "ATM", "POS", "API"];
const BANK_ACTIONS: &[&str] = &["ALLOW", "VERIFY", "RECHECK_IDENTITY", "DELAY", "LIMIT", "SUSPEND"];
const RECORD_TYPES: &[&str] = &["MO_CALL", "MT_CALL", "MO_SMS", "MT_SMS", "SUBSCRIBER_EVENT"];
const PHASES: &[&str] = &["START", "END", "COMPLETE"];
const CHANGES: &[&str] = &["SIM_SWAP", "DEVICE_CHANGE", "FORWARDING", "ACTIVATION", "PORTING"];
const SMS_CLASSES: &[&str] = &["OTP", "A2P", "P2P", "UNKNOWN"];
const TENURES: &[&str] = &["LT_7D", "LT_30D", "LT_90D", "LT_1Y", "GE_1Y"];
const PEER_GRADES: &[&str] = &["KNOWN", "NONE", "MEDIUM", "HIGH", "VERY_HIGH"];
const CARRIER_ACTIONS: &[&str] = &["RESTRICTED", "SUSPENDED", "REVERIFY"];
const COMPLAINT_CHANNELS: &[&str] = &["CALL_110", "CALL_96110", "APP", "BRANCH"];
const CONTACT_CHANNELS: &[&str] = &["VOICE_CALL", "SMS", "APP", "SOCIAL", "IN_PERSON", "EMAIL", "WEB"];
const COMPLAINT_STATUSES: &[&str] = &["NEW", "CONFIRMED", "DUPLICATE", "WITHDRAWN", "CLOSED"];

#[allow(clippy::too_many_arguments)] // a table row: one argument a column of the table below
const fn col(
    name: &'static str,
    ty: Type,
    nullable: bool,
    check: Check,
    path: &'static str,
    unit: &'static str,
    privacy: Privacy,
    zh: &'static str,
    en: &'static str,
) -> Column {
    Column { name, ty, nullable, check, path, unit, privacy, zh, en }
}

const TRANSACTIONS: &[Column] = &[
    col("event_id", Type::Text, false, Check::EventId, "", "", Privacy::Limited, "事件编号", "event id"),
    col("event_time", Type::Time, false, Check::Time, "creDtTm", "", Privacy::Public, "事件时间", "event time"),
    col("reporter", Type::Text, false, Check::Reporter, "", "", Privacy::Public, "报送机构", "reporting institution"),
    col("tx_id", Type::Text, false, Check::Token, "txId", "", Privacy::Limited, "交易编号", "transaction id"),
    col(
        "payment_ref",
        Type::Text,
        true,
        Check::Derived,
        "",
        "",
        Privacy::Limited,
        "支付参考号",
        "payment reference: uetr, else endToEndId",
    ),
    col(
        "kind",
        Type::Text,
        false,
        Check::Code(KINDS, None),
        "kind",
        "",
        Privacy::Public,
        "交易类型",
        "kind of transaction",
    ),
    col(
        "status",
        Type::Text,
        false,
        Check::Code(STATUSES, Some("ACSC")),
        "status",
        "",
        Privacy::Public,
        "状态",
        "status",
    ),
    col(
        "amount",
        Type::Bigint,
        false,
        Check::MoneyPositive,
        "amount",
        "minor units",
        Privacy::Personal,
        "金额",
        "amount",
    ),
    col("currency", Type::Text, false, Check::Currency, "currency", "", Privacy::Public, "币种", "currency"),
    col(
        "direction",
        Type::Text,
        false,
        Check::OpenCode(DIRECTIONS, Some("DEBIT")),
        "direction",
        "",
        Privacy::Public,
        "方向",
        "direction as seen by the reporter",
    ),
    col(
        "payer_account",
        Type::Text,
        false,
        Check::Token,
        "debtor.accountToken",
        "",
        Privacy::Personal,
        "付款方账户",
        "payer account",
    ),
    col(
        "payer_person",
        Type::Text,
        true,
        Check::Token,
        "debtor.personToken",
        "",
        Privacy::Personal,
        "付款方本人",
        "payer person",
    ),
    col(
        "payer_phone",
        Type::Text,
        true,
        Check::Token,
        "debtor.phoneToken",
        "",
        Privacy::Personal,
        "付款方电话",
        "payer phone number",
    ),
    col(
        "payer_institution",
        Type::Text,
        true,
        Check::Token,
        "debtor.institution",
        "",
        Privacy::Public,
        "付款方机构",
        "payer institution",
    ),
    col(
        "payer_account_type",
        Type::Text,
        false,
        Check::OpenCode(ACCOUNT_TYPES, Some("UNKNOWN")),
        "debtor.accountType",
        "",
        Privacy::Public,
        "付款方账户类型",
        "payer account type",
    ),
    col(
        "payer_district",
        Type::Text,
        true,
        Check::Place,
        "debtor.district",
        "",
        Privacy::Public,
        "付款方区域",
        "payer district",
    ),
    col(
        "payer_age_band",
        Type::Text,
        false,
        Check::OpenCode(AGE_BANDS, Some("UNKNOWN")),
        "debtor.ageBand",
        "",
        Privacy::Limited,
        "付款方年龄段",
        "payer age band",
    ),
    col(
        "payer_balance_before",
        Type::Bigint,
        true,
        Check::Money,
        "debtor.balanceBefore",
        "minor units",
        Privacy::Personal,
        "付款方交易前余额",
        "payer balance before",
    ),
    col(
        "payer_account_age_days",
        Type::Bigint,
        true,
        Check::Int(0, 100_000),
        "debtor.accountAgeDays",
        "days",
        Privacy::Limited,
        "付款方开户天数",
        "payer account age",
    ),
    col(
        "payee_account",
        Type::Text,
        false,
        Check::Token,
        "creditor.accountToken",
        "",
        Privacy::Personal,
        "收款方账户",
        "payee account",
    ),
    col(
        "payee_person",
        Type::Text,
        true,
        Check::Token,
        "creditor.personToken",
        "",
        Privacy::Personal,
        "收款方本人",
        "payee person",
    ),
    col(
        "payee_phone",
        Type::Text,
        true,
        Check::Token,
        "creditor.phoneToken",
        "",
        Privacy::Personal,
        "收款方电话",
        "payee phone number",
    ),
    col(
        "payee_institution",
        Type::Text,
        true,
        Check::Token,
        "creditor.institution",
        "",
        Privacy::Public,
        "收款方机构",
        "payee institution",
    ),
    col(
        "payee_account_type",
        Type::Text,
        false,
        Check::OpenCode(ACCOUNT_TYPES, Some("UNKNOWN")),
        "creditor.accountType",
        "",
        Privacy::Public,
        "收款方账户类型",
        "payee account type",
    ),
    col(
        "payee_district",
        Type::Text,
        true,
        Check::Place,
        "creditor.district",
        "",
        Privacy::Public,
        "收款方区域",
        "payee district",
    ),
    col(
        "payee_age_band",
        Type::Text,
        false,
        Check::OpenCode(AGE_BANDS, Some("UNKNOWN")),
        "creditor.ageBand",
        "",
        Privacy::Limited,
        "收款方年龄段",
        "payee age band",
    ),
    col(
        "payee_balance_before",
        Type::Bigint,
        true,
        Check::Money,
        "creditor.balanceBefore",
        "minor units",
        Privacy::Personal,
        "收款方交易前余额",
        "payee balance before",
    ),
    col(
        "payee_account_age_days",
        Type::Bigint,
        true,
        Check::Int(0, 100_000),
        "creditor.accountAgeDays",
        "days",
        Privacy::Limited,
        "收款方开户天数",
        "payee account age",
    ),
    col(
        "channel",
        Type::Text,
        false,
        Check::OpenCode(CHANNELS, Some("OTHER")),
        "channel",
        "",
        Privacy::Public,
        "渠道",
        "channel",
    ),
    col("device", Type::Text, true, Check::Token, "deviceToken", "", Privacy::Personal, "设备", "device"),
    col("ip", Type::Text, true, Check::Token, "ipToken", "", Privacy::Personal, "网络地址", "network address"),
    col("terminal", Type::Text, true, Check::Token, "terminalId", "", Privacy::Limited, "终端", "terminal"),
    col("geo_cell", Type::Text, true, Check::Token, "geoCell", "", Privacy::Personal, "地理格", "geographic cell"),
    col("card", Type::Text, true, Check::Token, "cardToken", "", Privacy::Personal, "卡", "card"),
    col("card_issuer", Type::Text, true, Check::Token, "cardIssuerId", "", Privacy::Public, "发卡行", "card issuer"),
    col("merchant", Type::Text, true, Check::Token, "merchantId", "", Privacy::Limited, "商户", "merchant"),
    col("mcc", Type::Text, true, Check::Token, "mcc", "", Privacy::Public, "商户类别码", "merchant category code"),
    col(
        "first_time_payee",
        Type::Boolean,
        true,
        Check::Bool,
        "firstTimePayee",
        "",
        Privacy::Limited,
        "首次收款人",
        "first payment to this payee, as the bank knows",
    ),
    col(
        "screen_share",
        Type::Boolean,
        true,
        Check::Bool,
        "screenShareActive",
        "",
        Privacy::Limited,
        "屏幕共享中",
        "screen sharing was active",
    ),
    col(
        "call_in_progress",
        Type::Boolean,
        true,
        Check::Bool,
        "callInProgress",
        "",
        Privacy::Limited,
        "通话中",
        "a call was in progress",
    ),
    col(
        "bank_score_permille",
        Type::Bigint,
        true,
        Check::Permille,
        "bankScore",
        "permille",
        Privacy::Limited,
        "银行评分",
        "risk score of the bank",
    ),
    col(
        "bank_action",
        Type::Text,
        true,
        Check::OpenCode(BANK_ACTIONS, None),
        "bankAction",
        "",
        Privacy::Limited,
        "银行措施",
        "measure of the bank",
    ),
];

const TELECOM: &[Column] = &[
    col("event_id", Type::Text, false, Check::EventId, "", "", Privacy::Limited, "事件编号", "event id"),
    col("event_time", Type::Time, false, Check::Time, "eventTime", "", Privacy::Public, "事件时间", "event time"),
    col("reporter", Type::Text, false, Check::Reporter, "", "", Privacy::Public, "报送机构", "reporting institution"),
    col("record_id", Type::Text, false, Check::Token, "recordId", "", Privacy::Limited, "记录编号", "record id"),
    col(
        "record_type",
        Type::Text,
        false,
        Check::Code(RECORD_TYPES, None),
        "recordType",
        "",
        Privacy::Public,
        "记录类型",
        "record type",
    ),
    col(
        "phase",
        Type::Text,
        false,
        Check::Code(PHASES, Some("COMPLETE")),
        "phase",
        "",
        Privacy::Public,
        "阶段",
        "phase of the call",
    ),
    col(
        "change",
        Type::Text,
        true,
        Check::OpenCode(CHANGES, None),
        "change",
        "",
        Privacy::Limited,
        "用户变更",
        "subscriber change",
    ),
    col("number", Type::Text, false, Check::Token, "servedMSISDN", "", Privacy::Personal, "本机号码", "served number"),
    col(
        "peer_number",
        Type::Text,
        true,
        Check::Derived,
        "",
        "",
        Privacy::Personal,
        "对方号码",
        "the other side of number",
    ),
    col("caller", Type::Text, true, Check::Token, "callingNumber", "", Privacy::Personal, "主叫", "calling number"),
    col("callee", Type::Text, true, Check::Token, "calledNumber", "", Privacy::Personal, "被叫", "called number"),
    col("imsi", Type::Text, true, Check::Token, "servedIMSI", "", Privacy::Personal, "用户识别码", "IMSI"),
    col("imei", Type::Text, true, Check::Token, "servedIMEI", "", Privacy::Personal, "设备识别码", "IMEI"),
    col(
        "started_at",
        Type::Time,
        true,
        Check::Derived,
        "",
        "",
        Privacy::Limited,
        "开始时间",
        "start: seizure, else answer",
    ),
    col(
        "duration_s",
        Type::Bigint,
        true,
        Check::Int(0, 1_000_000),
        "callDuration",
        "seconds",
        Privacy::Limited,
        "通话时长",
        "call duration",
    ),
    col("answered", Type::Boolean, true, Check::Derived, "", "", Privacy::Limited, "是否接通", "the call was answered"),
    col(
        "sms_class",
        Type::Text,
        true,
        Check::OpenCode(SMS_CLASSES, None),
        "smsClass",
        "",
        Privacy::Public,
        "短信类别",
        "class of the message",
    ),
    col("template", Type::Text, true, Check::Token, "templateHash", "", Privacy::Public, "短信模板", "template hash"),
    col("url", Type::Text, true, Check::Token, "urlHash", "", Privacy::Public, "网址", "address hash"),
    col("cell", Type::Text, true, Check::Place, "location", "", Privacy::Personal, "基站小区", "cell"),
    col("district", Type::Text, true, Check::Place, "district", "", Privacy::Public, "区域", "district"),
    col(
        "origin_country",
        Type::Text,
        true,
        Check::Token,
        "originCountry",
        "",
        Privacy::Public,
        "来源国家",
        "country of origin",
    ),
    col(
        "anomaly",
        Type::Text,
        true,
        Check::Token,
        "anomalyType",
        "",
        Privacy::Limited,
        "异常类型",
        "anomaly as the carrier sees it",
    ),
    col(
        "sim_age_days",
        Type::Bigint,
        true,
        Check::Int(0, 100_000),
        "simAgeDays",
        "days",
        Privacy::Limited,
        "号卡启用天数",
        "age of the SIM",
    ),
    col(
        "sim_swap_age_hours",
        Type::Bigint,
        true,
        Check::Int(0, 100_000),
        "simSwapAgeHours",
        "hours",
        Privacy::Limited,
        "补换卡小时数",
        "hours since the SIM swap",
    ),
    col(
        "tenure_band",
        Type::Text,
        true,
        Check::OpenCode(TENURES, None),
        "tenureBand",
        "",
        Privacy::Limited,
        "在网时长",
        "tenure",
    ),
    col(
        "peer_grade",
        Type::Text,
        true,
        Check::OpenCode(PEER_GRADES, None),
        "peerGrade",
        "",
        Privacy::Limited,
        "对方分级",
        "grade of the other number",
    ),
    col(
        "caller_id_auth",
        Type::Text,
        true,
        Check::Token,
        "callerIdAuth",
        "",
        Privacy::Limited,
        "主叫认证",
        "caller id authentication",
    ),
    col(
        "forwarding",
        Type::Text,
        true,
        Check::Token,
        "callForwarding",
        "",
        Privacy::Limited,
        "呼叫转移",
        "call forwarding",
    ),
    col(
        "carrier_action",
        Type::Text,
        true,
        Check::OpenCode(CARRIER_ACTIONS, None),
        "carrierAction",
        "",
        Privacy::Limited,
        "运营商措施",
        "measure of the carrier",
    ),
];

const COMPLAINTS: &[Column] = &[
    col("event_id", Type::Text, false, Check::EventId, "", "", Privacy::Limited, "事件编号", "event id"),
    col("event_time", Type::Time, false, Check::Time, "receivedAt", "", Privacy::Public, "事件时间", "event time"),
    col("reporter", Type::Text, false, Check::Reporter, "", "", Privacy::Public, "报送机构", "reporting institution"),
    col(
        "complaint_id",
        Type::Text,
        false,
        Check::Token,
        "complaintId",
        "",
        Privacy::Limited,
        "报案编号",
        "complaint id",
    ),
    col(
        "channel",
        Type::Text,
        false,
        Check::OpenCode(COMPLAINT_CHANNELS, None),
        "channel",
        "",
        Privacy::Public,
        "受理渠道",
        "channel",
    ),
    col("fraud_type", Type::Text, false, Check::Token, "fraudType", "", Privacy::Public, "诈骗类型", "type of fraud"),
    col(
        "contact_channel",
        Type::Text,
        true,
        Check::OpenCode(CONTACT_CHANNELS, None),
        "contactChannel",
        "",
        Privacy::Public,
        "接触方式",
        "how the victim was contacted",
    ),
    col(
        "loss_amount",
        Type::Bigint,
        true,
        Check::Derived,
        "",
        "minor units",
        Privacy::Personal,
        "损失金额",
        "loss; NULL for an attempt",
    ),
    col("attempt", Type::Boolean, false, Check::Derived, "", "", Privacy::Limited, "未遂", "an attempt without loss"),
    col("currency", Type::Text, true, Check::Currency, "currency", "", Privacy::Public, "币种", "currency"),
    col(
        "victim_person",
        Type::Text,
        true,
        Check::Token,
        "victim.personToken",
        "",
        Privacy::Personal,
        "受害人",
        "victim",
    ),
    col(
        "victim_age_band",
        Type::Text,
        true,
        Check::OpenCode(AGE_BANDS, None),
        "victim.ageBand",
        "",
        Privacy::Limited,
        "受害人年龄段",
        "age band of the victim",
    ),
    col("district", Type::Text, true, Check::Place, "victim.district", "", Privacy::Public, "区域", "district"),
    col(
        "still_in_contact",
        Type::Boolean,
        true,
        Check::Bool,
        "stillInContact",
        "",
        Privacy::Limited,
        "仍在联系",
        "still in contact",
    ),
    col(
        "status",
        Type::Text,
        true,
        Check::OpenCode(COMPLAINT_STATUSES, None),
        "status",
        "",
        Privacy::Limited,
        "状态",
        "status",
    ),
];

const SUSPICIOUS_REPORTS: &[Column] = &[
    col("event_id", Type::Text, false, Check::EventId, "", "", Privacy::Limited, "事件编号", "event id"),
    col("event_time", Type::Time, false, Check::Time, "submission_date", "", Privacy::Public, "事件时间", "event time"),
    col("reporter", Type::Text, false, Check::Reporter, "", "", Privacy::Public, "报送机构", "reporting institution"),
    col("report_code", Type::Text, false, Check::Token, "report_code", "", Privacy::Limited, "报告类型", "report code"),
    col(
        "subject_account",
        Type::Text,
        true,
        Check::Token,
        "subject.accountToken",
        "",
        Privacy::Personal,
        "涉案账户",
        "subject account",
    ),
    col(
        "subject_person",
        Type::Text,
        true,
        Check::Token,
        "subject.personToken",
        "",
        Privacy::Personal,
        "涉案人",
        "subject person",
    ),
    col(
        "amount",
        Type::Bigint,
        true,
        Check::Money,
        "transaction.0.amount_local",
        "minor units",
        Privacy::Personal,
        "金额",
        "amount of the first transaction",
    ),
    col("currency", Type::Text, true, Check::Currency, "currency_code_local", "", Privacy::Public, "币种", "currency"),
    col(
        "indicator",
        Type::Text,
        true,
        Check::Token,
        "report_indicators.0",
        "",
        Privacy::Limited,
        "可疑特征",
        "first indicator",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feed_starts_with_the_three_common_columns_and_names_are_unique() {
        for feed in Feed::ALL {
            let names: Vec<_> = feed.columns().iter().map(|c| c.name).collect();
            assert_eq!(names.get(..3), Some(["event_id", "event_time", "reporter"].as_slice()));
            let mut unique = names.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), names.len(), "{feed:?}");
        }
    }
}
