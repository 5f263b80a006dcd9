//! One decision, whoever decides at once and whatever is killed meanwhile: never two, never half of one.
//! `GEVINST_TEST_LONG=1` plays 1,000 rounds of thirty-two deciders and kills the service a hundred times.

use std::time::{Duration, Instant};

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome, GateReviewState, Stage};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    chaos::{Stand, answered, long},
    harness::{
        Failure, World, bare_model,
        process::{PATIENCE, tell},
    },
};

const DECIDERS: usize = 32;

fn publication(organisation: String, model: pb::GateModelDefinition) -> pb::PublishGateModelRequest {
    let reason = "Prøve.".to_owned();
    pb::PublishGateModelRequest { organisation, definition: Some(model), reason, validate_only: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_decide_at_once_one_decision_no_double_vote_no_lost_condition() {
    let rounds = if long() { 1_000 } else { 12 };
    let world = World::new().await;
    let mut several = bare_model();
    several.gates[0].min_deciders = 3;
    world.office().call(publication(world.id(), several)).await.unwrap();
    let began = Instant::now();
    for round in 0..rounds {
        let project = world.project().await;
        let review = world.submitted(&project, GateCode::G1).await;
        let mut calls = JoinSet::new();
        for decider in 0..DECIDERS {
            // Half of them are the same sixteen people over again: each has one voice.
            let name = format!("member-{}", decider % (DECIDERS / 2));
            let member = world.person(&name, &[Role::SteeringGroup]);
            let request = world.decision(&review, GateOutcome::GoWithConditions);
            calls.spawn(async move { member.persist(request).await });
        }
        let (mut kept, mut decided) = (0, 0);
        while let Some(call) = calls.join_next().await {
            match call.unwrap() {
                Ok(answer) => {
                    let answer = answer.gate_review.unwrap();
                    kept += 1;
                    decided += usize::from(answer.state() == GateReviewState::Decided);
                }
                Err(failure) => {
                    let known = ["REVIEW_NOT_OPEN", "ALREADY_VOTED"].contains(&failure.reason.as_str());
                    assert!(known, "round {round}: {failure:?}");
                }
            }
        }
        assert_eq!((kept, decided), (3, 1), "round {round}: three answers are kept, and the third decides");
        let request = pb::GetGateReviewRequest {
            organisation: world.id(),
            project: project.id.clone(),
            gate_review: review.id.clone(),
        };
        let review = world.office().call(request).await.unwrap().gate_review.unwrap();
        assert_eq!((review.state(), review.votes.len(), review.conditions.len()), (GateReviewState::Decided, 3, 1));
        let mut voters: Vec<_> = review.votes.iter().map(|vote| vote.voter.clone()).collect();
        voters.sort_unstable();
        voters.dedup();
        assert_eq!(voters.len(), 3, "round {round}: no double vote");
        assert_eq!(world.reread(&project).await.stage(), Stage::Analysis, "round {round}: moved once");
        let filter = format!("object = \"{}\" AND action = \"gate.decide\" AND outcome = DONE", review.id);
        assert_eq!(world.audited(&filter).await.len(), 3, "round {round}");
    }
    tell(&format!("deciding: {rounds} rounds of {DECIDERS} deciders in {:.1?}, one decision each", began.elapsed()));
}

#[tokio::test(flavor = "multi_thread")]
async fn service_killed_while_it_is_decided_decided_or_not_and_the_retry_is_the_first_answer() {
    let rounds = if long() { 100 } else { 3 };
    let mut stand = Stand::new(&[]).await;
    let organisation = stand.organisation.to_string();
    stand.office().call(publication(organisation.clone(), bare_model())).await.unwrap();
    let mut before_the_kill = 0;
    for round in 0..rounds {
        let project =
            stand.office().call(stand.registration(&format!("Runde {round}"))).await.unwrap().project.unwrap();
        let submission = pb::SubmitGateReviewRequest {
            organisation: organisation.clone(),
            project: project.id.clone(),
            gate: GateCode::G1.into(),
            ..Default::default()
        };
        let review = stand.office().call(submission).await.unwrap().gate_review.unwrap();
        let request = pb::DecideGateReviewRequest {
            organisation: organisation.clone(),
            project: project.id.clone(),
            gate_review: review.id.clone(),
            outcome: GateOutcome::GoWithConditions.into(),
            reason: "Godt begrundet.".to_owned(),
            conditions: vec![pb::NewCondition {
                title: "Supplér konsekvensanalysen.".to_owned(),
                owner: "owner".to_owned(),
                due_on: "2999-12-31".to_owned(),
                blocking: true,
            }],
            ..Default::default()
        };
        let steering = stand.person(Role::SteeringGroup).key(&format!("decide-{round}"));
        let (decider, first) = (steering.clone(), request.clone());
        let call = tokio::spawn(async move { decider.call(first).await });
        // Some are killed before it has begun, some in the middle, some after the commit.
        let delay = round * 7_919 % 60_000;
        tokio::time::sleep(Duration::from_micros(delay)).await;
        stand.kill_service().await;
        let told = call.await.unwrap();
        before_the_kill += usize::from(told.is_ok());
        stand.start_service().await;
        // Decided or not, but never half.
        let get = pb::GetGateReviewRequest {
            organisation: organisation.clone(),
            project: project.id.clone(),
            gate_review: review.id.clone(),
        };
        let found = stand.office().call(get.clone()).await.unwrap().gate_review.unwrap();
        let get_project = pb::GetProjectRequest { organisation: organisation.clone(), project: project.id.clone() };
        let stage = stand.office().call(get_project).await.unwrap().project.unwrap().stage();
        match found.state() {
            GateReviewState::Submitted => {
                assert!(told.is_err(), "round {round}: told, and lost");
                assert_eq!((found.votes.len(), found.conditions.len(), stage), (0, 0, Stage::Idea), "round {round}");
            }
            _ => {
                assert_eq!((found.votes.len(), found.conditions.len(), stage), (1, 1, Stage::Analysis), "round {round}")
            }
        }
        let answer = retried(&steering, &request).await;
        assert!(told.as_ref().map_or(true, |told| *told == answer), "round {round}: another answer to the same key");
        assert_eq!(retried(&steering, &request).await, answer, "round {round}");
        let decided = stand.office().call(get).await.unwrap().gate_review.unwrap();
        assert_eq!(Some(&decided), answer.gate_review.as_ref(), "round {round}");
        assert_eq!((decided.state(), decided.votes.len(), decided.conditions.len()), (GateReviewState::Decided, 1, 1));
    }
    tell(&format!("deciding: service killed {rounds} times, {before_the_kill} answered before; none half, none twice"));
}

/// Calls until there is an answer, as a caller should: the same request under the same key.
async fn retried(
    person: &crate::harness::Person,
    request: &pb::DecideGateReviewRequest,
) -> pb::DecideGateReviewResponse {
    let began = Instant::now();
    loop {
        match person.call(request.clone()).await {
            Ok(answer) => return answer,
            Err(failure) => assert!(passes(&failure) && began.elapsed() < PATIENCE, "{failure:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn passes(failure: &Failure) -> bool {
    !answered(failure) || matches!(failure.code, Code::Unavailable | Code::Aborted | Code::DeadlineExceeded)
}
