//! What an expression must be to be published: small, over fields that exist, well-typed, a bool, and quick over the
//! largest dossier that [`super::facts`] lets through. Checked on the tree, as evaluating it once would not see what is
//! behind `||`.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, SelectExpr, operators};
use prost_reflect::{FieldDescriptor, Kind as Field, MessageDescriptor};

use super::{
    Refusal,
    bounds::measure,
    compare::comparable,
    facts,
    kinds::{Kind, Seen},
    show::{operator, shown},
};

/// Bytes of a text that is put together.
const JOINED: usize = 2 * facts::TEXT;
/// What evaluation may cost, in nodes evaluated over the largest dossier, see [`Checker::charge`].
const BUDGET: u64 = 60_000;
/// Bytes of text that are copied, counted and searched at the cost of a node.
pub const COPIED: usize = 4 << 10;
const COUNTED: usize = 1 << 10;
const SEARCHED: usize = 64;

const KNOWN: &str = "there are size, contains, startsWith, endsWith, int, double, string, has, all, exists, exists_one, \
                     filter and map";

pub type Result<T = Seen> = std::result::Result<T, Refusal>;

/// Refuses what must not be published, and rewrites what evaluation would understand otherwise.
/// Answers with the names of the fields that it speaks of, at whatever depth.
pub fn check(tree: &mut IdedExpr, schema: &MessageDescriptor) -> Result<BTreeSet<String>> {
    measure(tree, &mut 0, 0, 0)?;
    let mut checker = Checker { schema, loops: Vec::new(), times: 1, cost: 0, names: BTreeSet::new() };
    let seen = checker.see(tree)?;
    if seen.kind != Kind::Bool {
        return refuse(format!("The expression must be true or false, but `{}` is {}.", shown(tree), seen.kind));
    }
    if checker.cost > BUDGET {
        return refuse(format!(
            "The expression could take too long: it costs {} of at most {BUDGET}; mostly, a list is gone through for each \
             element of another.",
            checker.cost
        ));
    }
    Ok(checker.names)
}

/// Refuses an expression.
pub fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Refusal(why.into()))
}

pub struct Checker<'s> {
    pub schema: &'s MessageDescriptor,
    pub loops: Vec<Loop>,
    /// How often what is looked at is evaluated, at most.
    pub times: u64,
    cost: u64,
    names: BTreeSet<String>,
}

/// A macro whose body is looked at.
pub struct Loop {
    pub name: String,
    pub element: Seen,
    pub times: u64,
}

