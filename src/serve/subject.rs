//! `trace(account, from, hops)`: where an account's money went, as a table. It reads the person's own view, so it shows no row and
//! no name that a statement of his would not.

use crate::serve::computed::{Computed, Rows};
use crate::serve::gate::Refused;
use crate::serve::trace::{HOPS_MAX, Payment, Step, trace};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunctionImpl};
use datafusion::common::ScalarValue;
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::collect;
use foreshock_compiler::data_type;
use foreshock_core::Type;
use foreshock_core::time::parse_rfc3339;
use std::sync::Arc;

/// Most steps of a trace.
const STEPS_MAX: usize = 100_000;
/// What a trace reads of each payment.
const COLUMNS: [&str; 8] =
    ["event_id", "event_time", "payer_account", "payee_account", "amount", "currency", "payer_balance_before", "seq"];

/// `trace(account, from, hops)`.
#[derive(Debug)]
pub struct TraceFunction {
    /// The payments that the person may see.
    pub transactions: Arc<dyn TableProvider>,
}

pub(super) fn text(expr: Option<&Expr>) -> Option<String> {
    match expr {
        Some(Expr::Literal(value, _)) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    }
}

pub(super) fn is_open(expr: Option<&Expr>) -> bool {
    matches!(expr, Some(Expr::Placeholder(_)))
}

pub(super) fn wrong<T>(what: &str, form: &str) -> Result<T> {
    Err(DataFusionError::Plan(format!("{what}; write {form}")))
}

impl TableFunctionImpl for TraceFunction {
    fn call(&self, arguments: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        const FORM: &str = "trace('account', '2026-03-02T08:00:00Z', 3): an account, from when on, and 1 to 5 hops";
        let account = text(arguments.first()).or_else(|| is_open(arguments.first()).then(String::new));
        let Some(account) = account else { return wrong("the first argument is no text", FORM) };
        let from = match arguments.get(1) {
            Some(Expr::Literal(ScalarValue::TimestampMicrosecond(Some(us), _), _)) => Some(*us),
            Some(Expr::Literal(ScalarValue::TimestampNanosecond(Some(ns), _), _)) => Some(ns.div_euclid(1_000)),
            other if is_open(other) => Some(i64::MAX),
            other => text(other).and_then(|text| parse_rfc3339(&text)),
        };
        let Some(from) = from else { return wrong("the second argument is no time", FORM) };
        let hops = match arguments.get(2) {
            None => Some(HOPS_MAX),
            Some(Expr::Literal(ScalarValue::Int64(Some(hops)), _)) => u32::try_from(*hops).ok(),
            other if is_open(other) => Some(1),
            _ => None,
        };
        let Some(hops) = hops.filter(|hops| (1..=HOPS_MAX).contains(hops)) else {
            return wrong("the third argument is not 1 to 5", FORM);
        };
        Ok(Arc::new(Computed(Trace { transactions: self.transactions.clone(), account, from, hops })))
    }
}

#[derive(Debug)]
struct Trace {
    transactions: Arc<dyn TableProvider>,
    account: String,
    from: i64,
    hops: u32,
}

#[async_trait::async_trait]
impl Rows for Trace {
    fn schema(&self) -> SchemaRef {
        let column = |name: &str, ty| Field::new(name, data_type(ty), true);
        Arc::new(Schema::new(vec![
            column("hop", Type::Bigint),
            column("amount", Type::Bigint),
            column("payer_account", Type::Text),
            column("payee_account", Type::Text),
            column("currency", Type::Text),
            column("event_time", Type::Time),
            column("event_id", Type::Text),
            column("payment_amount", Type::Bigint),
            column("seq", Type::Bigint),
        ]))
    }

    async fn rows(&self, session: &dyn Session) -> Result<Vec<RecordBatch>> {
        let from = lit(ScalarValue::TimestampMicrosecond(Some(self.from), Some("UTC".into())));
        let counts = ident("event_time").gt_eq(from).and(ident("status").eq(lit("RJCT")).is_not_true());
        let plan = LogicalPlanBuilder::scan("transactions", provider_as_source(self.transactions.clone()), None)?
            .filter(counts)?
            .project(COLUMNS.map(ident))?
            .sort(["event_time", "seq"].map(|column| ident(column).sort(true, false)))?
            .build()?;
        let plan = session.create_physical_plan(&plan).await?;
        let schema = plan.schema();
        let rows = concat_batches(&schema, &collect(plan, session.task_ctx()).await?)?;
        Ok(vec![self.steps(&rows)?])
    }
}

impl Trace {
    fn steps(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let texts = |at: usize| rows.column(at).as_string::<i32>();
        let numbers = |at: usize| rows.column(at).as_primitive::<Int64Type>();
        let (payers, payees, amounts, currencies, had) = (texts(2), texts(3), numbers(4), texts(5), numbers(6));
        let payment = |row: usize| Payment {
            payer: payers.is_valid(row).then(|| payers.value(row)),
            payee: payees.is_valid(row).then(|| payees.value(row)),
            amount: amounts.value(row),
            currency: currencies.value(row),
            payer_had: had.is_valid(row).then(|| had.value(row)),
        };
        let steps = trace((0..rows.num_rows()).map(payment), &self.account, self.hops, STEPS_MAX);
        let steps: Vec<Step> = steps.ok_or_else(|| {
            let message = format!("the trace has more than {STEPS_MAX} steps: ask for fewer hops, or from later on");
            DataFusionError::External(Box::new(Refused { state: "54000", message }))
        })?;
        let at = UInt64Array::from_iter_values(steps.iter().map(|step| step.payment as u64));
        let of = |column: usize| take(rows.column(column), &at, None);
        let hops: ArrayRef = Arc::new(Int64Array::from_iter_values(steps.iter().map(|step| i64::from(step.hop))));
        let parts: ArrayRef = Arc::new(Int64Array::from_iter_values(steps.iter().map(|step| step.amount)));
        let columns = vec![hops, parts, of(2)?, of(3)?, of(5)?, of(1)?, of(0)?, of(4)?, of(7)?];
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }
}
