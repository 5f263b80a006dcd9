//! What a caller holds in an organisation, at the moment of the decision: read in the statement that reads, or begins to
//! change, what is decided about. What was read before is kept, with the organisation's version of who holds what, and
//! counts while that same statement finds the same version: a revocation holds everywhere from its commit on, and a read
//! pays for a look at one row.
//!
//! Roles come from four places: the token, the organisation's own grants, leading a unit (area-leader there), and
//! delegations. A grant counts inside its period, in a unit that is there; a delegation while what it lends counts, and
//! while its delegator is not revoked.

use std::{collections::BTreeSet, sync::OnceLock};

use cedar_policy::Entity;
use sea_orm::Value;
use serde::Deserialize;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::{
    auth::{Caller, CallerKind, Role},
    error::{Error, Result},
    ids::OrganisationId,
    wire::today,
};

/// Who asks, where and on which day: what [`whole`] is asked with, and what an answer is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The organisation asked in.
    pub organisation: OrganisationId,
    subject: String,
    kind: CallerKind,
    token_id: Option<String>,
    roles: Vec<String>,
    /// For each role its unit's external id; empty where it covers the organisation.
    units: Vec<String>,
    grantable: Vec<bool>,
    today: Date,
}

impl Asker {
    /// A caller in an organisation of theirs.
    pub fn new(caller: &Caller, organisation: OrganisationId, now: OffsetDateTime) -> Self {
        let roles = caller.roles_in(organisation).unwrap_or_default();
        Self {
            organisation,
            subject: caller.subject().to_owned(),
            kind: caller.kind(),
            token_id: caller.token_id().map(str::to_owned),
            roles: roles.iter().map(|held| held.role.name().to_owned()).collect(),
            units: roles.iter().map(|held| held.unit.map(|unit| unit.to_string()).unwrap_or_default()).collect(),
            grantable: roles.iter().map(|held| held.grantable).collect(),
            today: today(now),
        }
    }

    /// Somebody who sees all of an organisation, for what asks below the service's own calls.
    pub fn everything_in(organisation: OrganisationId, now: OffsetDateTime) -> Self {
        Self {
            organisation,
            subject: "reader".to_owned(),
            kind: CallerKind::Person,
            token_id: None,
            roles: vec![Role::Reader.name().to_owned()],
            units: vec![String::new()],
            grantable: vec![false],
            today: today(now),
        }
    }

    /// By which name rows are asked. Gevinst itself holds nothing, and is not to be stopped by a revocation: its name here
    /// has a blank, which no subject of a token, a grant or a revocation can have.
    fn name(&self) -> &str {
        if self.kind == CallerKind::System { "gevinst itself" } else { &self.subject }
    }

    /// The values of [`whole`]'s parameters, in their order.
    pub fn values(&self) -> [Value; WHOLE] {
        [
            self.organisation.to_string().into(),
            self.name().into(),
            self.token_id.as_deref().into(),
            self.roles.clone().into(),
            self.units.clone().into(),
            self.grantable.clone().into(),
            self.today.into(),
        ]
    }

    /// The values of [`known`]'s parameters, in their order.
    pub fn known_values(&self, known: &Authority) -> [Value; KNOWN] {
        let subject = if known.denied { "" } else { self.name() };
        [self.organisation.to_string().into(), subject.into(), known.version.into(), known.scopes.as_str().into()]
    }
}

/// How many parameters [`whole`] takes.
pub const WHOLE: usize = 7;

/// How many parameters [`known`] takes.
pub const KNOWN: usize = 4;

/// A query of one row for a caller whose authority is known as of a version: `version`, and `scopes` and `subject` to set
/// while it is still that one; empty ones, with which nothing is seen, when it is not.
pub fn known(first: usize) -> String {
    let [organisation, subject, version, scopes]: [String; KNOWN] = std::array::from_fn(|n| format!("${}", first + n));
    format!(
        "SELECT s.version, s.policies_sha256 AS policies, NULL::text AS authority, \
            CASE WHEN s.version = {version} THEN {scopes} ELSE '' END AS scopes, \
            CASE WHEN s.version = {version} THEN {subject} ELSE '' END AS subject \
         FROM authority_states s WHERE s.organisation_id = {organisation}::uuid"
    )
}

