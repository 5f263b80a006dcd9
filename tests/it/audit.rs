//! The audit log: who may read it, and what it says.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, AuditOutcome};
use sea_orm::ConnectionTrait;
use tonic::Code;

use crate::harness::World;

fn list(world: &World, filter: &str) -> pb::ListAuditEntriesRequest {
    pb::ListAuditEntriesRequest { organisation: world.id(), filter: filter.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn list_by_auditor_only_and_the_attempt_recorded() {
    let world = World::new().await;
    for role in [Role::PortfolioOffice, Role::SteeringGroup, Role::Reader] {
        let failure = world.person(role.name(), &[role]).call(list(&world, "")).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    }
    let refusals = world.audited("action = \"audit.list\" AND outcome = REFUSED").await;
    let actors: Vec<&str> = refusals.iter().rev().map(|entry| entry.actor.as_str()).collect();
    assert_eq!(actors, ["portfolio-office", "steering-group", "reader"]);
}

#[tokio::test]
async fn entry_says_who_what_when_before_and_after() {
    let world = World::new().await;
    let project = world.project().await;
    let office = world
        .office()
        .with("x-request-id", "case-4711")
        .with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let request = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { title: Some("Omdøbt".to_owned()), ..Default::default() }),
        update_mask: None,
        etag: project.etag.clone(),
        validate_only: false,
    };
    office.call(request).await.unwrap();
    let entries = world.audited(&format!("object = \"{}\"", project.id)).await;
    let [updated, registered] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((updated.action.as_str(), registered.action.as_str()), ("project.update", "project.register"));
    assert_eq!((updated.actor.as_str(), updated.outcome()), ("office", AuditOutcome::Done));
    assert_eq!((updated.object_type.as_str(), updated.organisation.as_str()), ("project", world.id().as_str()));
    assert_eq!(updated.request_id, "case-4711");
    assert_eq!(updated.trace_id, "0af7651916cd43dd8448eb211c80319c");
    let changes: serde_json::Value = serde_json::from_str(&updated.changes_json).unwrap();
    assert_eq!(changes, serde_json::json!({"title": {"before": "Et projekt", "after": "Omdøbt"}}));
    assert_eq!(world.audited("trace_id = \"0af7651916cd43dd8448eb211c80319c\"").await.len(), 1);
    let earlier = "occur_time < \"2020-01-01T00:00:00Z\"";
    assert!(world.audited(earlier).await.is_empty());
}

#[tokio::test]
async fn list_what_cannot_be_filtered_refused() {
    let world = World::new().await;
    let failure = world.auditor().call(list(&world, "changes : \"x\"")).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{failure:?}");
    let failure = world.auditor().call(list(&world, "outcome = MAYBE")).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn entries_never_changed_not_even_by_the_owner_i24() {
    let world = World::new().await;
    world.project().await;
    let owner = crate::harness::owner().await;
    for sql in ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"] {
        let scoped = format!(
            "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true); {sql}",
            world.organisation
        );
        let error = owner.execute_unprepared(&scoped).await.unwrap_err();
        assert!(error.to_string().contains("never changed or removed"), "{sql}: {error}");
    }
}
