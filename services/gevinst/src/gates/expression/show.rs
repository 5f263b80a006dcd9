//! A part of an expression as a refusal quotes it: much as it was written, and short.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

const LONGEST: usize = 80;

/// The text of a part, cut where it grows long.
pub fn shown(part: &IdedExpr) -> String {
    let mut text = String::new();
    show(part, &mut text);
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).chain(['…']).collect();
    }
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The operator that a function of the tree stands for.
pub fn operator(name: &str) -> Option<&'static str> {
    Some(match name {
        operators::LOGICAL_AND => "&&",
        operators::LOGICAL_OR => "||",
        operators::LOGICAL_NOT => "!",
        operators::NEGATE | operators::SUBSTRACT => "-",
        operators::ADD => "+",
        operators::MULTIPLY => "*",
        operators::DIVIDE => "/",
        operators::MODULO => "%",
        operators::EQUALS => "==",
        operators::NOT_EQUALS => "!=",
        operators::LESS => "<",
        operators::LESS_EQUALS => "<=",
        operators::GREATER => ">",
        operators::GREATER_EQUALS => ">=",
        operators::IN => "in",
        _ => return None,
    })
}

fn show(part: &IdedExpr, text: &mut String) {
    if text.len() > 4 * LONGEST {
        return;
    }
    match &part.expr {
        Expr::Ident(name) => text.push_str(name),
        Expr::Literal(literal) => text.push_str(&match literal {
            LiteralValue::Boolean(value) => value.inner().to_string(),
            LiteralValue::Int(value) => value.inner().to_string(),
            LiteralValue::UInt(value) => format!("{}u", value.inner()),
            LiteralValue::Double(value) => format!("{:?}", value.inner()),
            LiteralValue::String(value) => format!("\"{}\"", value.inner()),
            LiteralValue::Bytes(_) => "b\"…\"".to_owned(),
            LiteralValue::Null => "null".to_owned(),
        }),
        Expr::Select(select) => {
            text.push_str(if select.test { "has(" } else { "" });
            show(&select.operand, text);
            text.push('.');
            text.push_str(&select.field);
            text.push_str(if select.test { ")" } else { "" });
        }
        Expr::List(list) => {
            text.push('[');
            list_of(&list.elements, text);
            text.push(']');
        }
        Expr::Call(call) => match (call.args.as_slice(), operator(&call.func_name)) {
            ([one], Some(operator)) => {
                text.push_str(operator);
                show(one, text);
            }
            ([left, right], Some(operator)) => {
                show(left, text);
                text.push_str(&format!(" {operator} "));
                show(right, text);
            }
            ([list, index], None) if call.func_name == operators::INDEX => {
                show(list, text);
                text.push('[');
                show(index, text);
                text.push(']');
            }
            ([condition, then, otherwise], None) if call.func_name == operators::CONDITIONAL => {
                show(condition, text);
                text.push_str(" ? ");
                show(then, text);
                text.push_str(" : ");
                show(otherwise, text);
            }
            (args, _) => {
                if let Some(target) = &call.target {
                    show(target, text);
                    text.push('.');
                }
                text.push_str(&call.func_name);
                text.push('(');
                list_of(args, text);
                text.push(')');
            }
        },
        Expr::Comprehension(each) => {
            show(&each.iter_range, text);
            text.push_str(&format!(".…({}, …)", each.iter_var));
        }
        Expr::Map(_) => text.push_str("{…}"),
        Expr::Struct(made) => text.push_str(&format!("{}{{…}}", made.type_name)),
        Expr::Unspecified => text.push('…'),
    }
}

fn list_of(parts: &[IdedExpr], text: &mut String) {
    for (at, part) in parts.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        show(part, text);
    }
}
