//! Lists: filter (AIP-160), order and keyset pages (AIP-158) over the columns that a resource allows.
//!
//! A page is found by the last row's values and not by counting rows, so that the hundredth costs what the first does
//! and rows that come meanwhile shift nothing. A page token holds those values and a hash of filter and order, so that it
//! cannot be used with another filter or order; it holds no secret and grants nothing.

use aip_160::{Comparator, Expression, Member, Restriction, StringMatch};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, ModelTrait, Order, QueryFilter,
    QueryOrder, QuerySelect, Select, Value,
    sea_query::{ArrayType, Expr, Func, SimpleExpr, extension::postgres::PgExpr},
};
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};
use uuid::Uuid;

use crate::error::{Error, Result};

const DEFAULT_PAGE: u64 = 50;
const MAX_TERMS: usize = 20;
const MAX_DEPTH: usize = 8;

/// What a field holds: how it can be compared, and how its values are written.
pub enum FieldKind {
    /// A text: `=`, `!=`, with `*` at either end, and `:` for "contains"; letters' case is ignored there.
    Text,
    /// A UUID: `=`, `!=`.
    Id,
    /// `true` or `false`: `=`, `!=`.
    Bool,
    /// A moment (RFC 3339): all comparisons.
    Time,
    /// A day (YYYY-MM-DD): all comparisons.
    Date,
    /// A whole number: all comparisons.
    Number,
    /// One of these names: `=`, `!=`.
    Name(fn(&str) -> bool),
    /// UUIDs of which one is asked for: `=` it is among them, `!=` it is not.
    Ids,
}

/// A field that a list can be filtered on, and by its name ordered by.
pub struct Field<C> {
    /// The name in filters: the proto's.
    pub name: &'static str,
    /// The column.
    pub column: C,
    /// What it holds.
    pub kind: FieldKind,
}

/// A resource's list.
pub struct List<E: EntityTrait + 'static> {
    /// What can be filtered on.
    pub fields: &'static [Field<E::Column>],
    /// The names of what can be ordered by: texts and times that are never null.
    pub orders: &'static [&'static str],
    /// The order when none is asked for.
    pub default_order: &'static str,
    /// The column that makes every row's key unique.
    pub id: E::Column,
}

/// One page of a list, asked for.
pub struct Page<E: EntityTrait + 'static> {
    condition: Condition,
    filtered_on: Vec<&'static str>,
    order: &'static Field<E::Column>,
    descending: bool,
    id: E::Column,
    after: Option<(Value, Uuid)>,
    size: u64,
    fingerprint: String,
}

/// What a page token says.
#[derive(Serialize, Deserialize)]
struct Token {
    /// Which filter and order it belongs to.
    list: String,
    /// The last row's value of the ordered field.
    value: String,
    /// The last row's id.
    id: Uuid,
}

impl<E: EntityTrait> List<E> {
    /// Reads what a caller asks for.
    pub fn page(&'static self, filter: &str, order_by: &str, token: &str, size: i32) -> Result<Page<E>> {
        let mut reading = Reading { fields: self.fields, filtered_on: Vec::new(), terms: 0 };
        let parsed = aip_160::parse_filter_with_max_depth(filter, MAX_DEPTH)
            .map_err(|error| Error::FilterInvalid(error.to_string()))?;
        let condition = match &parsed.expression {
            Some(expression) => reading.condition(expression)?,
            None => Condition::all(),
        };
        let order_by = if order_by.trim().is_empty() { self.default_order } else { order_by.trim() };
        let (name, descending) = match order_by.split_once(' ') {
            None => (order_by, false),
            Some((name, direction)) if direction.trim() == "desc" => (name, true),
            Some((name, direction)) if direction.trim() == "asc" => (name, false),
            Some(_) => return Err(Error::OrderInvalid(format!("it must be one of {}", self.orders.join(", ")))),
        };
        let order = self
            .fields
            .iter()
            .find(|field| field.name == name && self.orders.contains(&name))
            .ok_or_else(|| Error::OrderInvalid(format!("it must be one of {}", self.orders.join(", "))))?;
        let fingerprint = fingerprint(&[filter, name, if descending { "desc" } else { "asc" }]);
        Ok(Page {
            condition,
            filtered_on: reading.filtered_on,
            order,
            descending,
            id: self.id,
            after: read_token(token, &fingerprint, &order.kind)?,
            size: u64::try_from(size).ok().filter(|size| *size > 0).unwrap_or(DEFAULT_PAGE),
            fingerprint,
        })
    }
}

impl<E: EntityTrait> Page<E> {
    /// Whether the filter names this field.
    pub fn filters_on(&self, name: &str) -> bool {
        self.filtered_on.contains(&name)
    }

