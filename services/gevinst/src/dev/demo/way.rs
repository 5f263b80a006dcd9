//! A project's way: registered, through its gates one after the other, with what is spent, measured and learnt on it.

use std::collections::BTreeMap;

use gevinst_proto::v1 as pb;
use time::{Date, Duration, OffsetDateTime};

use super::{
    Caller, DEMO_ORGANISATION, People, answered,
    data::{DemoProject, Stories, Story},
    leader, unless_refused,
};
use crate::{auth::Role, wire};

/// Øre in a thousand kroner.
pub const TKR: i64 = 100_000;

/// The board has two members who decide: its rule of the authority matrix asks for a second person.
const BOARD: [&str; 2] = ["kommunaldirektoer", "digitaliseringsdirektoer"];

/// A project on its way.
pub struct Way<'a> {
    pub people: &'a People<'a>,
    pub demo: &'a DemoProject,
    pub story: &'a Story,
    pub stories: &'a Stories,
    pub assessors: &'a BTreeMap<String, Role>,
    /// The project's id.
    pub project: String,
    /// Its benefits' ids, in the order of the file.
    pub benefits: Vec<String>,
    /// The day it was registered: what days are counted from. It stays when filling in goes on another day.
    pub day: Date,
}

/// A gate that a project passes, or comes to.
pub struct Passage<'a> {
    /// Where it stands on the way: what its keys name, for a project can come to a gate twice.
    number: usize,
    /// G1 to G5.
    pub code: &'a str,
    /// Empty where it waits.
    outcome: &'a str,
    /// As the file says it: "G1:GO".
    name: &'a str,
    pub attempt: i32,
}

