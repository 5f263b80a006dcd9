//! How a project came to where it is: an account of what its records tell, in both languages. It is read from the dossier
//! and adds nothing to it.
//!
//! A review that was withdrawn decided nothing and is no part of it; one that waits is none yet: what is told stays told.

use std::collections::HashMap;

use gevinst_proto::v1 as pb;
use prost_types::Timestamp;

use super::{
    Sections, load,
    words::{
        self,
        Language::{self, Danish, English},
        Words,
    },
};
use crate::{auth::Action, ctx::Ctx, error::Result, ids::ProjectId};

/// How a project came to where it is.
pub async fn history(ctx: Ctx, request: pb::GetProjectHistoryRequest) -> Result<pb::GetProjectHistoryResponse> {
    let id = ProjectId::parse(&request.project)?;
    let db = ctx.read(Action::ProjectRead)?;
    let found = load(&db, db.organisation(), id, Sections::ALL).await?;
    let mut dossier = db.found(found, id).await?.dossier;
    let entries = entries(&dossier);
    for decision in &mut dossier.decisions {
        let set = dossier.conditions.iter().filter(|condition| condition.gate_review == decision.id);
        decision.conditions = set.cloned().collect();
    }
    Ok(pb::GetProjectHistoryResponse { project: dossier.project, entries, decisions: dossier.decisions })
}

/// What gevinst does of itself, and what no one person did.
const GEVINST: &str = "gevinst";

/// The entries, oldest first. What happened at once stands in the order of its causes: answers before the decision that they
/// make, and that before what follows from it.
fn entries(dossier: &pb::Dossier) -> Vec<pb::HistoryEntry> {
    let mut story = Story::default();
    story.project(dossier);
    for event in &dossier.events {
        story.event(event);
    }
    let funding = dossier.funding.clone().unwrap_or_default();
    for appropriation in &funding.appropriations {
        story.appropriation(appropriation);
    }
    let plan = dossier.plan.clone().unwrap_or_default();
    story.plan(&plan);
    for lesson in &dossier.lessons {
        story.lesson(lesson);
    }
    for review in &dossier.decisions {
        story.review(review);
    }
    let deciders: HashMap<&str, &str> =
        dossier.decisions.iter().map(|review| (review.id.as_str(), review.decider())).collect();
    let decider = |review: &str| deciders.get(review).copied().unwrap_or(GEVINST);
    for tranche in &funding.spend_authorities {
        story.tranche(tranche, decider);
    }
    for condition in &dossier.conditions {
        story.condition(condition, decider(&condition.gate_review));
    }
    let mut entries = story.0;
    entries.sort_by_key(|entry| entry.time.as_ref().map(|time| (time.seconds, time.nanos)));
    entries
}

#[derive(Default)]
struct Story(Vec<pb::HistoryEntry>);

/// A record: its type, and its id where it has one.
type Record<'a> = (&'static str, Option<&'a str>);

impl Story {
    /// What has no time has not happened.
    fn tell(
        &mut self,
        time: Option<&Timestamp>,
        actor: &str,
        (kind, id): Record<'_>,
        text: impl Fn(Language) -> String,
    ) {
        let Some(time) = time else { return };
        self.0.push(pb::HistoryEntry {
            time: Some(*time),
            actor: actor.to_owned(),
            text: Some(pb::LocalizedText { da: text(Danish), en: text(English) }),
            r#type: kind.to_owned(),
            id: id.map(str::to_owned),
        });
    }

    fn project(&mut self, dossier: &pb::Dossier) {
        let project = dossier.project.clone().unwrap_or_default();
        // Its row does not keep who registered it; the audit log does.
        self.tell(project.create_time.as_ref(), "", ("project", Some(&project.id)), |language| {
            let registered = language.of(("Projektet blev registreret som", "The project was registered as"));
            format!("{registered} {}.", project.number)
        });
    }

    fn event(&mut self, event: &pb::ProjectEvent) {
        let what: Words = match event.kind() {
            pb::ProjectEventKind::Unspecified => ("Noget skete", "Something happened"),
            pb::ProjectEventKind::Resumed => ("Projektet blev genoptaget", "The project was resumed"),
            pb::ProjectEventKind::HeldByCondition => (
                "Projektet blev sat på hold, fordi en blokerende betingelse ikke var opfyldt til tiden",
                "The project was put on hold because a blocking condition was not met in time",
            ),
            pb::ProjectEventKind::GateModelMigrated => (
                "Projektet blev flyttet til en anden version af portmodellen",
                "The project was moved to another version of the gate model",
            ),
        };
        self.tell(event.time.as_ref(), &event.actor, ("project_event", Some(&event.id)), |language| {
            sentence(language.of(what), &event.reason)
        });
    }

