//! The built-in gate model: which gate follows which stage, what each answer does, and who may give it. Pure.

use strum::{EnumString, FromRepr, IntoStaticStr};

use crate::{
    auth::{
        Role,
        policy::{Deciding, Mandate},
    },
    error::{Error, Result},
    projects::rules::{Stage, Status},
};

/// A decision point between two stages. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[repr(i32)]
#[expect(missing_docs, reason = "GATES explains each")]
pub enum GateCode {
    G1 = 1,
    G2 = 2,
    G3 = 3,
    G4 = 4,
    G5 = 5,
}

/// What a gate answers. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Outcome {
    Go = 1,
    Hold = 2,
    Recycle = 3,
    Kill = 4,
    Escalated = 5,
}

/// How risky it is to go on. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum RiskClass {
    Low = 1,
    Medium = 2,
    High = 3,
}

/// Where a review is. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum ReviewState {
    Submitted = 1,
    Decided = 2,
    Withdrawn = 3,
}

/// A gate of the model.
pub struct Gate {
    /// Which.
    pub code: GateCode,
    /// The stage it leads out of.
    pub from: Stage,
    /// The stage that GO leads into.
    pub to: Stage,
    /// Its name, in Danish and English.
    pub name: (&'static str, &'static str),
    /// What it asks, in Danish and English.
    pub question: (&'static str, &'static str),
}

/// The model's name and version, frozen into every decision basis.
pub const MODEL: (&str, i32) = ("default", 1);

/// The gates in the order that projects pass them.
pub const GATES: [Gate; 5] = [
    Gate {
        code: GateCode::G1,
        from: Stage::Idea,
        to: Stage::Analysis,
        name: ("Idé til analyse", "Idea to analysis"),
        question: (
            "Er idéen værd at undersøge, og ved vi, hvem den berører?",
            "Is the idea worth examining, and do we know whom it affects?",
        ),
    },
    Gate {
        code: GateCode::G2,
        from: Stage::Analysis,
        to: Stage::Execution,
        name: ("Analyse til gennemførelse", "Analysis to execution"),
        question: (
            "Har vi afprøvet det vigtigste i praksis, og kan dagligdagen bære det?",
            "Have we tried what matters most in practice, and can daily work carry it?",
        ),
    },
    Gate {
        code: GateCode::G3,
        from: Stage::Execution,
        to: Stage::ExecutionScaled,
        name: ("Udvidelse", "Scale"),
        question: ("Står vi på sikker grund, før vi udvider?", "Are we on safe ground before we scale?"),
    },
    Gate {
        code: GateCode::G4,
        from: Stage::ExecutionScaled,
        to: Stage::Realisation,
        name: ("Overdragelse til drift", "Handover to operations"),
        question: ("Kan driften og gevinstejerne tage over?", "Can operations and the benefit owners take over?"),
    },
    Gate {
        code: GateCode::G5,
        from: Stage::Realisation,
        to: Stage::Closed,
        name: ("Gevinstopfølgning", "Benefit review"),
        question: (
            "Er gevinsterne indfriet, og hvad har vi lært?",
            "Are the benefits realised, and what have we learnt?",
        ),
    },
];

/// The gate that leads out of a stage; none leads out of the last.
pub fn next_gate(stage: Stage) -> Option<&'static Gate> {
    GATES.iter().find(|gate| gate.from == stage)
}

/// I01: a project is submitted to the gate that follows its stage, and to no other.
pub fn must_be_next(asked: GateCode, stage: Stage) -> Result<&'static Gate> {
    match next_gate(stage) {
        Some(gate) if gate.code == asked => Ok(gate),
        next => Err(Error::GateNotNext { gate: asked.into(), next: next.map_or("none", |gate| gate.code.into()) }),
    }
}

/// Where an answer at a gate leaves the project (I01: only GO moves the stage).
pub fn after(gate: &Gate, outcome: Outcome) -> (Stage, Status) {
    match outcome {
        Outcome::Go => (gate.to, Status::Active),
        Outcome::Hold => (gate.from, Status::OnHold),
        // Beyond who was asked: the same gate, for those who may (I04).
        Outcome::Recycle | Outcome::Escalated => (gate.from, Status::Active),
        Outcome::Kill => (gate.from, Status::Stopped),
    }
}

/// A rule of the authority matrix, as far as a decision asks.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it says.
    pub mandate: Mandate,
    /// Whether a second person must agree.
    pub second_required: bool,
}

impl Rule {
    fn covers(&self, what: &Deciding) -> bool {
        let rule = &self.mandate;
        what.amount_ore <= rule.max_amount_ore
            && what.risk <= rule.max_risk
            && rule.tracks.contains(&what.track)
            && rule.outcomes.contains(&what.outcome)
    }
}

