//! A file of measurements, read: each line held to its rules for itself.

use gevinst_proto::v1 as pb;
use time::Date;

use super::{Many, New};
use crate::{
    ctx::Ctx,
    error::{Error, Result},
    texts::Lines,
    wire::today,
};

/// The columns; the last two may be missing.
const COLUMNS: [&str; 6] = ["benefit", "value", "measured_on", "source", "corrects", "correction_reason"];
/// How many of them must be there.
const NEEDED: usize = 4;
/// How many lines are read: their answers, with what is wrong with each, go into one message.
const MOST: usize = 5_000;

/// The lines of a file, by their numbers.
pub fn read(ctx: &Ctx, content: &[u8]) -> Result<Many> {
    // A byte order mark, as some programs write it.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = std::str::from_utf8(content).map_err(|_| Error::invalid("content", "is not UTF-8"))?;
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // As spreadsheets write it where a comma stands in numbers.
    let decimal_comma = header.contains(';');
    let delimiter = if decimal_comma { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        Error::invalid(&format!("content[{line}]"), "is no line of CSV")
    };
    let columns = columns(reader.headers().map_err(unreadable)?)?;
    let today = today(ctx.now());
    let mut lines = Lines::of(text);
    let mut many = Many::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        if many.len() == MOST {
            return Err(Error::TooMany { kind: "measurement" });
        }
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        let new = line_of(ctx, &record, &columns, decimal_comma, today);
        many.push((i32::try_from(line).unwrap_or(i32::MAX), new));
    }
    if many.is_empty() {
        Err(Error::invalid("content", "has no line below the one that names the columns"))
    } else {
        Ok(many)
    }
}

/// Where each column is in the file.
fn columns(header: &csv::StringRecord) -> Result<[Option<usize>; COLUMNS.len()]> {
    let at = |name: &str| header.iter().position(|cell| cell == name);
    let columns = COLUMNS.map(at);
    let wrong = |why: String| Err(Error::invalid("content", why));
    if let Some(missing) = COLUMNS.iter().zip(columns).take(NEEDED).find(|(_, at)| at.is_none()) {
        return wrong(format!("has no column {}: its first line names the columns {}", missing.0, COLUMNS.join(", ")));
    }
    if let Some(other) = header.iter().position(|cell| !COLUMNS.contains(&cell)) {
        return wrong(format!("has a column {} that is none of {}", other + 1, COLUMNS.join(", ")));
    }
    if header.len() != columns.iter().flatten().count() {
        return wrong("has a column that stands there twice".to_owned());
    }
    Ok(columns)
}

fn line_of(
    ctx: &Ctx,
    record: &csv::StringRecord,
    columns: &[Option<usize>; COLUMNS.len()],
    decimal_comma: bool,
    today: Date,
) -> Result<New> {
    let cells = columns.iter().flatten().count();
    if record.len() != cells {
        return Err(Error::invalid("content", format!("has {} cells, and the first line {cells}", record.len())));
    }
    let [benefit, value, measured_on, source, corrects, reason] =
        columns.map(|at| at.and_then(|at| record.get(at)).unwrap_or_default().to_owned());
    // It may be a thousands separator there: a guess would be wrong by a factor of a thousand.
    if decimal_comma && value.contains('.') {
        let why = "has a point: between semicolons a number has a decimal comma, and nothing between its thousands";
        return Err(Error::invalid("value", why));
    }
    let value = if decimal_comma { value.replacen(',', ".", 1) } else { value };
    let is_correction = !corrects.is_empty() || !reason.is_empty();
    let corrects = is_correction.then_some(pb::MeasurementCorrection { measurement: corrects, reason });
    let message = pb::NewMeasurement { benefit, value, measured_on, source, corrects };
    ctx.check(&message)?;
    New::read(message, today)
}
