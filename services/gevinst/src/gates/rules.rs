//! The built-in gate model: which gate follows which stage, what each answer does, and who may give it. Pure.

use strum::{EnumString, FromRepr, IntoStaticStr};

use crate::{
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
        Outcome::Recycle => (gate.from, Status::Active),
        Outcome::Kill => (gate.from, Status::Stopped),
    }
}

/// I03, the first half: who runs the project does not submit it.
pub fn must_not_manage(submitter: &str, project_manager: &str) -> Result<()> {
    if submitter == project_manager {
        return Err(Error::SubmitterIsProjectManager);
    }
    Ok(())
}

/// I03: decider, submitter and project manager are three different people. Nobody gets round it by a change of manager
/// while the review is open: the manager at submission counts, and the one now.
pub fn must_be_three(decider: &str, submitter: &str, managers: [&str; 2]) -> Result<()> {
    if decider == submitter {
        return Err(Error::DeciderIsSubmitter);
    }
    if managers.contains(&decider) {
        return Err(Error::DeciderIsProjectManager);
    }
    managers.iter().try_for_each(|manager| must_not_manage(submitter, manager))
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
    fn must_be_three_table_i03() {
        // decider, submitter, managers then and now: reason
        let cases = [
            ("a", "b", ["c", "c"], None),
            ("a", "b", ["c", "d"], None),
            ("a", "a", ["c", "c"], Some("DECIDER_IS_SUBMITTER")),
            ("a", "b", ["a", "c"], Some("DECIDER_IS_PROJECT_MANAGER")),
            ("a", "b", ["c", "a"], Some("DECIDER_IS_PROJECT_MANAGER")),
            ("a", "b", ["b", "c"], Some("SUBMITTER_IS_PROJECT_MANAGER")),
            ("a", "b", ["c", "b"], Some("SUBMITTER_IS_PROJECT_MANAGER")),
            ("a", "a", ["a", "a"], Some("DECIDER_IS_SUBMITTER")),
        ];
        for (decider, submitter, managers, reason) in cases {
            let result = must_be_three(decider, submitter, managers);
            assert_eq!(result.err().map(|error| error.reason_name()), reason, "{decider} {submitter} {managers:?}");
        }
    }
}
