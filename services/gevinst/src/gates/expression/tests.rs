//! Expressions over messages that the contract has today.

use std::sync::Arc;

use gevinst_proto::{DESCRIPTOR_POOL, v1 as pb};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use prost_types::Timestamp;

use super::*;

fn schema(name: &str) -> MessageDescriptor {
    DESCRIPTOR_POOL.get_message_by_name(&format!("gevinst.v1.{name}")).unwrap()
}

fn dossier(name: &str, message: &impl Message) -> DynamicMessage {
    DynamicMessage::decode(schema(name), message.encode_to_vec().as_slice()).unwrap()
}

pub fn reviews() -> DynamicMessage {
    let vote = |voter: &str, outcome| pb::GateVote { voter: voter.to_owned(), outcome, ..Default::default() };
    let review = |attempt, amount_ore, votes| pb::GateReview {
        gate: pb::GateCode::G2.into(),
        attempt,
        state: pb::GateReviewState::Decided.into(),
        submitter: "Søren Ærø".to_owned(),
        reason: "1250.75".to_owned(),
        amount_ore,
        risk_class: pb::RiskClass::Medium.into(),
        submit_time: Some(Timestamp { seconds: 1_769_860_800, nanos: 500_000_000 }),
        decider: Some("chair".to_owned()),
        votes,
        ..Default::default()
    };
    let go = pb::GateOutcome::Go.into();
    let gate_reviews = vec![
        review(1, i64::MAX, vec![vote("a", go), vote("b", go)]),
        review(2, 0, vec![vote("c", pb::GateOutcome::Kill.into())]),
        pb::GateReview { amount_ore: -5, ..Default::default() },
    ];
    let next_page_token = "next".to_owned();
    dossier("ListGateReviewsResponse", &pb::ListGateReviewsResponse { gate_reviews, next_page_token })
}

pub fn new(source: &str) -> Result<Expression, Refusal> {
    Expression::new(source, &schema("ListGateReviewsResponse"))
}

/// What becomes of an expression: its value, or why it has none.
async fn value(source: &str) -> Result<bool, String> {
    let expression = new(source).map_err(|refusal| refusal.0)?;
    evaluate(vec![Arc::new(expression)], &reviews()).await.remove(0).map_err(|undecided| undecided.text().to_owned())
}

#[tokio::test]
async fn accepted_table() {
    let cases = [
        ("true", true),
        ("!true", false),
        ("next_page_token == \"next\"", true),
        ("next_page_token != 'next' || true", true),
        ("size(gate_reviews) == 3", true),
        ("gate_reviews.size() > 3", false),
        ("gate_reviews[0].gate == \"G2\"", true),
        ("gate_reviews[0].gate in [\"G1\", \"G2\"]", true),
        ("gate_reviews[2].gate == \"\"", true),
        ("gate_reviews[0].attempt + 1 == 2", true),
        ("gate_reviews[0].attempt - 2 < 0", true),
        ("7 / 2 * 2 + 7 % 2 == 7", true),
        ("7.0 / 2.0 == 3.5", true),
        ("-gate_reviews[2].amount_ore == 5", true),
        ("double(gate_reviews[0].reason) > 1250", true),
        ("int(double(gate_reviews[0].reason)) == 1250", true),
        ("string(gate_reviews[0].attempt) == \"1\"", true),
        ("gate_reviews[0].submit_time == \"2026-01-31T12:00:00Z\"", true),
        ("gate_reviews[0].submit_time < \"2026-02-01\"", true),
        ("gate_reviews[0].end_time == null", true),
        ("gate_reviews[0].decider != null", true),
        ("has(gate_reviews[0].decider)", true),
        ("has(gate_reviews[0].end_time)", false),
        ("gate_reviews[2].decider == \"chair\"", false),
        ("has(gate_reviews[0].decision_basis) && gate_reviews[0].decision_basis.sha256 != \"\"", false),
        ("gate_reviews[0].submitter.startsWith(\"Søren\")", true),
        ("gate_reviews[0].submitter.endsWith(\"Ærø\")", true),
        ("gate_reviews[0].submitter.contains(\"n Æ\")", true),
        ("size(gate_reviews[0].submitter) == 9", true),
        ("gate_reviews.all(r, r.attempt >= 0)", true),
        ("gate_reviews.exists(r, r.risk_class == \"HIGH\")", false),
        ("gate_reviews.exists_one(r, r.attempt == 2)", true),
        ("gate_reviews.filter(r, r.attempt > 0).size() == 2", true),
        ("2 in gate_reviews.map(r, r.attempt)", true),
        ("\"KILL\" in gate_reviews[1].votes.map(v, v.outcome)", true),
        ("gate_reviews.map(r, r.attempt > 0, r.attempt).all(n, n > 0)", true),
        ("gate_reviews.exists(r, r.votes.exists(v, v.outcome == \"KILL\"))", true),
        ("gate_reviews.filter(r, size(r.votes) > 1).all(r, r.votes.all(v, v.outcome == 'GO'))", true),
        ("gate_reviews.all(r, [1, 2, 0].exists(n, r.attempt == n))", true),
        ("[1, 2, 3].exists(n, n == 2) && !(2 in [])", true),
        ("(true ? gate_reviews[0].decider : null) == \"chair\"", true),
        ("\"a\" + \"b\" == \"ab\"", true),
        ("true // a comment", true),
        ("\n true \t", true),
        ("gate_reviews[9].attempt == 1 || true", true),
        (&format!("{}true", "!".repeat(2041)), false),
        (&format!("{}1 == 1", "- ".repeat(1020)), true),
        (&format!("{}true{}", "(".repeat(32), ")".repeat(32)), true),
    ];
    for (source, expected) in cases {
        assert_eq!(value(source).await, Ok(expected), "{source}");
    }
}

