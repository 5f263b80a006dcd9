//! Which gate follows which stage, what each answer does, and who may give it. Pure.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use strum::{EnumString, FromRepr, IntoEnumIterator, IntoStaticStr};

use crate::{
    auth::{
        Role,
        policy::{Deciding, Mandate},
    },
    error::{Error, Result},
    projects::rules::{SizeClass, Stage, Status},
};

/// A decision point between two stages. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
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
    GoWithConditions = 6,
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
    Draft = 4,
}

/// A gate of a model, as far as a path asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub code: GateCode,
    /// The stage it leads out of.
    pub from: Stage,
    /// The stage that GO leads into.
    pub to: Stage,
    /// The sizes of projects that it is for; empty for all that no other gate out of the stage names.
    pub sizes: Vec<SizeClass>,
    /// The gates whose criteria it asks too.
    pub merges: Vec<GateCode>,
    /// How many people must agree.
    pub min_deciders: usize,
}

impl Step {
    /// The gates whose criteria it asks: its own, and those that it merges.
    pub fn asks(&self) -> impl Iterator<Item = GateCode> {
        std::iter::once(self.code).chain(self.merges.iter().copied())
    }

    fn place(&self) -> String {
        format!("{} out of {}", <&str>::from(self.code), <&str>::from(self.from))
    }
}

/// The gate that leads out of a stage for a project of this size: one for that size before one for all.
pub fn step_from(steps: &[Step], stage: Stage, size: SizeClass) -> Option<&Step> {
    let leaving = || steps.iter().filter(|step| step.from == stage);
    leaving().find(|step| step.sizes.contains(&size)).or_else(|| leaving().find(|step| step.sizes.is_empty()))
}

/// The gates that a project of this size passes from IDEA on, in order, until nothing leads on or it would come round
/// again.
pub fn path(steps: &[Step], size: SizeClass) -> Vec<&Step> {
    let mut path: Vec<&Step> = Vec::new();
    let mut stage = Stage::Idea;
    while let Some(step) =
        step_from(steps, stage, size).filter(|step| path.iter().all(|before| before.from != step.from))
    {
        stage = step.to;
        path.push(step);
    }
    path
}

/// What is wrong with a model's gates, each by its place: a project of every size must get from IDEA to CLOSED, through
/// each gate at most once, and no gate may be out of reach.
pub fn mistakes(steps: &[Step]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let name = |stage: Stage| <&str>::from(stage);
        if step.from == Stage::Closed {
            found.push((format!("gates[{index}].from_stage"), "nothing leads on from CLOSED".to_owned()));
        }
        if step.merges.contains(&step.code) {
            found.push((format!("gates[{index}].merges"), "is the gate itself".to_owned()));
        }
        let twin = steps[..index].iter().position(|before| {
            before.from == step.from
                && ((before.sizes.is_empty() && step.sizes.is_empty())
                    || before.sizes.iter().any(|size| step.sizes.contains(size)))
        });
        if let Some(twin) = twin {
            let text = format!("gates[{twin}] leads out of {} for the same size", name(step.from));
            found.push((format!("gates[{index}].from_stage"), text));
        }
    }
    for size in SizeClass::iter() {
        let (path, name) = (path(steps, size), <&str>::from(size));
        let place = |step: &Step| steps.iter().position(|other| other == step).map_or(0, |index| index);
        for (at, step) in path.iter().enumerate() {
            if path[..at].iter().any(|before| before.code == step.code) {
                let text = format!("{} stands twice on the way of size {name}", <&str>::from(step.code));
                found.push((format!("gates[{}].code", place(step)), text));
            }
        }
        match path.last() {
            None => found.push(("gates".to_owned(), format!("nothing leads out of IDEA for size {name}"))),
            Some(last) if last.to == Stage::Closed => {}
            Some(last) => {
                let back = path.iter().any(|step| step.from == last.to);
                let to = <&str>::from(last.to);
                let text = if back {
                    format!("leads back to {to} for size {name}: a cycle")
                } else {
                    format!("nothing leads on from {to} for size {name}")
                };
                found.push((format!("gates[{}].to_stage", place(last)), text));
            }
        }
    }
    for (index, step) in steps.iter().enumerate() {
        if !SizeClass::iter().any(|size| path(steps, size).contains(&step)) {
            let text = format!("no project comes to {}", step.place());
            found.push((format!("gates[{index}].from_stage"), text));
        }
    }
    found
}

