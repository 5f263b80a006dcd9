//! A file of units, read: CSV or JSON, each cell held to its rule and blamed by line and column.

use gevinst_proto::v1::OrgUnitFormat;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::rules::{Cell, MAX_UNITS, Problems, Row};
use crate::{
    error::{Error, Result},
    texts, wire,
};

/// The columns, in the order of [`Raw`].
const COLUMNS: [&str; 8] =
    ["fk_org_uuid", "kitos_uuid", "name", "parent", "leader", "is_operational_area", "valid_from", "valid_until"];

/// A row as it stands in the file. A cell is absent when the file does not have its column.
struct Raw {
    line: u64,
    cells: [Option<String>; COLUMNS.len()],
}

/// Reads a file; what is wrong with it goes to `problems`.
pub fn read(format: OrgUnitFormat, content: &[u8], problems: &mut Problems) -> Result<Vec<Row>> {
    // A byte order mark, as some programs write it.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = std::str::from_utf8(content).map_err(|_| Error::invalid("content", "is not UTF-8"))?;
    let raw = if format == OrgUnitFormat::Json { objects(text)? } else { lines(text, problems)? };
    if raw.is_empty() {
        return Err(Error::invalid("content", "names no unit"));
    }
    if raw.len() > MAX_UNITS {
        return Err(Error::invalid("content", format!("names {} units: at most {MAX_UNITS} can be read", raw.len())));
    }
    raw.into_iter().map(|raw| row(raw, problems)).collect()
}

/// The lines of a CSV file.
fn lines(text: &str, problems: &mut Problems) -> Result<Vec<Raw>> {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // As spreadsheets write it where a comma stands in numbers.
    let delimiter = if header.contains(';') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        Error::invalid(&format!("content[{line}]"), "is no line of CSV")
    };
    let header = reader.headers().map_err(unreadable)?.clone();
    let place = format!("content[{}]", header.position().map_or(1, csv::Position::line));
    let known = |cell: &str| COLUMNS.iter().position(|column| *column == cell);
    let columns: Vec<Option<usize>> = header.iter().map(known).collect();
    for (number, column) in columns.iter().enumerate() {
        if column.is_none() {
            let told = format!("column {} is none of {}", number + 1, COLUMNS.join(", "));
            return Err(Error::invalid(&place, told));
        }
        if columns[..number].contains(column) {
            return Err(Error::invalid(&place, format!("column {} stands there twice", number + 1)));
        }
    }
    let (mut found, mut lines) = (Vec::new(), texts::Lines::of(text));
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        if record.len() != columns.len() {
            let told = format!("has {} cells, and the header {}", record.len(), columns.len());
            problems.add(format!("content[{line}]"), told);
            continue;
        }
        let mut cells = [const { None }; COLUMNS.len()];
        for (cell, column) in record.iter().zip(columns.iter().flatten()) {
            cells[*column] = Some(cell.to_owned());
        }
        found.push(Raw { line, cells });
    }
    Ok(found)
}

/// An object of a JSON file. A null is an empty cell; what is not there, is no column.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Object {
    #[serde(deserialize_with = "text")]
    fk_org_uuid: Option<String>,
    #[serde(deserialize_with = "text")]
    kitos_uuid: Option<String>,
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(deserialize_with = "text")]
    parent: Option<String>,
    #[serde(deserialize_with = "text")]
    leader: Option<String>,
    #[serde(deserialize_with = "truth")]
    is_operational_area: Option<String>,
    #[serde(deserialize_with = "text")]
    valid_from: Option<String>,
    #[serde(deserialize_with = "text")]
    valid_until: Option<String>,
}

fn text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(value)?.unwrap_or_default();
    Ok(Some(text.trim().to_owned()))
}

fn truth<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(Some(Option::<bool>::deserialize(value)?.map(|truth| truth.to_string()).unwrap_or_default()))
}

/// The objects of a JSON file.
fn objects(text: &str) -> Result<Vec<Raw>> {
    let objects: Vec<Object> = serde_json::from_str(text).map_err(|error| {
        // Where, but not what: it could be anything, and a personal number too.
        let told = if error.is_data() {
            format!(
                "is no array of objects with these fields, each once and a text (or true or false): {}",
                COLUMNS.join(", ")
            )
        } else {
            "is no JSON".to_owned()
        };
        Error::invalid("content", format!("line {}, position {}: {told}", error.line(), error.column()))
    })?;
    let raw = |(number, object): (u64, Object)| Raw {
        line: number,
        cells: [
            object.fk_org_uuid,
            object.kitos_uuid,
            object.name,
            object.parent,
            object.leader,
            object.is_operational_area,
            object.valid_from,
            object.valid_until,
        ],
    };
    Ok((1..).zip(objects).map(raw).collect())
}

/// A row with its cells read.
fn row(raw: Raw, problems: &mut Problems) -> Result<Row> {
    let line = raw.line;
    for (column, cell) in COLUMNS.iter().zip(&raw.cells) {
        texts::has_no_personal_number(&place(line, column), cell.as_deref().unwrap_or_default())?;
    }
    let [fk_org_uuid, kitos_uuid, name, parent, leader, is_operational_area, valid_from, valid_until] = raw.cells;
    let mut reading = Reading { line, problems };
    Ok(Row {
        line,
        fk_org_uuid: reading.cell("fk_org_uuid", fk_org_uuid, id).flatten(),
        kitos_uuid: reading.cell("kitos_uuid", kitos_uuid, id).flatten(),
        name: reading.name(name),
        parent: reading.cell("parent", parent, id),
        leader: reading.cell("leader", leader, leader_of),
        is_operational_area: reading.cell("is_operational_area", is_operational_area, truth_of),
        valid_from: reading.cell("valid_from", valid_from, wire::day),
        valid_until: reading.cell("valid_until", valid_until, wire::day),
    })
}

/// Where a cell is.
pub fn place(line: u64, column: &str) -> String {
    format!("content[{line}].{column}")
}

/// One row on its way from text to values.
struct Reading<'a> {
    line: u64,
    problems: &'a mut Problems,
}

impl Reading<'_> {
    /// A cell's value: empty is none.
    fn cell<T>(&mut self, column: &str, cell: Option<String>, read: fn(&str, &str) -> Result<T>) -> Cell<T> {
        let cell = cell?;
        if cell.is_empty() {
            return Some(None);
        }
        match read(&place(self.line, column), &cell) {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                self.problems.blame(error);
                None
            }
        }
    }

    fn name(&mut self, cell: Option<String>) -> String {
        let name = cell.unwrap_or_default();
        let place = place(self.line, "name");
        if !(1..=120).contains(&name.chars().count()) {
            self.problems.add(place, "must be 1 to 120 characters");
        } else if let Err(error) = texts::has_no_control(&place, &name) {
            self.problems.blame(error);
        }
        name
    }
}

fn id(place: &str, text: &str) -> Result<Uuid> {
    wire::uuid(place, text)
}

fn truth_of(place: &str, text: &str) -> Result<bool> {
    text.parse().map_err(|_| Error::invalid(place, "must be true, false or empty"))
}

/// The subject of a token, as everywhere in the contract.
fn leader_of(place: &str, text: &str) -> Result<String> {
    if text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid(place, "must be at most 128 printable ASCII characters without spaces"))
}
