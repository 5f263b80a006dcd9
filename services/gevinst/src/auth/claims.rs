//! What an issuer's claims mean here: who calls, whether a person or a program, in which organisations, in which roles.
//! Configuration and arithmetic on verified claims; nothing here knows of keys or signatures.
//!
//! What is unknown grants nothing. What narrows a role and is not understood takes the role away: it never widens.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Caller, CallerKind, Role, TokenRole, issuers::from_text, token::refused};
use crate::{error::Result, ids::OrganisationId};

/// The longest subject and token id, in bytes.
const MAX_NAME: usize = 128;

/// The longest prefix of subjects, in bytes.
const MAX_PREFIX: usize = 32;

/// How the claims of an issuer are read. By default as this service's own tokens: `sub`, and `organisations`, for each
/// organisation's id the roles held there, which their holder may grant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// The claim that names the caller, for good: an id that is never given to another.
    pub subject: Pointer,
    /// What stands before it, so that the names of two issuers cannot meet.
    pub subject_prefix: String,
    /// The claim with the token's own id.
    pub token_id: Pointer,
    /// The claim that says for which organisation a token speaks; the issuer's only one, when absent.
    pub organisation: Option<Pointer>,
    /// What the issuer calls each organisation.
    pub organisation_values: BTreeMap<String, Uuid>,
    /// Where the roles are, and what they are called.
    pub roles: Option<Roles>,
    /// How a program is told from a person.
    pub service: ServiceRule,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            subject: Pointer("/sub".to_owned()),
            subject_prefix: String::new(),
            token_id: Pointer("/jti".to_owned()),
            organisation: None,
            organisation_values: BTreeMap::new(),
            roles: None,
            service: ServiceRule::default(),
        }
    }
}

/// Where in the claims: a JSON pointer (RFC 6901), such as `/realm_access/roles`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("\"{text}\" is no JSON pointer: one begins with /, as in /sub"));
        }
        Ok(Self(text))
    }
}

impl Pointer {
    /// What is there; null is nothing.
    fn find<'c>(&self, claims: &'c Value) -> Option<&'c Value> {
        claims.pointer(&self.0).filter(|value| !value.is_null())
    }

    fn text<'c>(&self, claims: &'c Value) -> Option<&'c str> {
        self.find(claims).and_then(Value::as_str)
    }
}

/// Where the roles are, and what they are called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// The claim: a text or a list.
    pub claim: Pointer,
    /// What each of the issuer's values grants; another value grants nothing.
    pub values: BTreeMap<String, Grant>,
    /// How a list of objects is read; without it, objects grant nothing, and with it, texts.
    #[serde(default)]
    pub element: Option<Element>,
}

/// What a value of the issuer's grants.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role, in kebab case.
    #[serde(deserialize_with = "from_text")]
    pub role: Role,
    /// Whether its holder may grant it to others here.
    #[serde(default)]
    pub grantable: bool,
}

/// The members of an object that is a role: KOMBIT's user system role with its data restrictions, and the like. An
/// object with any other member grants nothing, for that member may narrow it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// The member with the role, one of `values`.
    pub role: String,
    /// The member with the organisation, one of `organisation_values`.
    #[serde(default)]
    pub organisation: Option<String>,
    /// The member with the unit's id in FK-Organisation.
    #[serde(default)]
    pub unit: Option<String>,
    /// The member with a list of restrictions.
    #[serde(default)]
    pub constraints: Option<Constraints>,
    /// Members that narrow nothing.
    #[serde(default)]
    pub ignored: BTreeSet<String>,
}

/// A list of data restrictions, each an object of a name and a value. One that is not about the unit cannot be held to
/// here (a KLE number, say), so the role is not granted at all.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraints {
    /// The member of the role that holds the list.
    pub member: String,
    /// The member of a restriction with its name.
    pub name: String,
    /// The member of a restriction with its value; several values, any of which will do, stand between commas.
    pub value: String,
    /// The name of the restriction to units, by their ids in FK-Organisation.
    pub unit: String,
}