impl<'a> Way<'a> {
    /// Registers the project.
    pub async fn begin(
        people: &'a People<'a>,
        demo: &'a DemoProject,
        story: &'a Story,
        stories: &'a Stories,
        assessors: &'a BTreeMap<String, Role>,
        unit: String,
    ) -> Result<Self, String> {
        let class = pb::ProjectClass::from_str_name(&format!("PROJECT_CLASS_{}", demo.class));
        let track = story.track.as_ref().and_then(|track| pb::Track::from_str_name(&format!("TRACK_{track}")));
        let size = story.size.as_ref().and_then(|size| pb::SizeClass::from_str_name(&format!("SIZE_CLASS_{size}")));
        let request = pb::RegisterProjectRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            title: demo.title.da.clone(),
            vision: demo.vision.clone(),
            org_unit: unit,
            project_owner: demo.subject("projektejer"),
            project_manager: demo.subject("projektleder"),
            project_class: class.unwrap_or_default().into(),
            track: track.unwrap_or_default().into(),
            track_reason: story.track_reason.clone(),
            size_class: size.unwrap_or_default().into(),
            ..Default::default()
        };
        let call = people.role(Role::PortfolioOffice)?.call(&format!("demo-{}-register", demo.id), request)?;
        let project = answered(people.projects().register_project(call).await)?.project.unwrap_or_default();
        let registered = project.create_time.map_or(0, |time| time.seconds);
        let registered = OffsetDateTime::from_unix_timestamp(registered).map_err(|error| error.to_string())?;
        let day = wire::today(registered);
        let way =
            Self { people, demo, story, stories, assessors, project: project.id.clone(), benefits: Vec::new(), day };
        way.say_why_of_one_kind(project.etag).await?;
        Ok(way)
    }

    /// Why all benefits are of one kind, where they are (S30).
    async fn say_why_of_one_kind(&self, etag: String) -> Result<(), String> {
        let Some(reason) = &self.story.single_kind_reason else { return Ok(()) };
        let changes = pb::ProjectChanges { single_kind_reason: Some(reason.clone()), ..Default::default() };
        let request = pb::UpdateProjectRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            changes: Some(changes),
            update_mask: None,
            etag,
            validate_only: false,
        };
        let call = self.manager()?.call(&format!("demo-{}-one-kind", self.demo.id), request)?;
        answered(self.people.projects().update_project(call).await).map(drop)
    }

    /// The gates, and before the last of them what was measured: as it would have happened.
    pub async fn go(&self) -> Result<(), String> {
        let mut attempts: BTreeMap<&str, i32> = BTreeMap::new();
        for (number, name) in self.demo.gates.iter().enumerate() {
            let (code, outcome) = name.split_once(':').unwrap_or((name, ""));
            let attempt = attempts.get(code).copied().unwrap_or(1);
            if outcome == "RECYCLE" {
                attempts.insert(code, attempt + 1);
            }
            if number + 1 == self.demo.gates.len() {
                self.measure().await?;
            }
            self.gate(&Passage { number, code, outcome, name, attempt }).await?;
        }
        Ok(())
    }

    async fn gate(&self, gate: &Passage<'_>) -> Result<(), String> {
        match gate.code {
            "G2" => self.spend("experiments", pb::SpendPurpose::Experiments, self.story.first_tkr).await?,
            "G4" => {
                let rest = self.demo.flows_tkr.total() - self.story.first_tkr;
                self.spend("rest", pb::SpendPurpose::General, rest).await?;
            }
            _ => {}
        }
        if gate.outcome == "DRAFT" {
            return self.draft(gate).await;
        }
        self.lesson(gate).await?;
        self.make_ready(gate).await?;
        if gate.code == "G2" {
            self.turn().await?;
        }
        let review = self.submit(gate).await?;
        let Some(outcome) = outcome(gate.outcome) else {
            return Ok(());
        };
        if let Some(tried) = self.story.tries.get(gate.name) {
            let call = self.decision(gate, &review, &format!("{}:{tried}", gate.code))?;
            let call = self.people.role(Role::SteeringGroup)?.call(&self.key(gate, "try"), call)?;
            // Where filling in goes on, it may have been escalated already.
            let reasons = ["OUTCOME_NOT_ALLOWED", "REVIEW_NOT_OPEN"];
            let answer = unless_refused(self.people.gates().decide_gate_review(call).await, &reasons)?;
            if answer.is_some() {
                return Err(format!("{} could be answered {tried}", gate.code));
            }
        }
        let mut call = self.decision(gate, &review, gate.name)?;
        if outcome == pb::GateOutcome::Hold {
            let named = |name: &String| pb::HoldReason::from_str_name(&format!("HOLD_REASON_{name}"));
            call.hold_reasons = self.story.hold_reasons.iter().filter_map(named).map(Into::into).collect();
        }
        if outcome == pb::GateOutcome::GoWithConditions {
            call.conditions = self.story.conditions.iter().map(|upon| self.condition(&upon.title, upon.days)).collect();
        }
        if !self.story.board.iter().any(|name| name == gate.name) {
            let call = self.people.role(Role::SteeringGroup)?.call(&self.key(gate, "decide"), call)?;
            return answered(self.people.gates().decide_gate_review(call).await).map(drop);
        }
        for member in BOARD {
            let member = self.people.person(member, Role::ExecutiveBoard)?;
            let call = member.call(&self.key(gate, "decide"), call.clone())?;
            answered(self.people.gates().decide_gate_review(call).await)?;
        }
        Ok(())
    }

    async fn draft(&self, gate: &Passage<'_>) -> Result<(), String> {
        let request = pb::DraftGateReviewRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            gate: code(gate.code).into(),
            amount_ore: self.amount(gate.code) * TKR,
            risk_class: self.risk().into(),
            summary: self.story.tried.clone(),
            ..Default::default()
        };
        let call = self.manager()?.call(&self.key(gate, "draft"), request)?;
        answered(self.people.gates().draft_gate_review(call).await).map(drop)
    }

    async fn submit(&self, gate: &Passage<'_>) -> Result<String, String> {
        let request = pb::SubmitGateReviewRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            gate: code(gate.code).into(),
            amount_ore: self.amount(gate.code) * TKR,
            risk_class: self.risk().into(),
            summary: if gate.code == "G1" { self.story.affected.clone() } else { self.story.tried.clone() },
            ..Default::default()
        };
        let call = self.people.role(Role::PortfolioOffice)?.call(&self.key(gate, "submit"), request)?;
        let review = answered(self.people.gates().submit_gate_review(call).await)?.gate_review;
        Ok(review.unwrap_or_default().id)
    }

    /// A decision by that name, "G2:GO", with its reason.
    fn decision(&self, gate: &Passage<'_>, review: &str, name: &str) -> Result<pb::DecideGateReviewRequest, String> {
        let said = self.story.decided.get(name).cloned().map_or_else(|| self.said_at(gate), Ok)?;
        let outcome = name.split_once(':').and_then(|(_, name)| outcome(name));
        Ok(pb::DecideGateReviewRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            gate_review: review.to_owned(),
            outcome: outcome.unwrap_or_default().into(),
            reason: said,
            ..Default::default()
        })
    }

    /// What is said at a gate, whatever the answer.
    pub fn said_at(&self, gate: &Passage<'_>) -> Result<String, String> {
        let said = self.story.decided.get(gate.code).or_else(|| self.stories.reasons.get(gate.code));
        said.cloned().ok_or_else(|| format!("nobody says anything at {}", gate.code))
    }

    fn condition(&self, title: &str, days: i64) -> pb::NewCondition {
        pb::NewCondition {
            title: title.to_owned(),
            owner: self.demo.subject("projektleder"),
            due_on: self.on(days),
            blocking: true,
        }
    }

    /// A day so long after the project was registered.
    pub fn on(&self, days: i64) -> String {
        (self.day + Duration::days(days)).to_string()
    }

    /// What a gate is to release, in thousand kroner: first what is learnt from, then a third of the rest, then the rest.
    pub fn amount(&self, gate: &str) -> i64 {
        let rest = self.demo.flows_tkr.total() - self.story.first_tkr;
        let third = rest / 30 * 10;
        match gate {
            "G1" => self.story.first_tkr,
            "G2" => third,
            "G3" => rest - third,
            _ => 0,
        }
    }

    /// How risky it is to go on.
    pub fn risk(&self) -> pb::RiskClass {
        match self.demo.class.as_str() {
            _ if self.story.size.as_deref() == Some("XS") => pb::RiskClass::Low,
            "EFFICIENCY" => pb::RiskClass::Low,
            "INNOVATION" => pb::RiskClass::High,
            _ => pb::RiskClass::Medium,
        }
    }

    /// The key of a command at a gate.
    pub fn key(&self, gate: &Passage<'_>, what: &str) -> String {
        format!("demo-{}-{}-{}-{what}", self.demo.id, gate.number, gate.code)
    }

    /// The project's manager.
    pub fn manager(&self) -> Result<Caller, String> {
        self.who(Role::ProjectManager)
    }

    /// Who has the role in this project.
    pub fn who(&self, role: Role) -> Result<Caller, String> {
        let name = match role {
            Role::ProjectManager => self.demo.subject("projektleder"),
            Role::ProjectOwner => self.demo.subject("projektejer"),
            Role::AreaLeader => leader(self.demo.unit()),
            _ => role.name().to_owned(),
        };
        self.people.person(&name, role)
    }

    async fn spend(&self, what: &str, purpose: pb::SpendPurpose, tkr: i64) -> Result<(), String> {
        if tkr == 0 {
            return Ok(());
        }
        let request = pb::RecordExpenditureRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            amount_ore: tkr * TKR,
            spent_on: self.on(0),
            purpose: purpose.into(),
            category: match purpose {
                pb::SpendPurpose::Experiments => pb::CostCategory::Consultants.into(),
                _ => pb::CostCategory::Software.into(),
            },
            source: "Økonomisystemet".to_owned(),
            validate_only: false,
        };
        let call = self.who(Role::Finance)?.call(&format!("demo-{}-spend-{what}", self.demo.id), request)?;
        answered(self.people.funding().record_expenditure(call).await).map(drop)
    }

    /// The change of direction, where there was one (S10).
    async fn turn(&self) -> Result<(), String> {
        let Some(turn) = &self.story.turn else {
            return Ok(());
        };
        let request = pb::ChangeDirectionRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            from: turn.from.clone(),
            to: turn.to.clone(),
            trigger: turn.trigger.clone(),
            budget_ore: turn.budget_tkr * TKR,
            end_on: self.on(self.days() + turn.days),
            ..Default::default()
        };
        let call = self.who(Role::ProjectOwner)?.call(&format!("demo-{}-turn", self.demo.id), request)?;
        answered(self.people.plans().change_direction(call).await).map(drop)
    }

    /// How long the project takes.
    pub fn days(&self) -> i64 {
        i64::from(self.demo.flows_tkr.years()) * 365
    }

    /// What was learnt, before the gate that ends it (I20).
    async fn lesson(&self, gate: &Passage<'_>) -> Result<(), String> {
        let Some(lesson) = self.story.lesson.as_ref().filter(|lesson| lesson.gate == gate.code) else {
            return Ok(());
        };
        let request = pb::PublishLessonRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            what: lesson.what.clone(),
            why: lesson.why.clone(),
            advice: lesson.advice.clone(),
            tags: lesson.tags.clone(),
            validate_only: false,
        };
        let call = self.manager()?.call(&self.key(gate, "lesson"), request)?;
        answered(self.people.lessons().publish_lesson(call).await).map(drop)
    }
}

/// The gate of that name.
pub fn code(name: &str) -> pb::GateCode {
    pb::GateCode::from_str_name(&format!("GATE_CODE_{name}")).unwrap_or_default()
}

/// The outcome of that name.
fn outcome(name: &str) -> Option<pb::GateOutcome> {
    pb::GateOutcome::from_str_name(&format!("GATE_OUTCOME_{name}"))
}
