//! Our own aggregates and `param`, registered in every session that plans or runs a rule.
//!
//! `avg`, `var`, `stddev` and `median` replace DataFusion's: theirs keep floats and drift when rows leave a frame. Ours
//! keep integers and use the engine's own last formula, so that live and batch agree bit for bit.

use crate::casts::{FoldCasts, time_type};
use crate::checked::CheckArithmetic;
use crate::sums::Sum;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type, TimestampMicrosecondType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, exec_err, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use foreshock_engine::Function;
use foreshock_engine::accumulator::{median, statistic};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Values of `param`, by name.
pub type Params = Arc<BTreeMap<String, ScalarValue>>;

/// Registers everything a rule may call beyond DataFusion's own.
pub(crate) fn register(ctx: &mut SessionContext, params: &Params) -> Result<()> {
    ctx.register_udf(ScalarUDF::from(ParamFunction { signature: Signature::any(2, Volatility::Immutable) }));
    datafusion::execution::FunctionRegistry::register_function_rewrite(ctx, Arc::new(FoldParam(params.clone())))?;
    datafusion::execution::FunctionRegistry::register_function_rewrite(ctx, Arc::new(FoldCasts))?;
    datafusion::execution::FunctionRegistry::register_function_rewrite(ctx, Arc::new(CheckArithmetic))?;
    ctx.register_udaf(AggregateUDF::from(Sum::new()));
    for (name, is_first) in [("earliest", true), ("latest", false)] {
        let signature = Signature::user_defined(Volatility::Immutable);
        ctx.register_udaf(AggregateUDF::from(Pick { name, is_first, signature }));
    }
    let statistics: [(&'static str, &[&str], Function); 6] = [
        ("avg", &["mean"], Function::Avg),
        ("var", &["var_samp", "var_sample"], Function::VarSample),
        ("var_pop", &["var_population"], Function::VarPopulation),
        ("stddev", &["stddev_samp"], Function::StddevSample),
        ("stddev_pop", &[], Function::StddevPopulation),
        ("median", &[], Function::Median),
    ];
    for (name, aliases, function) in statistics {
        let signature = Signature::exact(vec![DataType::Int64], Volatility::Immutable);
        let aliases = aliases.iter().map(|a| (*a).to_owned()).collect();
        ctx.register_udaf(AggregateUDF::from(Statistic { name, aliases, function, signature }));
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ParamFunction {
    signature: Signature,
}

impl ScalarUDFImpl for ParamFunction {
    fn name(&self) -> &'static str {
        "param"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[1].clone())
    }
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("param", args.arg_fields[1].data_type().clone(), false)))
    }
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("param was not folded")
    }
}

/// Folds `param('name', default)` in the analyser: a UDF's `simplify` would come too late for the compiler.
#[derive(Debug)]
struct FoldParam(Params);

impl FunctionRewrite for FoldParam {
    fn name(&self) -> &'static str {
        "fold_param"
    }
    fn rewrite(&self, expr: Expr, _: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        if call.name() != "param" {
            return Ok(Transformed::no(expr));
        }
        let (Expr::Literal(name, _), Expr::Literal(default, _)) = (&call.args[0], &call.args[1]) else {
            return plan_err!("both arguments of param must be literals");
        };
        let Some(Some(name)) = name.try_as_str() else { return plan_err!("the name of a param must be text") };
        let value = match self.0.get(name) {
            Some(value) if value.data_type() == default.data_type() => value.clone(),
            Some(value) => return plan_err!("param `{name}`: `{value}` is not of the type of its default `{default}`"),
            None => default.clone(),
        };
        Ok(Transformed::yes(Expr::Literal(value, None)))
    }
}

/// `earliest(x, event_time, event_id)` and `latest(..)`: x of the first or last row of the frame, safe with ties.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Pick {
    name: &'static str,
    is_first: bool,
    signature: Signature,
}

impl AggregateUDFImpl for Pick {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let time = time_type();
        match types {
            [x, t, DataType::Utf8] if *t == time => Ok(vec![x.clone(), time, DataType::Utf8]),
            _ => plan_err!("`{}` takes (x, event_time, event_id)", self.name),
        }
    }
    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let null = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(PickState { is_first: self.is_first, null, rows: BTreeMap::new() }))
    }
}

#[derive(Debug)]
struct PickState {
    is_first: bool,
    null: ScalarValue,
    rows: BTreeMap<(i64, String), ScalarValue>,
}

impl PickState {
    fn key(values: &[ArrayRef], row: usize) -> (i64, String) {
        let time = values[1].as_primitive::<TimestampMicrosecondType>().value(row);
        (time, values[2].as_string::<i32>().value(row).to_owned())
    }
}

impl Accumulator for PickState {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..values[0].len() {
            self.rows.insert(Self::key(values, row), ScalarValue::try_from_array(&values[0], row)?);
        }
        Ok(())
    }
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..values[0].len() {
            self.rows.remove(&Self::key(values, row));
        }
        Ok(())
    }
    fn supports_retract_batch(&self) -> bool {
        true
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let row = if self.is_first { self.rows.first_key_value() } else { self.rows.last_key_value() };
        Ok(row.map_or_else(|| self.null.clone(), |(_, value)| value.clone()))
    }
    fn size(&self) -> usize {
        size_of_val(self) + self.rows.len() * 96
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("windows have no partial aggregation")
    }
    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("windows have no partial aggregation")
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Statistic {
    name: &'static str,
    aliases: Vec<String>,
    function: Function,
    signature: Signature,
}

impl AggregateUDFImpl for Statistic {
    fn name(&self) -> &str {
        self.name
    }
    fn aliases(&self) -> &[String] {
        &self.aliases
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }
    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if self.function == Function::Median {
            return Ok(Box::new(MedianState::default()));
        }
        Ok(Box::new(StatisticState { function: self.function, n: 0, s1: 0, s2: 0 }))
    }
}

#[derive(Debug)]
struct StatisticState {
    function: Function,
    n: i128,
    s1: i128,
    s2: i128,
}

impl StatisticState {
    fn add(&mut self, values: &[ArrayRef], sign: i128) {
        for v in values[0].as_primitive::<Int64Type>().iter().flatten() {
            let v = i128::from(v);
            self.n += sign;
            self.s1 += sign * v;
            self.s2 = self.s2.wrapping_add(sign * v * v);
        }
    }
}

impl Accumulator for StatisticState {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1);
        Ok(())
    }
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1);
        Ok(())
    }
    fn supports_retract_batch(&self) -> bool {
        true
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(statistic(self.function, self.n, self.s1, self.s2)))
    }
    fn size(&self) -> usize {
        size_of_val(self)
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("windows have no partial aggregation")
    }
    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("windows have no partial aggregation")
    }
}

#[derive(Debug, Default)]
struct MedianState {
    sorted: Vec<i64>,
}

impl Accumulator for MedianState {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for v in values[0].as_primitive::<Int64Type>().iter().flatten() {
            self.sorted.insert(self.sorted.partition_point(|x| *x < v), v);
        }
        Ok(())
    }
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for v in values[0].as_primitive::<Int64Type>().iter().flatten() {
            self.sorted.remove(self.sorted.partition_point(|x| *x < v));
        }
        Ok(())
    }
    fn supports_retract_batch(&self) -> bool {
        true
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(median(&self.sorted)))
    }
    fn size(&self) -> usize {
        size_of_val(self) + self.sorted.capacity() * 8
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("windows have no partial aggregation")
    }
    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("windows have no partial aggregation")
    }
}