    fn appropriation(&mut self, found: &pb::Appropriation) {
        let record = ("appropriation", Some(found.id.as_str()));
        self.tell(found.record_time.as_ref(), &found.recorder, record, |language| {
            let (what, amount) = (appropriated(language, found.basis()), language.kroner(found.amount_ore));
            let recorded = language.of(("registreret", "recorded"));
            format!("{what} {recorded}: {amount}, {}, {}.", found.body, language.day(&found.decided_on))
        });
        self.tell(found.end_time.as_ref(), found.ended_by(), record, |language| {
            let (what, amount) = (appropriated(language, found.basis()), language.kroner(found.amount_ore));
            let back = language.of(("taget tilbage", "taken back"));
            sentence(&format!("{what} {back} ({amount})"), &found.end_reason)
        });
    }

    /// Baselines, but those that a change of direction made: that tells more.
    fn plan(&mut self, plan: &pb::ProjectPlan) {
        let figures = |language: Language, number: i32| {
            let baseline = plan.baselines.iter().find(|baseline| baseline.number == number);
            baseline.map_or_else(String::new, |baseline| {
                let (amount, day) = (language.kroner(baseline.budget_ore), language.day(&baseline.end_on));
                format!("{amount}, {} {day}", language.of(("færdig", "done by")))
            })
        };
        let is_turn = |number: i32| plan.direction_changes.iter().any(|change| change.baseline_number == number);
        for baseline in plan.baselines.iter().filter(|baseline| !is_turn(baseline.number)) {
            self.tell(baseline.set_time.as_ref(), &baseline.set_by, ("baseline", None), |language| {
                let set = language.of(("Plan lagt", "Plan set"));
                sentence(&format!("{set}: {}", figures(language, baseline.number)), &baseline.scope)
            });
        }
        for change in &plan.direction_changes {
            let record = ("direction_change", Some(change.id.as_str()));
            self.tell(change.decide_time.as_ref(), &change.decided_by, record, |language| {
                let turned = language.of(("Kursen blev ændret", "The direction was changed"));
                let for_whom = for_whom(language, change.decided_for.as_deref());
                let (from, to) = (language.of(("fra", "from")), language.of(("til", "to")));
                let what = format!(
                    "{turned}{for_whom} {from} {} {to} {}",
                    quoted(language, &change.from),
                    quoted(language, &change.to)
                );
                let figures = figures(language, change.baseline_number);
                let plan = if figures.is_empty() { String::new() } else { format!(" ({figures})") };
                sentence(&format!("{what}{plan}"), &change.trigger)
            });
        }
    }

    fn lesson(&mut self, lesson: &pb::Lesson) {
        self.tell(lesson.publish_time.as_ref(), &lesson.publisher, ("lesson", Some(&lesson.id)), |language| {
            sentence(language.of(("Læring offentliggjort", "Lesson published")), &lesson.what)
        });
    }

    fn review(&mut self, review: &pb::GateReview) {
        let record = ("gate_review", Some(review.id.as_str()));
        let gate = words::gate(review.gate());
        self.tell(review.submit_time.as_ref(), &review.submitter, record, |language| {
            let submitted = language.of(("Indsendt til", "Submitted to"));
            let attempt = language.of(("forsøg", "attempt"));
            let correction = match review.supersedes {
                Some(_) => language.of(("; retter en tidligere beslutning", "; corrects an earlier decision")),
                None => "",
            };
            let for_whom = for_whom(language, review.submitted_for.as_deref());
            format!("{submitted} {gate}, {attempt} {}{for_whom}{correction}.", review.attempt)
        });
        for vote in &review.votes {
            self.tell(vote.vote_time.as_ref(), &vote.voter, ("gate_vote", None), |language| {
                let answer = language.of(("Svar ved", "Answer at"));
                let given = given(language, vote.outcome(), vote.hold_reasons());
                let for_whom = for_whom(language, vote.acting_for.as_deref());
                sentence(&format!("{answer} {gate}{for_whom}: {given}"), &vote.reason)
            });
        }
        self.tell(review.end_time.as_ref(), review.decider(), record, |language| {
            let decided = language.of(("Besluttet ved", "Decided at"));
            let given = given(language, review.outcome(), review.hold_reasons());
            let for_whom = for_whom(language, review.decided_for.as_deref());
            sentence(&format!("{decided} {gate}{for_whom}: {given}"), &review.reason)
        });
    }

