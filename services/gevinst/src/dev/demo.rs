//! The demo data: an invented municipality's units, fifteen projects and what became of them, put in through the
//! service's own API, by people who each have a token of their own. Every command carries its idempotency key, which
//! names project, gate and criterion, so that filling in which was interrupted goes on where it stopped: what has been
//! answered is answered again, and what is met already is not met twice.

pub mod data;
mod map;
mod ready;
mod way;
mod worth;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use gevinst_proto::v1::{
    self as pb, benefit_map_service_client::BenefitMapServiceClient, benefit_service_client::BenefitServiceClient,
    dossier_service_client::DossierServiceClient, funding_service_client::FundingServiceClient,
    gate_service_client::GateServiceClient, lesson_service_client::LessonServiceClient,
    organisation_service_client::OrganisationServiceClient, plan_service_client::PlanServiceClient,
    project_service_client::ProjectServiceClient, realisation_service_client::RealisationServiceClient,
    strategy_service_client::StrategyServiceClient,
};
use tonic::{
    Request, Response, Status,
    metadata::AsciiMetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use self::{data::DemoProject, map::Maps, way::Way};
use super::{DEMO_ORGANISATION, issuer::Issuer};
use crate::auth::Role;

/// Units that projects belong to and that run no daily operation of their own.
const STAFF: [&str; 2] = ["Direktionssekretariat", "It & Digitalisering og stab"];

/// How many projects go their way at once.
const LANES: usize = 4;

/// Puts everything in.
pub async fn fill(address: SocketAddr, issuer: &Issuer) -> Result<(), String> {
    let (data, stories, maps) = (data::hedeby()?, data::stories()?, Maps::read()?);
    let people = People::new(address, issuer)?;
    let goals = maps.pursue(&people).await?;
    let assessors = people.assessors().await?;
    let mut units = BTreeMap::new();
    let projects_of = data.projects.iter().map(DemoProject::unit);
    for name in data.areas.iter().map(|area| area.name.as_str()).chain(projects_of) {
        if !units.contains_key(name) {
            units.insert(name.to_owned(), people.unit(name).await?);
        }
    }
    let failed = |demo: &DemoProject, problem: String| format!("demo project {}: {problem}", demo.id);
    // One after the other, for their numbers.
    let mut ways = Vec::new();
    for demo in &data.projects {
        let story = stories.projects.get(&demo.id).ok_or_else(|| failed(demo, "has no story".to_owned()))?;
        let unit = units.get(demo.unit()).map(|unit: &pb::OrgUnit| unit.id.clone()).unwrap_or_default();
        let way = Way::begin(&people, demo, story, &stories, &assessors, unit).await;
        let mut way = way.map_err(|problem| failed(demo, problem))?;
        let benefits = way.promise().await.map_err(|problem| failed(demo, problem))?;
        maps.draw(&way, &benefits, &goals).await.map_err(|problem| failed(demo, problem))?;
        ways.push(way);
    }
    // Then beside each other: it is the first thing that a newcomer waits for.
    let lane = async |lane: usize| {
        for way in ways.iter().skip(lane).step_by(LANES) {
            way.go().await.map_err(|problem| failed(way.demo, problem))?;
        }
        Ok::<_, String>(())
    };
    tokio::try_join!(lane(0), lane(1), lane(2), lane(3))?;
    for way in &ways {
        way.cash().await.map_err(|problem| failed(way.demo, problem))?;
        if let Some(unit) = units.get(way.demo.unit()) {
            way.succeed(unit).await.map_err(|problem| failed(way.demo, problem))?;
        }
    }
    Ok(())
}

/// The first project that still waits for its idea's gate, if one does: its id.
pub async fn waiting(address: SocketAddr, issuer: &Issuer) -> Result<Option<String>, String> {
    let people = People::new(address, issuer)?;
    let list = pb::ListProjectsRequest {
        organisation: DEMO_ORGANISATION.to_string(),
        page_size: 1,
        filter: "stage = IDEA".to_owned(),
        ..Default::default()
    };
    let call = people.role(Role::PortfolioOffice)?.ask(list);
    let found = answered(people.projects().list_projects(call).await)?.projects;
    Ok(found.into_iter().next().map(|project| project.id))
}

/// One who acts.
#[derive(Clone)]
struct Caller(AsciiMetadataValue);

impl Caller {
    /// The request, in this person's name.
    fn ask<T>(&self, request: T) -> Request<T> {
        let mut request = Request::new(request);
        request.metadata_mut().insert("authorization", self.0.clone());
        request
    }

    /// The same of a command, under this idempotency key.
    fn call<T>(&self, key: &str, request: T) -> Result<Request<T>, String> {
        let mut request = self.ask(request);
        let key = key.parse().map_err(|_| format!("{key} is no idempotency key"))?;
        request.metadata_mut().insert("idempotency-key", key);
        Ok(request)
    }
}

/// What the service answered.
fn answered<T>(answer: Result<Response<T>, Status>) -> Result<T, String> {
    answer.map(Response::into_inner).map_err(|status| status.to_string())
}

/// The same of a call that may be refused for one of these reasons: then nothing.
fn unless_refused<T>(answer: Result<Response<T>, Status>, reasons: &[&str]) -> Result<Option<T>, String> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) => {
            let reason = status.get_details_error_info().map(|info| info.reason);
            let named = reason.is_some_and(|reason| reasons.contains(&reason.as_str()));
            if named { Ok(None) } else { Err(status.to_string()) }
        }
    }
}

