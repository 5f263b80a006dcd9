//! What a caller holds in an organisation, at the moment of the decision: read in the statement that reads, or begins to
//! change, what is decided about.
//!
//! Roles come from four places: the token, the organisation's own grants, leading a unit (area-leader there), and
//! delegations. A grant counts inside its period, in a unit that is there; a delegation while what it lends counts, and
//! while its delegator is not revoked.

use sea_orm::Value;
use serde::Deserialize;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::{
    auth::{Caller, CallerKind, Role},
    error::{Error, Result},
    ids::OrganisationId,
};

/// Who asks, where and when: what [`sql`] is asked with.
#[derive(Clone)]
pub struct Asker {
    /// The organisation asked in.
    pub organisation: OrganisationId,
    subject: String,
    token_id: Option<String>,
    roles: Vec<String>,
    /// For each role its unit's external id; empty where it covers the organisation.
    units: Vec<String>,
    grantable: Vec<bool>,
    now: OffsetDateTime,
}

impl Asker {
    /// A caller in an organisation of theirs.
    pub fn new(caller: &Caller, organisation: OrganisationId, now: OffsetDateTime) -> Self {
        let roles = caller.roles_in(organisation).unwrap_or_default();
        Self {
            organisation,
            subject: caller.subject().to_owned(),
            token_id: caller.token_id().map(str::to_owned),
            roles: roles.iter().map(|held| held.role.name().to_owned()).collect(),
            units: roles.iter().map(|held| held.unit.map(|unit| unit.to_string()).unwrap_or_default()).collect(),
            grantable: roles.iter().map(|held| held.grantable).collect(),
            now,
        }
    }

    /// Somebody who sees all of an organisation, for what asks below the service's own calls.
    pub fn everything_in(organisation: OrganisationId, now: OffsetDateTime) -> Self {
        let (subject, roles) = ("reader".to_owned(), vec![Role::Reader.name().to_owned()]);
        Self { organisation, subject, token_id: None, roles, units: vec![String::new()], grantable: vec![false], now }
    }

    /// The values of [`sql`]'s parameters, in their order.
    pub fn values(&self) -> [Value; PARAMETERS] {
        [
            self.organisation.to_string().into(),
            self.subject.as_str().into(),
            self.token_id.as_deref().into(),
            self.roles.clone().into(),
            self.units.clone().into(),
            self.grantable.clone().into(),
            self.now.into(),
        ]
    }
}

/// How many parameters [`sql`] takes.
pub const PARAMETERS: usize = 7;

/// A query of one row: `authority`, as JSON for [`Authority::read`], and `scopes`, every place that a role covers; both
/// empty for who is revoked. Its parameters are numbered from `first` on. Row-level security must know the organisation
/// already: it is asked below `caller`, which has just set it.
pub fn sql(first: usize) -> String {
    let [organisation, subject, token, roles, units, grantable, now] =
        std::array::from_fn(|n| format!("${}", first + n));
    let organisation = format!("{organisation}::uuid");
    let today = format!("({now}::timestamptz AT TIME ZONE 'Europe/Copenhagen')::date");
    let in_force = |row: &str| format!("{today} BETWEEN {row}.valid_from AND coalesce({row}.valid_until, 'infinity')");
    let unit_there = "coalesce(u.valid_from, '-infinity') AND coalesce(u.valid_until, 'infinity')";
    let in_unit_there = format!(
        "(g.scope_kind <> 'ORG_UNIT' OR EXISTS (SELECT FROM org_units u WHERE u.organisation_id = {organisation} \
         AND u.id = g.scope_id AND {today} BETWEEN {unit_there}))"
    );
    let (grant_in_force, loan_in_force) = (in_force("g"), in_force("d"));
    let token_roles =
        format!("unnest({roles}::text[], {units}::text[], {grantable}::boolean[]) AS t (role, unit, grantable)");
    format!(
        "SELECT json_build_object('denied', denied, 'policies', policies, 'roles', CASE WHEN denied THEN '[]' ELSE roles END) \
            AS authority, CASE WHEN denied THEN '{{}}' ELSE scopes END AS scopes \
         FROM (SELECT EXISTS (SELECT FROM token_denials n WHERE n.organisation_id = {organisation} \
                AND n.lifted_at IS NULL AND (n.value, n.claim) IN (({subject}, 'SUBJECT'), ({token}, 'TOKEN_ID'))) AS denied, \
            (SELECT p.sha256 FROM policy_sets p WHERE p.organisation_id = {organisation}) AS policies, \
            coalesce(json_agg(json_build_array(role, scope, grantable, lent_by, until)), '[]') AS roles, \
            coalesce(array_agg(DISTINCT scope), '{{}}') AS scopes \
         FROM (SELECT t.role, {organisation} AS scope, t.grantable, NULL::text AS lent_by, NULL::date AS until \
                FROM {token_roles} WHERE t.unit = '' \
            UNION ALL SELECT t.role, u.id, t.grantable, NULL, u.valid_until FROM {token_roles} \
                JOIN org_units u ON u.organisation_id = {organisation} AND u.fk_org_uuid = nullif(t.unit, '')::uuid \
                WHERE {today} BETWEEN {unit_there} \
            UNION ALL SELECT lower(replace(g.role, '_', '-')), g.scope_id, g.grantable, NULL, g.valid_until FROM role_grants g \
                WHERE g.organisation_id = {organisation} AND g.subject = {subject} AND g.revoked_at IS NULL \
                AND {grant_in_force} AND {in_unit_there} \
            UNION ALL SELECT 'area-leader', u.id, false, NULL, u.valid_until FROM org_units u \
                WHERE u.organisation_id = {organisation} AND u.leader = {subject} AND {today} BETWEEN {unit_there} \
            UNION ALL SELECT lower(replace(g.role, '_', '-')), g.scope_id, false, d.delegator, d.valid_until FROM delegations d \
                JOIN role_grants g ON g.organisation_id = {organisation} AND g.id = d.role_grant_id \
                WHERE d.organisation_id = {organisation} AND d.delegate = {subject} AND d.approved_at IS NOT NULL \
                AND d.ended_at IS NULL AND {loan_in_force} AND g.revoked_at IS NULL AND {grant_in_force} \
                AND {in_unit_there} AND NOT EXISTS (SELECT FROM token_denials n WHERE n.organisation_id = {organisation} \
                AND n.lifted_at IS NULL AND n.value = d.delegator AND n.claim = 'SUBJECT')) AS held OFFSET 0) AS found"
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
    /// The hash of the policies that the organisation's log last named.
    pub policies: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    denied: bool,
    policies: Option<String>,
    roles: Vec<(String, Uuid, bool, Option<String>, Option<String>)>,
}

impl Authority {
    /// Reads what [`sql`] answered.
    pub fn read(caller: &Caller, organisation: OrganisationId, answer: &str) -> Result<Self> {
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
        Ok(Self {
            organisation: organisation.uuid(),
            subject: caller.subject().to_owned(),
            kind: caller.kind(),
            roles: roles.collect::<Result<_>>()?,
            denied: answer.denied,
            policies: answer.policies,
        })
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
