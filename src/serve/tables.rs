//! Every table that can be asked: its columns with types and comments, and where a result's column stands in its message. The
//! columns of the feeds come from the one table in `core`.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use foreshock_compiler::data_type;
use foreshock_core::{Feed, Type};
use foreshock_log::{
    ACTS, ALERTS, BLOCKING_DRAFTS, DETECTIONS, LATE, Log, PROGRESS, REGISTER_PROGRESS, REJECTED, WARNING_DRAFTS,
};
use std::sync::Arc;

/// A column of a result's table.
#[derive(Debug, Clone, Copy)]
pub struct ResultColumn {
    /// SQL name.
    pub name: &'static str,
    /// SQL type.
    pub ty: Type,
    /// JSON pointer in the message; [`KEY`] and [`CONTENT`] for the record's own.
    pub pointer: &'static str,
    /// Comment in Chinese.
    pub zh: &'static str,
    /// Comment in English.
    pub en: &'static str,
}

/// The record's key.
pub const KEY: &str = "key";
/// The whole content.
pub const CONTENT: &str = "content";

/// A table of the results of a topic: every message is a row.
#[derive(Debug, Clone, Copy)]
pub struct ResultTable {
    /// SQL name.
    pub name: &'static str,
    /// Topic.
    pub topic: &'static str,
    /// Comment in Chinese.
    pub zh: &'static str,
    /// Comment in English.
    pub en: &'static str,
    /// Columns.
    pub columns: &'static [ResultColumn],
}

const fn col(name: &'static str, ty: Type, pointer: &'static str, zh: &'static str, en: &'static str) -> ResultColumn {
    ResultColumn { name, ty, pointer, zh, en }
}

