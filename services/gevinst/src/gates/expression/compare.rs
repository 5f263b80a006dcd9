//! What `==`, `!=` and `in` may compare.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use prost_reflect::EnumDescriptor;

use super::{
    Refusal,
    check::refuse,
    facts,
    kinds::{Kind, Seen},
    show::shown,
};

/// That `==` can tell two things apart: of like kinds, null only where null can be, choices only that there are.
pub fn comparable(
    left: &Seen,
    left_part: &IdedExpr,
    right: &Seen,
    right_part: &IdedExpr,
    place: &str,
) -> Result<Kind, Refusal> {
    match (&left.kind, &right.kind) {
        (Kind::Null, _) | (_, Kind::Null) => {
            let never = [(left, left_part), (right, right_part)].into_iter().find(|(seen, _)| !seen.nullable);
            match never {
                Some((_, part)) => refuse(format!("`{place}`: `{}` is never null.", shown(part))),
                None => Ok(Kind::Bool),
            }
        }
        (Kind::Choice(one), Kind::Choice(other)) if one != other => {
            refuse(format!("`{place}` compares {} with {}.", left.kind, right.kind))
        }
        (Kind::Choice(of), _) if right.kind.is_text() => chosen(of, right_part, place),
        (_, Kind::Choice(of)) if left.kind.is_text() => chosen(of, left_part, place),
        (Kind::Bool, Kind::Bool) | (Kind::Text(_), Kind::Text(_)) => Ok(Kind::Bool),
        (one, other) if one.is_number() && other.is_number() => Ok(Kind::Bool),
        (Kind::Message(_), Kind::Message(_)) => {
            refuse(format!("`{place}`: messages cannot be compared; compare their fields."))
        }
        (Kind::List { .. }, Kind::List { .. }) => {
            refuse(format!("`{place}`: lists cannot be compared; use size, all or exists."))
        }
        _ => refuse(format!("`{place}` compares {} with {}.", left.kind, right.kind)),
    }
}

/// A text that is written out must be a value of the enum that it is compared with.
fn chosen(of: &EnumDescriptor, part: &IdedExpr, place: &str) -> Result<Kind, Refusal> {
    match &part.expr {
        Expr::Literal(LiteralValue::String(text)) => {
            let mut values: Vec<String> = of.values().map(|value| facts::choice(of, value.name())).collect();
            if values.iter().any(|value| value == text.inner()) {
                return Ok(Kind::Bool);
            }
            values.iter_mut().for_each(|value| *value = format!("\"{value}\""));
            refuse(format!("`{place}`: `{}` is no {}; there is {}.", shown(part), of.name(), values.join(", ")))
        }
        Expr::List(list) => {
            list.elements.iter().try_for_each(|part| chosen(of, part, place).map(drop)).map(|()| Kind::Bool)
        }
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            call.args.iter().skip(1).try_for_each(|part| chosen(of, part, place).map(drop)).map(|()| Kind::Bool)
        }
        _ => Ok(Kind::Bool),
    }
}