    /// The page's rows of what `select` finds, and the token of the next page; empty on the last.
    pub async fn fetch(self, db: &impl ConnectionTrait, select: Select<E>) -> Result<(Vec<E::Model>, String)> {
        self.fetch_as(db, select, |row| row).await
    }

    /// The same where a row has more than the table's columns; `model` is the part that is the table's.
    pub async fn fetch_as<R: FromQueryResult>(
        self,
        db: &impl ConnectionTrait,
        select: Select<E>,
        model: impl Fn(&R) -> &E::Model,
    ) -> Result<(Vec<R>, String)> {
        let (order, id) = (self.order.column, self.id);
        let direction = if self.descending { Order::Desc } else { Order::Asc };
        let mut select = select
            .filter(self.condition)
            .order_by(order, direction.clone())
            .order_by(id, direction)
            .limit(self.size + 1);
        if let Some((value, last)) = self.after {
            let key = Expr::tuple([order.into_expr(), id.into_expr()]);
            let last = Expr::tuple([Expr::value(value), Expr::value(last)]);
            select = select.filter(if self.descending { key.lt(last) } else { key.gt(last) });
        }
        let mut rows = select.into_model::<R>().all(db).await?;
        if (rows.len() as u64) <= self.size {
            return Ok((rows, String::new()));
        }
        rows.truncate(usize::try_from(self.size).unwrap_or(usize::MAX));
        let Some(last) = rows.last().map(model) else {
            return Ok((rows, String::new()));
        };
        let Value::Uuid(Some(last_id)) = last.get(id) else {
            return Err(Error::Internal("a page's id is no UUID".to_owned()));
        };
        let token = Token { list: self.fingerprint, value: write(&last.get(order))?, id: last_id };
        let token = serde_json::to_vec(&token).map_err(|error| Error::Internal(error.to_string()))?;
        Ok((rows, URL_SAFE_NO_PAD.encode(token)))
    }
}

/// The token of the page that begins after a key, of a list that is put together here and not by the database. `list` names
/// what was asked for.
pub fn token_after(list: &[&str], key: &str) -> Result<String> {
    let token = Token { list: fingerprint(list), value: key.to_owned(), id: Uuid::nil() };
    let token = serde_json::to_vec(&token).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(token))
}

/// The key that such a token goes on after; none at the beginning.
pub fn key_after(list: &[&str], token: &str) -> Result<Option<String>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::PageTokenInvalid)?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|_| Error::PageTokenInvalid)?;
    if token.list == fingerprint(list) { Ok(Some(token.value)) } else { Err(Error::PageTokenInvalid) }
}

fn fingerprint(parts: &[&str]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, parts.join("\u{0}").as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..12])
}

fn read_token(token: &str, fingerprint: &str, kind: &FieldKind) -> Result<Option<(Value, Uuid)>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::PageTokenInvalid)?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|_| Error::PageTokenInvalid)?;
    if token.list != fingerprint {
        return Err(Error::PageTokenInvalid);
    }
    let value = read(&token.value, kind).map_err(|_| Error::PageTokenInvalid)?;
    Ok(Some((value, token.id)))
}

/// A column's value as the token keeps it: what [`read`] reads.
fn write(value: &Value) -> Result<String> {
    match value {
        Value::String(Some(text)) => Ok(text.clone()),
        Value::TimeDateTimeWithTimeZone(Some(moment)) => {
            moment.format(&Rfc3339).map_err(|error| Error::Internal(error.to_string()))
        }
        Value::TimeDate(Some(day)) => Ok(day.to_string()),
        other => Err(Error::Internal(format!("a list ordered by {other:?}"))),
    }
}

/// A value as callers write it, or what it should have been.
fn read(text: &str, kind: &FieldKind) -> Result<Value, String> {
    match kind {
        FieldKind::Text => Ok(text.into()),
        FieldKind::Id | FieldKind::Ids => {
            Uuid::try_parse(text).map(Value::from).map_err(|_| "a UUID in quotes".to_owned())
        }
        FieldKind::Bool => text.parse::<bool>().map(Value::from).map_err(|_| "true or false".to_owned()),
        // In UTC it may lie beyond the years that can be written.
        FieldKind::Time => OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|moment| moment.checked_to_offset(UtcOffset::UTC))
            .map(Value::from)
            .ok_or_else(|| "a moment such as \"2026-01-31T12:00:00Z\"".to_owned()),
        FieldKind::Date => Date::parse(text, format_description!("[year]-[month]-[day]"))
            .map(Value::from)
            .map_err(|_| "a day such as \"2026-01-31\"".to_owned()),
        FieldKind::Number => text.parse::<i32>().map(Value::from).map_err(|_| "a whole number".to_owned()),
        FieldKind::Name(known) if known(text) => Ok(text.into()),
        FieldKind::Name(_) => Err("one of its names, as in the answers but without the prefix".to_owned()),
    }
}