    fn tranche<'d>(&mut self, tranche: &pb::SpendAuthority, decider: impl Fn(&str) -> &'d str) {
        let record = ("spend_authority", Some(tranche.id.as_str()));
        let what = |language: Language, done: Words| {
            let (amount, purpose) =
                (language.kroner(tranche.amount_ore), language.of(words::purpose(tranche.purpose())));
            format!("{amount} {} ({purpose})", language.of(done))
        };
        self.tell(tranche.grant_time.as_ref(), decider(&tranche.gate_review), record, |language| {
            format!("{}.", what(language, ("frigivet", "released")))
        });
        self.tell(tranche.revoke_time.as_ref(), decider(tranche.revoked_by_review()), record, |language| {
            let why = language.of(("Beslutningen er rettet.", "The decision has been corrected."));
            sentence(&what(language, ("er ikke længere frigivet", "no longer released")), why)
        });
    }

    fn condition(&mut self, condition: &pb::Condition, decider: &str) {
        let record = ("condition", Some(condition.id.as_str()));
        self.tell(condition.create_time.as_ref(), decider, record, |language| {
            let what = match condition.blocking {
                true => language.of(("Blokerende betingelse stillet", "Blocking condition set")),
                false => language.of(("Betingelse stillet", "Condition set")),
            };
            let (owner, by) = (&condition.owner, language.of(("senest", "by")));
            format!("{what}: {} ({owner}, {by} {}).", condition.title, language.day(&condition.due_on))
        });
        self.tell(condition.settle_time.as_ref(), condition.settled_by(), record, |language| {
            let settled = language.of(settled(condition.state()));
            let proposed =
                condition.waiver_proposer.as_ref().filter(|_| condition.state() == pb::ConditionState::Waived);
            let proposed = proposed.map_or_else(String::new, |who| {
                format!(" ({} {who}: {})", language.of(("foreslået af", "proposed by")), condition.waiver_reason)
            });
            sentence(&format!("{settled}: {}{proposed}", condition.title), &condition.settle_reason)
        });
    }
}

/// What happened, and the reason that was given.
fn sentence(what: &str, why: &str) -> String {
    let what = what.trim_end_matches('.');
    if why.is_empty() { format!("{what}.") } else { format!("{what}. {why}") }
}

/// In the quotation marks of the language.
fn quoted(language: Language, text: &str) -> String {
    match language {
        Danish => format!("»{text}«"),
        English => format!("“{text}”"),
    }
}

fn for_whom(language: Language, principal: Option<&str>) -> String {
    principal
        .map_or_else(String::new, |principal| format!(" {} {principal}", language.of(("på vegne af", "on behalf of"))))
}

fn given(language: Language, outcome: pb::GateOutcome, why: impl Iterator<Item = pb::HoldReason>) -> String {
    let (answer, why) = (language.of(words::outcome(outcome)), language.hold_reasons(why));
    if why.is_empty() { answer.to_owned() } else { format!("{answer} ({why})") }
}

fn settled(state: pb::ConditionState) -> Words {
    match state {
        pb::ConditionState::Unspecified | pb::ConditionState::Open => ("Betingelse", "Condition"),
        pb::ConditionState::Met => ("Betingelse opfyldt", "Condition met"),
        pb::ConditionState::Waived => ("Betingelse frafaldet", "Condition waived"),
        pb::ConditionState::Lapsed => ("Betingelse ikke opfyldt til tiden", "Condition not met in time"),
        pb::ConditionState::Superseded => {
            ("Betingelse bortfaldet med sin beslutning", "Condition gone with its decision")
        }
    }
}

