//! Where the organisations stand: one server that trusts an issuer whose tokens limit roles to units, and SQL that puts
//! what was drawn into the tables, as the runtime role and past no trigger.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::Ed25519KeyPair;
use gevinst::{
    auth::{
        Caller, Role,
        issuers::{self, Issuer},
    },
    config::Secret,
    db::Db,
    ids::OrganisationId,
};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet},
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use strum::IntoEnumIterator;
use time::{Date, OffsetDateTime, macros::date};
use uuid::Uuid;

use super::drawn::{Change, Drawn, Look, PEOPLE, PORTFOLIOS, Period, Place};
use crate::harness::{CLUSTER, Person, World, config, folder, found, owner, rows, runtime_role};

/// What there is in an organisation; each is numbered, and the numbers are the same in all of them.
#[derive(Clone, Copy)]
pub enum Thing {
    Unit,
    Portfolio,
    Project,
    Benefit,
    Review,
    Condition,
    Grant,
    /// A unit, as FK-Organisation calls it.
    UnitElsewhere,
    Other,
}

/// The id of a thing.
pub fn id(thing: Thing, number: usize) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | ((thing as u128) << 32) | number as u128)
}

/// The number of a thing of that id.
pub fn number(thing: Thing, id: Uuid) -> Option<usize> {
    (0..1000).find(|number| self::id(thing, *number) == id)
}

/// A server, and organisations to fill.
pub struct Stage {
    world: World,
    /// Asks as the service does, below its calls.
    pub db: Db,
    writer: DatabaseConnection,
    issuer: Issuer,
    key: EncodingKey,
    organisations: Mutex<VecDeque<Uuid>>,
    objects: AtomicU64,
    visible: AtomicU64,
}