/// How a program is told from a person: by a claim, and one of three tests. By default, as RFC 9068 (section 2.2) has
/// it: the subject of a client that acts for itself is its client id.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRule {
    /// The claim.
    pub claim: Pointer,
    /// It is this.
    #[serde(default)]
    pub equals: Option<String>,
    /// It is what this other claim is.
    #[serde(default)]
    pub equals_claim: Option<Pointer>,
    /// It begins with this.
    #[serde(default)]
    pub prefix: Option<String>,
}

impl Default for ServiceRule {
    fn default() -> Self {
        let equals_claim = Some(Pointer("/client_id".to_owned()));
        Self { claim: Pointer("/sub".to_owned()), equals: None, equals_claim, prefix: None }
    }
}

impl ServiceRule {
    fn kind(&self, claims: &Value) -> CallerKind {
        let is_service = self.claim.text(claims).is_some_and(|text| {
            self.equals.as_deref() == Some(text)
                || self.equals_claim.as_ref().and_then(|other| other.text(claims)) == Some(text)
                || self.prefix.as_deref().is_some_and(|prefix| text.starts_with(prefix))
        });
        if is_service { CallerKind::Service } else { CallerKind::Person }
    }
}

/// Roles, by organisation.
type Held = BTreeMap<OrganisationId, Vec<TokenRole>>;

impl Mapping {
    /// What is wrong with it, for an issuer that may speak for these organisations.
    pub fn problems(&self, organisations: Option<&BTreeSet<Uuid>>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, problem: &str| {
            if !holds {
                problems.push(format!("claims.{problem}"));
            }
        };
        let prefix = &self.subject_prefix;
        let fits = prefix.len() <= MAX_PREFIX && prefix.bytes().all(|byte| byte.is_ascii_graphic());
        check(fits, "subject_prefix must be at most 32 printable ASCII characters");
        let tests = [self.service.equals.is_some(), self.service.equals_claim.is_some(), self.service.prefix.is_some()];
        let tests = tests.iter().filter(|test| **test).count();
        check(tests == 1, "service must have one of equals, equals_claim and prefix");
        let beyond = |id: &Uuid| !organisations.is_none_or(|listed| listed.contains(id));
        check(
            !self.organisation_values.values().any(beyond),
            "organisation_values must be among the issuer's organisations",
        );
        let element = self.roles.as_ref().and_then(|roles| roles.element.as_ref());
        let by_element = element.is_some_and(|element| element.organisation.is_some());
        let by_value = self.organisation.is_some() || by_element;
        check(
            by_value != self.organisation_values.is_empty(),
            "organisation_values belong to claims.organisation or claims.roles.element.organisation",
        );
        check(!(self.organisation.is_some() && by_element), "organisation and roles.element.organisation: keep one");
        let only = organisations.is_some_and(|listed| listed.len() == 1);
        match &self.roles {
            Some(_) => check(by_value || only, "organisation must say which of the issuer's organisations is meant"),
            None => check(!by_value, "organisation is of no use without claims.roles"),
        }
        problems
    }

    /// The caller that verified claims name, with no role outside these organisations.
    pub fn caller(&self, claims: &Value, organisations: Option<&BTreeSet<Uuid>>) -> Result<Caller> {
        let subject = self.subject.text(claims).filter(|subject| !subject.is_empty());
        let subject = subject.ok_or_else(|| refused("no subject"))?;
        let subject = named(format!("{}{subject}", self.subject_prefix))?;
        let token_id = match self.token_id.find(claims) {
            Some(Value::String(id)) => Some(named(id.clone())?),
            Some(_) => return Err(refused("a token id that is no text")),
            None => None,
        };
        let mut roles = match &self.roles {
            Some(roles) => self.mapped(roles, claims, organisations)?,
            None => native(claims)?,
        };
        for held in roles.values_mut() {
            held.sort();
            held.dedup();
        }
        roles.retain(|organisation, _| organisations.is_none_or(|listed| listed.contains(&organisation.uuid())));
        Ok(Caller { subject, kind: self.service.kind(claims), token_id, roles })
    }