/// I01: a project is submitted to the gate that follows its stage, and to no other.
pub fn must_be_next(asked: GateCode, next: Option<&Step>) -> Result<&Step> {
    match next {
        Some(step) if step.code == asked => Ok(step),
        next => Err(Error::GateNotNext { gate: asked.into(), next: next.map_or("none", |step| step.code.into()) }),
    }
}

/// Where an answer at a gate leaves the project (I01: only GO moves the stage).
pub fn after(step: &Step, outcome: Outcome) -> (Stage, Status) {
    match outcome {
        Outcome::Go | Outcome::GoWithConditions => (step.to, Status::Active),
        Outcome::Hold => (step.from, Status::OnHold),
        // Beyond who was asked: the same gate, for those who may (I04).
        Outcome::Recycle | Outcome::Escalated => (step.from, Status::Active),
        Outcome::Kill => (step.from, Status::Stopped),
    }
}

/// What a project had cost when it was stopped (S21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// What was spent, in øre.
    pub sunk_cost_ore: i64,
    /// Days since the first GO at G1; none without one.
    pub days_since_g1: Option<i32>,
    /// The newest baseline's budget, in øre; what gates had released, without one.
    pub budget_ore: i64,
}

impl Stop {
    /// The share of the budget that was spent, to four places; none of nothing.
    pub fn share_of_budget(&self) -> Option<Decimal> {
        let share = Decimal::from(self.sunk_cost_ore).checked_div(Decimal::from(self.budget_ore))?;
        Some(share.round_dp(4).normalize())
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

impl Outcome {
    /// Whether the stage moves.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::Go | Self::GoWithConditions)
    }

    /// Whether the authority matrix has rules for it: escalating needs none, and who may say GO may say so upon conditions.
    pub fn is_ruled(self) -> bool {
        !matches!(self, Self::Escalated | Self::GoWithConditions)
    }

    /// The outcome that authority asks about: who may say GO may say so upon conditions.
    pub fn authorised_as(self) -> Self {
        if self == Self::GoWithConditions { Self::Go } else { self }
    }
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

/// I03, I04: whether answers end a review: so many of the same outcome as the gate asks for, and two where the rule of any
/// answer asks for a second person. An escalation ends it at once.
pub fn is_decided(agreeing: usize, outcome: Outcome, min_deciders: usize, second_required: bool) -> bool {
    outcome == Outcome::Escalated || agreeing >= min_deciders.max(if second_required { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gevinst_proto::v1 as pb;

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

    fn step(code: GateCode, from: Stage, to: Stage, sizes: &[SizeClass]) -> Step {
        Step { code, from, to, sizes: sizes.to_vec(), merges: Vec::new(), min_deciders: 1 }
    }

    fn whole() -> Vec<Step> {
        use GateCode::*;
        use Stage::*;
        let ways = [(G1, Idea, Analysis), (G2, Analysis, Execution), (G3, Execution, ExecutionScaled)];
        let rest = [(G4, ExecutionScaled, Realisation), (G5, Realisation, Closed)];
        ways.into_iter().chain(rest).map(|(code, from, to)| step(code, from, to, &[])).collect()
    }

    #[test]
    fn mistakes_none_in_a_whole_model_nor_with_a_light_path() {
        let mut steps = whole();
        assert_eq!(mistakes(&steps), []);
        steps.push(step(GateCode::G2, Stage::Analysis, Stage::Realisation, &[SizeClass::Xs]));
        assert_eq!(mistakes(&steps), []);
        assert_eq!(path(&steps, SizeClass::Xs).len(), 3);
        assert_eq!(path(&steps, SizeClass::M).len(), 5);
    }

    #[test]
    fn mistakes_table_each_by_its_place() {
        use GateCode::*;
        use Stage::*;
        type Spoil = fn(&mut Vec<Step>);
        let cases: [(Spoil, &str, &str); 9] = [
            (|steps| steps.clear(), "gates", "nothing leads out of IDEA for size XS"),
            (|steps| steps[4].to = Analysis, "gates[4].to_stage", "leads back to ANALYSIS for size XS: a cycle"),
            (|steps| steps[1].to = Analysis, "gates[1].to_stage", "leads back to ANALYSIS for size M: a cycle"),
            (|steps| drop(steps.remove(2)), "gates[1].to_stage", "nothing leads on from EXECUTION for size L"),
            (|steps| drop(steps.remove(2)), "gates[2].from_stage", "no project comes to G4 out of EXECUTION_SCALED"),
            (|steps| steps[2].code = G1, "gates[2].code", "G1 stands twice on the way of size S"),
            (|steps| steps[3].merges = vec![G4], "gates[3].merges", "is the gate itself"),
            (
                |steps| steps.push(step(G3, Execution, Closed, &[])),
                "gates[5].from_stage",
                "gates[2] leads out of EXECUTION for the same size",
            ),
            (|steps| steps.push(step(G3, Closed, Idea, &[])), "gates[5].from_stage", "nothing leads on from CLOSED"),
        ];
        for (spoil, place, text) in cases {
            let mut steps = whole();
            spoil(&mut steps);
            let found = mistakes(&steps);
            assert!(found.contains(&(place.to_owned(), text.to_owned())), "{place}: {text} not in {found:?}");
        }
    }

    #[test]
    fn after_only_go_moves_the_stage_i01() {
        for step in &whole() {
            assert_eq!(after(step, Outcome::Go), (step.to, Status::Active));
            assert_eq!(after(step, Outcome::GoWithConditions), (step.to, Status::Active));
            assert_eq!(after(step, Outcome::Hold), (step.from, Status::OnHold));
            assert_eq!(after(step, Outcome::Recycle), (step.from, Status::Active));
            assert_eq!(after(step, Outcome::Escalated), (step.from, Status::Active));
            assert_eq!(after(step, Outcome::Kill), (step.from, Status::Stopped));
            assert!(Outcome::iter().all(|outcome| outcome.goes_on() == (after(step, outcome).0 == step.to)));
        }
    }

    #[test]
    fn must_be_next_every_other_gate_refused_i01() {
        let steps = whole();
        for stage in Stage::iter() {
            for code in GateCode::iter() {
                let next = step_from(&steps, stage, SizeClass::M);
                let allowed = next.is_some_and(|step| step.code == code);
                assert_eq!(must_be_next(code, next).is_ok(), allowed, "{code:?} from {stage:?}");
            }
        }
    }

    #[test]
    fn share_of_budget_to_four_places_and_none_of_nothing_s21() {
        let stop = |sunk_cost_ore, budget_ore| Stop { sunk_cost_ore, days_since_g1: None, budget_ore };
        assert_eq!(stop(18_000_000, 63_000_000).share_of_budget().unwrap().to_string(), "0.2857");
        assert_eq!(stop(0, 63_000_000).share_of_budget().unwrap().to_string(), "0");
        assert_eq!(stop(18_000_000, 0).share_of_budget(), None);
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
    fn is_decided_once_enough_agree_but_at_once_to_escalate() {
        // agreeing, outcome, asked for by the gate, a second person: decided
        let cases = [
            (1, Outcome::Go, 1, false, true),
            (1, Outcome::Go, 1, true, false),
            (2, Outcome::Go, 1, true, true),
            (2, Outcome::Kill, 3, true, false),
            (3, Outcome::Kill, 3, false, true),
            (1, Outcome::Escalated, 3, true, true),
        ];
        for (agreeing, outcome, min, second, decided) in cases {
            assert_eq!(is_decided(agreeing, outcome, min, second), decided, "{agreeing} {outcome:?} {min} {second}");
        }
    }
}