/// What `new` refuses, with words of why.
#[test]
fn new_refuses_table() {
    let many = str::repeat;
    let cases = [
        ("", "cannot be read"),
        (" \t\n ", "cannot be read"),
        ("// nothing", "cannot be read"),
        ("/* true */ true", "cannot be read"),
        ("true\0", "cannot be read"),
        ("\0", "cannot be read"),
        ("true true", "column 6"),
        ("true &&", "cannot be read"),
        ("(true", "cannot be read"),
        ("\"open", "cannot be read"),
        ("\"\\ud800\" == \"\"", "cannot be read"),
        ("\"æ\" == ) ", "column 8"),
        ("true\u{202e}", "cannot be read"),
        ("gate_revıews == null", "cannot be read"),
        ("‘next’ == next_page_token", "cannot be read"),
        ("while", "cannot be read"),
        ("let x = true", "cannot be read"),
        ("gate_reviews.exists(if, true)", "cannot be read"),
        ("gate_reviews[?0] == null", "cannot be read"),
        ("gate_reviews[0].?decider == null", "cannot be read"),
        ("`next_page_token` == \"\"", "cannot be read"),
        ("9223372036854775808 > 0", "cannot be read"),
        ("@result", "cannot be read"),
        // deep and long
        (&format!("{}true{}", many("(", 4000), many(")", 4000)), "bytes long"),
        (&format!("1{} > 0", many(" + 1", 4000)), "bytes long"),
        (&format!("{}true", many("!", 4000)), "bytes long"),
        (&format!("{}true{}", many("(", 1000), many(")", 1000)), "nests brackets"),
        (&many("(", 2040), "nests brackets"),
        (&many("!(", 1020), "nests brackets"),
        (&format!("{}true", many("!-", 1020)), ""),
        (&format!("1{} > 0", many("+1", 1000)), ""),
        (&format!("1{} > 0", many("+1", 100)), "too deeply"),
        (&format!("true{}", many("||true", 300)), "more than 500 parts"),
        (&format!("{}true", many("true?true:", 200)), ""),
        (&format!("true{}", many("?true:true", 200)), ""),
        (&format!("{}true", many("true?", 400)), "cannot be read"),
        (&format!("{}{} == []", many("[", 1000), many("]", 1000)), "nests brackets"),
        (&format!("[{}1] == []", many("[],", 99)), "a list cannot be an element"),
        (&format!("size([{}1]) > 0", many("1,", 100)), "at most 100 elements"),
        (&format!("next_page_token{} == 1", many("[0]", 500)), ""),
        (&format!("next_page_token{} == 1", many(".a", 500)), ""),
        (&format!("{}true{}", many("[1].all(x,", 150), many(")", 150)), ""),
        (&format!("true{}", many(".all(x,true)", 150)), ""),
        (&format!("next_page_token == '{}'", many("x", 257)), "at most 256 bytes"),
        (&format!("next_page_token == '{}'", many("x", 4000)), "bytes long"),
        (&format!("{}true{}", many("{1:", 300), many("}", 300)), "nests brackets"),
        // slow
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "nested at most 2"),
        ("gate_reviews.all(a, gate_reviews.all(b, gate_reviews.all(c, a.attempt != b.attempt)))", "nested at most 2"),
        ("gate_reviews.all(a, gate_reviews.all(b, a.reason != b.reason))", "too long"),
        ("gate_reviews.all(a, gate_reviews.exists(b, a.attempt == b.attempt))", "too long"),
        ("gate_reviews.all(a, a.votes.all(b, gate_reviews[0].votes.all(c, true)))", "nested at most 2"),
        ("gate_reviews.all(a, gate_reviews[0].votes.all(b, a.reason == b.reason))", "too long"),
        ("size(gate_reviews.map(a, [a, a])) > 0", "a list cannot be an element"),
        ("size(gate_reviews.map(a, a.votes)) > 0", "a list cannot be an element"),
        ("size(gate_reviews + gate_reviews) > 0", "does not take a list"),
        (&format!("size(next_page_token{}) > 0", many(" + next_page_token", 3)), "grow too long"),
        ("['a'].map(a, a + next_page_token).map(b, b + b + b).size() > 0", "grow too long"),
        // not true or false
        ("1", "must be true or false"),
        ("null", "must be true or false"),
        ("next_page_token", "must be true or false"),
        ("gate_reviews", "must be true or false"),
        ("gate_reviews.map(r, true)", "must be true or false"),
        ("true ? 1 : 2", "must be true or false"),
        // unknown
        ("gate_review == null", "there is gate_reviews, next_page_token"),
        ("true || nothing", "`nothing`: unknown"),
        ("true ? true : nothing.at.all", "`nothing`: unknown"),
        ("false && gate_reviews[0].trak == 1", "`gate_reviews[0].trak`: unknown; `gate_reviews[0]` has id"),
        ("gate_reviews.exists(r, false && r.trak == 1)", "`r.trak`: unknown"),
        ("gate_reviews.exists(r, true) || r.attempt == 1", "`r`: unknown; there is gate_reviews"),
        (".next_page_token == \"\"", "unknown"),
        ("int == int", "`int`: unknown"),
        ("google.protobuf.Timestamp{} == null", "messages cannot be made"),
        ("{'a': 1}.a == 1", "maps cannot be written"),
        ("true || {}.a", "maps cannot be written"),
        // not available
        ("next_page_token.matches('(a+)+$')", "`matches` is not available"),
        ("timestamp('2026-01-01T00:00:00Z') == null", "`timestamp` is not available"),
        ("duration('1s') == null", "`duration` is not available"),
        ("max(1, 2) == 2", "`max` is not available"),
        ("type(1) == null", "`type` is not available"),
        ("dyn(1) == 'a'", "`dyn` is not available"),
        ("uint(1) == 1", "`uint` is not available"),
        ("bytes('a') == null", "`bytes` is not available"),
        ("optional.of(1) == null", "`optional`: unknown"),
        ("gate_reviews.all(r)", "`all` is not available"),
        ("gate_reviews.exists(r.id, true)", "simple name"),
        ("1u == 1", "unsigned"),
        ("b'a' == b'a'", "bytes"),
        // of the wrong kind
        ("\"a\" + 1 == \"a1\"", "does not take a string and an int"),
        ("1 + 1.0 == 2.0", "does not take an int and a double"),
        ("next_page_token > 3", "does not take a string and an int"),
        ("next_page_token == 3", "compares a string with an int"),
        ("size(1) == 1", "`size` does not take an int"),
        ("size() == 1", "`size` does not take nothing"),
        ("true < false", "does not take a bool and a bool"),
        ("1 && true", "does not take an int and a bool"),
        ("!1", "does not take an int"),
        ("-\"a\" == \"a\"", "does not take a string"),
        ("1.5 % 2.0 == 0.0", "does not take a double"),
        ("1 ? true : false", "not a bool"),
        ("true ? true : 1", "both must be alike"),
        ("[1, \"a\"] == []", "the elements before it are an int"),
        ("gate_reviews[\"0\"].id == \"\"", "does not take a list and a string"),
        ("gate_reviews[0.0].id == \"\"", "does not take a list and a double"),
        ("gate_reviews[0][\"id\"] == \"\"", "does not take a GateReview and a string"),
        ("gate_reviews[0] == gate_reviews[1]", "compare their fields"),
        ("gate_reviews == gate_reviews", "lists cannot be compared"),
        ("gate_reviews.id == \"\"", "which has no fields"),
        ("next_page_token.all(c, true)", "not a list"),
        ("gate_reviews[0].all(c, true)", "not a list"),
        ("[].all(x, x)", "always empty"),
        ("gate_reviews.all(r, r.attempt)", "not a bool"),
        ("gate_reviews.filter(r, r.attempt).size() == 1", "not a bool"),
        ("gate_reviews.exists_one(r, r.attempt)", "not a bool"),
        ("gate_reviews.all(gate_reviews, true)", "has a meaning already"),
        ("gate_reviews.all(r, r.votes.all(r, true))", "has a meaning already"),
        ("1 in 1", "does not take an int and an int"),
        ("\"a\" in [1]", "compares a string with an int"),
        ("\"id\" in gate_reviews[0]", "does not take a string and a GateReview"),
        // choices and null
        ("gate_reviews[0].gate == \"G6\"", "is no GateCode; there is \"\", \"G1\""),
        ("gate_reviews[0].gate == \"GATE_CODE_G1\"", "is no GateCode"),
        ("gate_reviews[0].gate == (true ? \"G1\" : \"G9\")", "is no GateCode"),
        ("gate_reviews[0].gate in [\"G1\", \"G7\"]", "is no GateCode"),
        ("\"go\" in gate_reviews.map(r, r.outcome)", "is no GateOutcome"),
        ("gate_reviews[0].gate == gate_reviews[0].outcome", "compares a GateCode with a GateOutcome"),
        ("gate_reviews[0].gate < \"G2\"", "does not take a GateCode"),
        ("gate_reviews[0].gate == 2", "compares a GateCode with an int"),
        ("gate_reviews == null", "`gate_reviews` is never null"),
        ("next_page_token == null", "never null"),
        ("null < null", "does not take null"),
        ("has(next_page_token)", "has()"),
        ("has(gate_reviews[0].id)", "always true"),
        ("has(gate_reviews[0].nothing)", "unknown"),
    ];
    for (source, why) in cases {
        let short: String = source.chars().take(60).collect();
        let refusal = new(source).expect_err(&short).0;
        assert!(refusal.contains(why), "{short}: {refusal}");
        assert!(refusal.ends_with('.') && !refusal.chars().any(char::is_control), "{short}: {refusal}");
    }
}

