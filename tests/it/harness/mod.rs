//! A cluster for the run, a server for each test, and people who call it.

pub mod calls;
pub mod http;
pub mod process;
mod proxy;
pub mod raw;
pub mod requests;
pub mod rows;
mod tools;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        LazyLock, Once,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gevinst::{
    auth::{Role, authority::Asker},
    config::{Config, Limits, Secret},
    ctx::Clock,
    db::postgres,
    dev::{issuer::Issuer, postgres::Cluster},
    gates::model,
    ids::OrganisationId,
    migrate,
    organisations::{self, Founding},
    server::Server,
    telemetry,
};
use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, TransactionTrait};
use tokio::net::{TcpSocket, TcpStream};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use self::process::Serving;
pub use self::{
    calls::{Failure, Person},
    proxy::Proxy,
    tools::tool,
};

/// Where the run's PostgreSQL is, and how to reach it.
pub struct Urls {
    /// As the cluster's superuser.
    pub admin: String,
    /// As the owner of the schema.
    pub owner: String,
    /// As the runtime role.
    pub runtime: String,
    /// The folder of the cluster and of the issuer's key.
    pub folder: PathBuf,
}

/// The run's own cluster, migrated. Its server lives and dies with a thread that never ends before the process.
pub static CLUSTER: LazyLock<Urls> = LazyLock::new(|| {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let folder = folder("it");
        // Nothing here outlives the run, so nothing needs to survive a power cut; `chaos` has a durable one.
        let port = gevinst::dev::postgres::free_port().unwrap();
        let settings = ["fsync=off", "max_connections=400"];
        let cluster = Cluster::start_on(&folder.join("postgres"), port, &settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let applied = runtime.block_on(async {
            let owner = migrate::connect(&Secret::new(cluster.owner_url())).await.unwrap();
            let applied = migrate::up(&owner).await.unwrap();
            owner.close().await.unwrap();
            applied
        });
        assert_eq!(applied.len(), gevinst_migrations::names().count());
        let urls =
            Urls { admin: cluster.admin_url(), owner: cluster.owner_url(), runtime: cluster.runtime_url(), folder };
        tell.send(urls).unwrap();
        loop {
            thread::park();
        }
    });
    told.recv().expect("the run's PostgreSQL starts")
});