/// I04: the rule that a decision rests on, among those of the roles that the decider holds there: one that covers it, if
/// possible alone; else the one that goes furthest, for the policies to refuse.
pub fn mandate<'r, T>(rules: &'r [(T, Rule)], holds: impl Fn(Role) -> bool, what: &Deciding) -> Option<&'r (T, Rule)> {
    rules
        .iter()
        .filter(|(_, rule)| holds(rule.mandate.role))
        .max_by_key(|(_, rule)| (rule.covers(what), !rule.second_required, rule.mandate.max_amount_ore))
}

/// I03, I04: the answers that end a review. An escalation ends it at once. Where the rule of any answer asks for a second
/// person, two answers are needed, and they agree.
pub fn is_decided(answers: usize, outcome: Outcome, second_required: bool) -> bool {
    outcome == Outcome::Escalated || !second_required || answers >= 2
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for gate in GateCode::iter() {
            let name = format!("GATE_CODE_{}", <&str>::from(gate));
            assert_eq!(pb::GateCode::from_str_name(&name).map(i32::from), Some(gate as i32), "{name}");
        }
        for outcome in Outcome::iter() {
            let name = format!("GATE_OUTCOME_{}", <&str>::from(outcome));
            assert_eq!(pb::GateOutcome::from_str_name(&name).map(i32::from), Some(outcome as i32), "{name}");
        }
        for risk in RiskClass::iter() {
            let name = format!("RISK_CLASS_{}", <&str>::from(risk));
            assert_eq!(pb::RiskClass::from_str_name(&name).map(i32::from), Some(risk as i32), "{name}");
        }
        for state in ReviewState::iter() {
            let name = format!("GATE_REVIEW_STATE_{}", <&str>::from(state));
            assert_eq!(pb::GateReviewState::from_str_name(&name).map(i32::from), Some(state as i32), "{name}");
        }
    }

    #[test]
    fn gates_lead_from_idea_to_closed_without_a_gap() {
        let mut stage = Stage::Idea;
        for gate in &GATES {
            assert_eq!(gate.from, stage);
            stage = after(gate, Outcome::Go).0;
        }
        assert_eq!(stage, Stage::Closed);
        assert!(next_gate(stage).is_none());
    }

    #[test]
    fn after_only_go_moves_the_stage_i01() {
        for gate in &GATES {
            assert_eq!(after(gate, Outcome::Go), (gate.to, Status::Active));
            assert_eq!(after(gate, Outcome::Hold), (gate.from, Status::OnHold));
            assert_eq!(after(gate, Outcome::Recycle), (gate.from, Status::Active));
            assert_eq!(after(gate, Outcome::Escalated), (gate.from, Status::Active));
            assert_eq!(after(gate, Outcome::Kill), (gate.from, Status::Stopped));
        }
    }

    #[test]
    fn must_be_next_every_other_gate_refused_i01() {
        for stage in Stage::iter() {
            for code in GateCode::iter() {
                let allowed = next_gate(stage).is_some_and(|gate| gate.code == code);
                assert_eq!(must_be_next(code, stage).is_ok(), allowed, "{code:?} from {stage:?}");
            }
        }
    }

    #[test]
    fn mandate_table_i04() {
        let rule = |role, max_amount_ore, max_risk, second_required| {
            let mandate = Mandate {
                role,
                max_amount_ore,
                max_risk,
                tracks: vec!["START_SMALL".to_owned()],
                outcomes: vec!["GO".to_owned(), "HOLD".to_owned()],
            };
            (max_amount_ore, Rule { mandate, second_required })
        };
        let rules = [
            rule(Role::SteeringGroup, 100, 2, false),
            rule(Role::SteeringGroup, 500, 2, true),
            rule(Role::ExecutiveBoard, 1000, 3, true),
        ];
        // amount, risk, outcome, whether of the board too: which rule, and whether it covers
        let cases = [
            (100, 2, "GO", false, 100, true),
            (101, 2, "GO", false, 500, true),
            (100, 3, "GO", false, 100, false),
            (100, 3, "GO", true, 1000, true),
            (501, 1, "GO", false, 100, false),
            (501, 1, "HOLD", true, 1000, true),
            (1, 1, "KILL", true, 100, false),
        ];
        for (amount_ore, risk, outcome, board, which, covered) in cases {
            let (track, outcome) = ("START_SMALL".to_owned(), outcome.to_owned());
            let what = Deciding { amount_ore, risk, track, outcome, mandate: None };
            let holds = |role| role == Role::SteeringGroup || board;
            let (found, rule) = mandate(&rules, holds, &what).unwrap();
            assert_eq!((*found, rule.covers(&what)), (which, covered), "{what:?}");
        }
        assert!(mandate(&rules, |_| false, &Deciding::default()).is_none());
    }

    #[test]
    fn is_decided_second_awaited_but_not_to_escalate() {
        assert!(is_decided(1, Outcome::Go, false));
        assert!(!is_decided(1, Outcome::Go, true));
        assert!(is_decided(2, Outcome::Go, true));
        assert!(is_decided(1, Outcome::Escalated, true));
    }
}
