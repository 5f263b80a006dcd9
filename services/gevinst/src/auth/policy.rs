//! The one place that decides: the shipped policies (`policies.cedar`, readable by an auditor, proved in
//! `tests/it/proof.rs`), and what an operator forbids on top, evaluated by Cedar over what the caller holds and what the
//! object's row says.
//!
//! Policies are sorted by action once, when they are loaded: a decision evaluates those whose scope can match. A policy
//! that fails to evaluate denies: Cedar would skip it, and a forbid that is skipped forbids nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use aws_lc_rs::digest;
use cedar_policy::{
    ActionConstraint, Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    Policy, PolicyId, PolicySet, Request, RestrictedExpression, Schema, ValidationError, ValidationMode, Validator,
};
use gevinst_proto::v1::ErrorReason;
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::{
    auth::{Action, Allowed, CallerKind, Role, authority::Authority, resource::Resource},
    error::{Error, Result},
};

/// The policies that are shipped.
pub const POLICIES: &str = include_str!("policies.cedar");

/// What policies speak of.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// Policies, ready to decide.
pub struct Policies {
    authorizer: Authorizer,
    types: Types,
    by_action: BTreeMap<&'static str, Slice>,
    sha256: String,
}

/// The policies that can say something about one action.
struct Slice {
    action: EntityUid,
    /// The action and its groups.
    entities: Vec<Entity>,
    all: PolicySet,
    /// Only what permits: tells a missing role from a prohibition.
    permits: PolicySet,
    /// Prohibitions in the order of their files: id and reason.
    forbids: Vec<(PolicyId, ErrorReason)>,
    /// What the permits ask for, in English and Danish.
    needs: (String, String),
}

/// A question about one object.
pub struct Question<'a> {
    /// Who asks, and what they hold.
    pub authority: &'a Authority,
    /// Whom they act for.
    pub acting_for: Option<&'a str>,
    /// What is to be done.
    pub action: Action,
    /// To what.
    pub resource: &'a Resource<'a>,
    /// Of a decision at a gate, what is decided.
    pub deciding: Option<&'a Deciding>,
}

/// What is decided at a gate, and the rule of the authority matrix that the decision rests on (I04).
#[derive(Clone, Debug, Default)]
pub struct Deciding {
    /// What it releases, in øre.
    pub amount_ore: i64,
    /// How risky it is, 1 to 3.
    pub risk: i64,
    /// The project's track.
    pub track: String,
    /// The answer.
    pub outcome: String,
    /// The rule, if there is one.
    pub mandate: Option<Mandate>,
}

/// A rule of the authority matrix.
#[derive(Clone, Debug)]
pub struct Mandate {
    /// The role that it gives authority to.
    pub role: Role,
    /// The most that it covers, in øre.
    pub max_amount_ore: i64,
    /// The greatest risk that it covers, 1 to 3.
    pub max_risk: i64,
    /// The tracks that it covers.
    pub tracks: Vec<String>,
    /// The answers that it covers.
    pub outcomes: Vec<String>,
}

impl Policies {
    /// The shipped policies with what an operator forbids on top: a file of forbids on writing, and nothing else. What
    /// is wrong with it is said, and nothing is loaded.
    pub fn load(operator: Option<&str>) -> Result<Self, String> {
        let schema: Schema = SCHEMA.parse().map_err(|error| format!("the schema of the policies: {error}"))?;
        let mut policies = named(POLICIES)?;
        if let Some(operator) = operator {
            let added = named(operator)?;
            only_restricts(&added, &policies, &schema)?;
            policies.extend(added);
        }
        let whole = PolicySet::from_policies(policies.iter().cloned()).map_err(|error| error.to_string())?;
        let valid = Validator::new(schema.clone()).validate(&whole, ValidationMode::Strict);
        if !valid.validation_passed() {
            return Err(valid.validation_errors().map(said).collect::<Vec<_>>().join("; "));
        }
        let groups = schema.action_entities().map_err(|error| error.to_string())?;
        let by_action = Action::iter()
            .map(|action| Ok((action.name(), Slice::new(action, &policies, &groups)?)))
            .collect::<Result<_, String>>()?;
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [SCHEMA, POLICIES, operator.unwrap_or_default()] {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        let sha256 = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { authorizer: Authorizer::new(), types: Types::new()?, by_action, sha256 })
    }