/// The same for a caller of whom nothing is known: `authority` is JSON for [`Authority::read`]. Its parameters are
/// numbered from `first` on. Row-level security must know the organisation already: it is asked below `caller`, which has
/// just set it. Of an organisation that has not been founded here, there is no row.
pub fn whole(first: usize) -> String {
    let [organisation, subject, token, roles, units, grantable, today]: [String; WHOLE] =
        std::array::from_fn(|n| format!("${}", first + n));
    let organisation = format!("{organisation}::uuid");
    let in_force = |row: &str| format!("{today} BETWEEN {row}.valid_from AND coalesce({row}.valid_until, 'infinity')");
    let unit_there =
        format!("{today} BETWEEN coalesce(u.valid_from, '-infinity') AND coalesce(u.valid_until, 'infinity')");
    let in_unit_there = format!(
        "(g.scope_kind <> 'ORG_UNIT' OR EXISTS (SELECT FROM org_units u WHERE u.organisation_id = {organisation} \
         AND u.id = g.scope_id AND {unit_there}))"
    );
    let (grant_in_force, loan_in_force) = (in_force("g"), in_force("d"));
    let token_roles =
        format!("unnest({roles}::text[], {units}::text[], {grantable}::boolean[]) AS t (role, unit, grantable)");
    format!(
        "SELECT s.version, s.policies_sha256 AS policies, json_build_object('version', s.version, 'denied', denied, 'roles', \
                CASE WHEN denied THEN '[]' ELSE roles END)::text AS authority, \
            CASE WHEN denied THEN '{{}}' ELSE scopes::text END AS scopes, \
            CASE WHEN denied THEN '' ELSE {subject} END AS subject \
         FROM authority_states s, LATERAL (SELECT EXISTS (SELECT FROM token_denials n \
                WHERE n.organisation_id = {organisation} AND n.lifted_at IS NULL \
                AND (n.value, n.claim) IN (({subject}, 'SUBJECT'), ({token}, 'TOKEN_ID'))) AS denied, \
            coalesce(json_agg(json_build_array(role, scope, grantable, lent_by, until)), '[]') AS roles, \
            coalesce(array_agg(DISTINCT scope), '{{}}') AS scopes \
         FROM (SELECT t.role, {organisation} AS scope, t.grantable, NULL::text AS lent_by, NULL::date AS until \
                FROM {token_roles} WHERE t.unit = '' \
            UNION ALL SELECT t.role, u.id, t.grantable, NULL, u.valid_until FROM {token_roles} \
                JOIN org_units u ON u.organisation_id = {organisation} AND u.fk_org_uuid = nullif(t.unit, '')::uuid \
                WHERE {unit_there} \
            UNION ALL SELECT lower(replace(g.role, '_', '-')), g.scope_id, g.grantable, NULL, g.valid_until \
                FROM role_grants g WHERE g.organisation_id = {organisation} AND g.subject = {subject} \
                AND g.revoked_at IS NULL AND {grant_in_force} AND {in_unit_there} \
            UNION ALL SELECT 'area-leader', u.id, false, NULL, u.valid_until FROM org_units u \
                WHERE u.organisation_id = {organisation} AND u.leader = {subject} AND {unit_there} \
            UNION ALL SELECT lower(replace(g.role, '_', '-')), g.scope_id, false, d.delegator, d.valid_until \
                FROM delegations d JOIN role_grants g ON g.organisation_id = {organisation} AND g.id = d.role_grant_id \
                WHERE d.organisation_id = {organisation} AND d.delegate = {subject} AND d.approved_at IS NOT NULL \
                AND d.ended_at IS NULL AND {loan_in_force} AND g.revoked_at IS NULL AND {grant_in_force} \
                AND {in_unit_there} AND NOT EXISTS (SELECT FROM token_denials n WHERE n.organisation_id = {organisation} \
                AND n.lifted_at IS NULL AND n.value = d.delegator AND n.claim = 'SUBJECT')) AS held) AS found \
         WHERE s.organisation_id = {organisation}"
    )
}