/// What is well-typed, and fails over a dossier.
#[tokio::test]
async fn evaluate_errors_table() {
    let cases = [
        ("1 / (gate_reviews[1].attempt - 2) == 1", "divides by zero"),
        ("1 % gate_reviews[1].amount_ore == 1", "divides by zero"),
        ("gate_reviews[0].amount_ore + 1 > 0", "too large"),
        ("-gate_reviews[0].amount_ore - 2 < 0", "too large"),
        ("gate_reviews[0].amount_ore * 2 > 0", "too large"),
        ("-(-gate_reviews[0].amount_ore - 1) > 0", "too large"),
        ("(-gate_reviews[0].amount_ore - 1) / -1 > 0", "too large"),
        ("(-gate_reviews[0].amount_ore - 1) % -1 > 0", "too large"),
        ("gate_reviews[3].attempt == 1", "does not have"),
        ("gate_reviews[-1].attempt == 1", "does not have"),
        ("[1, 2][2] == 1", "does not have"),
        ("gate_reviews[0].decision_basis.sha256 == \"\"", "not set"),
        ("gate_reviews[2].decider.startsWith(\"a\")", "not set"),
        ("gate_reviews[2].decider + \"a\" == \"a\"", "not set"),
        ("gate_reviews[2].decider < \"a\"", "not set"),
        ("size(gate_reviews[2].decider) == 1", "not set"),
        ("double(gate_reviews[0].submitter) > 0.0", "cannot convert"),
        ("double(\"1,5\") > 0.0", "cannot convert"),
        ("int(\"1.5\") > 0", "cannot convert"),
        ("int(1e300) > 0", "cannot convert"),
        ("double(\"nan\") < 1.0", "not a number"),
        ("gate_reviews.all(r, 1 / r.attempt > 0 || r.attempt == 2)", "divides by zero"),
    ];
    for (source, why) in cases {
        let error = value(source).await.expect_err(source);
        assert!(error.contains(why) && error.ends_with('.'), "{source}: {error}");
        assert!(!error.contains("Søren") && !error.contains("1250"), "{source}: {error}");
    }
}