/// A filter on its way from syntax to SQL. Only listed fields get through: the tenant's column is not among them.
struct Reading<C: 'static> {
    fields: &'static [Field<C>],
    filtered_on: Vec<&'static str>,
    terms: usize,
}

impl<C: ColumnTrait> Reading<C> {
    fn condition(&mut self, expression: &Expression) -> Result<Condition> {
        match expression {
            Expression::And(parts) | Expression::Sequence(parts) => self.each(Condition::all(), parts),
            Expression::Or(parts) => self.each(Condition::any(), parts),
            // What is not known to hold does not hold: without a leader, NOT leader = "x" is true.
            Expression::Not(part) => {
                let known = Func::coalesce([Expr::from(self.condition(part)?), Expr::value(false)]);
                Ok(Condition::all().add(Expr::from(known)).not())
            }
            Expression::Restriction(restriction) => Ok(Condition::all().add(self.restriction(restriction)?)),
            Expression::Global(_) => Err(self.refuse("say which field it is about, as in name = value")),
        }
    }

    fn each(&mut self, mut condition: Condition, parts: &[Expression]) -> Result<Condition> {
        for part in parts {
            condition = condition.add(self.condition(part)?);
        }
        Ok(condition)
    }

    fn restriction(&mut self, restriction: &Restriction) -> Result<SimpleExpr> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.refuse(&format!("it has more than {MAX_TERMS} terms")));
        }
        let name = restriction.comparable.as_member().and_then(Member::field_path);
        let field = name.as_deref().and_then(|name| self.fields.iter().find(|field| field.name == name));
        let Some(field) = field else {
            let known: Vec<&str> = self.fields.iter().map(|field| field.name).collect();
            return Err(self.refuse(&format!("the fields are {}", known.join(", "))));
        };
        self.filtered_on.push(field.name);
        let Some(value) = restriction.arg.as_value() else {
            return Err(self.refuse(&format!("put the value of {} in quotes", field.name)));
        };
        let column = field.column.into_expr();
        let comparator = restriction.comparator;
        if let FieldKind::Text = field.kind {
            let pattern = match (comparator, value.string_match()) {
                (Comparator::Has, _) => Some(format!("%{}%", escape(value.as_str()))),
                (_, Some(StringMatch::Prefix(text))) => Some(format!("{}%", escape(text))),
                (_, Some(StringMatch::Suffix(text))) => Some(format!("%{}", escape(text))),
                (_, Some(StringMatch::Contains(text))) => Some(format!("%{}%", escape(text))),
                _ => None,
            };
            return match (comparator, pattern) {
                (Comparator::Equal | Comparator::Has, Some(pattern)) => Ok(column.ilike(pattern)),
                (Comparator::NotEqual, Some(pattern)) => Ok(column.clone().not_ilike(pattern).or(column.is_null())),
                (Comparator::Equal, None) => Ok(column.eq(value.as_str())),
                (Comparator::NotEqual, None) => Ok(column.clone().ne(value.as_str()).or(column.is_null())),
                _ => Err(self.refuse(&format!("{} takes =, != and :", field.name))),
            };
        }
        let read = read(value.as_str(), &field.kind)
            .map_err(|wanted| self.refuse(&format!("{} must be {wanted}", field.name)))?;
        if let FieldKind::Ids = field.kind {
            let one = Value::Array(ArrayType::Uuid, Some(Box::new(vec![read])));
            let among = column.contains(Expr::value(one));
            return match comparator {
                Comparator::Equal => Ok(among),
                Comparator::NotEqual => Ok(among.not()),
                _ => Err(self.refuse(&format!("{} takes = and !=", field.name))),
            };
        }
        let ordered = matches!(field.kind, FieldKind::Time | FieldKind::Date | FieldKind::Number);
        match comparator {
            Comparator::Equal => Ok(column.eq(read)),
            Comparator::NotEqual => Ok(column.clone().ne(read).or(column.is_null())),
            Comparator::LessThan if ordered => Ok(column.lt(read)),
            Comparator::LessThanOrEqual if ordered => Ok(column.lte(read)),
            Comparator::GreaterThan if ordered => Ok(column.gt(read)),
            Comparator::GreaterThanOrEqual if ordered => Ok(column.gte(read)),
            _ if ordered => Err(self.refuse(&format!("{} takes =, !=, <, <=, > and >=", field.name))),
            _ => Err(self.refuse(&format!("{} takes = and !=", field.name))),
        }
    }

    fn refuse(&self, why: &str) -> Error {
        Error::FilterInvalid(why.to_owned())
    }
}

/// A text as LIKE reads it literally.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