    /// SHA-256 over schema, policies and the operator's file, each ended by a zero byte; in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Decides. A refusal says which role is missing, or which policy forbids.
    pub fn decide(&self, question: &Question<'_>) -> Result<Allowed> {
        let action = question.action.name();
        let slice = self.by_action.get(action).ok_or_else(|| Error::Internal(format!("no policies for {action}")))?;
        let failed = |error: String| Error::Internal(format!("deciding {action}: {error}"));
        let (request, entities) = self.types.lay_out(slice, question).map_err(failed)?;
        let response = self.authorizer.is_authorized(&request, &slice.all, &entities);
        let mut errors = response.diagnostics().errors();
        if let Some(error) = errors.next() {
            return Err(failed(error.to_string()));
        }
        let determining: BTreeSet<&PolicyId> = response.diagnostics().reason().collect();
        if response.decision() == Decision::Allow {
            let policy = determining.first().map(ToString::to_string).unwrap_or_default();
            return Ok(Allowed { policy });
        }
        let (needs, needs_da) = slice.needs.clone();
        let lacking = || Error::RoleMissing { action, needs: needs.clone(), needs_da: needs_da.clone() };
        // Who could not do it anyway is told what it takes, and not what else stands in the way.
        if self.authorizer.is_authorized(&request, &slice.permits, &entities).decision() == Decision::Deny {
            return Err(lacking());
        }
        let forbidden = slice.forbids.iter().find(|(id, _)| determining.contains(id));
        Err(forbidden.map_or_else(lacking, |(policy, reason)| Error::Forbidden {
            action,
            policy: policy.to_string(),
            reason: *reason,
        }))
    }
}

/// What is wrong with a policy, and with which: not every message of Cedar's names it.
fn said(error: &ValidationError) -> String {
    let (id, text) = (error.policy_id(), error.to_string());
    if text.contains(&format!("`{id}`")) { text } else { format!("{id}: {text}") }
}

/// The policies of a file, in its order, each under the name that its `@id` gives it.
fn named(text: &str) -> Result<Vec<Policy>, String> {
    let parsed: PolicySet = text.parse().map_err(|error| format!("{error}"))?;
    if parsed.templates().next().is_some() {
        return Err("a template is no policy: write who it is about".to_owned());
    }
    let mut found: Vec<&Policy> = parsed.policies().collect();
    // Cedar numbers them as they stand: policy0, policy1, …, policy10.
    found.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().ok());
    let mut taken = BTreeSet::new();
    found
        .into_iter()
        .map(|policy| {
            let id = policy.annotation("id").filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| format!("a policy has no @id(\"…\"): {policy}"))?;
            if !taken.insert(id.to_owned()) {
                return Err(format!("two policies have the @id {id}"));
            }
            Ok(policy.new_id(PolicyId::new(id)))
        })
        .collect()
}

/// An operator's policies forbid, and only writing: reads are filtered in SQL, which knows nothing of this file (limit
/// them by granting less).
fn only_restricts(added: &[Policy], shipped: &[Policy], schema: &Schema) -> Result<(), String> {
    let write = uid("Action", "write")?;
    let groups = schema.action_entities().map_err(|error| error.to_string())?;
    let writes = |action: &EntityUid| *action == write || groups.is_ancestor_of(&write, action);
    for policy in added {
        let id = policy.id();
        if policy.effect() != Effect::Forbid {
            return Err(format!("{id} is a permit: an operator's policies can only forbid"));
        }
        if shipped.iter().any(|shipped| shipped.id() == id) {
            return Err(format!("{id} is the @id of a shipped policy: choose another"));
        }
        let named = match policy.action_constraint() {
            ActionConstraint::Any => Vec::new(),
            ActionConstraint::Eq(action) => vec![action],
            ActionConstraint::In(actions) => actions,
        };
        if let Some(unknown) = named.iter().find(|action| groups.get(action).is_none()) {
            return Err(format!("{id} names {unknown}, which is no action"));
        }
        if named.is_empty() || !named.iter().all(writes) {
            return Err(format!("{id} is not limited to writing: name actions, or write action in Action::\"write\""));
        }
    }
    Ok(())
}