/// One table for each topic with results.
pub const RESULTS: [ResultTable; 6] = [
    ResultTable {
        name: "detection_revisions",
        topic: DETECTIONS,
        zh: "检测结果的每一次修订",
        en: "every revision of every detection",
        columns: &[
            col("detection_id", Type::Text, "/detection_id", "检测编号", "the same for rule version and event"),
            col("revision", Type::Bigint, "/revision", "修订号", "counts up from 1"),
            col("state", Type::Text, "/state", "状态", "detected or retracted"),
            col("shadow", Type::Boolean, "/shadow", "试运行", "of a rule on trial: no act follows"),
            col("rule_id", Type::Text, "/rule_id", "规则", "rule"),
            col("rule_version", Type::Text, "/rule_version", "规则版本", "changes with its SQL, views or parameters"),
            col("event_id", Type::Text, "/event_id", "触发事件", "the event that triggered it"),
            col("event_time", Type::Time, "/event_time", "事件时间", "its event time"),
            col("window_start", Type::Time, "/window_start", "窗口起点", "event time less the rule's longest frame"),
            col("subject", Type::Text, "/subject", "主体", "account, number, device, person or place, by its token"),
            col(
                "detail",
                Type::Text,
                "/values",
                "规则输出 (JSON)",
                "the rule's other columns as JSON; money in minor units",
            ),
            col("cause", Type::Text, "/cause", "修订原因事件", "the event that made this revision"),
            col("incomplete", Type::Boolean, "/incomplete", "可能不完整", "events may be missing in it"),
        ],
    },
    ResultTable {
        name: "alert_revisions",
        topic: ALERTS,
        zh: "警报的每一次更新",
        en: "every update of every alert",
        columns: &[
            col("alert_id", Type::Text, "/alert_id", "警报编号", "the same for one episode"),
            col("state", Type::Text, "/state", "状态", "opened, updated or closed"),
            col("rule_id", Type::Text, "/rule_id", "规则", "rule"),
            col("rule_version", Type::Text, "/rule_version", "规则版本", "of the rule that opened it"),
            col("title_zh", Type::Text, "/title/zh", "标题 (中文)", "title in Chinese"),
            col("title_en", Type::Text, "/title/en", "标题 (英文)", "title in English"),
            col("severity", Type::Text, "/severity", "严重程度", "severity of the rule"),
            col("fraud_type", Type::Text, "/fraud_type", "诈骗类型", "code of the fraud type"),
            col("subject", Type::Text, "/subject", "主体", "what it is about"),
            col("event_time", Type::Time, "/first", "首次检测时间", "event time of its first detection"),
            col("last_time", Type::Time, "/last", "最近检测时间", "event time of its last detection"),
            col("detections", Type::Bigint, "/count", "有效检测数", "detections that stand"),
            col("detection_ids", Type::Text, "/detection_ids", "检测编号 (JSON)", "the first of their ids, as JSON"),
            col("reason", Type::Text, "/reason", "关闭原因", "why it is closed"),
        ],
    },
    ResultTable {
        name: "blocking_draft_revisions",
        topic: BLOCKING_DRAFTS,
        zh: "拦截请求草稿的每一次更新",
        en: "every update of every draft of a blocking request",
        columns: &[
            col("request_id", Type::Text, "/requestId", "请求编号", "the same for one target within 48 hours"),
            col("state", Type::Text, "/state", "状态", "draft or withdrawn"),
            col("rule_id", Type::Text, "/rule/id", "规则", "rule of the earliest detection"),
            col("rule_version", Type::Text, "/rule/version", "规则版本", "rule version"),
            col("measure", Type::Text, "/measure", "建议措施", "proposed measure"),
            col("account", Type::Text, "/target/account", "目标账户", "account token"),
            col("institution", Type::Text, "/institution", "账户机构", "institution that holds the account"),
            col("amount_text", Type::Text, "/amount", "金额", "what is still there, a decimal in the currency's unit"),
            col("currency", Type::Text, "/currency", "币种", "ISO 4217"),
            col("reason_zh", Type::Text, "/reason/zh", "理由 (中文)", "reason in Chinese"),
            col("reason_en", Type::Text, "/reason/en", "理由 (英文)", "reason in English"),
            col("legal_basis", Type::Text, "/legalBasis", "法律依据 (JSON)", "articles and orders, as JSON"),
            col("fraud_type", Type::Text, "/fraudType", "诈骗类型", "code of the fraud type"),
            col("detection_id", Type::Text, "/evidence/detectionId", "检测编号", "the earliest detection that stands"),
            col("event_time", Type::Time, "/createdAt", "检测时间", "event time of the detection"),
            col("expires_at", Type::Time, "/expiresAt", "到期时间", "48 hours later"),
            col("withdrawn_because", Type::Text, "/withdrawnBecause", "撤回原因", "why it is withdrawn"),
        ],
    },
    ResultTable {
        name: "warning_drafts",
        topic: WARNING_DRAFTS,
        zh: "公众预警草稿",
        en: "drafts of public warnings",
        columns: &[
            col("area", Type::Text, KEY, "区域", "the place that it is for"),
            col("cap", Type::Text, CONTENT, "CAP 1.2 消息", "the CAP 1.2 message"),
        ],
    },
    ResultTable {
        name: "rejected",
        topic: REJECTED,
        zh: "被拒绝的记录",
        en: "records that were refused",
        columns: &[
            col("topic", Type::Text, "/topic", "主题", "topic"),
            col("partition", Type::Bigint, "/partition", "分区", "partition"),
            col("offset", Type::Bigint, "/offset", "偏移", "offset"),
            col("code", Type::Text, "/code", "原因代码", "stable code"),
            col("pointer", Type::Text, "/pointer", "字段", "JSON pointer of the field"),
            col("reason_zh", Type::Text, "/reason/zh", "原因 (中文)", "reason in Chinese"),
            col("reason_en", Type::Text, "/reason/en", "原因 (英文)", "reason in English"),
            col("length", Type::Bigint, "/length", "字节数", "bytes of the record"),
            col("sha256", Type::Text, "/sha256", "摘要", "SHA-256 of the record"),
        ],
    },
    ResultTable {
        name: "late",
        topic: LATE,
        zh: "迟到的事件",
        en: "events that came too late",
        columns: &[
            col("feed", Type::Text, "/feed", "数据源", "table of the feed"),
            col("topic", Type::Text, "/topic", "主题", "topic"),
            col("partition", Type::Bigint, "/partition", "分区", "partition"),
            col("offset", Type::Bigint, "/offset", "偏移", "offset"),
            col("event_id", Type::Text, "/event_id", "事件编号", "event id"),
            col("late_by_us", Type::Bigint, "/late_by_us", "迟到微秒数", "microseconds beyond the bound"),
        ],
    },
];