    fn mapped(&self, roles: &Roles, claims: &Value, organisations: Option<&BTreeSet<Uuid>>) -> Result<Held> {
        let at_home = match &self.organisation {
            Some(claim) => claim.text(claims).and_then(|value| self.organisation_values.get(value)).copied(),
            None => organisations.filter(|listed| listed.len() == 1).and_then(|listed| listed.first()).copied(),
        };
        let by_element = roles.element.as_ref().and_then(|element| element.organisation.as_ref());
        let mut held = Held::new();
        if let (Some(home), None) = (at_home, by_element) {
            // Its issuer says that the caller belongs there, with no role perhaps.
            held.entry(OrganisationId::new(home)).or_default();
        }
        let list = match roles.claim.find(claims) {
            None => &[],
            Some(Value::Array(list)) => &list[..],
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(_) => return Err(refused("roles that are neither text nor list")),
        };
        for value in list {
            let Some((name, organisation, units)) = self.role(roles.element.as_ref(), value, at_home) else { continue };
            let Some(grant) = roles.values.get(name) else { continue };
            let granted =
                units.into_iter().map(|unit| TokenRole { role: grant.role, unit, grantable: grant.grantable });
            held.entry(OrganisationId::new(organisation)).or_default().extend(granted);
        }
        Ok(held)
    }

    /// What one value says: the role's name, where it is held, and in which units.
    fn role<'c>(
        &self,
        element: Option<&Element>,
        value: &'c Value,
        at_home: Option<Uuid>,
    ) -> Option<(&'c str, Uuid, Vec<Option<Uuid>>)> {
        let Some(element) = element else { return Some((value.as_str()?, at_home?, vec![None])) };
        let object = value.as_object()?;
        let organisation = match &element.organisation {
            Some(member) => *self.organisation_values.get(object.get(member)?.as_str()?)?,
            None => at_home?,
        };
        Some((object.get(&element.role)?.as_str()?, organisation, element.units(object)?))
    }
}

impl Element {
    /// The units that the role is limited to, the whole organisation being `None`; nothing where it is limited in a way
    /// that cannot be held to.
    fn units(&self, object: &Map<String, Value>) -> Option<Vec<Option<Uuid>>> {
        let constraints = self.constraints.as_ref().map(|constraints| &constraints.member);
        let known = [Some(&self.role), self.organisation.as_ref(), self.unit.as_ref(), constraints];
        if object.keys().any(|member| !known.contains(&Some(member)) && !self.ignored.contains(member)) {
            return None;
        }
        let mut limits = Vec::new();
        if let Some(unit) = self.unit.as_ref().and_then(|member| object.get(member)) {
            limits.push(vec![unit.as_str()?.parse().ok()?]);
        }
        if let Some(constraints) = &self.constraints
            && let Some(list) = object.get(&constraints.member)
        {
            for constraint in list.as_array()? {
                limits.push(constraints.units(constraint)?);
            }
        }
        match limits.pop() {
            None => Some(vec![None]),
            // Two limits at once: whether both or either must hold, nobody here knows.
            Some(_) if !limits.is_empty() => None,
            Some(units) => Some(units.into_iter().map(Some).collect()),
        }
    }
}

impl Constraints {
    /// The units of a restriction, if that is what it is about.
    fn units(&self, constraint: &Value) -> Option<Vec<Uuid>> {
        let constraint = constraint.as_object().filter(|constraint| constraint.len() == 2)?;
        if constraint.get(&self.name)?.as_str()? != self.unit {
            return None;
        }
        constraint.get(&self.value)?.as_str()?.split(',').map(|unit| unit.trim().parse().ok()).collect()
    }
}

/// The roles in this service's own form. Names unknown here grant nothing.
fn native(claims: &Value) -> Result<Held> {
    let organisations = match claims.get("organisations") {
        None | Some(Value::Null) => return Ok(Held::new()),
        Some(organisations) => BTreeMap::<Uuid, Vec<String>>::deserialize(organisations),
    };
    let organisations = organisations.map_err(|_| refused("organisations are no map of lists"))?;
    let held = organisations.into_iter().map(|(organisation, names)| {
        let roles = names.iter().filter_map(|name| name.parse().ok());
        let roles = roles.map(|role| TokenRole { role, unit: None, grantable: true });
        (OrganisationId::new(organisation), roles.collect())
    });
    Ok(held.collect())
}

