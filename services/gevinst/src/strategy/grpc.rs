//! `StrategyService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, strategy_service_server::StrategyService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl StrategyService for Service {
    async fn create_strategy_goal(
        &self,
        request: Request<pb::CreateStrategyGoalRequest>,
    ) -> Result<Response<pb::CreateStrategyGoalResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::create(ctx, request).await?))
    }

    async fn end_strategy_goal(
        &self,
        request: Request<pb::EndStrategyGoalRequest>,
    ) -> Result<Response<pb::EndStrategyGoalResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::end(ctx, request).await?))
    }

    async fn list_strategy_goals(
        &self,
        request: Request<pb::ListStrategyGoalsRequest>,
    ) -> Result<Response<pb::ListStrategyGoalsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }
}
