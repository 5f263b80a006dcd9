//! The demo data: an invented municipality's units, fifteen projects, their gates and benefits, put in through the
//! service's own API, by people with different roles. Every call carries its idempotency key, so that filling in which
//! was interrupted goes on where it stopped.

use std::{collections::BTreeMap, net::SocketAddr};

use gevinst_proto::v1::{
    self as pb, benefit_service_client::BenefitServiceClient, gate_service_client::GateServiceClient,
    organisation_service_client::OrganisationServiceClient, project_service_client::ProjectServiceClient,
};
use serde::Deserialize;
use tonic::{Request, metadata::AsciiMetadataValue};

use super::{DEMO_ORGANISATION, issuer::Issuer};
use crate::auth::Role;

/// The demo file, as far as it is read here; the rest is for later capabilities.
#[derive(Deserialize)]
pub struct Data {
    /// The municipality.
    pub organisation: Municipality,
    areas: Vec<Area>,
    projects: Vec<DemoProject>,
}

/// The invented municipality.
#[derive(Deserialize)]
pub struct Municipality {
    /// Its name.
    pub name: String,
    /// Its code.
    pub code: String,
}

#[derive(Deserialize)]
struct Area {
    name: String,
}

#[derive(Deserialize)]
struct DemoProject {
    id: String,
    title: Title,
    area: String,
    class: String,
    vision: String,
    gates: Vec<String>,
    register: Vec<DemoBenefit>,
    flows_tkr: Flows,
}

#[derive(Deserialize)]
struct Title {
    da: String,
}

#[derive(Deserialize)]
struct Flows {
    benefit: Vec<i64>,
}

#[derive(Deserialize)]
struct DemoBenefit {
    title: String,
    kind: String,
    measure: String,
    unit: String,
    baseline: String,
    target: String,
    actual: Option<String>,
}

/// Reads the demo file.
pub fn data() -> Result<Data, String> {
    serde_json::from_str(include_str!("hedeby.json")).map_err(|error| format!("hedeby.json: {error}"))
}

/// Units that projects belong to and that run no daily operation of their own.
const STAFF: [&str; 2] = ["Direktionssekretariat", "It & Digitalisering og stab"];

/// Puts everything in.
pub async fn fill(address: SocketAddr, issuer: &Issuer) -> Result<(), String> {
    let data = data()?;
    let people = People::new(address, issuer)?;
    let mut units = BTreeMap::new();
    let projects_of = data.projects.iter().map(|project| unit_of(&project.area));
    for name in data.areas.iter().map(|area| area.name.as_str()).chain(projects_of) {
        if !units.contains_key(name) {
            units.insert(name.to_owned(), people.unit(name).await?);
        }
    }
    for project in &data.projects {
        let unit = units.get(unit_of(&project.area)).cloned().unwrap_or_default();
        people.project(project, unit).await.map_err(|problem| format!("demo project {}: {problem}", project.id))?;
    }
    Ok(())
}

/// P12 names its area by its short name.
fn unit_of(area: &str) -> &str {
    if area == "It & Digitalisering" { "It & Digitalisering og stab" } else { area }
}

/// One who acts.
struct Caller(AsciiMetadataValue);

impl Caller {
    fn new(token: &str) -> Result<Self, String> {
        format!("Bearer {token}").parse().map(Self).map_err(|_| "a token that is no header".to_owned())
    }

    /// The request, in this person's name, under this idempotency key.
    fn call<T>(&self, key: &str, request: T) -> Result<Request<T>, String> {
        let mut request = Request::new(request);
        let key = key.parse().map_err(|_| format!("{key} is no idempotency key"))?;
        request.metadata_mut().insert("authorization", self.0.clone());
        request.metadata_mut().insert("idempotency-key", key);
        Ok(request)
    }
}

/// Those who act: each with a token of their own.
struct People {
    office: Caller,
    steering: Caller,
    address: SocketAddr,
}

impl People {
    fn new(address: SocketAddr, issuer: &Issuer) -> Result<Self, String> {
        let caller = |role: Role| {
            let token = issuer.token(role.name(), DEMO_ORGANISATION, &[role])?;
            Caller::new(&token)
        };
        Ok(Self { office: caller(Role::PortfolioOffice)?, steering: caller(Role::SteeringGroup)?, address })
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn unit(&self, name: &str) -> Result<String, String> {
        let mut client =
            OrganisationServiceClient::connect(self.endpoint()).await.map_err(|error| error.to_string())?;
        let request = pb::CreateOrgUnitRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            name: name.to_owned(),
            leader: Some(format!("leder-{}", slug(name))),
            is_operational_area: !STAFF.contains(&name),
            ..Default::default()
        };
        let call = self.office.call(&format!("demo-unit-{}", slug(name)), request)?;
        let answer = client.create_org_unit(call).await.map_err(|status| status.to_string())?.into_inner();
        Ok(answer.org_unit.unwrap_or_default().id)
    }