impl Stage {
    /// Starts, with so many organisations.
    pub async fn new(count: u32) -> Self {
        let owner = owner().await;
        let mut organisations = VecDeque::new();
        for _ in 0..count {
            organisations.push_back(found(&owner).await);
        }
        owner.close().await.unwrap();

        let der = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).unwrap();
        let key = EncodingKey::from_ed_der(der.as_ref());
        let jwks = folder("visibility").join("jwks.json");
        let public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
        std::fs::write(&jwks, serde_json::to_vec(&JwkSet { keys: vec![public] }).unwrap()).unwrap();
        let names: BTreeMap<String, Uuid> = organisations.iter().map(|id| (id.to_string(), *id)).collect();
        let roles: BTreeMap<&str, Value> =
            Role::iter().map(|role| (role.name(), json!({"role": role.name()}))).collect();
        let document = json!({"issuers": [{
            "issuer": "https://idp.example.invalid", "audience": "gevinst", "profile": "jwt",
            "keys": {"jwks_file": jwks}, "organisations": organisations,
            "claims": {
                "organisation": "/organisation", "organisation_values": names,
                "roles": {"claim": "/roles", "values": roles, "element": {"role": "role", "unit": "unit"}},
            },
        }]});
        let mut settings = config();
        settings.issuers = issuers::read(&document.to_string()).unwrap();
        let issuer = settings.issuers[0].clone();
        let db = Db::connect(&Secret::new(&CLUSTER.runtime), "visibility", 4, Duration::from_secs(20)).await.unwrap();
        Self {
            world: World::with(settings).await,
            db,
            writer: runtime_role().await,
            issuer,
            key,
            organisations: Mutex::new(organisations),
            objects: AtomicU64::new(0),
            visible: AtomicU64::new(0),
        }
    }

    /// How many objects callers were asked about, and how many of them were seen.
    pub fn counted(&self) -> (u64, u64) {
        (self.objects.load(Ordering::Relaxed), self.visible.load(Ordering::Relaxed))
    }

    /// Counts.
    pub fn count(&self, objects: usize, visible: usize) {
        self.objects.fetch_add(objects as u64, Ordering::Relaxed);
        self.visible.fetch_add(visible as u64, Ordering::Relaxed);
    }

    fn claims(&self, organisation: Uuid, drawn: &Drawn, who: usize) -> Value {
        // The verifier's clock is the machine's, whatever ours says.
        let now = gevinst::ctx::Clock::default().now().unix_timestamp();
        let roles = drawn.tokens[who].iter().map(|(role, unit)| match unit {
            None => json!({"role": role.name()}),
            Some(unit) => json!({"role": role.name(), "unit": id(Thing::UnitElsewhere, *unit)}),
        });
        json!({
            "iss": self.issuer.issuer, "aud": self.issuer.audience, "sub": PEOPLE[who], "jti": token_id(who),
            "iat": now, "exp": now + 3600, "organisation": organisation, "roles": roles.collect::<Vec<_>>(),
        })
    }

    /// Somebody, to call.
    pub fn person(&self, organisation: Uuid, drawn: &Drawn, who: usize) -> Person {
        let claims = self.claims(organisation, drawn, who);
        self.world.stranger(Some(encode(&Header::new(Algorithm::EdDSA), &claims, &self.key).unwrap()))
    }

    /// The same, as the service sees them.
    pub fn caller(&self, organisation: Uuid, drawn: &Drawn, who: usize) -> Caller {
        let claims = self.claims(organisation, drawn, who);
        self.issuer.claims.caller(&claims, self.issuer.organisations.as_ref()).unwrap()
    }

    /// The service's time.
    pub fn now(&self) -> OffsetDateTime {
        self.world.clock.now()
    }

    /// Makes it then.
    pub fn set_clock(&self, summer: bool, look: Look) {
        let ahead = if summer { 2 } else { 1 };
        let then = day(summer, look.day).midnight().assume_utc() + time::Duration::minutes(look.minute - ahead * 60);
        self.world.clock.advance(then - self.now());
    }

    /// Fills the next organisation.
    pub async fn found(&self, drawn: &Drawn) -> Uuid {
        let organisation = self.organisations.lock().unwrap().pop_front().expect("enough were founded");
        self.write(organisation, &script(organisation, drawn)).await;
        organisation
    }

    /// Changes what is there.
    pub async fn change(&self, organisation: Uuid, change: &Change) {
        let sql = match *change {
            Change::Move { unit, to } => {
                let to = to.map(|to| id(Thing::Unit, to));
                format!("UPDATE org_units SET parent_id = {} WHERE id = '{}'", null(to), id(Thing::Unit, unit))
            }
            Change::Transfer { project, unit, portfolio } => format!(
                "UPDATE projects SET org_unit_id = '{}', portfolio_id = {} WHERE id = '{}'",
                id(Thing::Unit, unit),
                null(portfolio.map(|portfolio| id(Thing::Portfolio, portfolio))),
                id(Thing::Project, project),
            ),
            Change::Handover { project, owner, manager } => format!(
                "UPDATE projects SET project_owner = '{}', project_manager = '{}' WHERE id = '{}'",
                PEOPLE[owner],
                PEOPLE[manager],
                id(Thing::Project, project),
            ),
        };
        self.write(organisation, &sql).await;
    }

    /// As a command does: inside the organisation, which it covers.
    async fn write(&self, organisation: Uuid, sql: &str) {
        let scope = format!(
            "SELECT set_config('app.organisation', '{organisation}', true), \
             set_config('app.scopes', '{{{organisation}}}', true);"
        );
        self.writer
            .execute_unprepared(&format!("{scope} {sql}"))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn token_id(who: usize) -> String {
    format!("token-of-{}", PEOPLE[who])
}

fn day(summer: bool, number: i64) -> Date {
    let first = if summer { date!(2027 - 07 - 10) } else { date!(2027 - 01 - 10) };
    first + time::Duration::days(number)
}

/// A value that may be missing, in SQL.
fn null(value: Option<impl std::fmt::Display>) -> String {
    value.map_or("NULL".to_owned(), |value| format!("'{value}'"))
}

/// What was drawn, as statements.
fn script(organisation: Uuid, drawn: &Drawn) -> String {
    let mut sql = String::new();
    let mut add = |table: &str, columns: &str, values: String| {
        writeln!(sql, "INSERT INTO {table} (organisation_id, id, {columns}) VALUES ('{organisation}', {values});")
            .unwrap();
    };
    let days = |period: Option<Period>| {
        let day = |number| day(drawn.summer, number);
        let from = period.map(|period| day(period.from));
        format!("{}, {}", null(from), null(period.and_then(|period| period.until).map(day)))
    };
    for (number, unit) in drawn.units.iter().enumerate() {
        let (parent, leader) = (unit.parent.map(|parent| id(Thing::Unit, parent)), unit.leader.map(|who| PEOPLE[who]));
        let values = format!(
            "'{}', '{}', 'Enhed {number}', {}, {}, true, now(), now(), {}",
            id(Thing::Unit, number),
            id(Thing::UnitElsewhere, number),
            null(parent),
            null(leader),
            days(unit.there),
        );
        let columns = "fk_org_uuid, name, parent_id, leader, is_operational_area, created_at, updated_at, valid_from, valid_until";
        add("org_units", columns, values);
    }
    for number in 0..PORTFOLIOS {
        add(
            "portfolios",
            "name, created_at",
            format!("'{}', 'Portefølje {number}', now()", id(Thing::Portfolio, number)),
        );
    }
    for (number, project) in drawn.projects.iter().enumerate() {
        let values = format!(
            "'{}', 'PRK-2027-{number}', 'Projekt {number}', 'Nemmere.', '{}', {}, '{}', '{}', 'EFFICIENCY', 'IDEA', \
             'ACTIVE', {}, now(), now()",
            id(Thing::Project, number),
            id(Thing::Unit, project.unit),
            null(project.portfolio.map(|portfolio| id(Thing::Portfolio, portfolio))),
            PEOPLE[project.owner],
            PEOPLE[project.manager],
            project.archived,
        );
        let columns = "number, title, vision, org_unit_id, portfolio_id, project_owner, project_manager, project_class, \
            stage, status, archived, created_at, updated_at";
        add("projects", columns, values);
        if let Some((manager, open)) = project.review {
            let (state, ended) = if open { ("SUBMITTED", "NULL") } else { ("WITHDRAWN", "now()") };
            let values = format!(
                "'{}', '{}', 'G1', 1, '{state}', 'submitter', '{}', now(), '{{}}', repeat('0', 64), {ended}",
                id(Thing::Review, number),
                id(Thing::Project, number),
                PEOPLE[manager],
            );
            let columns = "project_id, gate, attempt, state, submitter, project_manager, submitted_at, basis, basis_sha256, ended_at";
            add("gate_reviews", columns, values);
        }
    }
    for (number, (project, owner)) in drawn.benefits().enumerate() {
        // One in three is asked of them only, or was escalated to them: they see it as who owns it does.
        let mut people = ["nogen"; 3];
        people[number % 3] = PEOPLE[owner];
        let [of, nominee, escalated_to] = people;
        let values = format!(
            "'{}', '{}', 'Gevinst', 'QUALITATIVE', 'Sagstid', 'dage', 1, 2, '{of}', '{nominee}', '{escalated_to}', now()",
            id(Thing::Benefit, number),
            id(Thing::Project, project),
        );
        add(
            "benefits",
            "project_id, title, kind, measure_name, measure_unit, baseline, target, owner, nominee, escalated_to, created_at",
            values,
        );
        // One measurement and one nomination each, under the benefit's own id.
        let values =
            format!("'{0}', '{0}', '{nominee}', 'NOMINATED', 'nogen', 'Udpeget.', now()", id(Thing::Benefit, number));
        add("benefit_ownerships", "benefit_id, owner, state, nominated_by, reason, nominated_at", values);
        let values = format!("'{0}', '{0}', 0, 1, 2, '[]', 'Først', 'nogen', now()", id(Thing::Benefit, number));
        add("benefit_plans", "benefit_id, number, baseline, target, targets, reason, planner, planned_at", values);
        let values = format!("'{0}', '{0}', 1, '2027-01-01', 'Systemet', 'nogen', now()", id(Thing::Benefit, number));
        add("measurements", "benefit_id, value, measured_on, source, recorder, recorded_at", values);
    }
    for (number, grant) in drawn.grants.iter().enumerate() {
        let (kind, place) = match grant.place {
            Place::Organisation => ("ORGANISATION", organisation),
            Place::Portfolio(number) => ("PORTFOLIO", id(Thing::Portfolio, number)),
            Place::Unit(number) => ("ORG_UNIT", id(Thing::Unit, number)),
            Place::Project(number) => ("PROJECT", id(Thing::Project, number)),
        };
        let (by, at) = if grant.revoked { ("'nogen'", "now()") } else { ("NULL", "NULL") };
        let values = format!(
            "'{}', '{}', '{}', '{kind}', '{place}', false, {}, 'Udpeget.', 'nogen', now(), {by}, {at}",
            id(Thing::Grant, number),
            PEOPLE[grant.subject],
            grant.role.row_name(),
            days(Some(grant.period)),
        );
        let columns = "subject, role, scope_kind, scope_id, grantable, valid_from, valid_until, reason, granted_by, \
            granted_at, revoked_by, revoked_at";
        add("role_grants", columns, values);
    }
    for (number, loan) in drawn.loans.iter().enumerate() {
        let state = |is: bool| if is { ("'nogen'", "now()") } else { ("NULL", "NULL") };
        let ((approved_by, approved_at), (ended_by, ended_at)) = (state(loan.approved), state(loan.ended));
        // A loan always says when it ends.
        let period = Period { until: loan.period.until.or(Some(1000)), ..loan.period };
        let values = format!(
            "'{}', '{}', '{}', '{}', {}, 'Ferie.', now(), {approved_by}, {approved_at}, {ended_by}, {ended_at}",
            id(Thing::Other, number),
            id(Thing::Grant, loan.grant),
            PEOPLE[drawn.grants[loan.grant].subject],
            PEOPLE[loan.delegate],
            days(Some(period)),
        );
        let columns = "role_grant_id, delegator, delegate, valid_from, valid_until, reason, proposed_at, approved_by, \
            approved_at, ended_by, ended_at";
        add("delegations", columns, values);
    }
    for (number, denial) in drawn.denials.iter().enumerate() {
        let (claim, value) = match denial.by_token {
            true => ("TOKEN_ID", token_id(denial.who)),
            false => ("SUBJECT", PEOPLE[denial.who].to_owned()),
        };
        let (by, at) = if denial.lifted { ("'nogen'", "now()") } else { ("NULL", "NULL") };
        let id = id(Thing::Other, number);
        let values = format!("'{id}', '{claim}', '{value}', 'Fratrådt.', 'nogen', now(), {by}, {at}");
        add("token_denials", "claim, value, reason, denied_by, denied_at, lifted_by, lifted_at", values);
    }
    for (number, project) in drawn.projects.iter().enumerate() {
        let (project_id, review) = (id(Thing::Project, number), id(Thing::Review, number));
        sql += &rows::sections(organisation, project_id);
        if project.review.is_some() {
            sql += &rows::released(organisation, project_id, review);
        }
    }
    for (number, (project, owner)) in drawn.conditions().enumerate() {
        let (project, review) = (id(Thing::Project, project), id(Thing::Review, project));
        sql += &rows::condition(organisation, id(Thing::Condition, number), project, review, PEOPLE[owner]);
    }
    for (number, (project, _)) in drawn.benefits().enumerate() {
        sql += &rows::followed(organisation, id(Thing::Project, project), id(Thing::Benefit, number));
    }
    sql
}

/// The organisation's typed id.
pub fn typed(organisation: Uuid) -> OrganisationId {
    OrganisationId::new(organisation)
}
