//! A person who calls, and what a failed call told them. A test says what it asks, not over which protocol: with
//! `GEVINST_TEST_OVER=http` the same tests run over HTTP.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use gevinst_proto::v1 as pb;
use prost::Message;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::{AsciiMetadataValue, MetadataMap},
    transport::Channel,
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use super::http;

/// How long who is told to come again waits.
const PAUSE: Duration = Duration::from_millis(20);

/// A request message, its method and its answer.
pub trait Rpc: Message + 'static {
    /// The answer's message.
    type Response: Message + Default + 'static;
    /// The method's path.
    const PATH: &'static str;
}

macro_rules! rpcs {
    ($($service:literal { $($method:literal $request:ident $response:ident),* $(,)? })*) => {$($(
        impl Rpc for pb::$request {
            type Response = pb::$response;
            const PATH: &'static str = concat!("/gevinst.v1.", $service, "/", $method);
        }
    )*)*};
}

rpcs! {
    "OrganisationService" {
        "ListOrganisations" ListOrganisationsRequest ListOrganisationsResponse,
        "GetOrganisation" GetOrganisationRequest GetOrganisationResponse,
        "CreateOrgUnit" CreateOrgUnitRequest CreateOrgUnitResponse,
        "GetOrgUnit" GetOrgUnitRequest GetOrgUnitResponse,
        "ListOrgUnits" ListOrgUnitsRequest ListOrgUnitsResponse,
        "UpdateOrgUnit" UpdateOrgUnitRequest UpdateOrgUnitResponse,
        "MoveOrgUnit" MoveOrgUnitRequest MoveOrgUnitResponse,
        "ListOrgUnitPlacements" ListOrgUnitPlacementsRequest ListOrgUnitPlacementsResponse,
        "ImportOrgUnits" ImportOrgUnitsRequest ImportOrgUnitsResponse,
        "CreatePortfolio" CreatePortfolioRequest CreatePortfolioResponse,
        "ListPortfolios" ListPortfoliosRequest ListPortfoliosResponse,
    }
    "ProjectService" {
        "RegisterProject" RegisterProjectRequest RegisterProjectResponse,
        "GetProject" GetProjectRequest GetProjectResponse,
        "ListProjects" ListProjectsRequest ListProjectsResponse,
        "UpdateProject" UpdateProjectRequest UpdateProjectResponse,
        "ArchiveProject" ArchiveProjectRequest ArchiveProjectResponse,
        "ResumeProject" ResumeProjectRequest ResumeProjectResponse,
    }
    "GateService" {
        "GetGateModel" GetGateModelRequest GetGateModelResponse,
        "SubmitGateReview" SubmitGateReviewRequest SubmitGateReviewResponse,
        "GetGateReview" GetGateReviewRequest GetGateReviewResponse,
        "ListGateReviews" ListGateReviewsRequest ListGateReviewsResponse,
        "DecideGateReview" DecideGateReviewRequest DecideGateReviewResponse,
        "WithdrawGateReview" WithdrawGateReviewRequest WithdrawGateReviewResponse,
        "PublishGateModel" PublishGateModelRequest PublishGateModelResponse,
        "ListGateModels" ListGateModelsRequest ListGateModelsResponse,
        "MigrateProjectGateModel" MigrateProjectGateModelRequest MigrateProjectGateModelResponse,
        "AssessCriterion" AssessCriterionRequest AssessCriterionResponse,
        "ListCriterionAssessments" ListCriterionAssessmentsRequest ListCriterionAssessmentsResponse,
        "DraftGateReview" DraftGateReviewRequest DraftGateReviewResponse,
        "UpdateGateReviewDraft" UpdateGateReviewDraftRequest UpdateGateReviewDraftResponse,
        "SubmitGateReviewDraft" SubmitGateReviewDraftRequest SubmitGateReviewDraftResponse,
    }
    "ConditionService" {
        "ListConditions" ListConditionsRequest ListConditionsResponse,
        "MeetCondition" MeetConditionRequest MeetConditionResponse,
        "ProposeConditionWaiver" ProposeConditionWaiverRequest ProposeConditionWaiverResponse,
        "ApproveConditionWaiver" ApproveConditionWaiverRequest ApproveConditionWaiverResponse,
    }
    "FundingService" {
        "RecordAppropriation" RecordAppropriationRequest RecordAppropriationResponse,
        "EndAppropriation" EndAppropriationRequest EndAppropriationResponse,
        "RecordExpenditure" RecordExpenditureRequest RecordExpenditureResponse,
        "ListExpenditures" ListExpendituresRequest ListExpendituresResponse,
        "GetProjectFunding" GetProjectFundingRequest GetProjectFundingResponse,
    }
    "PlanService" {
        "SetProjectBaseline" SetProjectBaselineRequest SetProjectBaselineResponse,
        "ChangeDirection" ChangeDirectionRequest ChangeDirectionResponse,
        "PlanIncrement" PlanIncrementRequest PlanIncrementResponse,
        "EndIncrement" EndIncrementRequest EndIncrementResponse,
        "GetProjectPlan" GetProjectPlanRequest GetProjectPlanResponse,
    }
    "LessonService" {
        "PublishLesson" PublishLessonRequest PublishLessonResponse,
        "ListLessons" ListLessonsRequest ListLessonsResponse,
    }
    "DossierService" {
        "GetProjectDossier" GetProjectDossierRequest GetProjectDossierResponse,
        "GetGateReadiness" GetGateReadinessRequest GetGateReadinessResponse,
        "GetProjectHistory" GetProjectHistoryRequest GetProjectHistoryResponse,
        "GetDecisionPaper" GetDecisionPaperRequest GetDecisionPaperResponse,
    }
    "BenefitService" {
        "CreateBenefit" CreateBenefitRequest CreateBenefitResponse,
        "UpdateBenefit" UpdateBenefitRequest UpdateBenefitResponse,
        "PlanBenefit" PlanBenefitRequest PlanBenefitResponse,
        "ListBenefitPlans" ListBenefitPlansRequest ListBenefitPlansResponse,
        "GetBenefit" GetBenefitRequest GetBenefitResponse,
        "ListBenefits" ListBenefitsRequest ListBenefitsResponse,
        "RecordMeasurement" RecordMeasurementRequest RecordMeasurementResponse,
        "ImportMeasurements" ImportMeasurementsRequest ImportMeasurementsResponse,
        "ListMeasurements" ListMeasurementsRequest ListMeasurementsResponse,
        "GetBenefitProgress" GetBenefitProgressRequest GetBenefitProgressResponse,
        "CheckBenefitOwner" CheckBenefitOwnerRequest CheckBenefitOwnerResponse,
        "NominateBenefitOwner" NominateBenefitOwnerRequest NominateBenefitOwnerResponse,
        "ApproveBenefitOwnerException" ApproveBenefitOwnerExceptionRequest ApproveBenefitOwnerExceptionResponse,
        "AcceptBenefitOwnership" AcceptBenefitOwnershipRequest AcceptBenefitOwnershipResponse,
        "DeclineBenefitOwnership" DeclineBenefitOwnershipRequest DeclineBenefitOwnershipResponse,
        "ListBenefitOwnerships" ListBenefitOwnershipsRequest ListBenefitOwnershipsResponse,
    }
    "BenefitReportService" {
        "GetBenefitRollup" GetBenefitRollupRequest GetBenefitRollupResponse,
        "GetValueByGroup" GetValueByGroupRequest GetValueByGroupResponse,
    }
    "BenefitMapService" {
        "SetBenefitMap" SetBenefitMapRequest SetBenefitMapResponse,
        "GetBenefitMap" GetBenefitMapRequest GetBenefitMapResponse,
        "ExportBenefitMap" ExportBenefitMapRequest ExportBenefitMapResponse,
    }
    "StrategyService" {
        "CreateStrategyGoal" CreateStrategyGoalRequest CreateStrategyGoalResponse,
        "EndStrategyGoal" EndStrategyGoalRequest EndStrategyGoalResponse,
        "ListStrategyGoals" ListStrategyGoalsRequest ListStrategyGoalsResponse,
    }
    "RealisationService" {
        "GetBenefitPolicy" GetBenefitPolicyRequest GetBenefitPolicyResponse,
        "SetBenefitPolicy" SetBenefitPolicyRequest SetBenefitPolicyResponse,
        "RecordBudgetEffect" RecordBudgetEffectRequest RecordBudgetEffectResponse,
        "ListBudgetEffects" ListBudgetEffectsRequest ListBudgetEffectsResponse,
        "GetBudgetEffect" GetBudgetEffectRequest GetBudgetEffectResponse,
        "RecordBenefitReview" RecordBenefitReviewRequest RecordBenefitReviewResponse,
        "ListBenefitReviews" ListBenefitReviewsRequest ListBenefitReviewsResponse,
        "ListDueBenefitReviews" ListDueBenefitReviewsRequest ListDueBenefitReviewsResponse,
        "ListMeasurementCalendar" ListMeasurementCalendarRequest ListMeasurementCalendarResponse,
        "ListBenefitEvents" ListBenefitEventsRequest ListBenefitEventsResponse,
    }
    "AccessService" {
        "GrantRole" GrantRoleRequest GrantRoleResponse,
        "RevokeRoleGrant" RevokeRoleGrantRequest RevokeRoleGrantResponse,
        "ListRoleGrants" ListRoleGrantsRequest ListRoleGrantsResponse,
        "ProposeDelegation" ProposeDelegationRequest ProposeDelegationResponse,
        "ApproveDelegation" ApproveDelegationRequest ApproveDelegationResponse,
        "EndDelegation" EndDelegationRequest EndDelegationResponse,
        "ListDelegations" ListDelegationsRequest ListDelegationsResponse,
        "SetAuthorityRule" SetAuthorityRuleRequest SetAuthorityRuleResponse,
        "EndAuthorityRule" EndAuthorityRuleRequest EndAuthorityRuleResponse,
        "ListAuthorityRules" ListAuthorityRulesRequest ListAuthorityRulesResponse,
        "DenyToken" DenyTokenRequest DenyTokenResponse,
        "LiftTokenDenial" LiftTokenDenialRequest LiftTokenDenialResponse,
        "ListTokenDenials" ListTokenDenialsRequest ListTokenDenialsResponse,
        "GetProjectPermissions" GetProjectPermissionsRequest GetProjectPermissionsResponse,
    }
    "AuditService" {
        "ListAuditEntries" ListAuditEntriesRequest ListAuditEntriesResponse,
    }
}

