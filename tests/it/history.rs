//! A project's history: how it came to where it is, in words.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome};
use tonic::Code;

use crate::harness::World;

fn ask(world: &World, project: &pb::Project) -> pb::GetProjectHistoryRequest {
    pb::GetProjectHistoryRequest { organisation: world.id(), project: project.id.clone() }
}

#[tokio::test]
async fn history_tells_every_answer_and_decision_oldest_first() {
    let world = World::new().await;
    let project = world.project().await;
    world.decided(&project, GateCode::G1, GateOutcome::Recycle).await;
    let held = world.decided(&project, GateCode::G1, GateOutcome::Hold).await.gate_review.unwrap();
    let history = world.person("reader", &[Role::Reader]).call(ask(&world, &project)).await.unwrap();
    assert_eq!(history.project.unwrap(), world.reread(&project).await);
    let outcomes: Vec<GateOutcome> = history.decisions.iter().map(pb::GateReview::outcome).collect();
    assert_eq!(outcomes, [GateOutcome::Recycle, GateOutcome::Hold]);
    let told: Vec<_> = history.entries.iter().map(|entry| (entry.r#type.as_str(), entry.actor.as_str())).collect();
    let decided = [("gate_review", "office"), ("gate_vote", "steering"), ("gate_review", "steering")];
    let expected = [&[("project", "")][..], &decided, &decided].concat();
    assert_eq!(told, expected);
    assert!(history.entries.iter().zip(&history.entries[1..]).all(|(one, next)| {
        let time = |entry: &pb::HistoryEntry| entry.time.map(|time| (time.seconds, time.nanos));
        time(one) <= time(next)
    }));
    let decision = history.entries.last().unwrap();
    let text = decision.text.clone().unwrap();
    assert_eq!(decision.id.as_ref(), Some(&held.id));
    assert_eq!(
        text.da,
        "Besluttet ved G1: Ikke nu: på hold (dagligdagen kan ikke bære forandringen nu). Godt begrundet."
    );
    assert_eq!(text.en, "Decided at G1: Not now: hold (daily work cannot carry the change now). Godt begrundet.");
}

#[tokio::test]
async fn history_leaves_out_what_decided_nothing() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let withdrawal = pb::WithdrawGateReviewRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate_review: review.id,
        reason: "Vi mangler noget.".to_owned(),
        validate_only: false,
    };
    world.office().call(withdrawal).await.unwrap();
    world.submitted(&project, GateCode::G1).await;
    let history = world.office().call(ask(&world, &project)).await.unwrap();
    let types: Vec<&str> = history.entries.iter().map(|entry| entry.r#type.as_str()).collect();
    assert_eq!((types, history.decisions.len()), (vec!["project"], 0));
}

#[tokio::test]
async fn history_of_nothing_not_found_for_nobody_denied() {
    let world = World::new().await;
    let project = world.project().await;
    let missing = pb::GetProjectHistoryRequest { project: world.id(), ..ask(&world, &project) };
    let failure = world.office().call(missing).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    let invalid = pb::GetProjectHistoryRequest { project: "x".to_owned(), ..ask(&world, &project) };
    let failure = world.office().call(invalid).await.unwrap_err();
    assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &["project".to_owned()][..]));
    let failure = world.person("nobody", &[]).call(ask(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}