#[tokio::test]
async fn evaluate_dossier_larger_than_bounded_for_refused() {
    let list = |reviews: usize, votes: usize, reason: usize| {
        let votes = vec![pb::GateVote::default(); votes];
        let review = pb::GateReview { votes, reason: "x".repeat(reason), ..Default::default() };
        pb::ListGateReviewsResponse { gate_reviews: vec![review; reviews], ..Default::default() }
    };
    let cases = [
        (list(4, facts::LIST, facts::TEXT), None),
        (list(facts::LIST, facts::ROWS / facts::LIST - 1, 0), None),
        (list(facts::LIST, facts::ROWS / facts::LIST, 0), Some("too long")),
        (list(1, facts::LIST + 1, 0), Some("too long")),
        (list(facts::LIST + 1, 0, 0), Some("too long")),
        (list(1, 0, facts::TEXT + 1), Some("8192 bytes")),
    ];
    let expression = Arc::new(new("gate_reviews.all(r, size(r.votes) >= 0 && r.reason != '!')").unwrap());
    let unnamed = Arc::new(new("size(gate_reviews) > 0 && next_page_token == ''").unwrap());
    for (message, refused) in cases {
        let dossier = dossier("ListGateReviewsResponse", &message);
        let found = evaluate(vec![Arc::clone(&expression)], &dossier).await.remove(0);
        match refused {
            None => assert_eq!(found, Ok(true)),
            Some(why) => assert!(found.as_ref().is_err_and(|error| error.text().contains(why)), "{found:?}"),
        }
        // What an expression does not name is none of its business.
        if message.gate_reviews.len() <= facts::LIST {
            assert_eq!(evaluate(vec![Arc::clone(&unnamed)], &dossier).await, [Ok(true)]);
        }
    }
}

#[tokio::test]
async fn evaluate_another_message_is_an_error() {
    let expression = Arc::new(new("size(gate_reviews) == 0").unwrap());
    let found = evaluate(vec![expression], &dossier("Project", &pb::Project::default())).await;
    assert_eq!(found, [Err(Undecided::Stated("`gate_reviews` is not in the dossier.".to_owned()))]);
}

#[test]
fn choice_drops_the_prefix_of_its_enum() {
    let cases = [
        ("Track", "TRACK_START_SMALL", "START_SMALL"),
        ("Track", "TRACK_UNSPECIFIED", ""),
        ("ProjectStatus", "PROJECT_STATUS_ON_HOLD", "ON_HOLD"),
        ("GateCode", "GATE_CODE_G1", "G1"),
        ("Track", "TRACKED", "TRACKED"),
    ];
    for (of, name, expected) in cases {
        let of = DESCRIPTOR_POOL.get_enum_by_name(&format!("gevinst.v1.{of}")).unwrap();
        assert_eq!(facts::choice(&of, name), expected);
    }
}
