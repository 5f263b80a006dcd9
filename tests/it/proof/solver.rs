//! Asks cvc5, a solver, whether what one policy set allows another does too: for every request there can be.

use std::{env, io};

use cedar_policy::{
    ActionConstraint, Authorizer, Decision, Entities, EntityId, EntityUid, Policy, PolicySet, Request, RequestEnv,
    ResourceConstraint, Response, Schema, ValidationMode, Validator,
};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env,
    solver::{LocalSolver, SolverError},
};
use tokio::process::Command;

/// The shipped policies, their schema, and every kind of request that it knows.
pub struct Shipped {
    pub policies: PolicySet,
    pub schema: Schema,
    /// One an action and type of resource.
    pub environments: Vec<RequestEnv>,
    /// Actions and the groups that they are in.
    actions: Entities,
}

impl Shipped {
    pub fn read() -> Self {
        let schema: Schema = gevinst::auth::policy::SCHEMA.parse().unwrap();
        let environments: Vec<_> = schema.request_envs().collect();
        assert!(!environments.is_empty());
        Self {
            policies: gevinst::auth::policy::POLICIES.parse().unwrap(),
            actions: schema.action_entities().unwrap(),
            environments,
            schema,
        }
    }

    /// The environments in which a policy can say anything, by its scope.
    pub fn concerned(&self, policy: &Policy) -> Vec<&RequestEnv> {
        self.environments.iter().filter(|environment| self.concerns(policy, environment)).collect()
    }

    /// Whether an action belongs to a group of them.
    pub fn is_in(&self, action: &EntityUid, group: &str) -> bool {
        let group = EntityUid::from_type_name_and_id(action.type_name().clone(), EntityId::new(group));
        self.actions.is_ancestor_of(&group, action)
    }

    pub fn concerns(&self, policy: &Policy, environment: &RequestEnv) -> bool {
        let performed = environment.action();
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(action) => action == *performed,
            ActionConstraint::In(groups) => {
                groups.iter().any(|group| group == performed || self.actions.is_ancestor_of(group, performed))
            }
        };
        let resources = match policy.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::Is(kind) => kind == *environment.resource(),
            other => panic!("a scope that names single resources: {other:?}"),
        };
        actions && resources
    }

    /// Whether the service would refuse to load this, and why.
    pub fn refused(&self, policies: &PolicySet) -> Option<String> {
        let result = Validator::new(self.schema.clone()).validate(policies, ValidationMode::Strict);
        (!result.validation_passed()).then(|| result.to_string())
    }

    /// What the running engine answers a counterexample, held to the schema as a real request is.
    pub fn decide(&self, policies: &PolicySet, found: &Env) -> Decision {
        let Env { request, entities } = found;
        let request = Request::new(
            request.principal().unwrap().clone(),
            request.action().unwrap().clone(),
            request.resource().unwrap().clone(),
            request.context().unwrap().clone(),
            Some(&self.schema),
        )
        .unwrap_or_else(|error| panic!("no request that the schema knows: {error}\n{}", shown(found)));
        let entities = Entities::from_entities(entities.iter().cloned(), Some(&self.schema))
            .unwrap_or_else(|error| panic!("no entities that the schema knows: {error}\n{}", shown(found)));
        let response: Response = Authorizer::new().is_authorized(&request, policies, &entities);
        let errors: Vec<_> = response.diagnostics().errors().map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{errors:?}\n{}", shown(found));
        response.decision()
    }
}

/// A solver process of its own, and what it is asked about.
pub struct Prover<'a> {
    shipped: &'a Shipped,
    solver: CedarSymCompiler<LocalSolver>,
}

impl<'a> Prover<'a> {
    pub fn start(shipped: &'a Shipped) -> Self {
        let program = env::var("CVC5").unwrap_or_else(|_| "cvc5".to_owned());
        // A question takes well under a second; one that takes a minute is answered "unknown", which fails the test.
        let mut command = Command::new(&program);
        command.args(["--lang", "smt", "--tlimit-per=60000"]).kill_on_drop(true);
        let solver = LocalSolver::from_command(&mut command).unwrap_or_else(|error| match error {
            SolverError::Io(error) if error.kind() == io::ErrorKind::NotFound => panic!(
                "{program} is missing, and nothing can be proved without it: `apt-get install cvc5`, as tests/run \
                 does, or name the program in CVC5"
            ),
            other => panic!("{program} does not start: {other}"),
        });
        Self { shipped, solver: CedarSymCompiler::new(solver).unwrap() }
    }

    pub fn compile(&self, policies: &PolicySet, environment: &RequestEnv) -> CompiledPolicySet {
        CompiledPolicySet::compile(policies, environment, &self.shipped.schema)
            .unwrap_or_else(|error| panic!("{}: {error}", environment.action()))
    }

    /// A request that the first set allows and the second does not; none if there can be none.
    pub async fn beyond(&mut self, allowed: &CompiledPolicySet, at_most: &CompiledPolicySet) -> Option<Env> {
        self.solver.check_implies_with_counterexample_opt(allowed, at_most).await.unwrap()
    }

    /// A request on which the policy fails, and so is skipped.
    pub async fn failing(&mut self, policy: &Policy, environment: &RequestEnv) -> Option<Env> {
        let compiled = CompiledPolicy::compile(policy, environment, &self.shipped.schema).unwrap();
        self.solver.check_never_errors_with_counterexample_opt(&compiled).await.unwrap()
    }

    /// Whether the set allows nothing at all.
    pub async fn denies_all(&mut self, policies: &CompiledPolicySet) -> bool {
        self.solver.check_always_denies_opt(policies).await.unwrap()
    }
}

/// A counterexample without what the schema says anyway: which actions there are.
pub fn shown(found: &Env) -> String {
    let told = found.entities.iter().filter(|entity| entity.uid().type_name().basename() != "Action").cloned();
    Env { request: found.request.clone(), entities: Entities::from_entities(told, None).unwrap() }.to_string()
}
