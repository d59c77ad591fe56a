//! An answer in the protocol's messages.

use crate::serve::gate::Refused;
use crate::serve::query::Answer;
use crate::serve::wire::statement::CopyForm;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use arrow_pg::encoder::encode_value;
use bytes::{BufMut, BytesMut};
use futures::stream;
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{
    CopyCsvOptions, CopyEncoder, CopyResponse, CopyTextOptions, DataRowEncoder, FieldFormat, FieldInfo, QueryResponse,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::copy::CopyData;
use std::sync::Arc;

/// A refusal as the protocol says it.
pub fn error(refused: &Refused) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".into(), refused.state.into(), refused.message.clone())))
}

/// A refusal of a text, with the place in it that the message names: clients point at it.
pub fn error_in(refused: &Refused, text: &str) -> PgWireError {
    let mut info = ErrorInfo::new("ERROR".into(), refused.state.into(), refused.message.clone());
    info.position = position(&refused.message, text).map(|position| position.to_string());
    PgWireError::UserError(Box::new(info))
}

/// The character, counted from 1, that `line L, column C: ..` means.
fn position(message: &str, text: &str) -> Option<usize> {
    let (line, rest) = message.strip_prefix("line ")?.split_once(", column ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, rest.split_once(':')?.0.parse().ok()?);
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(|line| line.chars().count()).sum();
    Some(before + column)
}

/// The columns of an answer.
///
/// # Errors
/// When a type has none of PostgreSQL's, or the client says formats for another number of columns.
pub fn columns(schema: &SchemaRef, format: &Format) -> PgWireResult<Arc<Vec<FieldInfo>>> {
    if let Format::Individual(formats) = format
        && formats.len() != schema.fields().len()
    {
        let message = format!("{} formats for {} columns", formats.len(), schema.fields().len());
        return Err(error(&Refused { state: "08P01", message }));
    }
    Ok(Arc::new(arrow_schema_to_pg_fields(schema, format, None)?))
}

/// Rows, which are let go of as they are sent.
///
/// # Errors
/// As [`columns`].
pub fn rows(answer: Answer, format: &Format) -> PgWireResult<QueryResponse> {
    let columns = columns(&answer.schema, format)?;
    let Answer { batches, held, .. } = answer;
    let of = columns.clone();
    let rows = batches.into_iter().flat_map(move |batch| {
        // Its memory counts until the last row is gone.
        let _held = &held;
        encode_recordbatch(of.clone(), batch)
    });
    Ok(QueryResponse::new(columns, stream::iter(rows)))
}

/// One row with one text.
pub fn one_text(name: &str, value: &str) -> PgWireResult<QueryResponse> {
    let columns = Arc::new(vec![FieldInfo::new(name.into(), None, None, Type::TEXT, FieldFormat::Text)]);
    let mut encoder = DataRowEncoder::new(columns.clone());
    encoder.encode_field(&Some(value))?;
    let row = encoder.take_row();
    Ok(QueryResponse::new(columns, stream::iter([Ok(row)])))
}

/// All rows as `COPY` sends them, at most `bytes_max` bytes.
///
/// # Errors
/// When a type cannot be written, or the rows are longer.
pub fn copy(answer: &Answer, form: &CopyForm, bytes_max: usize) -> PgWireResult<CopyResponse> {
    let format = if *form == CopyForm::Binary { Format::UnifiedBinary } else { Format::UnifiedText };
    let columns = columns(&answer.schema, &format)?;
    let mut encoder = match form {
        CopyForm::Text => CopyEncoder::new_text(columns.clone(), CopyTextOptions::default()),
        CopyForm::Csv { .. } => CopyEncoder::new_csv(columns.clone(), CopyCsvOptions::default()),
        CopyForm::Binary => CopyEncoder::new_binary(columns.clone()),
    };
    let mut lines = Vec::new();
    if *form == (CopyForm::Csv { header: true }) {
        lines.push(Ok(names(&columns)));
    }
    let mut bytes = 0;
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            let line = copied(&mut encoder, batch, row, &columns)?;
            bytes += line.data.len();
            if bytes > bytes_max {
                let message = "the answer is longer than `serve.answer_mb` when it is written: ask for less".into();
                return Err(error(&Refused { state: "54000", message }));
            }
            lines.push(Ok(line));
        }
    }
    // Without a row nobody has written the head of a binary stream.
    if lines.is_empty() && *form == CopyForm::Binary {
        let mut head = BytesMut::from(&b"PGCOPY\n\xFF\r\n\0"[..]);
        head.put_i64(0);
        lines.push(Ok(CopyData::new(head.freeze())));
    }
    let code = i8::from(*form == CopyForm::Binary);
    Ok(CopyResponse::new(code, columns.len(), stream::iter(lines)))
}

fn copied(encoder: &mut CopyEncoder, batch: &RecordBatch, row: usize, columns: &[FieldInfo]) -> PgWireResult<CopyData> {
    for (at, (array, column)) in batch.columns().iter().zip(columns).enumerate() {
        encode_value(encoder, array, row, batch.schema_ref().field(at), column)?;
    }
    Ok(encoder.take_copy())
}

fn names(columns: &[FieldInfo]) -> CopyData {
    let quoted = |name: &str| {
        let is_plain = !name.contains([',', '"', '\n', '\r']);
        if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
    };
    let names: Vec<String> = columns.iter().map(|column| quoted(column.name())).collect();
    CopyData::new(format!("{}\n", names.join(",")).into())
}
