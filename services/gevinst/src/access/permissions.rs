//! What the caller may do on one project, and why not: the same decisions that the commands would make, without
//! consequences. For user interfaces, which otherwise would have to guess.

use gevinst_proto::v1 as pb;

use crate::{
    auth::{Action, Resource},
    ctx::Ctx,
    error::{Error, Result},
    gates,
    ids::ProjectId,
    projects,
};

/// What can be done on a project, or on the review that it has open.
const ON_PROJECT: [Action; 6] = [
    Action::ProjectRead,
    Action::ProjectUpdate,
    Action::ProjectArchive,
    Action::ProjectResume,
    Action::GateSubmit,
    Action::BenefitCreate,
];

/// What the caller may do, and why not. Up to three questions: the project with the caller's roles, its open review, and
/// the authority matrix.
pub async fn get(ctx: Ctx, request: pb::GetProjectPermissionsRequest) -> Result<pb::GetProjectPermissionsResponse> {
    let id = ProjectId::parse(&request.project)?;
    let db = ctx.read(Action::ProjectRead)?;
    let found = projects::entity::find_one_in(db.organisation(), id).one(&db).await?;
    let project = db.found(found, id).await?;
    let authority = db.authority()?;
    if let Some(other) = ctx.acting_for()
        && authority.counting(ctx.acting_for()).next().is_none()
    {
        return Err(Error::NotADelegate { of: other.to_owned() });
    }
    let resource = Resource::from(&project);
    let mut permissions: Vec<pb::Permission> =
        ON_PROJECT.into_iter().map(|action| permission(&ctx, action, db.ask(&authority, action, &resource))).collect();
    let open = gates::entity::find_open(db.organisation(), id).one(&db).await?;
    if let Some(review) = open {
        let resource = gates::placed(&project, &review);
        for action in [Action::GateWithdraw, Action::GateDecide] {
            let answer = match action {
                Action::GateDecide => gates::may_go(&db, &authority, &project, &review).await,
                _ => db.ask(&authority, action, &resource),
            };
            permissions.push(permission(&ctx, action, answer));
        }
    }
    Ok(pb::GetProjectPermissionsResponse { permissions })
}

fn permission(ctx: &Ctx, action: Action, answer: Result<crate::auth::Allowed>) -> pb::Permission {
    let action = action.name().to_owned();
    match answer {
        Ok(allowed) => {
            pb::Permission { action, allowed: true, policy: allowed.policy().to_owned(), ..Default::default() }
        }
        Err(refusal) => pb::Permission {
            action,
            allowed: false,
            reason: refusal.reason_name().to_owned(),
            policy: refusal.policy().unwrap_or_default().to_owned(),
            message: refusal.message(ctx.language()),
        },
    }
}