/// The results of the register of blocking requests.
pub const REGISTER_RESULTS: [ResultTable; 1] = [ResultTable {
    name: "acts",
    topic: ACTS,
    zh: "拦截请求的审计记录",
    en: "the trail of blocking requests: what became of every draft, command and answer",
    columns: &[
        col("request_id", Type::Text, "/requestId", "请求编号", "empty where a record could not be read"),
        col("revision", Type::Bigint, "/revision", "修订号", "of the request afterwards"),
        col("from_state", Type::Text, "/from", "之前状态", "its state before"),
        col("state", Type::Text, "/to", "状态", "its state afterwards; none where the request is not known"),
        col("refused", Type::Text, "/refused", "拒绝代码", "why the input was refused; none when it was followed"),
        col("notice", Type::Text, "/notice", "通知", "what is said without a change of the state"),
        col("cause", Type::Text, "/cause/kind", "起因", "draft, command, answer, policy, clock or record"),
        col("command", Type::Text, "/cause/command", "指令", "what a person wanted"),
        col("command_id", Type::Text, "/cause/commandId", "指令编号", "of the person's command"),
        col("response_id", Type::Text, "/cause/responseId", "答复编号", "of the institution's answer"),
        col("institution", Type::Text, "/cause/institution", "答复机构", "who answers"),
        col("position", Type::Text, "/cause/position", "位置", "of a record that could not be read"),
        col("actor", Type::Text, "/actor/name", "经办人", "the official who commanded it"),
        col("reason", Type::Text, "/reason", "理由", "the words of the official, or the code of the institution"),
        col("purpose", Type::Text, "/purpose", "用途", "for what the official works"),
        col("case_ref", Type::Text, "/caseRef", "案号", "the case"),
        col("account", Type::Text, "/target/account", "目标账户", "the account that it is about"),
        col("target", Type::Text, "/target", "目标 (JSON)", "the account, number, device .. that it is about"),
        col("measure", Type::Text, "/terms/measure", "所提措施", "what is proposed, as it would be sent"),
        col("asked_institution", Type::Text, "/terms/institution", "被请求机构", "see measure: who is asked"),
        col("amount_text", Type::Text, "/terms/amount", "所提金额", "see measure: a decimal in the currency's unit"),
        col("currency", Type::Text, "/terms/currency", "所提币种", "see measure: ISO 4217"),
        col("event_time", Type::Time, "/at", "时间", "the writer's clock"),
        col("detail", Type::Text, CONTENT, "完整记录 (JSON)", "the whole record as JSON, with terms and answer"),
    ],
}];

const BATCH_COLUMNS: &[ResultColumn] = &[
    col("number", Type::Bigint, "/number", "批次", "0, 1, 2, .."),
    col("as_of", Type::Time, "/as_of", "截至时间", "nothing before this event time can change after it"),
    col("records", Type::Bigint, "/records", "记录数", "incoming records that it took"),
    col("results", Type::Bigint, "/results", "结果数", "results that it caused"),
    col("owner", Type::Text, "/owner", "写入进程", "the process that took it"),
    col("rules", Type::Text, "/rules", "规则摘要", "hash of rules, parameters and lateness"),
    col("in_force", Type::Text, "/in_force", "生效规则 (JSON)", "the rules in force from it on, where they changed"),
    col("digest", Type::Text, "/digest", "批次摘要", "SHA-256 of its record"),
];

/// One row for each batch of the log: what was known and done when.
pub const BATCHES: ResultTable = ResultTable {
    name: "batches",
    topic: PROGRESS,
    zh: "日志中的每一批",
    en: "every batch of the log",
    columns: BATCH_COLUMNS,
};

/// The same of the register's log, which has no rules; `as_of` is the writer's clock.
pub const REGISTER_BATCHES: ResultTable = ResultTable {
    name: "register_batches",
    topic: REGISTER_PROGRESS,
    zh: "拦截请求登记日志中的每一批",
    en: "every batch of the log of the register of blocking requests",
    columns: BATCH_COLUMNS,
};

/// The tables of a log's results, and that of its batches.
pub fn of_log(log: Log) -> (&'static [ResultTable], &'static ResultTable) {
    match log {
        Log::Register => (&REGISTER_RESULTS, &REGISTER_BATCHES),
        Log::Engine | Log::Part(_) => (&RESULTS, &BATCHES),
    }
}

/// The logs that are followed.
pub const LOGS: [Log; 2] = [Log::Engine, Log::Register];

/// Every table of results and batches, with the log that it is of.
pub fn all() -> impl Iterator<Item = (Log, &'static ResultTable)> {
    LOGS.into_iter().flat_map(|log| {
        let (results, batches) = of_log(log);
        results.iter().chain([batches]).map(move |table| (log, table))
    })
}

/// Columns that every table ends with.
pub const SEQ: &str = "seq";
/// See [`SEQ`].
pub const INGEST_TIME: &str = "ingest_time";
/// In the tables of all versions of a feed's facts: what a row does.
pub const FATE: &str = "fate";

fn ends(fields: Vec<Field>) -> SchemaRef {
    let ends = [Field::new(SEQ, DataType::Int64, false), Field::new(INGEST_TIME, data_type(Type::Time), true)];
    Arc::new(Schema::new(fields.into_iter().chain(ends).collect::<Vec<_>>()))
}

/// All versions of a feed's facts. A withdrawal names little more than its fact, so every column may be empty.
pub fn versions_schema(feed: Feed) -> SchemaRef {
    let fields = feed.columns().iter().map(|c| Field::new(c.name, data_type(c.ty), true));
    ends(fields.chain([Field::new(FATE, DataType::Utf8, true)]).collect())
}

/// The rows of a topic's results.
pub fn result_schema(table: &ResultTable) -> SchemaRef {
    ends(table.columns.iter().map(|c| Field::new(c.name, data_type(c.ty), true)).collect())
}

/// The facts that were replaced or withdrawn: by which row.
pub fn corrections_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("event_id", DataType::Utf8, false),
        Field::new("event_time", data_type(Type::Time), false),
        Field::new(SEQ, DataType::Int64, false),
    ]))
}
