//! Payments, and a plan over them without SQL: what an engine says of them, and what a walk over all of them says.
#![allow(dead_code, clippy::unwrap_used)] // each test uses a part

use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use foreshock_core::{Detection, Feed, Presence, ReportAction, Value};
use foreshock_engine::{
    AccumulatorPlan, Branch, CursorPlan, Engine, Expr, FeedBatch, Frame, Function, GroupPlan, Inline, Output, PackPlan,
    RulePlan, State, StreamPlan, ValueKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const SECOND: i64 = 1_000_000;
pub const LATENESS: i64 = 60 * SECOND;

/// A report of a payment.
#[derive(Debug, Clone)]
pub struct Report {
    pub partition: usize,
    pub id: String,
    pub time: i64,
    pub reporter: &'static str,
    pub uetr: Option<&'static str>,
    pub kind: &'static str,
    pub amount: i64,
    pub currency: &'static str,
    pub payer: &'static str,
    pub payee: &'static str,
    pub action: ReportAction,
}

impl Report {
    pub fn new(id: impl Into<String>, seconds: i64) -> Report {
        Report {
            partition: 0,
            id: id.into(),
            time: seconds.saturating_mul(SECOND),
            reporter: "one",
            uetr: None,
            kind: "TRANSFER",
            amount: 100,
            currency: "CNY",
            payer: "A",
            payee: "X",
            action: ReportAction::New,
        }
    }
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("event_id"),
        Field::new("event_time", time, false),
        text("reporter"),
        text("payment_ref"),
        text("kind"),
        Field::new("amount", DataType::Int64, true),
        text("currency"),
        text("payer_account"),
        text("payee_account"),
    ]))
}

const AMOUNT: usize = 5;
const PAYER: usize = 7;
const PAYEE: usize = 8;
const COLUMNS: usize = 9;

