//! What an operator forbids on top of the shipped policies: what the file may say, that it holds, and that the log shows
//! which policies decided.

use gevinst::{
    auth::{
        Action, Authority, CallerKind, Resource, Role,
        authority::Held,
        policy::{Policies, Question},
    },
    config::Config,
    ids::OrganisationId,
};
use gevinst_proto::v1 as pb;
use serde_json::{Value, json};
use tonic::Code;
use uuid::Uuid;

use crate::harness::{World, config};

const NO_ARCHIVING: &str = r#"
    // Until the audit is over.
    @id("nothing-is-archived")
    forbid (principal, action == Action::"project.archive", resource);
"#;

fn with(policies: &str) -> Config {
    Config { policies: Some(policies.to_owned()), ..config() }
}

/// What is wrong with a file.
fn problem(file: &str) -> String {
    Policies::load(Some(file)).err().unwrap_or_else(|| panic!("{file} was loaded"))
}

/// A forbid on archiving, under a condition.
fn archiving_when(condition: &str) -> String {
    format!(r#"@id("x") forbid (principal, action == Action::"project.archive", resource) when {{ {condition} }};"#)
}

/// What the portfolio office is answered.
fn asked(policies: &Policies, action: Action) -> Result<String, (&'static str, Option<String>)> {
    let organisation = Uuid::from_u128(1);
    let held = Held { role: Role::PortfolioOffice, scope: organisation, grantable: false, lent_by: None, until: None };
    let authority = Authority::holding(OrganisationId::new(organisation), "office", CallerKind::Person, vec![held]);
    let resource =
        Resource::Project { organisation: &organisation, scopes: &[organisation], owner: "owner", manager: "manager" };
    let question = Question { authority: &authority, acting_for: None, action, resource: &resource, deciding: None };
    let answer = policies.decide(&question).map(|allowed| allowed.policy().to_owned());
    answer.map_err(|refusal| (refusal.reason_name(), refusal.policy().map(str::to_owned)))
}

#[test]
fn forbid_on_a_write_loaded_and_held() {
    let policies = Policies::load(Some(NO_ARCHIVING)).unwrap();
    let refused = Err(("POLICY_FORBIDS", Some("nothing-is-archived".to_owned())));
    assert_eq!(asked(&policies, Action::ProjectArchive), refused);
    assert_eq!(asked(&policies, Action::ProjectUpdate), Ok("change-a-project".to_owned()));
    // Who could not do it anyway is told what it takes.
    assert_eq!(asked(&policies, Action::ProjectResume), Err(("ROLE_MISSING", None)));
    // All writing at once; under a condition; several of them; with a reason of the contract's.
    for file in [
        r#"@id("x") forbid (principal, action in Action::"write", resource);"#,
        r#"@id("x") forbid (principal, action in [Action::"project.archive", Action::"project.update"], resource);"#,
        &archiving_when(r#"resource.owner == User::"owner" && principal.isPerson"#),
        &format!("{NO_ARCHIVING} {}", archiving_when("true")),
    ] {
        let answer = asked(&Policies::load(Some(file)).unwrap(), Action::ProjectArchive);
        assert_eq!(answer.map_err(|(reason, _)| reason), Err("POLICY_FORBIDS"), "{file}");
    }
    assert!(asked(&Policies::load(Some("// nothing yet")).unwrap(), Action::ProjectArchive).is_ok());
}

#[test]
fn file_that_is_more_or_other_than_a_forbid_on_writing_refused_with_why() {
    let forbid = |scope: &str| format!(r#"@id("x") forbid ({scope});"#);
    let shipped = r#"@id("auditor-changes-nothing") forbid (principal, action in Action::"write", resource);"#;
    let anonymous = r#"forbid (principal, action in Action::"write", resource);"#;
    let unnamed = r#"@id("") forbid (principal, action in Action::"write", resource);"#;
    let twice = format!("{NO_ARCHIVING}{NO_ARCHIVING}");
    let template = r#"@id("x") forbid (principal == ?principal, action in Action::"write", resource);"#;
    let reasoned = r#"@id("x") @reason("BECAUSE") forbid (principal, action in Action::"write", resource);"#;
    for (file, why) in [
        (r#"@id("x") permit (principal, action == Action::"project.archive", resource);"#, "x is a permit"),
        (&forbid(r#"principal, action == Action::"project.read", resource"#), "x is not limited to writing"),
        (&forbid(r#"principal, action in Action::"read", resource"#), "x is not limited to writing"),
        (&forbid("principal, action, resource"), "x is not limited to writing"),
        (
            &forbid(r#"principal, action in [Action::"project.archive", Action::"gate.read"], resource"#),
            "x is not limited to writing",
        ),
        (
            &forbid(r#"principal, action == Action::"project.burn", resource"#),
            r#"x names Action::"project.burn", which is no action"#,
        ),
        (&archiving_when("resource.budget > 1"), "budget"),
        (&archiving_when("principal.age > 1"), "age"),
        (&archiving_when(r#"resource.owner == "owner""#), "x: the types String and User are not compatible"),
        (&archiving_when("resource in Municipality::\"x\""), "Municipality"),
        (&archiving_when("context.outcome == \"GO\""), "outcome"),
        (&archiving_when("context.actingFor == principal"), "actingFor"),
        ("forbid (principal", "unexpected"),
        (anonymous, "no @id"),
        (unnamed, "no @id"),
        (&twice, "two policies have the @id nothing-is-archived"),
        (shipped, "auditor-changes-nothing is the @id of a shipped policy"),
        (template, "template"),
        (reasoned, "BECAUSE is no reason"),
    ] {
        let said = problem(file);
        assert!(said.contains(why), "{file}: {said}");
    }
}

#[test]
fn hash_differs_with_every_byte_of_the_file() {
    let of = |file: Option<&str>| Policies::load(file).unwrap().sha256().to_owned();
    assert_eq!(of(Some(NO_ARCHIVING)), of(Some(NO_ARCHIVING)));
    assert_ne!(of(Some(NO_ARCHIVING)), of(None));
    assert_ne!(of(Some(NO_ARCHIVING)), of(Some(&format!("{NO_ARCHIVING} "))));
    assert!(of(None).len() == 64 && of(None).bytes().all(|byte| byte.is_ascii_hexdigit()));
}

fn archival(world: &World, project: &pb::Project) -> pb::ArchiveProjectRequest {
    let (project, etag) = (project.id.clone(), project.etag.clone());
    pb::ArchiveProjectRequest { organisation: world.id(), project, etag, validate_only: false }
}

#[tokio::test]
async fn archiving_forbidden_by_the_operator_refused_and_the_entry_names_the_policy() {
    let world = World::with(with(NO_ARCHIVING)).await;
    let project = world.project().await;
    let failure = world.office().call(archival(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "POLICY_FORBIDS"), "{failure:?}");
    assert_eq!(failure.metadata["policy"], "nothing-is-archived");
    let entries = world.audited("policy = \"nothing-is-archived\"").await;
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.outcome(), entry.reason.as_str()), (pb::AuditOutcome::Refused, "POLICY_FORBIDS"));
    assert_eq!((entry.action.as_str(), entry.object.as_deref()), ("project.archive", Some(project.id.as_str())));
    // Only that; and a user interface is told before it shows the button.
    let ask = pb::GetProjectPermissionsRequest {
        organisation: world.id(),
        project: project.id.clone(),
        ..Default::default()
    };
    let permissions = world.office().call(ask).await.unwrap().permissions;
    let of = |action: &str| permissions.iter().find(|permission| permission.action == action).unwrap();
    assert!(of("project.update").allowed && !of("project.archive").allowed, "{permissions:?}");
    assert_eq!(of("project.archive").policy, "nothing-is-archived");
    assert_eq!(world.reread(&project).await, project);
}

#[tokio::test]
async fn server_with_other_policies_named_in_the_log_before_it_decides() {
    let first = World::new().await;
    let project = first.project().await;
    let second = first.behind_another(with(NO_ARCHIVING)).await;
    second.office().call(archival(&second, &project)).await.unwrap_err();
    // The third has the first one's policies; a command that is only checked decides nothing.
    let third = second.behind_another(config()).await;
    let request = pb::ArchiveProjectRequest { validate_only: true, ..archival(&third, &project) };
    third.office().call(request).await.unwrap();
    let adopted = async || first.audited("action = \"policy_set.adopt\"").await;
    assert_eq!(adopted().await.len(), 2);
    third.office().call(archival(&third, &project)).await.unwrap();

    let (shipped, added) = (Policies::load(None).unwrap(), Policies::load(Some(NO_ARCHIVING)).unwrap());
    let (shipped, added) = (shipped.sha256(), added.sha256());
    let entries = adopted().await;
    let changes: Vec<Value> = entries.iter().map(|entry| serde_json::from_str(&entry.changes_json).unwrap()).collect();
    let change = |before: Value, after: &str| json!({"sha256": {"before": before, "after": after}});
    // Newest first.
    let expected = [change(json!(added), shipped), change(json!(shipped), added), change(Value::Null, shipped)];
    assert_eq!(changes, expected);
    for entry in &entries {
        assert_eq!((entry.actor.as_str(), entry.actor_kind()), ("gevinst", pb::ActorKind::System), "{entry:?}");
    }
    // The refusal comes after the adoption of what refused.
    let log = first.audited("").await;
    let place = |found: &dyn Fn(&&pb::AuditEntry) -> bool| log.iter().position(|entry| found(&entry)).unwrap();
    let refused = place(&|entry| entry.reason == "POLICY_FORBIDS");
    assert!(refused < place(&|entry| entry.id == entries[1].id), "newest first");
}