fn appropriated(language: Language, basis: pb::AppropriationBasis) -> &'static str {
    language.of(match basis {
        pb::AppropriationBasis::ExistingFrame => ("Ramme", "Frame"),
        _ => ("Bevilling", "Appropriation"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    fn texts(dossier: &pb::Dossier) -> Vec<(String, String, String)> {
        let told = |entry: pb::HistoryEntry| (entry.r#type, entry.actor, entry.text.unwrap_or_default().da);
        entries(dossier).into_iter().map(told).collect()
    }

    #[test]
    fn what_happened_at_once_told_in_the_order_of_its_causes() {
        let review = pb::GateReview {
            id: "r1".into(),
            gate: pb::GateCode::G1.into(),
            attempt: 1,
            submitter: "office".into(),
            submit_time: at(20),
            outcome: pb::GateOutcome::GoWithConditions.into(),
            decider: Some("steering".into()),
            reason: "Ja.".into(),
            end_time: at(30),
            votes: vec![pb::GateVote {
                voter: "steering".into(),
                acting_for: Some("formand".into()),
                outcome: pb::GateOutcome::GoWithConditions.into(),
                reason: "Ja.".into(),
                vote_time: at(30),
                ..Default::default()
            }],
            ..Default::default()
        };
        let tranche = pb::SpendAuthority {
            id: "s1".into(),
            gate_review: "r1".into(),
            amount_ore: 50_000_000,
            purpose: pb::SpendPurpose::Experiments.into(),
            grant_time: at(30),
            revoked_by_review: Some("gone".into()),
            revoke_time: at(50),
            ..Default::default()
        };
        let condition = pb::Condition {
            id: "c1".into(),
            gate_review: "r1".into(),
            title: "Supplér analysen.".into(),
            owner: "manager".into(),
            due_on: "2026-03-01".into(),
            blocking: true,
            state: pb::ConditionState::Waived.into(),
            waiver_proposer: Some("office".into()),
            waiver_reason: "Overflødig.".into(),
            settled_by: Some("steering".into()),
            settle_reason: "Enig.".into(),
            settle_time: at(40),
            create_time: at(30),
            ..Default::default()
        };
        let dossier = pb::Dossier {
            project: Some(pb::Project { number: "P-1".into(), create_time: at(10), ..Default::default() }),
            decisions: vec![review],
            conditions: vec![condition],
            funding: Some(pb::Funding { spend_authorities: vec![tranche], ..Default::default() }),
            ..Default::default()
        };
        let told = texts(&dossier);
        let told: Vec<(&str, &str, &str)> = told.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
        assert_eq!(
            told,
            [
                ("project", "", "Projektet blev registreret som P-1."),
                ("gate_review", "office", "Indsendt til G1, forsøg 1."),
                ("gate_vote", "steering", "Svar ved G1 på vegne af formand: Ja, på betingelser. Ja."),
                ("gate_review", "steering", "Besluttet ved G1: Ja, på betingelser. Ja."),
                ("spend_authority", "steering", "500.000,00 kr. frigivet (kun til prøvehandlinger)."),
                (
                    "condition",
                    "steering",
                    "Blokerende betingelse stillet: Supplér analysen. (manager, senest 1. marts 2026)."
                ),
                (
                    "condition",
                    "steering",
                    "Betingelse frafaldet: Supplér analysen. (foreslået af office: Overflødig.). Enig."
                ),
                (
                    "spend_authority",
                    "gevinst",
                    "500.000,00 kr. er ikke længere frigivet (kun til prøvehandlinger). Beslutningen er rettet."
                ),
            ]
        );
    }

    #[test]
    fn turns_of_direction_told_with_their_plan_and_not_twice() {
        let baseline = |number, budget_ore, seconds| pb::ProjectBaseline {
            number,
            budget_ore,
            end_on: "2027-06-30".into(),
            scope: "Det hele.".into(),
            set_by: "office".into(),
            set_time: at(seconds),
        };
        let change = pb::DirectionChange {
            id: "d1".into(),
            from: "papir".into(),
            to: "telefon".into(),
            trigger: "Ingen læser breve.".into(),
            decided_by: "steering".into(),
            decide_time: at(20),
            baseline_number: 1,
            ..Default::default()
        };
        let appropriation = pb::Appropriation {
            id: "a1".into(),
            basis: pb::AppropriationBasis::CouncilDecision.into(),
            body: "Kommunalbestyrelsen".into(),
            decided_on: "2026-01-29".into(),
            amount_ore: 100,
            recorder: "finance".into(),
            record_time: at(5),
            ended_by: Some("finance".into()),
            end_reason: "Fejl.".into(),
            end_time: at(6),
            ..Default::default()
        };
        let dossier = pb::Dossier {
            plan: Some(pb::ProjectPlan {
                baselines: vec![baseline(0, 100_000, 10), baseline(1, 200_000, 20)],
                direction_changes: vec![change],
                ..Default::default()
            }),
            funding: Some(pb::Funding { appropriations: vec![appropriation], ..Default::default() }),
            events: vec![pb::ProjectEvent {
                id: String::new(),
                kind: pb::ProjectEventKind::Resumed.into(),
                actor: "steering".into(),
                reason: "Nu er der tid.".into(),
                time: at(30),
            }],
            lessons: vec![pb::Lesson {
                id: "l1".into(),
                what: "Folk ringer.".into(),
                publisher: "manager".into(),
                publish_time: at(40),
                ..Default::default()
            }],
            ..Default::default()
        };
        let told: Vec<String> = texts(&dossier).into_iter().map(|(_, _, text)| text).collect();
        assert_eq!(
            told,
            [
                "Bevilling registreret: 1,00 kr., Kommunalbestyrelsen, 29. januar 2026.",
                "Bevilling taget tilbage (1,00 kr.). Fejl.",
                "Plan lagt: 1.000,00 kr., færdig 30. juni 2027. Det hele.",
                "Kursen blev ændret fra »papir« til »telefon« (2.000,00 kr., færdig 30. juni 2027). Ingen læser breve.",
                "Projektet blev genoptaget. Nu er der tid.",
                "Læring offentliggjort. Folk ringer.",
            ]
        );
    }
}