impl Checker<'_> {
    /// Adds what a node costs. A unit is a node that does little: measured, 0.1 to 0.4 µs in a debug build, so that the
    /// budget is spent in about 20 ms.
    pub fn charge(&mut self, units: usize) {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        self.cost = self.cost.saturating_add(self.times.saturating_mul(units));
    }

    pub fn see(&mut self, node: &mut IdedExpr) -> Result {
        let seen = match &mut node.expr {
            Expr::Literal(literal) => literal_seen(literal)?,
            Expr::Ident(name) => self.name(name)?,
            Expr::Select(_) => self.select(node)?,
            Expr::List(list) => self.list(list)?,
            Expr::Call(_) => self.call(node)?,
            Expr::Comprehension(_) => self.each(node)?,
            Expr::Map(_) => return refuse("`{…}`: maps cannot be written here."),
            Expr::Struct(made) => return refuse(format!("`{}{{…}}`: messages cannot be made here.", made.type_name)),
            Expr::Unspecified => return refuse("The expression cannot be read."),
        };
        self.charge(1 + seen.kind.bytes() / COPIED);
        Ok(seen)
    }

    /// The innermost of that name.
    fn name(&mut self, name: &str) -> Result {
        if let Some(each) = self.loops.iter().rev().find(|each| each.name == name) {
            return Ok(each.element.clone());
        }
        let Some(field) = self.schema.get_field_by_name(name) else {
            let names = self.loops.iter().map(|each| each.name.clone()).chain(names(self.schema));
            return refuse(format!("`{name}`: unknown; there is {}.", names.collect::<Vec<_>>().join(", ")));
        };
        self.names.insert(name.to_owned());
        field_seen(&field, name, Some(0))
    }

    fn select(&mut self, node: &mut IdedExpr) -> Result {
        let place = shown(node);
        let Expr::Select(select) = &mut node.expr else { return refuse("The expression cannot be read.") };
        let of = self.see(&mut select.operand)?;
        let whose = shown(&select.operand);
        let Kind::Message(message) = &of.kind else {
            return refuse(format!("`{place}`: `{whose}` is {}, which has no fields.", of.kind));
        };
        let Some(field) = message.get_field_by_name(&select.field) else {
            let names = names(message).collect::<Vec<_>>().join(", ");
            return refuse(format!("`{place}`: unknown; `{whose}` has {names}."));
        };
        self.names.insert(select.field.clone());
        let seen = field_seen(&field, &place, of.root)?;
        // A name is looked up in the body of each macro around it.
        self.charge(self.loops.len());
        if !select.test {
            return Ok(seen);
        }
        if !seen.nullable {
            return refuse(format!("`{place}` is always true: the field is never null; compare it with a value."));
        }
        // A dossier has all its fields: has() asks for another thing than whether there is such a key.
        let SelectExpr { operand, field, .. } = std::mem::take(select);
        let field = IdedExpr { id: 0, expr: Expr::Select(SelectExpr { operand, field, test: false }) };
        let null = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Null) };
        let func_name = operators::NOT_EQUALS.to_owned();
        node.expr = Expr::Call(CallExpr { func_name, target: None, args: vec![field, null] });
        self.charge(2);
        Ok(Kind::Bool.into())
    }

    fn list(&mut self, list: &mut ListExpr) -> Result {
        let mut item = Seen::from(Kind::Nothing);
        let len = list.elements.len();
        for element in &mut list.elements {
            let seen = self.see(element)?;
            if matches!(seen.kind, Kind::List { .. }) {
                return refuse(format!("`{}` is a list: a list cannot be an element of another.", shown(element)));
            }
            let Some(joined) = item.join(&seen) else {
                return refuse(format!(
                    "`{}` is {}, but the elements before it are {}.",
                    shown(element),
                    seen.kind,
                    item.kind
                ));
            };
            item = joined;
        }
        Ok(Kind::List { item: Box::new(item.kind), gaps: item.nullable, len }.into())
    }

    fn call(&mut self, node: &mut IdedExpr) -> Result {
        let place = shown(node);
        let Expr::Call(call) = &mut node.expr else { return refuse("The expression cannot be read.") };
        if call.func_name == operators::CONDITIONAL {
            return self.ternary(call, &place);
        }
        let target = call.target.as_mut().map(|target| self.see(target)).transpose()?;
        let name = call.func_name.as_str();
        if !is_known(name) {
            return refuse(format!("`{place}`: `{name}` is not available; {KNOWN}."));
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &mut call.args {
            args.push(self.see(arg)?);
        }
        // A function is called on its text or list, or is given it.
        let of = target.as_ref().or(args.first()).map(|of| &of.kind);
        let kinds: Vec<&Kind> = args.iter().map(|arg| &arg.kind).collect();
        let kind = match (target.as_ref().map(|target| &target.kind), name, kinds.as_slice()) {
            (None, operators::LOGICAL_AND | operators::LOGICAL_OR, [Kind::Bool, Kind::Bool])
            | (None, operators::LOGICAL_NOT, [Kind::Bool]) => Kind::Bool,
            (None, operators::NEGATE, [kind @ (Kind::Int | Kind::Double)]) => (*kind).clone(),
            (None, operators::EQUALS | operators::NOT_EQUALS, [_, _]) => {
                comparable(&args[0], &call.args[0], &args[1], &call.args[1], &place)?
            }
            (
                None,
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) if left.is_number() && right.is_number() || matches!((left, right), (Kind::Text(_), Kind::Text(_))) => {
                Kind::Bool
            }
            (
                None,
                operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE,
                [left @ (Kind::Int | Kind::Double), right],
            ) if left == right => (*left).clone(),
            (None, operators::MODULO, [Kind::Int, Kind::Int]) => Kind::Int,
            (None, operators::ADD, [left, right]) if left.is_text() && right.is_text() => {
                let bytes = left.bytes() + right.bytes();
                if bytes > JOINED {
                    return refuse(format!("`{place}` puts together a text that could grow too long."));
                }
                Kind::Text(bytes)
            }
            (None, operators::IN, [_, Kind::List { item, gaps, len }]) => {
                let item = Seen { nullable: *gaps, ..Seen::from((**item).clone()) };
                if item.kind != Kind::Nothing {
                    comparable(&args[0], &call.args[0], &item, &call.args[1], &place)?;
                }
                self.charge(len * (1 + args[0].kind.bytes().min(item.kind.bytes()) / COPIED));
                Kind::Bool
            }
            (None, operators::INDEX, [Kind::List { item, gaps, .. }, Kind::Int]) => {
                return Ok(Seen { kind: (**item).clone(), nullable: *gaps, root: args[0].root });
            }
            (None, "size", [_]) | (Some(_), "size", [])
                if of.is_some_and(|of| of.is_text() || matches!(of, Kind::List { .. })) =>
            {
                self.charge(of.map_or(0, Kind::bytes) / COUNTED);
                Kind::Int
            }
            (Some(of), "contains" | "startsWith" | "endsWith", [text]) if of.is_text() && text.is_text() => {
                self.charge((of.bytes() + text.bytes()) / if name == "contains" { SEARCHED } else { COPIED });
                Kind::Bool
            }
            (None, "int" | "double", [of]) if of.is_number() || matches!(of, Kind::Text(_)) => {
                self.charge(2 + of.bytes() / SEARCHED);
                if name == "int" { Kind::Int } else { Kind::Double }
            }
            (None, "string", [of @ (Kind::Bool | Kind::Int | Kind::Double)]) => {
                self.charge(4);
                // A double in digits, without an exponent.
                Kind::Text(if **of == Kind::Double { 512 } else { 32 })
            }
            (None, "string", [of]) if of.is_text() => Kind::Text(of.bytes()),
            _ => {
                let given =
                    target.iter().chain(&args).map(|arg| arg.kind.to_string()).collect::<Vec<_>>().join(" and ");
                let given = if given.is_empty() { "nothing".to_owned() } else { given };
                return refuse(format!("`{place}`: `{}` does not take {given}.", operator(name).unwrap_or(name)));
            }
        };
        Ok(kind.into())
    }

    fn ternary(&mut self, call: &mut CallExpr, place: &str) -> Result {
        let [condition, then, otherwise] = call.args.as_mut_slice() else {
            return refuse("The expression cannot be read.");
        };
        let seen = self.see(condition)?;
        if seen.kind != Kind::Bool {
            return refuse(format!("`{place}`: `{}` is {}, not a bool.", shown(condition), seen.kind));
        }
        let (left, right) = (self.see(then)?, self.see(otherwise)?);
        let Some(seen) = left.join(&right) else {
            return refuse(format!("`{place}` is {} or {}; both must be alike.", left.kind, right.kind));
        };
        Ok(seen)
    }
}

