//! Expressions that nobody wrote: refused or evaluated, never a panic.

use std::{cell::Cell, sync::Arc};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use prost_reflect::DynamicMessage;

use super::{
    Undecided, evaluate,
    tests::{new, reviews},
};

/// Whether an expression is accepted. Neither refusing nor evaluating it may panic.
fn survives(source: &str, evaluating: &tokio::runtime::Runtime, dossier: &DynamicMessage) -> bool {
    match new(source) {
        Err(refusal) => {
            assert_ne!(refusal.0, "The expression cannot be read.", "{source}");
            false
        }
        Ok(expression) => {
            let found = evaluating.block_on(evaluate(vec![Arc::new(expression)], dossier));
            assert_ne!(found, [Err(Undecided::Stated("The expression cannot be evaluated.".to_owned()))], "{source}");
            true
        }
    }
}

/// Expressions that are well-formed, and sometimes well-typed.
fn grammatical() -> impl Strategy<Value = String> {
    let leaves = "true|false|null|0|1|-1|9223372036854775807|1.5|'G1'|''|next_page_token|gate_reviews|r|r.votes|r.attempt|v|\
                  v.outcome|gate_reviews[0].attempt|gate_reviews[2].decider|gate_reviews[0].gate|[]|[1, 2]";
    let leaf = one_of(leaves).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let range = one_of("gate_reviews|r.votes|[1, 2, 3]|gate_reviews.filter(q, true)");
        let each = (range, one_of("all|exists|exists_one|filter|map"), one_of("r|v"), inner.clone());
        prop_oneof![
            (inner.clone(), one_of("==|!=|<|>=|&&|+|-|*|/|%|in"), inner.clone())
                .prop_map(|(left, by, right)| format!("({left} {by} {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} == 1 || {right} == true)")),
            each.prop_map(|(range, by, name, body)| format!("{range}.{by}({name}, {body})")),
            (one_of("size|int|double|string|!|-|has"), inner.clone()).prop_map(|(call, of)| format!("{call}({of})")),
            (inner.clone(), inner.clone()).prop_map(|(of, text)| format!("{of}.contains({text})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(of, at)| format!("{of}[{at}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
    })
}

/// Expressions that are well-typed, of three kinds, within `depth` operators and the macros that `names` belong to.
fn typed(kind: Sort, depth: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    let at = |kind| typed(kind, depth.saturating_sub(1), names);
    let leaves = match (kind, names.last().copied()) {
        (Sort::Truth, Some("v")) => "v.outcome == 'GO'|v.acting_for == null|true",
        (Sort::Truth, Some(_)) => "r.gate in ['G1', 'G2']|has(r.decider)|r.state == r.state",
        (Sort::Truth, None) => "true|false|gate_reviews[0].end_time != null",
        (Sort::Number, Some(_)) => "r.attempt|r.amount_ore|size(r.votes)|7",
        (Sort::Number, None) => "0|-1|9223372036854775807|gate_reviews[2].attempt|gate_reviews[5].attempt",
        (Sort::Text, Some(_)) => "r.reason|r.decider|r.submit_time|'\\u00e6'",
        (Sort::Text, None) => "next_page_token|''|gate_reviews[0].decision_basis.sha256|string(1.5)",
    };
    if depth == 0 {
        return one_of(leaves).prop_map(str::to_owned).boxed();
    }
    let infix = |kind, by| (at(kind), one_of(by), at(kind)).prop_map(|(a, by, b)| format!("({a} {by} {b})"));
    let choice = (at(Sort::Truth), at(kind), at(kind)).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})"));
    match kind {
        Sort::Truth => {
            let (range, name, names): (_, _, &[_]) = match names {
                [] => ("gate_reviews", "r", &["r"]),
                ["r"] => ("r.votes", "v", &["r", "v"]),
                _ => return infix(Sort::Number, "==|<").boxed(),
            };
            let each = (one_of("all|exists|exists_one"), typed(Sort::Truth, depth - 1, names));
            prop_oneof![
                infix(Sort::Number, "==|!=|<|>="),
                infix(Sort::Text, "==|<"),
                infix(Sort::Truth, "&&|=="),
                (at(Sort::Truth), at(Sort::Truth)).prop_map(|(a, b)| format!("({a} || !{b})")),
                (at(Sort::Text), at(Sort::Text)).prop_map(|(a, b)| format!("{a}.contains({b})")),
                each.prop_map(move |(by, body)| format!("{range}.{by}({name}, {body})")),
                choice,
            ]
            .boxed()
        }
        Sort::Number => {
            let of = at(Sort::Text).prop_map(|of| format!("size({of})"));
            prop_oneof![infix(kind, "+|-|*|/|%"), of, at(Sort::Text).prop_map(|of| format!("int({of})")), choice]
                .boxed()
        }
        Sort::Text => {
            prop_oneof![infix(kind, "+"), at(Sort::Number).prop_map(|of| format!("string({of})")), choice].boxed()
        }
    }
}

#[derive(Clone, Copy)]
enum Sort {
    Truth,
    Number,
    Text,
}

/// Words of the language, and others, in any order.
fn soup() -> impl Strategy<Value = String> {
    let words = "( ) [ ] { } . , ? : ! - + * / % == < && | in true null 1 1u 1e9 0x 'a' \" ''' b' r' \\ ` // \n @ r all( map( \
                 exists_one(r, has( gate_reviews .votes size( for \0 æ \u{202e}";
    let words: Vec<&str> = words.split(' ').collect();
    let word = prop_oneof![8 => prop::sample::select(words).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(word, 0..30).prop_map(|words| words.join(" "))
}

fn one_of(words: &'static str) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(words.split('|').collect::<Vec<_>>())
}

#[test]
fn anything_is_refused_or_evaluated_without_a_panic() {
    let evaluating = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let dossier = reviews();
    let runs = [
        (soup().boxed(), 2500, 0),
        (grammatical().boxed(), 1500, 0),
        (typed(Sort::Truth, 3, &[]), 1500, 1000),
        (typed(Sort::Truth, 4, &[]), 500, 200),
    ];
    for (strategy, cases, least) in runs {
        let accepted = Cell::new(0);
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
            .run(&strategy, |source| {
                accepted.set(accepted.get() + usize::from(survives(&source, &evaluating, &dossier)));
                Ok(())
            })
            .unwrap();
        assert!(accepted.get() >= least, "only {} expressions were accepted", accepted.get());
    }
}