/// A role where it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The role.
    pub role: Role,
    /// The place that it covers, with all inside it.
    pub scope: Uuid,
    /// Whether it may be granted to others.
    pub grantable: bool,
    /// Whose it is, where it is lent.
    pub lent_by: Option<String>,
    /// The last day that it holds; without end when absent.
    pub until: Option<Date>,
}

/// What a caller holds in an organisation.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The organisation.
    pub organisation: Uuid,
    /// Who.
    pub subject: String,
    /// Whether a person.
    pub kind: CallerKind,
    /// The roles.
    pub roles: Vec<Held>,
    /// Whether the token or its subject is revoked here.
    pub denied: bool,
    /// The version of who holds what, in the organisation, that this is of.
    pub version: i64,
    /// Every place that a role covers, as PostgreSQL writes an array.
    pub scopes: String,
    /// The caller as the policies see them, when they act for themselves; made at the first decision.
    pub(super) principal: OnceLock<Entity>,
}

/// Role, place, whether it may be granted on, whose it is, the last day.
type HeldAnswer = (String, Uuid, bool, Option<String>, Option<String>);

#[derive(Deserialize)]
struct Answer {
    version: i64,
    denied: bool,
    roles: Vec<HeldAnswer>,
}

impl Authority {
    /// Reads what [`whole`] answered.
    pub fn read(asker: &Asker, answer: &str) -> Result<Self> {
        let unreadable = |what: String| Error::Internal(format!("authority: {what}"));
        let answer: Answer = serde_json::from_str(answer).map_err(|error| unreadable(error.to_string()))?;
        let day = time::macros::format_description!("[year]-[month]-[day]");
        let roles = answer.roles.into_iter().map(|(role, scope, grantable, lent_by, until)| {
            Ok(Held {
                role: role.parse().map_err(|_| unreadable(role))?,
                scope,
                grantable,
                lent_by,
                until: match until {
                    None => None,
                    Some(text) => Some(Date::parse(&text, day).map_err(|_| unreadable(text))?),
                },
            })
        });
        let roles: Vec<Held> = roles.collect::<Result<_>>()?;
        let scopes: BTreeSet<String> = roles.iter().map(|held| held.scope.to_string()).collect();
        let scopes: Vec<String> = scopes.into_iter().collect();
        Ok(Self {
            organisation: asker.organisation.uuid(),
            subject: asker.subject.clone(),
            kind: asker.kind,
            roles,
            denied: answer.denied,
            version: answer.version,
            scopes: format!("{{{}}}", scopes.join(",")),
            principal: OnceLock::new(),
        })
    }

    /// Somebody who holds these roles, whoever says so: for what asks the policies below the service's own calls.
    pub fn holding(organisation: OrganisationId, subject: &str, kind: CallerKind, roles: Vec<Held>) -> Self {
        Self {
            organisation: organisation.uuid(),
            subject: subject.to_owned(),
            kind,
            roles,
            denied: false,
            version: 0,
            scopes: String::new(),
            principal: OnceLock::new(),
        }
    }

    /// The roles that count in a call: the caller's own or, for somebody else, those that they lend.
    pub fn counting<'a>(&'a self, acting_for: Option<&'a str>) -> impl Iterator<Item = &'a Held> {
        self.roles.iter().filter(move |held| held.lent_by.as_deref() == acting_for)
    }

    /// Whether a role that counts in a call covers one of these places.
    pub fn holds(&self, acting_for: Option<&str>, role: Role, scopes: &[Uuid]) -> bool {
        self.counting(acting_for).any(|held| held.role == role && scopes.contains(&held.scope))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::auth::caller::SYSTEM;

    #[test]
    fn gevinst_itself_is_kept_apart_from_a_subject_of_its_name() {
        let organisation = OrganisationId::new(Uuid::nil());
        let now = datetime!(2026-11-23 12:00 UTC);
        let itself = Asker::new(&Caller::system(), organisation, now);
        let namesake = Asker { kind: CallerKind::Person, ..itself.clone() };
        assert_ne!(itself, namesake);
        assert_eq!(namesake.values()[1], SYSTEM.into());
        let Value::String(Some(name)) = &itself.values()[1] else { panic!("{:?}", itself.values()) };
        assert!(!name.bytes().all(|byte| byte.is_ascii_graphic()), "no token, grant or revocation names {name}");
    }
}
