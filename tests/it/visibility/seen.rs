//! What one caller sees at one moment, asked in every way there is.

use std::collections::BTreeSet;

use gevinst::{
    auth::{
        Action, Resource,
        authority::Asker,
        policy::{Policies, Question},
    },
    benefits, conditions, gates,
    ids::{BenefitId, ConditionId, GateReviewId, ProjectId},
    projects,
};
use gevinst_proto::v1 as pb;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{
    drawn::{Drawn, Look, PEOPLE},
    oracle::Oracle,
    same,
    stage::{Stage, Thing, id, number, typed},
};
use crate::harness::{Failure, Person, rows};

/// The numbers of what is seen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    projects: BTreeSet<usize>,
    benefits: BTreeSet<usize>,
    /// By their projects: each has one at most.
    reviews: BTreeSet<usize>,
    conditions: BTreeSet<usize>,
}

/// One caller at one moment.
pub struct Looking<'a> {
    stage: &'a Stage,
    organisation: Uuid,
    drawn: &'a Drawn,
    who: usize,
    person: Person,
    oracle: Oracle<'a>,
    expected: Seen,
}

/// The reason of a failure; nothing of a success.
fn reason<T>(answer: &Result<T, Failure>) -> Option<&str> {
    answer.as_ref().err().map(|failure| failure.reason.as_str())
}

impl<'a> Looking<'a> {
    /// Somebody, now.
    pub fn new(stage: &'a Stage, organisation: Uuid, drawn: &'a Drawn, look: Look, who: usize) -> Self {
        let oracle = Oracle::new(drawn, who, look.day);
        let projects: BTreeSet<usize> = (0..drawn.projects.len()).filter(|project| oracle.sees(*project)).collect();
        let owned = |(number, (project, owner))| oracle.sees_owned(project, owner).then_some(number);
        let expected = Seen {
            benefits: drawn.benefits().enumerate().filter_map(owned).collect(),
            conditions: drawn.conditions().enumerate().filter_map(owned).collect(),
            reviews: projects.iter().copied().filter(|project| drawn.projects[*project].review.is_some()).collect(),
            projects,
        };
        let person = stage.person(organisation, drawn, who);
        Self { stage, organisation, drawn, who, person, oracle, expected }
    }

    fn organisation(&self) -> String {
        self.organisation.to_string()
    }

    /// Holds every way to the oracle.
    pub async fn check(self) -> Result<(), String> {
        let all = self.drawn.projects.len() + self.drawn.benefits().count() + self.drawn.conditions().count();
        let Seen { projects, benefits, conditions, .. } = &self.expected;
        self.stage.count(all, projects.len() + benefits.len() + conditions.len());
        let name = PEOPLE[self.who];
        same(&format!("{name}, row-level security"), &self.by_rows().await?, &self.expected)?;
        same(&format!("{name}, policies"), &self.by_policies().await?, &self.expected)?;
        same(&format!("{name}, lists"), &self.by_lists().await?, &self.expected)?;
        self.each_project().await.map_err(|why| format!("{name}, {why}"))?;
        self.each_benefit().await.map_err(|why| format!("{name}, {why}"))
    }

    fn asker(&self) -> Asker {
        let caller = self.stage.caller(self.organisation, self.drawn, self.who);
        Asker::new(&caller, typed(self.organisation), self.stage.now())
    }

    /// What PostgreSQL answers.
    async fn by_rows(&self) -> Result<Seen, String> {
        let scoped = self.stage.db.scoped(self.asker());
        let numbers = async |sql: &str, thing: Thing| -> BTreeSet<usize> {
            let rows = scoped.query_all_raw(gevinst::db::postgres(sql, [])).await.unwrap();
            rows.iter().map(|row| number(thing, row.try_get_by_index(0).unwrap()).unwrap()).collect()
        };
        let benefits = numbers("SELECT id FROM benefits", Thing::Benefit).await;
        // What hangs on a benefit is seen with it, and the rest with the project.
        same("measurements", &numbers("SELECT benefit_id FROM measurements", Thing::Benefit).await, &benefits)?;
        for table in [
            "benefit_ownerships",
            "benefit_plans",
            "measured_months",
            "budget_effects",
            "benefit_reviews",
            "benefit_events",
        ] {
            let hanging = format!("SELECT benefit_id FROM {table}");
            same(table, &numbers(&hanging, Thing::Benefit).await, &benefits)?;
        }
        let projects = numbers("SELECT id FROM projects", Thing::Project).await;
        for table in rows::SECTIONS {
            same(table, &numbers(&format!("SELECT project_id FROM {table}"), Thing::Project).await, &projects)?;
        }
        let reviews = numbers("SELECT id FROM gate_reviews", Thing::Review).await;
        let released = "SELECT gate_review_id FROM spend_authorities";
        same("spend_authorities", &numbers(released, Thing::Review).await, &reviews)?;
        let conditions = numbers("SELECT id FROM conditions", Thing::Condition).await;
        Ok(Seen { projects, benefits, reviews, conditions })
    }

