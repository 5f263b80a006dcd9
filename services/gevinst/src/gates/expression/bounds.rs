//! How large an expression may be, before anything else is asked of it.

use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::{Refusal, check::refuse, show::shown};

/// Nodes of the tree, macros expanded.
pub const NODES: usize = 500;
/// Levels of the tree, macros expanded.
const LEVELS: usize = 64;
/// Macros within macros.
const NESTING: usize = 2;
/// Bytes of a text that is written out.
const LITERAL: usize = 256;
/// Elements of a list that is written out.
const ELEMENTS: usize = 100;

/// Bounds the tree, so that whatever walks it after this needs little stack.
pub fn measure(node: &IdedExpr, nodes: &mut usize, level: usize, nesting: usize) -> Result<(), Refusal> {
    *nodes += 1;
    if *nodes > NODES {
        return refuse(format!("The expression has more than {NODES} parts; split it into several criteria."));
    }
    if level >= LEVELS {
        return refuse("The expression is nested too deeply; split it into several criteria.");
    }
    let mut below = |node: &IdedExpr| measure(node, nodes, level + 1, nesting);
    match &node.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).try_for_each(below),
        Expr::Select(select) => below(&select.operand),
        Expr::List(list) if list.elements.len() > ELEMENTS => {
            refuse(format!("A list may have at most {ELEMENTS} elements, but {} are written.", list.elements.len()))
        }
        Expr::List(list) => list.elements.iter().try_for_each(below),
        Expr::Comprehension(each) => {
            below(&each.iter_range)?;
            if nesting >= NESTING {
                return refuse(format!(
                    "`{}`: all, exists, exists_one, filter and map may be nested at most {NESTING} deep.",
                    shown(node)
                ));
            }
            [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
                .into_iter()
                .try_for_each(|part| measure(part, nodes, level + 1, nesting + 1))
        }
        Expr::Literal(LiteralValue::String(text)) if text.inner().len() > LITERAL => {
            refuse(format!("A text may have at most {LITERAL} bytes, but one of {} is written.", text.inner().len()))
        }
        // Refused by name when it is seen; its entries never are.
        Expr::Ident(_) | Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => Ok(()),
    }
}
