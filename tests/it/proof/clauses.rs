//! The shipped policies with one clause less each, for every clause whose absence allows more.

use std::{collections::BTreeSet, fmt};

use cedar_policy::{Effect, Policy, PolicySet};
use serde_json::{Value, json};

use super::solver::Shipped;

/// A policy set with one clause less.
pub struct Without {
    /// The policy's `@id`.
    pub policy: String,
    /// What is gone, as it was written.
    pub clause: String,
    /// The policy as it is now, or as it was if it is gone: its scope holds all that the change can touch.
    pub widest: Policy,
    pub policies: PolicySet,
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clause = self.clause.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "without `{clause}` of {}", self.policy)
    }
}

/// Every forbid gone; every condition of a permit gone, and the actions that it names, for the type of resource that it
/// is about; and in every condition, each operand of a conjunction or a disjunction gone whose absence makes a permit
/// apply to more or a forbid to less.
pub fn each_removed(shipped: &Shipped) -> Vec<Without> {
    let mut all = Vec::new();
    for policy in shipped.policies.policies() {
        let written = policy.to_json().unwrap();
        let forbids = policy.effect() == Effect::Forbid;
        if forbids {
            all.push(without(shipped, policy, "all of it".to_owned(), None));
        } else {
            let kinds: BTreeSet<_> = shipped.concerned(policy).iter().map(|found| found.resource()).collect();
            for kind in kinds {
                let mut instead = written.clone();
                instead["action"] = json!({ "op": "All" });
                instead["resource"] = json!({ "op": "is", "entity_type": kind.to_string() });
                all.push(without(shipped, policy, format!("its actions, for any {kind}"), Some(instead)));
            }
        }
        for (index, condition) in written["conditions"].as_array().unwrap().iter().enumerate() {
            if !forbids {
                let mut instead = written.clone();
                instead["conditions"].as_array_mut().unwrap().remove(index);
                all.push(without(shipped, policy, text(&condition["body"]), Some(instead)));
            }
            let broader = forbids == (condition["kind"] == "unless");
            for (clause, rest) in removals(&condition["body"], broader) {
                let mut instead = written.clone();
                instead["conditions"][index]["body"] = rest;
                all.push(without(shipped, policy, text(&clause), Some(instead)));
            }
        }
    }
    all
}

/// The shipped policies with one of them changed, or gone.
fn without(shipped: &Shipped, policy: &Policy, clause: String, instead: Option<Value>) -> Without {
    let instead = instead.map(|written| Policy::from_json(Some(policy.id().clone()), written).unwrap());
    let others = shipped.policies.policies().filter(|other| other.id() != policy.id()).cloned();
    Without {
        policy: policy.annotation("id").unwrap().to_owned(),
        clause,
        policies: PolicySet::from_policies(others.chain(instead.clone())).unwrap(),
        widest: instead.unwrap_or_else(|| policy.clone()),
    }
}

/// Every operand that can go so that the expression is true of more (`broader`) or of less, and what is left then.
fn removals(body: &Value, broader: bool) -> Vec<(Value, Value)> {
    let (operator, arguments) = body.as_object().unwrap().iter().next().unwrap();
    match operator.as_str() {
        "!" => removals(&arguments["arg"], !broader)
            .into_iter()
            .map(|(clause, rest)| (clause, json!({ "!": { "arg": rest } })))
            .collect(),
        "&&" | "||" => {
            let operands = chain(operator, body);
            let mut found = Vec::new();
            for (index, operand) in operands.iter().enumerate() {
                if (operator == "&&") == broader {
                    let mut rest = operands.clone();
                    rest.remove(index);
                    found.push((operand.clone(), joined(operator, rest)));
                }
                for (clause, within) in removals(operand, broader) {
                    let mut rest = operands.clone();
                    rest[index] = within;
                    found.push((clause, joined(operator, rest)));
                }
            }
            found
        }
        "if-then-else" => panic!("removals knows no conditional expressions: teach it, or write the policy without"),
        _ => Vec::new(),
    }
}

/// `a && b && c` as a, b and c.
fn chain(operator: &str, body: &Value) -> Vec<Value> {
    match body.get(operator) {
        Some(sides) => [chain(operator, &sides["left"]), chain(operator, &sides["right"])].concat(),
        None => vec![body.clone()],
    }
}

fn joined(operator: &str, operands: Vec<Value>) -> Value {
    operands.into_iter().reduce(|left, right| json!({ operator: { "left": left, "right": right } })).unwrap()
}

/// An expression as Cedar.
fn text(body: &Value) -> String {
    let whole = json!({
        "effect": "permit",
        "principal": { "op": "All" }, "action": { "op": "All" }, "resource": { "op": "All" },
        "conditions": [{ "kind": "when", "body": body }],
    });
    let whole = Policy::from_json(None, whole).unwrap().to_cedar().unwrap();
    let (_, condition) = whole.split_once("when {").unwrap();
    condition.trim_end_matches("};").trim().to_owned()
}
