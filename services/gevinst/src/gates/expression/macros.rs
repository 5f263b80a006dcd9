//! all, exists, exists_one, filter and map, as the parser expands them: what they give, and how often their bodies run.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, operators};

use super::{
    check::{COPIED, Checker, Loop, Result, refuse},
    facts,
    kinds::{Kind, Seen},
    show::shown,
};

/// What a round of a macro costs beside its body.
const ROUND: usize = 4;

impl Checker<'_> {
    /// What a macro gives.
    pub fn each(&mut self, node: &mut IdedExpr) -> Result {
        let place = shown(node);
        let Expr::Comprehension(each) = &mut node.expr else { return refuse("The expression cannot be read.") };
        let range = self.see(&mut each.iter_range)?;
        let Kind::List { item, gaps, len } = range.kind else {
            return refuse(format!("`{place}`: `{}` is {}, not a list.", shown(&each.iter_range), range.kind));
        };
        if *item == Kind::Nothing {
            return refuse(format!("`{place}`: the list is always empty."));
        }
        let name = each.iter_var.clone();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return refuse(format!("`{place}`: `{name}` cannot be the name of an element."));
        }
        if self.loops.iter().any(|each| each.name == name) || self.schema.get_field_by_name(&name).is_some() {
            return refuse(format!("`{place}`: `{name}` has a meaning already; name the element differently."));
        }
        let before = self.times;
        let level = self.loops.len() + 1;
        self.times = self.rounds(range.root, len);
        let root = range.root.map(|_| level);
        self.loops.push(Loop {
            name,
            element: Seen { kind: (*item).clone(), nullable: gaps, root },
            times: self.times,
        });
        self.charge(ROUND);
        let made = self.body(each, &place);
        self.loops.pop();
        self.times = before;
        Ok(match made? {
            Made::Bool => Kind::Bool.into(),
            Made::Filtered => Seen { kind: Kind::List { item, gaps, len }, nullable: false, root: range.root },
            Made::Mapped(to) => Kind::List { item: Box::new(to.kind), gaps: to.nullable, len }.into(),
        })
    }

    /// How often the body of a macro is evaluated. Lists below different elements of a dossier have no element in
    /// common, so that going through all of them takes no more rounds than a dossier has rows.
    fn rounds(&self, root: Option<usize>, len: usize) -> u64 {
        let (len, rows) = (len as u64, facts::ROWS as u64);
        let all = self.times.saturating_mul(len);
        match root.and_then(|level| level.checked_sub(1)).and_then(|at| self.loops.get(at)) {
            Some(outer) => all.min(rows.saturating_mul(self.times / outer.times.max(1))),
            None => all,
        }
    }

    fn body(&mut self, each: &mut ComprehensionExpr, place: &str) -> Result<Made> {
        let element = Expr::Ident(each.iter_var.clone());
        let Expr::Call(step) = &mut each.loop_step.expr else { return refuse("The expression cannot be read.") };
        match (step.func_name.as_str(), step.args.as_mut_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [_, condition]) => {
                self.condition(condition, place)?;
                Ok(Made::Bool)
            }
            (operators::CONDITIONAL, [condition, step, _]) => {
                self.condition(condition, place)?;
                let Some(made) = appended(step) else { return Ok(Made::Bool) };
                if made.expr == element {
                    self.charge(2);
                    return Ok(Made::Filtered);
                }
                self.mapped(made)
            }
            _ => match appended(&mut each.loop_step) {
                Some(made) => self.mapped(made),
                None => refuse("The expression cannot be read."),
            },
        }
    }

    fn condition(&mut self, condition: &mut IdedExpr, place: &str) -> Result<()> {
        let seen = self.see(condition)?;
        if seen.kind == Kind::Bool {
            return Ok(());
        }
        refuse(format!("`{place}`: `{}` is {}, not a bool.", shown(condition), seen.kind))
    }

    fn mapped(&mut self, made: &mut IdedExpr) -> Result<Made> {
        let seen = self.see(made)?;
        if matches!(seen.kind, Kind::List { .. }) {
            return refuse(format!("`{}` is a list: a list cannot be an element of another.", shown(made)));
        }
        self.charge(2 + seen.kind.bytes() / COPIED);
        Ok(Made::Mapped(seen))
    }
}

/// What a macro gives.
enum Made {
    Bool,
    Filtered,
    Mapped(Seen),
}

/// `@result + [what]`, as `filter` and `map` expand; `exists_one` counts instead.
fn appended(step: &mut IdedExpr) -> Option<&mut IdedExpr> {
    let Expr::Call(call) = &mut step.expr else { return None };
    match &mut call.args.get_mut(1)?.expr {
        Expr::List(list) => list.elements.first_mut(),
        _ => None,
    }
}
