//! Making a project ready for a gate: the service is asked what is missing, and whoever can do something about it does.

use gevinst_proto::v1 as pb;

use super::{
    DEMO_ORGANISATION, answered, leader, slug, unless_refused,
    way::{Passage, TKR, Way, code},
};
use crate::auth::Role;

/// How long each step takes.
const STEP_DAYS: i32 = 90;

impl Way<'_> {
    /// Meets what the gate asks, but for what the story leaves open.
    pub async fn make_ready(&self, gate: &Passage<'_>) -> Result<(), String> {
        let ask = pb::GetGateReadinessRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            amount_ore: self.amount(gate.code) * TKR,
            risk_class: self.risk().into(),
        };
        let call = self.people.role(Role::PortfolioOffice)?.ask(ask);
        let answer = self.people.dossiers().get_gate_readiness(call).await;
        // Where filling in goes on, the project may be past the gate, or at its end.
        let here = |ready: &pb::GetGateReadinessResponse| {
            let attempt = ready.asked.as_ref().map(|asked| asked.attempt);
            ready.gate() == code(gate.code) && attempt == Some(gate.attempt)
        };
        let Some(ready) = unless_refused(answer, &["PROJECT_NOT_ACTIVE"])?.filter(here) else {
            return Ok(());
        };
        for missing in ready.criteria {
            let asked = missing.applies && missing.strength() == pb::CriterionStrength::Must;
            if asked && !missing.met && missing.assessment.is_none() {
                self.meet(gate, &missing).await.map_err(|problem| format!("{}: {problem}", missing.code))?;
            }
        }
        Ok(())
    }

    async fn meet(&self, gate: &Passage<'_>, missing: &pb::CriterionResult) -> Result<(), String> {
        let story = self.story.assessed.get(&format!("{}/{}", gate.code, missing.code));
        if matches!(story, Some(None)) {
            return Ok(());
        }
        if missing.kind() != pb::CriterionKind::Rule {
            return self.assess(gate, &missing.code).await;
        }
        match missing.code.as_str() {
            "I05" => self.appropriate(gate).await,
            "S09_INCREMENTS" => self.plan(gate).await,
            "S09_STEP_DONE" => self.end_first_step(gate).await,
            "S10_BASELINE" => self.set_baseline(gate).await,
            "S30_OUTCOMES" => self.review_benefits(gate).await,
            _ => Err("nobody in the demo can meet it".to_owned()),
        }
    }

    /// Grades, or hands evidence in, as the story has it.
    async fn assess(&self, gate: &Passage<'_>, criterion: &str) -> Result<(), String> {
        let usual = self.stories.usual.get(criterion).ok_or("nobody in the demo says anything of it")?;
        let said = self.story.assessed.get(&format!("{}/{criterion}", gate.code)).and_then(Option::as_ref);
        let reason = said.map_or(&usual.reason, |said| &said.reason);
        let reason = [
            ("{affected}", &self.story.affected),
            ("{tried}", &self.story.tried),
            ("{exit}", &self.story.exit),
            ("{result}", &self.story.result),
        ]
        .iter()
        .fold(reason.clone(), |text, (name, value)| text.replace(name, value));
        let grade = said.and_then(|said| pb::Grade::from_str_name(&format!("GRADE_{}", said.grade)));
        let uri = format!("https://sager.hedeby.example/2026/{}/{}-{}", self.demo.id, gate.code, slug(&usual.title));
        let request = pb::AssessCriterionRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            criterion: criterion.to_owned(),
            grade: grade.unwrap_or(pb::Grade::Green).into(),
            reason: reason.trim_end().to_owned(),
            evidence: vec![pb::EvidenceLink { title: usual.title.clone(), uri, sha256: String::new() }],
            ..Default::default()
        };
        let role = *self.assessors.get(criterion).ok_or("names nobody who assesses it")?;
        let call = self.who(role)?.call(&self.key(gate, criterion), request)?;
        answered(self.people.gates().assess_criterion(call).await).map(drop)
    }

    /// A frame pays for what is tried; the rest is appropriated, by the council where something is built.
    async fn appropriate(&self, gate: &Passage<'_>) -> Result<(), String> {
        let flows = &self.demo.flows_tkr;
        let first = gate.code == "G1";
        let council = !first && flows.is_capital();
        let (basis, kind, body, decided_on) = if council {
            let basis = pb::AppropriationBasis::CouncilDecision;
            (basis, pb::ExpenditureType::Capital, "Kommunalbestyrelsen", "2026-01-29")
        } else {
            let whose = if first { "Puljen til prøvehandlinger" } else { self.demo.unit() };
            (pb::AppropriationBasis::ExistingFrame, pb::ExpenditureType::Operating, whose, "2026-01-01")
        };
        let case_number = self.story.case_number.clone().filter(|_| council);
        let request = pb::RecordAppropriationRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            basis: basis.into(),
            expenditure_type: kind.into(),
            body: body.to_owned(),
            decided_on: decided_on.to_owned(),
            case_number: case_number.unwrap_or_else(|| format!("2026-{}-{}", self.demo.id, gate.code)),
            amount_ore: TKR * if first { self.story.first_tkr } else { flows.total() - self.story.first_tkr },
            first_year: 2026,
            years: if first { 1 } else { flows.years() },
            validate_only: false,
        };
        let call = self.who(Role::Finance)?.call(&self.key(gate, "I05"), request)?;
        answered(self.people.funding().record_appropriation(call).await).map(drop)
    }

    async fn set_baseline(&self, gate: &Passage<'_>) -> Result<(), String> {
        let request = pb::SetProjectBaselineRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            budget_ore: self.demo.flows_tkr.total() * TKR,
            end_on: self.on(self.days()),
            scope: self.demo.vision.clone(),
            validate_only: false,
        };
        let call = self.manager()?.call(&self.key(gate, "S10_BASELINE"), request)?;
        answered(self.people.plans().set_project_baseline(call).await).map(drop)
    }

    /// Every step, each within what its gate releases.
    async fn plan(&self, gate: &Passage<'_>) -> Result<(), String> {
        for ((number, [goal, scope, done]), releases) in (0..).zip(&self.story.steps).zip(["G2", "G3"]) {
            let request = pb::PlanIncrementRequest {
                organisation: DEMO_ORGANISATION.to_string(),
                project: self.project.clone(),
                goal: goal.clone(),
                benefit: None,
                scope: scope.clone(),
                budget_ore: self.amount(releases) * TKR,
                start_on: self.on(number * i64::from(STEP_DAYS)),
                days: STEP_DAYS,
                done_criteria: vec![done.clone()],
                validate_only: false,
            };
            let call = self.manager()?.call(&self.key(gate, &format!("step-{number}")), request)?;
            answered(self.people.plans().plan_increment(call).await)?;
        }
        Ok(())
    }

    /// Every benefit, by its owner, as its figures say.
    async fn review_benefits(&self, gate: &Passage<'_>) -> Result<(), String> {
        let filter = format!("project = \"{}\"", self.project);
        let organisation = DEMO_ORGANISATION.to_string();
        let ask = pb::ListBenefitsRequest { organisation, filter, ..Default::default() };
        let owner = self.owner(&leader(self.demo.unit()))?;
        let found = answered(self.people.benefits().list_benefits(owner.ask(ask)).await)?;
        for (number, benefit) in found.benefits.into_iter().enumerate() {
            let request = pb::RecordBenefitReviewRequest {
                organisation: DEMO_ORGANISATION.to_string(),
                benefit: benefit.id,
                statement: self.said_at(gate)?,
                ..Default::default()
            };
            let call = owner.call(&self.key(gate, &format!("review-{number}")), request)?;
            answered(self.people.realisation().record_benefit_review(call).await)?;
        }
        Ok(())
    }

    async fn end_first_step(&self, gate: &Passage<'_>) -> Result<(), String> {
        let (organisation, project) = (DEMO_ORGANISATION.to_string(), self.project.clone());
        let ask = pb::GetProjectPlanRequest { organisation: organisation.clone(), project: project.clone() };
        let plan = answered(self.people.plans().get_project_plan(self.manager()?.ask(ask)).await)?.plan;
        let first = plan.and_then(|plan| plan.increments.into_iter().next()).ok_or("there is no step")?;
        let request = pb::EndIncrementRequest {
            organisation,
            project,
            increment: first.id,
            done: true,
            result: self.story.result.clone(),
            validate_only: false,
        };
        let call = self.manager()?.call(&self.key(gate, "S09_STEP_DONE"), request)?;
        answered(self.people.plans().end_increment(call).await).map(drop)
    }
}