impl Slice {
    fn new(action: Action, policies: &[Policy], groups: &Entities) -> Result<Self, String> {
        let action = uid("Action", action.name())?;
        let entity = groups.get(&action).ok_or_else(|| format!("the schema has no action {action}"))?;
        let within: Vec<&Entity> = groups.iter().filter(|group| groups.is_ancestor_of(&group.uid(), &action)).collect();
        let concerns = |named: &EntityUid| *named == action || within.iter().any(|group| group.uid() == *named);
        let concerning: Vec<&Policy> = policies
            .iter()
            .filter(|policy| match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(named) => concerns(&named),
                ActionConstraint::In(named) => named.iter().any(concerns),
            })
            .collect();
        let of = |effect: Effect| concerning.iter().filter(move |policy| policy.effect() == effect).copied();
        let set = |policies: Vec<&Policy>| {
            PolicySet::from_policies(policies.into_iter().cloned()).map_err(|error| error.to_string())
        };
        let asked = |annotation: &str, or: &str| {
            let mut needs: Vec<&str> = of(Effect::Permit).filter_map(|policy| policy.annotation(annotation)).collect();
            needs.dedup();
            needs.join(or)
        };
        let needs = (asked("needs", ", or "), asked("needs_da", ", eller "));
        let reason = |policy: &Policy| {
            let named = policy.annotation("reason").unwrap_or("POLICY_FORBIDS");
            let reason = ErrorReason::from_str_name(&format!("ERROR_REASON_{named}"));
            let reason = reason.ok_or_else(|| format!("{}: {named} is no reason", policy.id()))?;
            Ok((policy.id().clone(), reason))
        };
        Ok(Self {
            entities: within.into_iter().chain([entity]).cloned().collect(),
            all: set(concerning.clone())?,
            permits: set(of(Effect::Permit).collect())?,
            forbids: of(Effect::Forbid).map(reason).collect::<Result<_, String>>()?,
            needs,
            action,
        })
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind: EntityTypeName = kind.parse().map_err(|error| format!("{error}"))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// The names of the schema's types, read once.
struct Types {
    scope: EntityTypeName,
    role_at: EntityTypeName,
    user: EntityTypeName,
    resources: BTreeMap<&'static str, EntityTypeName>,
}

impl Types {
    fn new() -> Result<Self, String> {
        let name = |name: &str| name.parse::<EntityTypeName>().map_err(|error| error.to_string());
        Ok(Self {
            scope: name("Scope")?,
            role_at: name("RoleAt")?,
            user: name("User")?,
            resources: Resource::TYPES
                .into_iter()
                .map(|kind| Ok((kind, name(kind)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    fn scope(&self, id: &Uuid) -> EntityUid {
        EntityUid::from_type_name_and_id(self.scope.clone(), EntityId::new(id.to_string()))
    }

    fn role_at(&self, role: Role, scope: &Uuid) -> EntityUid {
        let id = format!("{}@{scope}", role.name());
        EntityUid::from_type_name_and_id(self.role_at.clone(), EntityId::new(id))
    }

    fn user(&self, subject: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.user.clone(), EntityId::new(subject))
    }

    /// The question in Cedar's terms.
    fn lay_out(&self, slice: &Slice, question: &Question<'_>) -> Result<(Request, Entities), String> {
        let principal = match (question.acting_for, question.resource) {
            // Of what may be granted, the grant's own period decides.
            (Some(_), _) | (_, Resource::RoleGrant { .. }) => self.principal(question)?,
            _ => match question.authority.principal.get() {
                Some(principal) => principal.clone(),
                None => {
                    let principal = self.principal(question)?;
                    question.authority.principal.get_or_init(|| principal).clone()
                }
            },
        };
        let resource = self.resource(question.resource, &question.authority.organisation)?;
        let context = self.context(question)?;
        let request = Request::new(principal.uid(), slice.action.clone(), resource.uid(), context, None)
            .map_err(|error| error.to_string())?;
        let entities = slice.entities.iter().cloned().chain([principal, resource]);
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        Ok((request, entities))
    }

    fn principal(&self, question: &Question<'_>) -> Result<Entity, String> {
        let authority = question.authority;
        let mut places: BTreeMap<Role, Vec<RestrictedExpression>> =
            Role::iter().map(|role| (role, Vec::new())).collect();
        let place = |scope: &Uuid| RestrictedExpression::new_entity_uid(self.scope(scope));
        let mut grantable = Vec::new();
        for held in authority.counting(question.acting_for) {
            places.entry(held.role).or_default().push(place(&held.scope));
            // What ends before the new grant would is not enough to give it.
            if held.grantable && question.resource.ends_within(held.until) {
                grantable.push(RestrictedExpression::new_entity_uid(self.role_at(held.role, &held.scope)));
            }
        }
        // Who acts for another remains an auditor.
        if question.acting_for.is_some() {
            let auditing = authority.counting(None).filter(|held| held.role == Role::Auditor);
            places.entry(Role::Auditor).or_default().extend(auditing.map(|held| place(&held.scope)));
        }
        let any: BTreeSet<&Uuid> = authority.roles.iter().map(|held| &held.scope).collect();
        let mut attributes: HashMap<String, RestrictedExpression> = places
            .into_iter()
            .map(|(role, places)| (attribute(role).to_owned(), RestrictedExpression::new_set(places)))
            .collect();
        attributes.insert("anyRole".to_owned(), RestrictedExpression::new_set(any.into_iter().map(place)));
        attributes.insert("grantable".to_owned(), RestrictedExpression::new_set(grantable));
        attributes.insert("organisation".to_owned(), place(&authority.organisation));
        let is_person = RestrictedExpression::new_bool(authority.kind == CallerKind::Person);
        attributes.insert("isPerson".to_owned(), is_person);
        let is_clock = RestrictedExpression::new_bool(authority.kind == CallerKind::System);
        attributes.insert("isClock".to_owned(), is_clock);
        Entity::new(self.user(&authority.subject), attributes, HashSet::new()).map_err(|error| error.to_string())
    }

    fn resource(&self, resource: &Resource<'_>, organisation: &Uuid) -> Result<Entity, String> {
        let kind = self.resources.get(resource.kind()).ok_or("an unknown type")?;
        let organisation = resource.organisation().unwrap_or(organisation);
        let mut attributes: HashMap<String, RestrictedExpression> = resource
            .people()
            .into_iter()
            .map(|(name, subject)| (name.to_owned(), RestrictedExpression::new_entity_uid(self.user(subject))))
            .collect();
        attributes.insert("organisation".to_owned(), RestrictedExpression::new_entity_uid(self.scope(organisation)));
        if let Resource::Criterion { assessors, is_graded, .. } = resource {
            let assessors = assessors.iter().map(|role| RestrictedExpression::new_string(role.clone()));
            attributes.insert("assessors".to_owned(), RestrictedExpression::new_set(assessors));
            attributes.insert("isGraded".to_owned(), RestrictedExpression::new_bool(*is_graded));
        }
        let parents = match resource.role() {
            Some(role) => resource.scopes(organisation).iter().map(|scope| self.role_at(role, scope)).collect(),
            None => resource.scopes(organisation).iter().map(|scope| self.scope(scope)).collect(),
        };
        let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new("object"));
        Entity::new(uid, attributes, parents).map_err(|error| error.to_string())
    }

    fn context(&self, question: &Question<'_>) -> Result<Context, String> {
        let mut pairs = Vec::new();
        if let Some(acting_for) = question.acting_for {
            let acting_for = RestrictedExpression::new_entity_uid(self.user(acting_for));
            pairs.push(("actingFor".to_owned(), acting_for));
        }
        if let Some(deciding) = question.deciding {
            pairs.extend(deciding.attributes()?);
        }
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }
}

impl Deciding {
    fn attributes(&self) -> Result<Vec<(String, RestrictedExpression)>, String> {
        let text = |text: &String| RestrictedExpression::new_string(text.clone());
        let mut pairs = vec![
            ("amount".to_owned(), RestrictedExpression::new_long(self.amount_ore)),
            ("risk".to_owned(), RestrictedExpression::new_long(self.risk)),
            ("track".to_owned(), text(&self.track)),
            ("outcome".to_owned(), text(&self.outcome)),
        ];
        if let Some(mandate) = &self.mandate {
            let rule = RestrictedExpression::new_record([
                ("role".to_owned(), RestrictedExpression::new_string(mandate.role.name().to_owned())),
                ("maxAmount".to_owned(), RestrictedExpression::new_long(mandate.max_amount_ore)),
                ("maxRisk".to_owned(), RestrictedExpression::new_long(mandate.max_risk)),
                ("tracks".to_owned(), RestrictedExpression::new_set(mandate.tracks.iter().map(text))),
                ("outcomes".to_owned(), RestrictedExpression::new_set(mandate.outcomes.iter().map(text))),
            ]);
            pairs.push(("mandate".to_owned(), rule.map_err(|error| error.to_string())?));
        }
        Ok(pairs)
    }
}

/// The name of a role's places in the schema.
fn attribute(role: Role) -> &'static str {
    match role {
        Role::ExecutiveBoard => "executiveBoard",
        Role::SteeringGroup => "steeringGroup",
        Role::PortfolioOffice => "portfolioOffice",
        Role::ProjectOwner => "projectOwner",
        Role::ProjectManager => "projectManager",
        Role::BenefitOwner => "benefitOwner",
        Role::AreaLeader => "areaLeader",
        Role::AssessorDpo => "assessorDpo",
        Role::AssessorCiso => "assessorCiso",
        Role::AssessorUx => "assessorUx",
        Role::Finance => "finance",
        Role::Reader => "reader",
        Role::Auditor => "auditor",
        Role::Integration => "integration",
    }
}