/// A new folder that PostgreSQL's user can reach.
pub fn folder(name: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(&format!("gevinst-{name}-")).tempdir().unwrap().keep();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// The run's issuer.
pub static ISSUER: LazyLock<Issuer> = LazyLock::new(|| Issuer::open(&CLUSTER.folder).unwrap());

/// The id (`jti`) of a token.
pub fn token_id(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

/// The settings that a test's server starts with.
pub fn config() -> Config {
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        database_url: Secret::new(&CLUSTER.runtime),
        database_connections: 8,
        issuers: vec![ISSUER.trusted()],
        policies: None,
        max_deadline: Duration::from_secs(20),
        max_concurrent_calls: 256,
        // Tests are many calls of few, from one address.
        limits: Limits::unlimited(),
        tls: None,
        trusted_proxies: Vec::new(),
        // All servers share a database, and with it one clock's lease, and each test moves its server's time: what one
        // finds overdue another may not. Tests of the clock have databases of their own.
        clock: None,
        drain: Duration::from_secs(10),
        otlp_endpoint: None,
        trace_ratio: 1.0,
        trust_traceparent: true,
        log: "info".to_owned(),
    }
}

/// A database connection as the schema's owner, to found organisations.
pub async fn owner() -> DatabaseConnection {
    migrate::connect(&Secret::new(&CLUSTER.owner)).await.unwrap()
}

/// A database connection as the runtime role, for what the service would never ask.
pub async fn runtime_role() -> DatabaseConnection {
    Database::connect(&CLUSTER.runtime).await.unwrap()
}

/// Founds an organisation with a code of its own, and a gate model that asks nothing: most tests are about other things.
pub async fn found(owner: &DatabaseConnection) -> Uuid {
    let organisation = found_as_shipped(owner).await;
    let (definition, sha256) = model::canonical(&bare_model()).unwrap();
    let tx = owner.begin().await.unwrap();
    let organisation_id = organisation.to_string();
    tx.query_one_raw(postgres("SELECT set_config('app.organisation', $1, true)", [organisation_id.into()]))
        .await
        .unwrap();
    let sql = "INSERT INTO gate_models (organisation_id, id, name, version, definition, sha256, publisher, reason, \
        published_at) VALUES ($1, gen_random_uuid(), 'Uden kriterier', 1, $2, $3, 'test', 'test', '2026-01-01T00:00:00Z')";
    tx.execute_raw(postgres(sql, [organisation.into(), definition.into(), sha256.into()])).await.unwrap();
    tx.commit().await.unwrap();
    organisation
}

/// The gates and tracks of the model that is shipped, asking nothing.
pub fn bare_model() -> pb::GateModelDefinition {
    let shipped = model::shipped().unwrap().definition.clone();
    pb::GateModelDefinition {
        name: "Uden kriterier".to_owned(),
        gates: shipped.gates,
        tracks: shipped.tracks,
        ..Default::default()
    }
}

/// Founds an organisation with a code of its own, as an operator does: under the gate model that is shipped.
pub async fn found_as_shipped(owner: &DatabaseConnection) -> Uuid {
    static NEXT: AtomicU32 = AtomicU32::new(1000);
    let founding = Founding {
        id: None,
        name: "Prøvekøbing Kommune".to_owned(),
        code: NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
        number_prefix: "PRK".to_owned(),
    };
    organisations::found(owner, &founding, &Clock::default()).await.unwrap()
}

/// What a test has: a server, an organisation, and a clock to move.
pub struct World {
    /// The organisation.
    pub organisation: Uuid,
    /// The server's clock.
    pub clock: Clock,
    /// Where calls are served.
    pub address: SocketAddr,
    /// Where probes and metrics are served.
    pub admin: SocketAddr,
    /// Where people call from over HTTP, and how.
    pub client: reqwest::Client,
    from: Option<IpAddr>,
    channel: Channel,
    server: Option<Server>,
}

impl World {
    /// A server of the usual settings and a fresh organisation.
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    /// A server of the usual settings and a fresh organisation under the gate model that is shipped.
    pub async fn shipped() -> Self {
        let world = Self::new().await;
        let owner = owner().await;
        let organisation = found_as_shipped(&owner).await;
        owner.close().await.unwrap();
        Self { organisation, ..world }
    }

    /// A server of these settings and a fresh organisation.
    pub async fn with(config: Config) -> Self {
        Self::founded_by(owner().await, config).await
    }

    /// A server of these settings on a database of the test's own (`cli::migrated`), and a fresh organisation in it.
    pub async fn on(database: &str, config: Config) -> Self {
        let config = Config { database_url: Secret::new(crate::cli::url(&CLUSTER.runtime, database)), ..config };
        Self::founded_by(crate::cli::owner(database).await, config).await
    }

    async fn founded_by(owner: DatabaseConnection, config: Config) -> Self {
        static TELEMETRY: Once = Once::new();
        TELEMETRY.call_once(|| {
            // Trace ids are made without a collector. GEVINST_TEST_LOG=info shows what the servers log.
            let log = std::env::var("GEVINST_TEST_LOG").unwrap_or_else(|_| "off".to_owned());
            drop(telemetry::init(&log, None, 1.0).unwrap());
        });
        let organisation = found(&owner).await;
        owner.close().await.unwrap();
        let clock = Clock::default();
        let server = Server::start(&config, clock.clone()).await.unwrap();
        let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect_lazy();
        Self {
            organisation,
            clock,
            address: server.address,
            admin: server.admin_address,
            client: http::CLIENT.clone(),
            from: None,
            channel,
            server: Some(server),
        }
    }

    /// A fresh organisation behind the same server.
    pub async fn elsewhere(&self) -> World {
        let owner = owner().await;
        let organisation = found(&owner).await;
        owner.close().await.unwrap();
        World {
            organisation,
            clock: self.clock.clone(),
            address: self.address,
            admin: self.admin,
            client: self.client.clone(),
            from: self.from,
            channel: self.channel.clone(),
            server: None,
        }
    }

    /// The same organisation behind another server, of these settings.
    pub async fn behind_another(&self, config: Config) -> World {
        let server = Server::start(&config, self.clock.clone()).await.unwrap();
        World {
            organisation: self.organisation,
            clock: self.clock.clone(),
            address: server.address,
            admin: server.admin_address,
            client: http::CLIENT.clone(),
            from: None,
            channel: Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect_lazy(),
            server: Some(server),
        }
    }

    /// A fresh organisation behind a server in a process of its own.
    pub async fn behind(process: &Serving) -> World {
        let owner = owner().await;
        let organisation = found(&owner).await;
        owner.close().await.unwrap();
        World {
            organisation,
            clock: Clock::default(),
            address: process.address,
            admin: process.admin,
            client: http::CLIENT.clone(),
            from: None,
            channel: Endpoint::from_shared(format!("http://{}", process.address)).unwrap().connect_lazy(),
            server: None,
        }
    }

    /// The same organisation behind the same server, whose people call from this address.
    pub fn seen_from(&self, from: IpAddr) -> World {
        let world = World {
            organisation: self.organisation,
            clock: self.clock.clone(),
            address: self.address,
            admin: self.admin,
            client: http::client(Some(from)),
            from: Some(from),
            channel: self.channel.clone(),
            server: None,
        };
        World { channel: world.new_channel(), ..world }
    }

    /// A channel that nobody else uses.
    pub fn new_channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.local_address(self.from).connect_lazy()
    }

    /// A connection that speaks nothing yet.
    pub async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(from) = self.from {
            socket.bind(SocketAddr::from((from, 0))).unwrap();
        }
        socket.connect(self.address).await.unwrap()
    }

    /// A person's token, for a client that is not ours.
    pub fn token(&self, name: &str, roles: &[Role]) -> String {
        ISSUER.token(name, self.organisation, roles).unwrap()
    }

    /// A person with these roles here.
    pub fn person(&self, name: &str, roles: &[Role]) -> Person {
        self.stranger(Some(self.token(name, roles)))
    }

    /// A program with these roles here, which acts for itself.
    pub fn service(&self, name: &str, roles: &[Role]) -> Person {
        let token = ISSUER.service_token(name, self.organisation, roles).unwrap();
        self.stranger(Some(token))
    }

    /// Someone with a token of the test's making, or without one.
    pub fn stranger(&self, token: Option<String>) -> Person {
        Person::new(self.channel.clone(), token).at(self.address).through(self.client.clone())
    }

    /// The portfolio office.
    pub fn office(&self) -> Person {
        self.person("office", &[Role::PortfolioOffice])
    }

    /// A member of the steering group.
    pub fn steering(&self) -> Person {
        self.person("steering", &[Role::SteeringGroup])
    }

    /// The manager of the projects that `project` registers.
    pub fn manager(&self) -> Person {
        self.person("manager", &[Role::ProjectManager])
    }

    /// The owner of the benefits that `benefit` creates.
    pub fn benefit_owner(&self) -> Person {
        self.person("owner", &[Role::BenefitOwner])
    }

    /// An auditor.
    pub fn auditor(&self) -> Person {
        self.person("auditor", &[Role::Auditor])
    }

    /// The organisation's id, as requests carry it.
    pub fn id(&self) -> String {
        self.organisation.to_string()
    }

    /// A unit of that name.
    pub async fn unit(&self, name: &str) -> pb::OrgUnit {
        let request = pb::CreateOrgUnitRequest {
            organisation: self.id(),
            name: name.to_owned(),
            leader: Some("leader".to_owned()),
            is_operational_area: true,
            ..Default::default()
        };
        self.office().call(request).await.unwrap().org_unit.unwrap()
    }

    /// A portfolio of that name.
    pub async fn portfolio(&self, name: &str) -> pb::Portfolio {
        let request =
            pb::CreatePortfolioRequest { organisation: self.id(), name: name.to_owned(), ..Default::default() };
        self.office().call(request).await.unwrap().portfolio.unwrap()
    }

    /// A registration with all that it must have.
    pub fn registration(&self, unit: &pb::OrgUnit, title: &str) -> pb::RegisterProjectRequest {
        pb::RegisterProjectRequest {
            organisation: self.id(),
            title: title.to_owned(),
            vision: "Det skal være nemmere.".to_owned(),
            org_unit: unit.id.clone(),
            project_owner: "project-owner".to_owned(),
            project_manager: "manager".to_owned(),
            project_class: pb::ProjectClass::Efficiency.into(),
            ..Default::default()
        }
    }

    /// A registered project in a unit of its own.
    pub async fn project(&self) -> pb::Project {
        static UNITS: AtomicU32 = AtomicU32::new(1);
        let unit = self.unit(&format!("Afdeling {}", UNITS.fetch_add(1, Ordering::Relaxed))).await;
        self.office().call(self.registration(&unit, "Et projekt")).await.unwrap().project.unwrap()
    }

    /// A registered project with more money appropriated to it than it will ask for.
    pub async fn funded(&self) -> pb::Project {
        let project = self.project().await;
        self.appropriated(&project, 10_000_000_000_000).await;
        project
    }

    /// The project as it is now.
    pub async fn reread(&self, project: &pb::Project) -> pb::Project {
        let request = pb::GetProjectRequest { organisation: self.id(), project: project.id.clone() };
        self.office().call(request).await.unwrap().project.unwrap()
    }

    /// A submission to a gate.
    pub fn submission(&self, project: &pb::Project, gate: pb::GateCode) -> pb::SubmitGateReviewRequest {
        pb::SubmitGateReviewRequest {
            organisation: self.id(),
            project: project.id.clone(),
            gate: gate.into(),
            ..Default::default()
        }
    }

    /// A review of the project, submitted by the portfolio office.
    pub async fn submitted(&self, project: &pb::Project, gate: pb::GateCode) -> pb::GateReview {
        self.office().call(self.submission(project, gate)).await.unwrap().gate_review.unwrap()
    }

    /// A decision on a review, with what its outcome asks for.
    pub fn decision(&self, review: &pb::GateReview, outcome: pb::GateOutcome) -> pb::DecideGateReviewRequest {
        let hold = outcome == pb::GateOutcome::Hold;
        let upon = outcome == pb::GateOutcome::GoWithConditions;
        pb::DecideGateReviewRequest {
            hold_reasons: if hold { vec![pb::HoldReason::ChangeLoad.into()] } else { Vec::new() },
            conditions: if upon { vec![self.condition("2999-12-31")] } else { Vec::new() },
            organisation: self.id(),
            project: review.project.clone(),
            gate_review: review.id.clone(),
            outcome: outcome.into(),
            reason: "Godt begrundet.".to_owned(),
            ..Default::default()
        }
    }

    /// A blocking condition to be met by that day.
    pub fn condition(&self, due_on: &str) -> pb::NewCondition {
        pb::NewCondition {
            title: "Supplér konsekvensanalysen.".to_owned(),
            owner: "condition-owner".to_owned(),
            due_on: due_on.to_owned(),
            blocking: true,
        }
    }

    /// A lesson to publish.
    pub fn lesson(&self, project: &pb::Project) -> pb::PublishLessonRequest {
        pb::PublishLessonRequest {
            organisation: self.id(),
            project: project.id.clone(),
            what: "Det virkede ikke i praksis.".to_owned(),
            why: "Ingen spurgte dem, der skulle bruge det.".to_owned(),
            advice: "Spørg først.".to_owned(),
            ..Default::default()
        }
    }

    /// An appropriation to record for a project.
    pub fn appropriation(&self, project: &pb::Project, amount_ore: i64) -> pb::RecordAppropriationRequest {
        pb::RecordAppropriationRequest {
            organisation: self.id(),
            project: project.id.clone(),
            basis: pb::AppropriationBasis::CouncilDecision.into(),
            expenditure_type: pb::ExpenditureType::Operating.into(),
            body: "Kommunalbestyrelsen".to_owned(),
            decided_on: "2026-01-29".to_owned(),
            case_number: "2026-03".to_owned(),
            amount_ore,
            first_year: 2026,
            ..Default::default()
        }
    }

    /// A project with money appropriated to it.
    pub async fn appropriated(&self, project: &pb::Project, amount_ore: i64) {
        self.office().call(self.appropriation(project, amount_ore)).await.unwrap();
    }

    /// How ready a project is for its next gate, to release so much.
    pub async fn readiness(&self, project: &pb::Project, amount_ore: i64) -> pb::GetGateReadinessResponse {
        let request = pb::GetGateReadinessRequest {
            organisation: self.id(),
            project: project.id.clone(),
            amount_ore,
            ..Default::default()
        };
        self.office().call(request).await.unwrap()
    }

    /// An assessment to record of a project at its next gate.
    pub fn assessment(&self, project: &pb::Project, criterion: &str, grade: pb::Grade) -> pb::AssessCriterionRequest {
        pb::AssessCriterionRequest {
            organisation: self.id(),
            project: project.id.clone(),
            criterion: criterion.to_owned(),
            grade: grade.into(),
            reason: "Gennemgået.".to_owned(),
            evidence: vec![pb::EvidenceLink {
                title: "Notat".to_owned(),
                uri: "https://sager.example.dk/2026-03/notat".to_owned(),
                sha256: String::new(),
            }],
            ..Default::default()
        }
    }

    /// Everybody who may assess what the shipped model leaves to people.
    pub fn assessors(&self) -> Person {
        let roles = [Role::PortfolioOffice, Role::AreaLeader, Role::AssessorCiso, Role::AssessorDpo, Role::AssessorUx];
        self.person("assessor", &roles)
    }

    /// Meets every must of the shipped model that the project's next gate asks, as its people would.
    pub async fn made_ready(&self, project: &pb::Project, amount_ore: i64) -> pb::GetGateReadinessResponse {
        let (organisation, id) = (self.id(), project.id.clone());
        for missing in self.readiness(project, amount_ore).await.criteria {
            if missing.met || !missing.applies || missing.strength() != pb::CriterionStrength::Must {
                continue;
            }
            if missing.kind() != pb::CriterionKind::Rule {
                let grade = self.assessment(project, &missing.code, pb::Grade::Green);
                self.assessors().call(grade).await.unwrap();
                continue;
            }
            match missing.code.as_str() {
                "S29_BENEFIT" => drop(self.benefit(project, "46", "35").await),
                "S29_BENEFITS_PROFILED" => {
                    for benefit in self.benefits(project).await {
                        self.plan(&benefit).await;
                    }
                }
                "S30_KINDS_ANSWERED" => {
                    let changes = pb::ProjectChanges {
                        single_kind_reason: Some("Der spares intet.".to_owned()),
                        ..Default::default()
                    };
                    let request = pb::UpdateProjectRequest {
                        organisation: organisation.clone(),
                        project: id.clone(),
                        changes: Some(changes),
                        update_mask: None,
                        etag: self.reread(project).await.etag,
                        validate_only: false,
                    };
                    self.office().call(request).await.unwrap();
                }
                "I11_OWNERS_ACCEPTED" => {
                    for benefit in self.benefits(project).await {
                        self.accept(&benefit).await;
                    }
                }
                "S10_BASELINE" => drop(self.office().call(self.baseline(project, 100_000_000)).await.unwrap()),
                "S09_INCREMENTS" => drop(self.office().call(self.increment(project, 1_000_000)).await.unwrap()),
                "S09_STEP_DONE" => {
                    let plan = pb::GetProjectPlanRequest { organisation: organisation.clone(), project: id.clone() };
                    let plan = self.office().call(plan).await.unwrap().plan.unwrap();
                    let request = pb::EndIncrementRequest {
                        organisation: organisation.clone(),
                        project: id.clone(),
                        increment: plan.increments[0].id.clone(),
                        done: true,
                        result: "Taget i brug.".to_owned(),
                        validate_only: false,
                    };
                    self.office().call(request).await.unwrap();
                }
                "I21_BENEFIT_MAP" => self.mapped(project).await,
                "S29_MEASURED" => {
                    for benefit in self.benefits(project).await {
                        self.office().call(self.measurement(&benefit, "40", "2026-01-31")).await.unwrap();
                    }
                }
                "S30_OUTCOMES" => {
                    let filter = format!("project = \"{id}\"");
                    let request =
                        pb::ListBenefitsRequest { organisation: organisation.clone(), filter, ..Default::default() };
                    for benefit in self.office().call(request).await.unwrap().benefits {
                        self.office().call(crate::realisation::review(self, &benefit)).await.unwrap();
                    }
                }
                "I05" => self.appropriated(project, amount_ore).await,
                "I20" => drop(self.office().call(self.lesson(project)).await.unwrap()),
                other => panic!("nobody here knows how to meet {other}"),
            }
        }
        self.readiness(project, amount_ore).await
    }

    /// A project's benefits.
    pub async fn benefits(&self, project: &pb::Project) -> Vec<pb::Benefit> {
        let filter = format!("project = \"{}\"", project.id);
        let request = pb::ListBenefitsRequest { organisation: self.id(), filter, ..Default::default() };
        self.office().call(request).await.unwrap().benefits
    }

    /// Plans a benefit: in its first year it is to reach its target.
    pub async fn plan(&self, benefit: &pb::Benefit) {
        let target = pb::BenefitTarget {
            target: benefit.target.clone(),
            value_ore: benefit.planned_annual_value.as_ref().map(|value| value.ore),
        };
        let request = pb::PlanBenefitRequest {
            organisation: self.id(),
            benefit: benefit.id.clone(),
            targets: vec![target],
            price_level_year: benefit.planned_annual_value.as_ref().map(|value| value.price_level_year),
            start: Some(starting("2027-01-01")),
            reason: "Plan.".to_owned(),
            etag: benefit.etag.clone(),
            ..Default::default()
        };
        self.office().call(request).await.unwrap();
    }

    /// Lets who is named as a benefit's owner accept it, by an exception.
    pub async fn accept(&self, benefit: &pb::Benefit) {
        let (organisation, id) = (self.id(), benefit.id.clone());
        let request = pb::NominateBenefitOwnerRequest {
            organisation: organisation.clone(),
            benefit: id.clone(),
            nominee: benefit.owner.clone(),
            reason: "Driften er deres.".to_owned(),
            exception_reason: "Kender området bedst.".to_owned(),
            validate_only: false,
        };
        let nominated = self.office().call(request).await.unwrap().ownership.unwrap();
        if nominated.state() == pb::BenefitOwnershipState::AwaitingApproval {
            let request = pb::ApproveBenefitOwnerExceptionRequest {
                organisation: organisation.clone(),
                benefit: id.clone(),
                ownership: nominated.id,
                reason: "Enig.".to_owned(),
                ..Default::default()
            };
            self.steering().call(request).await.unwrap();
        }
        let request = pb::AcceptBenefitOwnershipRequest { organisation, benefit: id, ..Default::default() };
        self.person(&benefit.owner, &[]).call(request).await.unwrap();
    }

    /// The project's benefits on a map, each leading to the principle that value is always given.
    async fn mapped(&self, project: &pb::Project) {
        let (organisation, benefits) = (self.id(), self.benefits(project).await);
        let node = |key: usize, benefit: &pb::Benefit| pb::BenefitMapNode {
            key: key.to_string(),
            kind: pb::BenefitMapNodeKind::Benefit.into(),
            benefit: Some(benefit.id.clone()),
            ..Default::default()
        };
        let goal = pb::BenefitMapNode {
            key: "goal".to_owned(),
            kind: pb::BenefitMapNodeKind::Goal.into(),
            principle: pb::Principle::GiveValue.into(),
            ..Default::default()
        };
        let edge = |key: usize| pb::BenefitMapEdge { from: key.to_string(), to: "goal".to_owned(), weight: 100 };
        let read = pb::GetBenefitMapRequest { organisation: organisation.clone(), project: project.id.clone() };
        let request = pb::SetBenefitMapRequest {
            organisation,
            project: project.id.clone(),
            nodes: benefits.iter().enumerate().map(|(key, benefit)| node(key, benefit)).chain([goal]).collect(),
            edges: (0..benefits.len()).map(edge).collect(),
            etag: self.office().call(read).await.unwrap().benefit_map.unwrap().etag,
            validate_only: false,
        };
        self.office().call(request).await.unwrap();
    }

    /// A baseline to set.
    pub fn baseline(&self, project: &pb::Project, budget_ore: i64) -> pb::SetProjectBaselineRequest {
        pb::SetProjectBaselineRequest {
            organisation: self.id(),
            project: project.id.clone(),
            budget_ore,
            end_on: "2027-06-30".to_owned(),
            scope: "Det hele, i små trin.".to_owned(),
            validate_only: false,
        }
    }

    /// An increment to plan.
    pub fn increment(&self, project: &pb::Project, budget_ore: i64) -> pb::PlanIncrementRequest {
        pb::PlanIncrementRequest {
            organisation: self.id(),
            project: project.id.clone(),
            goal: "Se, om det virker ét sted.".to_owned(),
            benefit: None,
            scope: "Én afdeling".to_owned(),
            budget_ore,
            start_on: "2026-01-05".to_owned(),
            days: 60,
            done_criteria: vec!["Halvdelen bruger det hver uge.".to_owned()],
            validate_only: false,
        }
    }

    /// The project taken through a gate, with this answer; the lesson published first that an end asks for (I20).
    pub async fn decided(
        &self,
        project: &pb::Project,
        gate: pb::GateCode,
        outcome: pb::GateOutcome,
    ) -> pb::DecideGateReviewResponse {
        if outcome == pb::GateOutcome::Kill || gate == pb::GateCode::G5 {
            self.office().call(self.lesson(project)).await.unwrap();
        }
        let review = self.submitted(project, gate).await;
        self.steering().call(self.decision(&review, outcome)).await.unwrap()
    }

    /// A qualitative benefit to create, from a baseline towards a target.
    pub fn benefit_request(&self, project: &pb::Project, baseline: &str, target: &str) -> pb::CreateBenefitRequest {
        pb::CreateBenefitRequest {
            organisation: self.id(),
            project: project.id.clone(),
            title: "Kortere sagstid".to_owned(),
            kind: pb::BenefitKind::Qualitative.into(),
            measure: Some(pb::Measure {
                name: "Sagstid".to_owned(),
                unit: "dage".to_owned(),
                method: "Median af afsluttede sager".to_owned(),
                source: "Sagssystemet".to_owned(),
                frequency: pb::MeasureFrequency::Quarterly.into(),
                aggregation: pb::MeasureAggregation::Latest.into(),
                ..Default::default()
            }),
            baseline: baseline.to_owned(),
            target: target.to_owned(),
            owner: "owner".to_owned(),
            ..Default::default()
        }
    }

    /// The same with a plan: one year, from the first of a month on.
    pub fn planned_request(&self, project: &pb::Project, from: &str) -> pb::CreateBenefitRequest {
        pb::CreateBenefitRequest {
            targets: vec![pb::BenefitTarget { target: "35".to_owned(), value_ore: None }],
            start: Some(starting(from)),
            ..self.benefit_request(project, "46", "35")
        }
    }

    /// An economic benefit: from 1,000 cases to 600 in two years from a day on, worth half of a million kroner in the first
    /// and a million in the second.
    pub fn economic_request(&self, project: &pb::Project, from: &str) -> pb::CreateBenefitRequest {
        let year = |target: &str, ore| pb::BenefitTarget { target: target.to_owned(), value_ore: Some(ore) };
        let measure = self.benefit_request(project, "1000", "600").measure.unwrap_or_default();
        pb::CreateBenefitRequest {
            title: "Færre sager i hånden".to_owned(),
            kind: pb::BenefitKind::Economic.into(),
            measure: Some(pb::Measure { aggregation: pb::MeasureAggregation::Average.into(), ..measure }),
            planned_annual_value: Some(pb::Money { ore: 100_000_000, price_level_year: 2026 }),
            cashability: pb::Cashability::Cashable.into(),
            targets: vec![year("800", 50_000_000), year("600", 100_000_000)],
            start: Some(starting(from)),
            ..self.benefit_request(project, "1000", "600")
        }
    }

    /// A qualitative benefit, from a baseline towards a target.
    pub async fn benefit(&self, project: &pb::Project, baseline: &str, target: &str) -> pb::Benefit {
        self.office().call(self.benefit_request(project, baseline, target)).await.unwrap().benefit.unwrap()
    }

    /// A measurement to record.
    pub fn measurement(&self, benefit: &pb::Benefit, value: &str, day: &str) -> pb::RecordMeasurementRequest {
        pb::RecordMeasurementRequest {
            organisation: self.id(),
            benefit: benefit.id.clone(),
            value: value.to_owned(),
            measured_on: day.to_owned(),
            source: "Sagssystemet".to_owned(),
            ..Default::default()
        }
    }

    /// The day in Denmark that it is in so many days by the world's clock.
    pub fn day(&self, days: i64) -> String {
        gevinst::wire::today(self.clock.now() + time::Duration::days(days)).to_string()
    }

    /// The executive board.
    pub fn board(&self) -> Person {
        self.person("board", &[Role::ExecutiveBoard])
    }

    /// Someone who sees all of the organisation, below the service's own calls.
    pub fn asker(&self) -> Asker {
        Asker::everything_in(OrganisationId::new(self.organisation), self.clock.now())
    }

    /// A request to grant a role in the whole organisation, to be passed on too.
    pub fn grant_request(&self, subject: &str, role: Role) -> pb::GrantRoleRequest {
        self.grant_at(subject, role, pb::ScopeKind::Organisation, &self.id())
    }

    /// A request to grant a role somewhere, to be passed on too.
    pub fn grant_at(&self, subject: &str, role: Role, kind: pb::ScopeKind, id: &str) -> pb::GrantRoleRequest {
        pb::GrantRoleRequest {
            organisation: self.id(),
            subject: subject.to_owned(),
            role: role as i32,
            scope: Some(pb::Scope { kind: kind.into(), id: id.to_owned() }),
            grantable: true,
            reason: "Udpeget.".to_owned(),
            ..Default::default()
        }
    }

    /// A role that somebody holds by grant, in the whole organisation.
    pub async fn granted(&self, subject: &str, role: Role) -> pb::RoleGrant {
        let granter = self.person("granter", &[role]);
        granter.call(self.grant_request(subject, role)).await.unwrap().role_grant.unwrap()
    }

    /// A request to lend a grant, from long ago for ever.
    pub fn loan(&self, grant: &pb::RoleGrant, delegate: &str) -> pb::ProposeDelegationRequest {
        pb::ProposeDelegationRequest {
            organisation: self.id(),
            role_grant: grant.id.clone(),
            delegate: delegate.to_owned(),
            valid_from: "2026-01-01".to_owned(),
            valid_until: "2999-12-31".to_owned(),
            reason: "Ferie.".to_owned(),
            validate_only: false,
        }
    }

    /// A grant lent, not yet approved.
    pub async fn lent(&self, grant: &pb::RoleGrant, delegate: &str) -> pb::Delegation {
        let lender = self.person(&grant.subject, &[Role::Reader]);
        lender.call(self.loan(grant, delegate)).await.unwrap().delegation.unwrap()
    }

    /// A grant lent and approved.
    pub async fn delegated(&self, grant: &pb::RoleGrant, delegate: &str) -> pb::Delegation {
        let delegation = self.lent(grant, delegate).await;
        let request =
            pb::ApproveDelegationRequest { organisation: self.id(), delegation: delegation.id, validate_only: false };
        self.board().call(request).await.unwrap().delegation.unwrap()
    }

    /// A rule of the authority matrix for the steering group.
    pub async fn rule(&self, max_amount_ore: i64, second_required: bool) -> pb::AuthorityRule {
        let request = pb::SetAuthorityRuleRequest {
            organisation: self.id(),
            role: Role::SteeringGroup as i32,
            max_amount_ore,
            max_risk_class: pb::RiskClass::High.into(),
            second_required,
            reason: "Vedtaget.".to_owned(),
            ..Default::default()
        };
        self.board().call(request).await.unwrap().authority_rule.unwrap()
    }

    /// A subject revoked.
    pub async fn denied(&self, subject: &str) -> pb::TokenDenial {
        let request = pb::DenyTokenRequest {
            organisation: self.id(),
            reason: "Fratrådt.".to_owned(),
            claim: pb::RevokedClaim::Subject.into(),
            value: subject.to_owned(),
            validate_only: false,
        };
        self.office().call(request).await.unwrap().token_denial.unwrap()
    }

    /// The audit entries that a filter finds, newest first.
    pub async fn audited(&self, filter: &str) -> Vec<pb::AuditEntry> {
        let request = pb::ListAuditEntriesRequest {
            organisation: self.id(),
            page_size: 200,
            filter: filter.to_owned(),
            ..Default::default()
        };
        self.auditor().call(request).await.unwrap().audit_entries
    }

    /// Stops the server, and waits until it has.
    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }
}

/// A start on a day.
pub fn starting(day: &str) -> pb::BenefitStart {
    pb::BenefitStart { event: pb::BenefitStartEvent::Date.into(), planned_on: day.to_owned(), ..Default::default() }
}