fn columns(reports: &[Report]) -> RecordBatch {
    let text = |of: &dyn Fn(&Report) -> String| -> ArrayRef {
        Arc::new(reports.iter().map(|r| Some(of(r))).collect::<StringArray>())
    };
    let times: TimestampMicrosecondArray = reports.iter().map(|r| Some(r.time)).collect();
    let columns: Vec<ArrayRef> = vec![
        text(&|r| r.id.clone()),
        Arc::new(times.with_timezone("UTC")),
        text(&|r| r.reporter.into()),
        Arc::new(reports.iter().map(|r| r.uetr).collect::<StringArray>()),
        text(&|r| r.kind.into()),
        Arc::new(reports.iter().map(|r| Some(r.amount)).collect::<Int64Array>()),
        text(&|r| r.currency.into()),
        text(&|r| r.payer.into()),
        text(&|r| r.payee.into()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// A micro-batch, by partition as the pipeline has it.
pub fn batches(reports: &[Report]) -> Vec<FeedBatch> {
    let mut by_partition: BTreeMap<usize, Vec<Report>> = BTreeMap::new();
    reports.iter().for_each(|r| by_partition.entry(r.partition).or_default().push(r.clone()));
    let batch = |(partition, reports): (usize, Vec<Report>)| FeedBatch {
        feed: Feed::Transactions,
        partition,
        batch: columns(&reports),
        actions: reports.iter().map(|r| r.action).collect(),
    };
    by_partition.into_iter().map(batch).collect()
}

/// A column as it is.
#[derive(Debug)]
struct Col([usize; 1], DataType);

impl Expr for Col {
    fn columns(&self) -> &[usize] {
        &self.0
    }

    fn data_type(&self) -> DataType {
        self.1.clone()
    }

    fn evaluate(&self, columns: &[ArrayRef], _: usize) -> Result<ArrayRef, String> {
        Ok(columns[0].clone())
    }
}

/// Is a BIGINT column at least so much?
#[derive(Debug)]
struct AtLeast([usize; 1], i64);

impl Expr for AtLeast {
    fn columns(&self) -> &[usize] {
        &self.0
    }

    fn data_type(&self) -> DataType {
        DataType::Boolean
    }

    fn evaluate(&self, columns: &[ArrayRef], _: usize) -> Result<ArrayRef, String> {
        let numbers = columns[0].as_any().downcast_ref::<Int64Array>().unwrap();
        Ok(Arc::new(numbers.iter().map(|n| n.map(|n| n >= self.1)).collect::<BooleanArray>()))
    }
}

/// Windows by payee, over the amount: the first is a count, and a rule asks that it be at least so much.
#[derive(Debug, Clone)]
pub struct Case {
    pub windows: Vec<(Function, Frame)>,
    pub at_least: i64,
    /// Only rows of so large an amount can be detections.
    pub amount_at_least: Option<i64>,
    /// A window by payer over the counts of the first one, of rows that pass for the rule.
    pub above: Option<(Function, Frame)>,
}

impl Case {
    pub fn counting(width_s: i64, at_least: i64) -> Case {
        let frame = Frame::Range { preceding: Some(width_s * SECOND), end: 0 };
        Case { windows: vec![(Function::Count, frame)], at_least, amount_at_least: None, above: None }
    }

    pub fn plan(&self) -> PackPlan {
        let kind = |function: Function| match function {
            Function::Count | Function::CountDistinct | Function::Sum | Function::Min | Function::Max => ValueKind::Int,
            Function::Lag(_) | Function::Earliest | Function::Latest => ValueKind::Int,
            Function::RowNumber => ValueKind::Unsigned,
            _ => ValueKind::Double,
        };
        let data_type = |kind: ValueKind| match kind {
            ValueKind::Double => DataType::Float64,
            ValueKind::Unsigned => DataType::UInt64,
            _ => DataType::Int64,
        };
        let kinds: Vec<ValueKind> = self.windows.iter().chain(&self.above).map(|w| kind(w.0)).collect();
        let mut exprs: Vec<Arc<dyn Expr>> = Vec::new();
        for (number, field) in schema().fields().iter().enumerate() {
            exprs.push(Arc::new(Col([number], field.data_type().clone())));
        }
        for (number, kind) in kinds.iter().enumerate() {
            exprs.push(Arc::new(Col([COLUMNS + number], data_type(*kind))));
        }
        exprs.push(Arc::new(AtLeast([COLUMNS], self.at_least)));
        let predicate = exprs.len() - 1;
        let condition = self.amount_at_least.map(|least| {
            exprs.push(Arc::new(AtLeast([AMOUNT], least)));
            exprs.len() - 1
        });
        let cursor = |(window, (function, frame)): (usize, (Function, Frame))| CursorPlan {
            frame,
            accumulators: vec![AccumulatorPlan { function, argument: Some(0), filter: None, window }],
        };
        let group = GroupPlan {
            fingerprint: 1,
            level: 0,
            filter: None,
            keys: vec![PAYEE],
            arguments: vec![(AMOUNT, ValueKind::Int)],
            filters: Vec::new(),
            cursors: self.windows.iter().copied().enumerate().map(cursor).collect(),
        };
        let above = self.above.map(|window| GroupPlan {
            fingerprint: 2,
            level: 1,
            filter: Some(predicate),
            keys: vec![PAYER],
            arguments: vec![(COLUMNS, ValueKind::Int)],
            filters: Vec::new(),
            cursors: vec![cursor((self.windows.len(), window))],
        });
        let rule = RulePlan {
            id: "R".into(),
            version: "1".into(),
            predicate: Some(predicate),
            condition,
            head: [0, 1, PAYEE],
            values: (0..kinds.len()).map(|w| (format!("w{w}"), COLUMNS + w)).collect(),
            is_final: false,
            longest_frame_us: 0,
        };
        PackPlan {
            streams: vec![StreamPlan {
                name: "transactions".into(),
                fingerprint: 1,
                branches: vec![Branch { feed: Feed::Transactions, filter: None, columns: None }],
                schema: schema(),
                windows: kinds,
                exprs,
                groups: std::iter::once(group).chain(above).collect(),
                rules: vec![rule],
            }],
        }
    }

    pub fn engine(&self, shards: usize, partitions: usize) -> Engine {
        Engine::new(self.plan(), shards, &vec![Presence::Expected; partitions], |_| LATENESS)
    }
}

/// What stands in the end, by event and time, and what was counted on the way.
#[derive(Debug, Default)]
pub struct Run {
    pub net: BTreeMap<(String, i64), Detection>,
    pub outputs: Vec<Output>,
    /// Facts that count, by event and time, in the order of arrival.
    pub facts: Vec<(String, i64)>,
    /// The payee, the payer and the amount of each.
    pub said: BTreeMap<(String, i64), (String, String, i64)>,
}

impl Run {
    pub fn take(&mut self, output: Output) {
        for verdict in &output.verdicts {
            let key = (verdict.detection.event_id.clone(), verdict.detection.event_time);
            match verdict.state {
                State::Detected => drop(self.net.insert(key, verdict.detection.clone())),
                State::Retracted => assert!(self.net.remove(&key).is_some(), "what was not said is not taken back"),
            }
        }
        self.facts.retain(|fact| !output.corrected.contains(fact));
        for (_, rows) in &output.accepted {
            let ids = rows.column(0).as_any().downcast_ref::<StringArray>().unwrap();
            let times = rows.column(1).as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
            let amounts = rows.column(AMOUNT).as_any().downcast_ref::<Int64Array>().unwrap();
            let payees = rows.column(PAYEE).as_any().downcast_ref::<StringArray>().unwrap();
            let payers = rows.column(PAYER).as_any().downcast_ref::<StringArray>().unwrap();
            for row in 0..rows.num_rows() {
                let fact = (ids.value(row).to_owned(), times.value(row));
                self.facts.push(fact.clone());
                self.said
                    .insert(fact, (payees.value(row).to_owned(), payers.value(row).to_owned(), amounts.value(row)));
            }
        }
        self.outputs.push(output);
    }

    /// A count over all steps.
    pub fn total(&self, of: impl Fn(&Output) -> u64) -> u64 {
        self.outputs.iter().map(of).sum()
    }

    pub fn lines(&self) -> Vec<String> {
        self.net.values().map(line).collect()
    }
}

fn line(detection: &Detection) -> String {
    let values: Vec<String> = detection.values.iter().map(|(_, value): &(String, Value)| value.to_string()).collect();
    format!("{} {} {} {}", detection.event_id, detection.event_time, detection.subject, values.join(" "))
}

/// Runs the reports in batches of so many.
pub fn run(case: &Case, reports: &[Report], size: usize, shards: usize) -> Run {
    let partitions = reports.iter().map(|r| r.partition + 1).max().unwrap_or(1);
    let mut engine = case.engine(shards, partitions);
    let mut run = Run::default();
    for reports in reports.chunks(size) {
        run.take(engine.step(&batches(reports), &Inline));
    }
    run.take(engine.finish());
    run
}