/// Those who act: each with a token of their own, over one connection.
struct People<'i> {
    issuer: &'i Issuer,
    channel: Channel,
    known: Mutex<BTreeMap<String, Caller>>,
}

impl<'i> People<'i> {
    fn new(address: SocketAddr, issuer: &'i Issuer) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
        Ok(Self { issuer, channel: endpoint.connect_lazy(), known: Mutex::default() })
    }

    /// Who of that name has the role, and always has the same.
    fn person(&self, name: &str, role: Role) -> Result<Caller, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = known.get(name) {
            return Ok(caller.clone());
        }
        let token = self.issuer.token(name, DEMO_ORGANISATION, &[role])?;
        let header = format!("Bearer {token}").parse();
        let caller = header.map(Caller).map_err(|_| "a token that is no header".to_owned())?;
        known.insert(name.to_owned(), caller.clone());
        Ok(caller)
    }

    /// Who has the role in the whole organisation.
    fn role(&self, role: Role) -> Result<Caller, String> {
        self.person(role.name(), role)
    }

    fn projects(&self) -> ProjectServiceClient<Channel> {
        ProjectServiceClient::new(self.channel.clone())
    }

    fn gates(&self) -> GateServiceClient<Channel> {
        GateServiceClient::new(self.channel.clone())
    }

    fn dossiers(&self) -> DossierServiceClient<Channel> {
        DossierServiceClient::new(self.channel.clone())
    }

    fn benefits(&self) -> BenefitServiceClient<Channel> {
        BenefitServiceClient::new(self.channel.clone())
    }

    fn maps(&self) -> BenefitMapServiceClient<Channel> {
        BenefitMapServiceClient::new(self.channel.clone())
    }

    fn strategy(&self) -> StrategyServiceClient<Channel> {
        StrategyServiceClient::new(self.channel.clone())
    }

    fn realisation(&self) -> RealisationServiceClient<Channel> {
        RealisationServiceClient::new(self.channel.clone())
    }

    fn funding(&self) -> FundingServiceClient<Channel> {
        FundingServiceClient::new(self.channel.clone())
    }

    fn plans(&self) -> PlanServiceClient<Channel> {
        PlanServiceClient::new(self.channel.clone())
    }

    fn lessons(&self) -> LessonServiceClient<Channel> {
        LessonServiceClient::new(self.channel.clone())
    }

    /// Who sees to each criterion that people settle: the first of the roles that it names.
    async fn assessors(&self) -> Result<BTreeMap<String, Role>, String> {
        let ask = pb::GetGateModelRequest { organisation: DEMO_ORGANISATION.to_string(), gate_model: None };
        let call = self.role(Role::PortfolioOffice)?.ask(ask);
        let model = answered(self.gates().get_gate_model(call).await)?.gate_model.unwrap_or_default();
        let first = |criterion: pb::Criterion| Some((criterion.code, criterion.assessors.first()?.parse().ok()?));
        Ok(model.definition.unwrap_or_default().criteria.into_iter().filter_map(first).collect())
    }

    async fn unit(&self, name: &str) -> Result<pb::OrgUnit, String> {
        let request = pb::CreateOrgUnitRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            name: name.to_owned(),
            leader: Some(leader(name)),
            is_operational_area: !STAFF.contains(&name),
            ..Default::default()
        };
        let call = self.role(Role::PortfolioOffice)?.call(&format!("demo-unit-{}", slug(name)), request)?;
        Ok(answered(self.organisations().create_org_unit(call).await)?.org_unit.unwrap_or_default())
    }

    fn organisations(&self) -> OrganisationServiceClient<Channel> {
        OrganisationServiceClient::new(self.channel.clone())
    }
}

/// Who leads the unit of this name.
fn leader(unit: &str) -> String {
    format!("leder-{}", slug(unit))
}

/// A name as it can stand in a subject, key or link.
fn slug(name: &str) -> String {
    let ascii = name.to_lowercase().replace('æ', "ae").replace('ø', "oe").replace('å', "aa");
    let words: Vec<&str> =
        ascii.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}