/// A name that fits where names are kept and shown.
fn named(name: String) -> Result<String> {
    let fits = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(name) } else { Err(refused("a subject or token id that is long or not printable")) }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;
    use crate::{
        auth::{
            caller::SYSTEM,
            issuers::{self, Issuer},
        },
        error::Error,
    };

    const HEDEBY: &str = "01999999-0000-7000-8000-000000009999";
    const NABO: &str = "01999999-0000-7000-8000-000000008888";
    const UNIT: &str = "0199aaaa-0000-7000-8000-00000000000a";
    const OTHER_UNIT: &str = "0199aaaa-0000-7000-8000-00000000000b";

    /// The issuer of an example configuration.
    fn example(name: &str) -> Issuer {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples/issuers").join(name);
        issuers::read(&fs::read_to_string(path).unwrap()).unwrap().remove(0)
    }

    /// Who the claims name: subject, kind, token id and each role as `organisation role[ unit][ grantable]`.
    fn caller(issuer: &Issuer, claims: Value) -> (String, CallerKind, Option<String>, Vec<String>) {
        let caller = issuer.claims.caller(&claims, issuer.organisations.as_ref()).unwrap();
        let mut roles = Vec::new();
        for organisation in caller.organisations() {
            roles.extend(caller.roles_in(organisation).unwrap().iter().map(|held| {
                let unit = held.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
                let grantable = if held.grantable { " grantable" } else { "" };
                format!("{} {}{unit}{grantable}", organisation.uuid(), held.role.name())
            }));
        }
        let kind = caller.kind();
        (caller.subject, kind, caller.token_id, roles)
    }

    fn roles(issuer: &Issuer, claims: Value) -> Vec<String> {
        caller(issuer, claims).3
    }

    #[test]
    fn keycloak_person_and_service_account_mapped() {
        let issuer = example("keycloak.json");
        let person = json!({
            "exp": 1, "iat": 1, "jti": "onrtac:1b1c", "iss": issuer.issuer, "aud": ["gevinst", "account"],
            "sub": "7a0d6c1e-0000-4000-8000-000000000001", "typ": "Bearer", "azp": "portal",
            "realm_access": {"roles": ["offline_access", "styregruppe"]},
            "resource_access": {"gevinst": {"roles": ["portefoeljekontor", "ukendt"]}, "account": {"roles": ["styregruppe"]}},
            "preferred_username": "anna",
        });
        let (subject, kind, id, held) = caller(&issuer, person);
        assert_eq!((subject.as_str(), kind), ("7a0d6c1e-0000-4000-8000-000000000001", CallerKind::Person));
        assert_eq!(id.as_deref(), Some("onrtac:1b1c"));
        assert_eq!(held, [format!("{HEDEBY} portfolio-office grantable")]);
        let service = json!({
            "sub": "7a0d6c1e-0000-4000-8000-000000000002", "client_id": "esdh", "azp": "esdh",
            "resource_access": {"gevinst": {"roles": ["fagsystem"]}}, "preferred_username": "service-account-esdh",
        });
        let (_, kind, _, held) = caller(&issuer, service);
        assert_eq!((kind, held), (CallerKind::Service, vec![format!("{HEDEBY} integration")]));
    }

    #[test]
    fn entra_person_app_and_another_tenant_mapped() {
        let issuer = example("entra.json");
        let claims = |changes: Value| {
            let mut claims = json!({
                "aud": issuer.audience, "iss": issuer.issuer, "oid": "5f1f0000-0000-4000-8000-000000000001",
                "sub": "pairwise-1", "tid": "00000000-aaaa-4000-8000-000000009999", "uti": "aBc_1", "ver": "2.0",
                "azp": "00000000-cccc-4000-8000-000000000001", "roles": ["Gevinst.SteeringGroup"],
            });
            claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            claims
        };
        let (subject, kind, id, held) = caller(&issuer, claims(json!({"scp": "access_as_user"})));
        assert_eq!((subject.as_str(), kind), ("5f1f0000-0000-4000-8000-000000000001", CallerKind::Person));
        assert_eq!((id.as_deref(), held), (Some("aBc_1"), vec![format!("{HEDEBY} steering-group")]));
        let (_, kind, _, held) = caller(&issuer, claims(json!({"idtyp": "app", "roles": ["Gevinst.Integration"]})));
        assert_eq!((kind, held), (CallerKind::Service, vec![format!("{HEDEBY} integration")]));
        assert!(roles(&issuer, claims(json!({"tid": "00000000-dddd-4000-8000-000000000000"}))).is_empty());
    }

    #[test]
    fn adfs_one_role_as_text_and_several_as_list_mapped() {
        let issuer = example("adfs.json");
        let person = json!({
            "aud": "urn:hedeby:gevinst", "iss": issuer.issuer, "iat": 1, "exp": 2, "apptype": "Confidential",
            "appid": "portal", "sub": "S-1-5-21-1-2-3-1001", "role": "GG-Gevinst-Styregruppe", "ver": "1.0",
        });
        let (subject, kind, id, held) = caller(&issuer, person);
        assert_eq!((subject.as_str(), kind, id), ("S-1-5-21-1-2-3-1001", CallerKind::Person, None));
        assert_eq!(held, [format!("{HEDEBY} steering-group")]);
        let service = json!({"appid": "esdh", "sub": "esdh", "role": ["GG-Alle", "GG-Gevinst-Integration"]});
        let (_, kind, _, held) = caller(&issuer, service);
        assert_eq!((kind, held), (CallerKind::Service, vec![format!("{HEDEBY} integration")]));
    }

    /// A role of the broker's, in the first municipality.
    fn privilege(name: &str, constraints: Value) -> Value {
        json!({
            "privilege": format!("http://gevinst.invalid/roles/usersystemrole/{name}/1"),
            "scope": "urn:dk:gov:saml:cvrNumberIdentifier:00009999",
            "constraints": constraints,
        })
    }

    fn unit(value: &str) -> Value {
        json!({"name": "http://sts.kombit.dk/constraints/orgenhed/1", "value": value})
    }

    #[test]
    fn kombit_roles_by_municipality_and_unit_mapped() {
        let issuer = example("kombit.json");
        let mut elsewhere = privilege("laeser", json!([]));
        elsewhere["scope"] = json!("urn:dk:gov:saml:cvrNumberIdentifier:00008888");
        let claims = json!({
            "sub": "3f2c", "client_id": "broker", "jti": "t1",
            "privileges": [
                elsewhere,
                privilege("portefoeljekontor", json!([])),
                privilege("portefoeljekontor", json!([])),
                privilege("omraadeleder", json!([unit(&format!("{UNIT},{OTHER_UNIT}"))])),
            ],
        });
        let (subject, kind, _, held) = caller(&issuer, claims);
        assert_eq!((subject.as_str(), kind), ("kombit:3f2c", CallerKind::Person));
        let expected = [
            format!("{NABO} reader"),
            format!("{HEDEBY} portfolio-office"),
            format!("{HEDEBY} area-leader {UNIT}"),
            format!("{HEDEBY} area-leader {OTHER_UNIT}"),
        ];
        assert_eq!(held, expected);
        let system = json!({"sub": "esdh", "client_id": "esdh", "privileges": [privilege("laeser", json!([]))]});
        assert_eq!(caller(&issuer, system).1, CallerKind::Service);
    }

    #[test]
    fn restriction_that_is_not_understood_takes_the_role_away() {
        let issuer = example("kombit.json");
        let kle = json!({"name": "http://sts.kombit.dk/constraints/KLE/1", "value": "27.*"});
        let mut more = privilege("laeser", json!([]));
        more["sensitivity"] = json!("low");
        let mut unknown_scope = privilege("laeser", json!([]));
        unknown_scope["scope"] = json!("urn:dk:gov:saml:cvrNumberIdentifier:00007777");
        let mut no_scope = privilege("laeser", json!([]));
        no_scope.as_object_mut().unwrap().remove("scope");
        let cases = [
            privilege("laeser", json!([kle])),
            privilege("laeser", json!([unit(UNIT), kle])),
            privilege("laeser", json!([unit(UNIT), unit(OTHER_UNIT)])),
            privilege("laeser", json!([unit("hele kommunen")])),
            privilege("laeser", json!([unit("")])),
            privilege("laeser", json!([{"name": "http://sts.kombit.dk/constraints/orgenhed/1"}])),
            privilege("laeser", json!([{"name": unit("")["name"], "value": UNIT, "not": true}])),
            privilege("laeser", json!({"name": unit("")["name"], "value": UNIT})),
            privilege("laeser", json!(null)),
            privilege("konge", json!([])),
            more,
            unknown_scope,
            no_scope,
            json!("http://gevinst.invalid/roles/usersystemrole/laeser/1"),
            json!(7),
        ];
        for case in cases {
            assert!(roles(&issuer, json!({"sub": "a", "privileges": [case]})).is_empty(), "{case}");
        }
    }

    #[test]
    fn element_with_a_unit_of_its_own_limited_to_it() {
        let mut issuer = example("keycloak.json");
        let element = json!({"role": "name", "unit": "unit", "ignored": ["label"]});
        issuer.claims.roles.as_mut().unwrap().element = Some(serde_json::from_value(element).unwrap());
        let held =
            |element: Value| roles(&issuer, json!({"sub": "a", "resource_access": {"gevinst": {"roles": [element]}}}));
        assert_eq!(held(json!({"name": "styregruppe", "label": "x"})), [format!("{HEDEBY} steering-group")]);
        let limited = held(json!({"name": "styregruppe", "unit": UNIT}));
        assert_eq!(limited, [format!("{HEDEBY} steering-group {UNIT}")]);
        assert!(held(json!({"name": "styregruppe", "unit": null})).is_empty());
        assert!(held(json!({"name": "styregruppe", "unit": UNIT, "kle": "27"})).is_empty());
    }

    #[test]
    fn native_token_beyond_its_issuers_organisations_grants_nothing_there() {
        let document = json!({"issuers": [{
            "issuer": "https://a.invalid", "audience": "gevinst", "organisations": [HEDEBY],
        }]});
        let issuer = issuers::read(&document.to_string()).unwrap().remove(0);
        let claims = json!({"sub": "a", "organisations": {HEDEBY: ["reader", "king"], NABO: ["auditor"]}});
        assert_eq!(roles(&issuer, claims), [format!("{HEDEBY} reader grantable")]);
    }

    /// What Gevinst does by itself is told from all that anybody's token says by its kind.
    #[test]
    fn no_claims_make_a_caller_gevinst_itself() {
        let service = |rule: Value| Mapping { service: serde_json::from_value(rule).unwrap(), ..Mapping::default() };
        for mapping in [
            Mapping::default(),
            service(json!({"claim": "/kind", "equals": "SYSTEM"})),
            service(json!({"claim": "/sub", "prefix": "gevinst"})),
        ] {
            for client in ["gevinst", "portal"] {
                let claims = json!({"sub": "gevinst", "client_id": client, "kind": "SYSTEM", "actor_kind": "SYSTEM"});
                let caller = mapping.caller(&claims, None).unwrap();
                assert_eq!(caller.subject(), SYSTEM);
                assert_ne!(caller.kind(), CallerKind::System);
            }
        }
        assert_eq!(Caller::system().kind(), CallerKind::System);
        assert!(named(SYSTEM.to_owned()).is_ok(), "which is why the name alone is not enough");
    }

    #[test]
    fn claims_of_the_wrong_shape_refused() {
        let issuer = example("entra.json");
        let long = "x".repeat(MAX_NAME + 1);
        let cases = [
            json!({}),
            json!({"oid": null}),
            json!({"oid": 7}),
            json!({"oid": ""}),
            json!({"oid": "med mellemrum"}),
            json!({"oid": long}),
            json!({"oid": "a", "uti": 7}),
            json!({"oid": "a", "uti": ""}),
            json!({"oid": "a", "uti": long}),
            json!({"oid": "a", "roles": {"Gevinst.SteeringGroup": true}}),
            json!({"oid": "a", "roles": 7}),
        ];
        for claims in cases {
            let refused = issuer.claims.caller(&claims, issuer.organisations.as_ref());
            assert!(matches!(refused, Err(Error::TokenInvalid)), "{claims}");
        }
    }
}