fn is_known(name: &str) -> bool {
    operator(name).is_some()
        || name == operators::INDEX
        || ["size", "contains", "startsWith", "endsWith", "int", "double", "string"].contains(&name)
}

fn literal_seen(literal: &LiteralValue) -> Result {
    Ok(match literal {
        LiteralValue::Boolean(_) => Kind::Bool.into(),
        LiteralValue::Int(_) => Kind::Int.into(),
        LiteralValue::Double(_) => Kind::Double.into(),
        LiteralValue::String(text) => Kind::Text(text.inner().len()).into(),
        LiteralValue::Null => Seen { nullable: true, ..Kind::Null.into() },
        LiteralValue::UInt(number) => {
            return refuse(format!("`{0}u`: unsigned numbers cannot be written; write {0}.", number.inner()));
        }
        LiteralValue::Bytes(_) => return refuse("`b\"…\"`: bytes cannot be written here."),
    })
}

fn field_seen(field: &FieldDescriptor, place: &str, root: Option<usize>) -> Result {
    if !facts::is_seen(field) {
        return refuse(format!("`{place}`: expressions cannot see this field."));
    }
    let kind = match field.kind() {
        Field::Bool => Kind::Bool,
        Field::Double | Field::Float => Kind::Double,
        Field::String => Kind::Text(facts::TEXT),
        Field::Enum(of) => Kind::Choice(of),
        Field::Message(message) if facts::is_time(&message) => Kind::Text(32),
        Field::Message(message) => Kind::Message(message),
        _ => Kind::Int,
    };
    if field.is_list() {
        return Ok(Seen {
            kind: Kind::List { item: Box::new(kind), gaps: false, len: facts::LIST },
            nullable: false,
            root,
        });
    }
    Ok(Seen { kind, nullable: field.supports_presence(), root })
}

fn names(of: &MessageDescriptor) -> impl Iterator<Item = String> {
    of.fields().filter(facts::is_seen).map(|field| field.name().to_owned())
}