    /// What the policies answer of every row there is, for what the caller holds.
    async fn by_policies(&self) -> Result<Seen, String> {
        let organisation = typed(self.organisation);
        let scoped = self.stage.db.scoped(self.asker());
        scoped.query_all_raw(gevinst::db::postgres("SELECT 1", [])).await.unwrap();
        let authority = scoped.authority().unwrap();
        if authority.denied {
            return Ok(Seen::default());
        }
        let policies = policies();
        let allowed = |action: Action, resource: &Resource<'_>| {
            let question = Question { authority, acting_for: None, action, resource, deciding: None };
            policies.decide(&question).is_ok()
        };
        let everything = self.stage.db.scoped(Asker::everything_in(organisation, self.stage.now()));
        let mut seen = Seen::default();
        for number in 0..self.drawn.projects.len() {
            let project = ProjectId::new(id(Thing::Project, number));
            let row = projects::entity::find_one_in(organisation, project).one(&everything).await.unwrap().unwrap();
            let resource = Resource::from(&row);
            seen.projects.extend(allowed(Action::ProjectRead, &resource).then_some(number));
            let what = format!("the policies on changing project {number}");
            same(&what, allowed(Action::ProjectUpdate, &resource), self.oracle.may_update(number))?;
            same(&what, allowed(Action::ProjectArchive, &resource), self.oracle.may_archive(number))?;
            let review = GateReviewId::new(id(Thing::Review, number));
            if let Some(row) = gates::entity::placed(&everything, organisation, project, review).await.unwrap() {
                seen.reviews.extend(allowed(Action::GateRead, &Resource::from(&row)).then_some(number));
            }
        }
        for number in 0..self.drawn.benefits().count() {
            let benefit = BenefitId::new(id(Thing::Benefit, number));
            let row = benefits::entity::measured(&everything, organisation, benefit).await.unwrap().unwrap();
            seen.benefits.extend(allowed(Action::BenefitRead, &Resource::from(&row)).then_some(number));
        }
        for number in 0..self.drawn.conditions().count() {
            let condition = ConditionId::new(id(Thing::Condition, number));
            let row = conditions::entity::placed(&everything, organisation, condition).await.unwrap().unwrap();
            seen.conditions.extend(allowed(Action::ConditionRead, &Resource::from(&row)).then_some(number));
        }
        Ok(seen)
    }

    /// What the lists answer, all pages of them.
    async fn by_lists(&self) -> Result<Seen, String> {
        let mut seen = Seen::default();
        let mut page_token = String::new();
        loop {
            let request = pb::ListProjectsRequest {
                organisation: self.organisation(),
                page_size: 2,
                filter: "archived = true OR archived = false".to_owned(),
                page_token,
                ..Default::default()
            };
            let answer = self.person.call(request).await;
            self.listed("ListProjects", &answer, self.expected.projects.is_empty())?;
            let Ok(answer) = answer else { break };
            let ids = answer.projects.iter().map(|project| project.id.parse().unwrap());
            seen.projects.extend(ids.map(|id| number(Thing::Project, id).unwrap()));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let mut page_token = String::new();
        loop {
            let organisation = self.organisation();
            let request = pb::ListBenefitsRequest { organisation, page_size: 3, page_token, ..Default::default() };
            let answer = self.person.call(request).await;
            self.listed("ListBenefits", &answer, self.expected.benefits.is_empty())?;
            let Ok(answer) = answer else { break };
            let ids = answer.benefits.iter().map(|benefit| benefit.id.parse().unwrap());
            seen.benefits.extend(ids.map(|id| number(Thing::Benefit, id).unwrap()));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let mut page_token = String::new();
        loop {
            let organisation = self.organisation();
            let request = pb::ListConditionsRequest { organisation, page_size: 3, page_token, ..Default::default() };
            let answer = self.person.call(request).await;
            self.listed("ListConditions", &answer, self.expected.conditions.is_empty())?;
            let Ok(answer) = answer else { break };
            let ids = answer.conditions.iter().map(|condition| condition.id.parse().unwrap());
            seen.conditions.extend(ids.map(|id| number(Thing::Condition, id).unwrap()));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        for of in 0..self.drawn.projects.len() {
            let project = id(Thing::Project, of).to_string();
            let organisation = self.organisation();
            let request = pb::ListGateReviewsRequest { organisation, project, ..Default::default() };
            let answer = self.person.call(request).await;
            // Empty or not, it is answered to who sees the project, and to nobody else.
            let unseen = self.oracle.refusal().unwrap_or("NOT_FOUND");
            let expected = (!self.oracle.sees(of)).then_some(unseen);
            same(&format!("ListGateReviews of project {of}"), reason(&answer), expected)?;
            let reviews = answer.map(|answer| answer.gate_reviews).unwrap_or_default();
            let ids = reviews.iter().map(|review| review.id.parse().unwrap());
            seen.reviews.extend(ids.map(|id| number(Thing::Review, id).unwrap()));
        }
        Ok(seen)
    }

    /// A list is refused only to who is revoked, or has no role and sees nothing.
    fn listed<T>(&self, what: &str, answer: &Result<T, Failure>, is_empty: bool) -> Result<(), String> {
        same(what, reason(answer), self.oracle.refusal().filter(|_| is_empty))
    }

    /// What reading one answers.
    fn expected(&self, visible: bool) -> Option<&'static str> {
        (!visible).then(|| self.oracle.refusal().unwrap_or("NOT_FOUND"))
    }

    async fn each_project(&self) -> Result<(), String> {
        for number in 0..self.drawn.projects.len() {
            let (organisation, project) = (self.organisation(), id(Thing::Project, number).to_string());
            let expected = self.expected(self.expected.projects.contains(&number));
            let get = pb::GetProjectRequest { organisation: organisation.clone(), project: project.clone() };
            same(&format!("GetProject {number}"), reason(&self.person.call(get).await), expected)?;
            let ask = pb::GetProjectPermissionsRequest {
                organisation: organisation.clone(),
                project: project.clone(),
                ..Default::default()
            };
            let answer = self.person.call(ask).await;
            same(&format!("GetProjectPermissions {number}"), reason(&answer), expected)?;
            for permission in answer.map(|answer| answer.permissions).unwrap_or_default() {
                let expected = match permission.action.as_str() {
                    "project.read" => true,
                    "project.update" | "benefit.create" => self.oracle.may_update(number),
                    "project.archive" => self.oracle.may_archive(number),
                    _ => continue,
                };
                same(&format!("{} of project {number}", permission.action), permission.allowed, expected)?;
            }
            let (of, in_it) = (project.clone(), organisation.clone());
            let list = pb::ListCriterionAssessmentsRequest { organisation: in_it, project: of, ..Default::default() };
            same(&format!("ListCriterionAssessments {number}"), reason(&self.person.call(list).await), expected)?;
            if self.drawn.projects[number].review.is_some() {
                let gate_review = id(Thing::Review, number).to_string();
                let get = pb::GetGateReviewRequest { organisation, project, gate_review };
                same(&format!("GetGateReview {number}"), reason(&self.person.call(get).await), expected)?;
            }
            // A third of them: a command takes a transaction, and the policies have been asked of each already.
            if (number + self.who).is_multiple_of(3) {
                self.commands(number).await?;
            }
        }
        Ok(())
    }

    async fn each_benefit(&self) -> Result<(), String> {
        for number in 0..self.drawn.benefits().count() {
            let (organisation, benefit) = (self.organisation(), id(Thing::Benefit, number).to_string());
            let expected = self.expected(self.expected.benefits.contains(&number));
            let get = pb::GetBenefitRequest { organisation: organisation.clone(), benefit: benefit.clone() };
            same(&format!("GetBenefit {number}"), reason(&self.person.call(get).await), expected)?;
            let list = pb::ListMeasurementsRequest { organisation, benefit, ..Default::default() };
            same(&format!("ListMeasurements {number}"), reason(&self.person.call(list).await), expected)?;
        }
        Ok(())
    }

    /// Commands, checked and not run: allowed exactly when the policies say so; what is not seen is not there.
    async fn commands(&self, number: usize) -> Result<(), String> {
        let (organisation, project) = (self.organisation(), id(Thing::Project, number).to_string());
        let there = &self.drawn.projects[number];
        let update = pb::UpdateProjectRequest {
            organisation: organisation.clone(),
            project: project.clone(),
            changes: Some(pb::ProjectChanges { title: Some("Nyt navn".to_owned()), ..Default::default() }),
            etag: gevinst::wire::etag(1),
            validate_only: true,
            ..Default::default()
        };
        let etag = gevinst::wire::etag(1);
        let archive = pb::ArchiveProjectRequest { organisation, project, etag, validate_only: true };
        let archived = there.archived.then_some("PROJECT_NOT_ACTIVE");
        let waits = there.review.is_some_and(|(_, open)| open).then_some("REVIEW_ALREADY_OPEN");
        let oracle = &self.oracle;
        let (would_update, would_archive) = oracle.would_do(number);
        let expected = if oracle.may_update(number) { archived } else { Some(oracle.refused(number, would_update)) };
        same(&format!("UpdateProject {number}"), reason(&self.person.call(update).await), expected)?;
        let in_the_way = archived.or(waits);
        let expected =
            if oracle.may_archive(number) { in_the_way } else { Some(oracle.refused(number, would_archive)) };
        same(&format!("ArchiveProject {number}"), reason(&self.person.call(archive).await), expected)
    }
}

/// The shipped policies, loaded once.
fn policies() -> &'static Policies {
    static POLICIES: std::sync::LazyLock<Policies> = std::sync::LazyLock::new(|| Policies::load(None).unwrap());
    &POLICIES
}