/// As long as a caller waits who was told to come again.
pub async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// What a failed call told its caller.
#[derive(Debug)]
pub struct Failure {
    /// The gRPC code.
    pub code: Code,
    /// The reason; empty when none came.
    pub reason: String,
    /// The reason's named values.
    pub metadata: HashMap<String, String>,
    /// The fields to blame.
    pub fields: Vec<String>,
    /// The language and the text of the message for a person.
    pub localized: (String, String),
    /// The request's id.
    pub request_id: String,
    /// The trace's id.
    pub trace_id: String,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().cloned();
        let request = details.request_info().cloned();
        let localized = details.localized_message().cloned();
        let fields = details.bad_request().map(|bad| bad.field_violations.iter().map(|broken| broken.field.clone()));
        Self {
            code: status.code(),
            reason: info.as_ref().map(|info| info.reason.clone()).unwrap_or_default(),
            metadata: info.map(|info| info.metadata).unwrap_or_default(),
            fields: fields.map(Iterator::collect).unwrap_or_default(),
            localized: localized.map(|localized| (localized.locale, localized.message)).unwrap_or_default(),
            request_id: request.as_ref().map(|request| request.request_id.clone()).unwrap_or_default(),
            trace_id: request.map(|request| request.serving_data).unwrap_or_default(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

impl Failure {
    /// Code and reason: what callers decide by.
    pub fn is(&self, code: Code, reason: &str) -> bool {
        self.code == code && self.reason == reason
    }
}

/// Someone who calls.
#[derive(Clone)]
pub struct Person {
    channel: Channel,
    metadata: MetadataMap,
    timeout: Option<Duration>,
    /// Where it can call over HTTP.
    address: Option<SocketAddr>,
    client: reqwest::Client,
    is_over_http: bool,
}

impl Person {
    /// Someone with this token, or without one.
    pub fn new(channel: Channel, token: Option<String>) -> Self {
        let person = Self {
            channel,
            metadata: MetadataMap::new(),
            timeout: None,
            address: None,
            client: http::CLIENT.clone(),
            is_over_http: false,
        };
        match token {
            Some(token) => person.with("authorization", &format!("Bearer {token}")),
            None => person,
        }
    }

    /// The same person, sending this along.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.metadata.append(name, value.parse::<AsciiMetadataValue>().unwrap());
        self
    }

    /// The same person, under an idempotency key.
    pub fn key(self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    /// The same person, in a hurry.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same person, calling this address over HTTP where the run goes over HTTP.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.is_over_http = std::env::var("GEVINST_TEST_OVER").is_ok_and(|over| over == "http");
        self.address = Some(address);
        self
    }

    /// The same person, calling over HTTP through this client.
    pub fn through(mut self, client: reqwest::Client) -> Self {
        self.client = client;
        self
    }

    /// The same person, over gRPC whatever the run goes over: for what only gRPC can say.
    pub fn over_grpc(mut self) -> Self {
        self.is_over_http = false;
        self
    }

    /// The same person, over HTTP whatever the run goes over: for what both must say.
    pub fn over_http(mut self) -> Self {
        self.is_over_http = true;
        self
    }

    fn http_at(&self) -> Option<SocketAddr> {
        self.address.filter(|_| self.is_over_http)
    }

    /// Calls.
    pub async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, Failure> {
        if let Some(address) = self.http_at() {
            let answer = self.send_http(address, R::PATH, &request.encode_to_vec()).await?;
            return Ok(R::Response::decode(&answer[..]).unwrap());
        }
        self.send(R::PATH, request, ProstCodec::<R, R::Response>::default()).await.map(tonic::Response::into_inner)
    }

    /// Calls, and again while the service says that nothing was changed and that it is to be tried again: many who wait
    /// for one row have fewer connections than they are.
    pub async fn persist<R: Rpc + Clone>(&self, request: R) -> Result<R::Response, Failure> {
        loop {
            match self.call(request.clone()).await {
                Err(failure) if failure.code == Code::Unavailable => pause().await,
                told => return told,
            }
        }
    }

    /// Calls a method by its path, with a message as bytes.
    pub async fn call_bytes(&self, path: &str, request: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if let Some(address) = self.http_at() {
            return self.send_http(address, path, &request).await;
        }
        self.send(path, request, Bytes).await.map(tonic::Response::into_inner)
    }

    async fn send_http(&self, address: SocketAddr, path: &str, request: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(http::call(&self.client, address, path, request, &self.metadata.clone().into_headers(), self.timeout)
            .await?)
    }

    async fn send<C>(&self, path: &str, request: C::Encode, codec: C) -> Result<tonic::Response<C::Decode>, Failure>
    where
        C: tonic::codec::Codec<Encode: Send + Sync + 'static, Decode: Send + Sync + 'static>,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Failure::from(Status::unavailable(error.to_string())))?;
        let mut request = Request::new(request);
        *request.metadata_mut() = self.metadata.clone();
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        Ok(grpc.unary(request, path.parse::<PathAndQuery>().unwrap(), codec).await?)
    }
}

/// Messages as bytes: for calls made from the contract's description.
#[derive(Default)]
struct Bytes;

impl tonic::codec::Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length).to_vec()))
    }
}