    async fn project(&self, demo: &DemoProject, unit: String) -> Result<(), String> {
        let mut client = ProjectServiceClient::connect(self.endpoint()).await.map_err(|error| error.to_string())?;
        let class = pb::ProjectClass::from_str_name(&format!("PROJECT_CLASS_{}", demo.class));
        let request = pb::RegisterProjectRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            title: demo.title.da.clone(),
            vision: demo.vision.clone(),
            org_unit: unit,
            project_owner: format!("projektejer-{}", demo.id.to_lowercase()),
            project_manager: format!("projektleder-{}", demo.id.to_lowercase()),
            project_class: class.unwrap_or_default().into(),
            ..Default::default()
        };
        let call = self.office.call(&format!("demo-{}-register", demo.id), request)?;
        let answer = client.register_project(call).await.map_err(|status| status.to_string())?.into_inner();
        let project = answer.project.unwrap_or_default().id;
        // The case's benefits, then the gates, then what was measured: as it would have happened.
        let mut measured = Vec::new();
        for (number, benefit) in demo.register.iter().enumerate() {
            let id = self.benefit(demo, number, benefit, &project).await?;
            measured.extend(benefit.actual.as_ref().map(|actual| (number, id, actual)));
        }
        for gate in &demo.gates {
            self.gate(demo, gate, &project).await?;
        }
        for (number, benefit, actual) in measured {
            self.measurement(demo, number, benefit, actual).await?;
        }
        Ok(())
    }

    async fn benefit(
        &self,
        demo: &DemoProject,
        number: usize,
        benefit: &DemoBenefit,
        project: &str,
    ) -> Result<String, String> {
        let mut client = BenefitServiceClient::connect(self.endpoint()).await.map_err(|error| error.to_string())?;
        let kind = pb::BenefitKind::from_str_name(&format!("BENEFIT_KIND_{}", benefit.kind)).unwrap_or_default();
        // Thousands of kroner in the file, øre here.
        let full_year = demo.flows_tkr.benefit.last().copied().unwrap_or_default() * 1000 * 100;
        let request = pb::CreateBenefitRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: project.to_owned(),
            title: benefit.title.clone(),
            kind: kind.into(),
            measure: Some(pb::Measure { name: benefit.measure.clone(), unit: benefit.unit.clone() }),
            baseline: benefit.baseline.clone(),
            target: benefit.target.clone(),
            owner: format!("gevinstejer-{}", demo.id.to_lowercase()),
            planned_annual_value: (kind == pb::BenefitKind::Economic)
                .then_some(pb::Money { ore: full_year, price_level_year: 2026 }),
            validate_only: false,
        };
        let call = self.office.call(&format!("demo-{}-benefit-{number}", demo.id), request)?;
        let answer = client.create_benefit(call).await.map_err(|status| status.to_string())?.into_inner();
        Ok(answer.benefit.unwrap_or_default().id)
    }

    /// "G1:GO" submits and decides; "G3:" only submits.
    async fn gate(&self, demo: &DemoProject, gate: &str, project: &str) -> Result<(), String> {
        let (code, outcome) = gate.split_once(':').unwrap_or((gate, ""));
        let mut client = GateServiceClient::connect(self.endpoint()).await.map_err(|error| error.to_string())?;
        let code_number = pb::GateCode::from_str_name(&format!("GATE_CODE_{code}")).unwrap_or_default();
        let request = pb::SubmitGateReviewRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: project.to_owned(),
            gate: code_number.into(),
            ..Default::default()
        };
        let call = self.office.call(&format!("demo-{}-submit-{code}", demo.id), request)?;
        let answer = client.submit_gate_review(call).await.map_err(|status| status.to_string())?.into_inner();
        let Some(outcome) = pb::GateOutcome::from_str_name(&format!("GATE_OUTCOME_{outcome}")) else {
            return Ok(());
        };
        let request = pb::DecideGateReviewRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: project.to_owned(),
            gate_review: answer.gate_review.unwrap_or_default().id,
            outcome: outcome.into(),
            reason: "Demobeslutning".to_owned(),
            ..Default::default()
        };
        let call = self.steering.call(&format!("demo-{}-decide-{code}", demo.id), request)?;
        client.decide_gate_review(call).await.map(drop).map_err(|status| status.to_string())
    }

    async fn measurement(
        &self,
        demo: &DemoProject,
        number: usize,
        benefit: String,
        actual: &str,
    ) -> Result<(), String> {
        let mut client = BenefitServiceClient::connect(self.endpoint()).await.map_err(|error| error.to_string())?;
        let request = pb::RecordMeasurementRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            benefit,
            value: actual.to_owned(),
            measured_on: "2026-06-30".to_owned(),
            source: "Opgørelse fra driften".to_owned(),
            validate_only: false,
        };
        let call = self.office.call(&format!("demo-{}-measure-{number}", demo.id), request)?;
        client.record_measurement(call).await.map(drop).map_err(|status| status.to_string())
    }
}

/// A name as it can stand in a subject or key.
fn slug(name: &str) -> String {
    let ascii = name.to_lowercase().replace('æ', "ae").replace('ø', "oe").replace('å', "aa");
    let words: Vec<&str> =
        ascii.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}
