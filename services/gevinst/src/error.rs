//! Every way a call can fail, and the one place that turns it into a status.
//!
//! Commands and queries return [`Error`]; only this file names a status code. What a caller gets is the code, the reason
//! (`error_reason.proto`), the fields or the state to blame, a message in Danish or English, the request id and the
//! trace id. What went wrong inside is logged once, here, and never sent.

mod messages;

use std::{fmt, sync::Arc, time::Duration};

use gevinst_gateway::code_name;
use gevinst_proto::v1::{self as pb, ErrorReason};
use http::HeaderMap;
use sea_orm::{DbErr, RuntimeErr};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// How much of what a caller sent is told back to them, in characters: details travel in a header.
pub const ECHO: usize = 120;

/// How the names end of the foreign keys from every table to `organisations`.
const TENANT_KEY: &str = "_organisation_id_fkey";

/// The result of a command, a query or a rule.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The domain that reasons belong to, in `ErrorInfo`.
pub const DOMAIN: &str = "gevinst";

/// The languages that messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Danish, the municipality's.
    Danish,
    /// English, for everyone else.
    English,
}

impl Language {
    /// The language that `accept-language` asks for; Danish unless English comes first.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let wanted =
            headers.get(http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0.0_f32, Self::Danish);
        for entry in wanted.split(',') {
            let (tag, quality) = entry.split_once(";q=").unwrap_or((entry, "1"));
            let language = match tag.trim().get(..2) {
                Some(tag) if tag.eq_ignore_ascii_case("da") => Self::Danish,
                Some(tag) if tag.eq_ignore_ascii_case("en") => Self::English,
                _ => continue,
            };
            let quality = quality.trim().parse().unwrap_or(0.0);
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }

    /// Its tag (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::Danish => "da",
            Self::English => "en",
        }
    }
}

/// Why a call failed. Each variant is one reason of `error_reason.proto`, where it is explained.
#[derive(Debug)]
pub enum Error {
    /// No bearer token.
    TokenMissing,
    /// The token is not one of ours.
    TokenInvalid,
    /// The token's time is over.
    TokenExpired,
    /// The token is bound to a certificate that the connection did not show.
    TokenNotBound,
    /// The issuer's keys cannot be had.
    KeysUnavailable,
    /// No role of the caller allows this.
    RoleMissing {
        /// What was attempted.
        action: &'static str,
        /// What would allow it.
        needs: String,
        /// The same in Danish.
        needs_da: String,
    },
    /// The organisation has revoked the token, or its subject.
    TokenRevoked,
    /// A policy forbids it, whatever roles the caller holds.
    Forbidden {
        /// What was attempted.
        action: &'static str,
        /// Which policy.
        policy: String,
        /// Its reason.
        reason: ErrorReason,
    },
    /// Whom the caller claims to act for has lent them nothing.
    NotADelegate {
        /// Whom.
        of: String,
    },
    /// It has ended.
    AlreadyEnded {
        /// The type of what ended.
        kind: &'static str,
    },
    /// The delegation was approved before.
    AlreadyApproved,
    /// One answer a person and principal.
    AlreadyVoted,
    /// An earlier answer of this outcome named other conditions or reasons.
    VotesDiffer {
        /// Which.
        outcome: String,
    },
    /// Fields that break their rules: name, and how to mend it.
    FieldInvalid(Vec<(String, String)>),
    /// A filter that cannot be used, and why.
    FilterInvalid(String),
    /// An order that cannot be used, and why.
    OrderInvalid(String),
    /// A page token of another list.
    PageTokenInvalid,
    /// A mask that names what cannot be changed.
    UpdateMaskInvalid(String),
    /// A text with the shape of a personal number; the field.
    PersonalNumberRefused(String),
    /// An idempotency key that cannot be one.
    IdempotencyKeyInvalid,
    /// The message could not be read; what the transport said.
    MessageInvalid(String),
    /// Not there, or not this organisation's.
    NotFound {
        /// The type of what is missing.
        kind: &'static str,
        /// The id that was asked for.
        id: String,
    },
    /// No such organisation: a row that names it was refused. Commands answer NOT_FOUND with its id.
    OrganisationUnknown,
    /// Changed since it was read.
    EtagStale,
    /// The key belongs to another request.
    IdempotencyKeyReused,
    /// The project does not move.
    ProjectNotActive {
        /// Why: ON_HOLD, STOPPED, CLOSED or ARCHIVED.
        status: &'static str,
    },
    /// Only what is on hold can be resumed.
    ProjectNotOnHold,
    /// Not the gate that follows the stage.
    GateNotNext {
        /// The gate asked for.
        gate: &'static str,
        /// The gate that follows.
        next: &'static str,
    },
    /// A review waits for its decision.
    ReviewAlreadyOpen,
    /// The review has ended.
    ReviewNotOpen {
        /// DECIDED or WITHDRAWN.
        state: String,
    },
    /// Must criteria of the gate are not met (I02).
    CriteriaNotMet {
        /// Their codes.
        criteria: String,
    },
    /// What is released has no appropriation (I05).
    AppropriationMissing {
        /// How much more would have to be appropriated, in øre.
        missing_ore: i64,
    },
    /// More than gates have released (I05).
    SpendExceedsAuthority {
        /// What is left, in øre.
        left_ore: i64,
    },
    /// Neither stopped nor closed without a lesson (I20).
    LessonMissing,
    /// The track does not have this outcome.
    OutcomeNotAllowed {
        /// The outcome.
        outcome: String,
        /// The track that does not have it.
        track: String,
    },
    /// The condition is settled.
    ConditionNotOpen {
        /// Where it is.
        state: String,
    },
    /// Nobody has proposed to waive it.
    WaiverNotProposed,
    /// A blocking condition has lapsed.
    ConditionLapsed,
    /// No draft any more.
    ReviewNotDraft {
        /// Where it is.
        state: String,
    },
    /// Only the latest decision can be corrected.
    ReviewNotLatest,
    /// There is a baseline.
    BaselineExists,
    /// There is no baseline to change from.
    BaselineMissing,
    /// Larger than the track allows (S09).
    IncrementTooLarge {
        /// What a step may cost, in øre; 0 for no cap.
        max_ore: i64,
        /// How many days it may take; 0 for no cap.
        max_days: i32,
    },
    /// No gate leads on from the stage.
    StageNotInModel {
        /// The stage.
        stage: String,
    },
    /// A draft has no frozen basis.
    ReviewNotSubmitted,
    /// The project has as many as it can have.
    TooMany {
        /// Of what.
        kind: &'static str,
    },
    /// Who is nominated cannot be a benefit owner without an exception (I10).
    BenefitOwnerNotEligible {
        /// Why not, by the contract's names.
        reasons: String,
        /// In Danish.
        da: String,
        /// In English.
        en: String,
    },
    /// They own the benefit, and have accepted it.
    AlreadyBenefitOwner,
    /// No nomination waits for this answer.
    NominationNotOpen,
    /// The nominee is not eligible, and nobody has approved an exception.
    ExceptionNotApproved,
    /// Another measurement has taken its place.
    MeasurementCorrected {
        /// Which.
        corrected_by: crate::ids::MeasurementId,
    },
    /// Ways on the benefit map lead back to where they began.
    BenefitMapCycle {
        /// The keys of the nodes on the way, the first one again at its end.
        nodes: String,
    },
    /// A gate has frozen the benefit: what its figures mean stays as it is.
    BenefitFrozen {
        /// What was to be changed, separated by commas.
        fields: String,
    },
    /// Only money can be taken out of a budget.
    BenefitNotEconomic,
    /// A disbenefit takes nothing out of a budget.
    BenefitIsDisbenefit,
    /// Only cashable money can be taken out of a budget.
    BenefitNotCashable {
        /// What becomes of it instead.
        cashability: String,
    },
    /// The step before is not there, or less is left of it.
    BudgetStepNotCovered {
        /// Which.
        before: &'static str,
        /// What is left of it, in øre.
        left_ore: i64,
    },
    /// The next step rests on what is to be corrected.
    BudgetStepNeeded {
        /// Which.
        after: &'static str,
        /// What it comes to, in øre.
        needed_ore: i64,
    },
    /// Another entry has taken its place.
    BudgetEffectCorrected {
        /// Which.
        corrected_by: crate::ids::BudgetEffectId,
    },
    /// The project has not gone into realisation.
    NotInRealisation,
    /// A review before its day.
    ReviewNotDue {
        /// That day.
        due_on: time::Date,
    },
    /// Another outcome than the figures say, without a reason.
    OutcomeDeviates {
        /// What they say.
        by_rule: &'static str,
    },
    /// Realised, though nothing was measured.
    OutcomeNotMeasured,
    /// The figures say nothing.
    OutcomeOpen,
    /// The name is in use.
    NameTaken {
        /// The type of what bears it.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Another unit has the external id.
    ExternalIdTaken {
        /// Which id: fk_org_uuid or kitos_uuid.
        field: &'static str,
        /// The id.
        id: String,
    },
    /// The unit would be below itself.
    UnitCycle,
    /// The database cannot be reached, and nothing was changed.
    DatabaseUnavailable(DbErr),
    /// The answer to a commit was lost.
    OutcomeUnknown(DbErr),
    /// Out of time.
    DeadlineExceeded,
    /// A concurrent change won.
    Conflict(DbErr),
    /// Too many calls at once.
    Overloaded,
    /// Too many calls of one address or one caller in a short time.
    RateLimited {
        /// When there may be one more.
        retry_after: Duration,
    },
    /// A fault of ours; what happened, for the log.
    Internal(String),
    /// No such method.
    MethodUnknown,
}

impl Error {
    /// One field that breaks its rule.
    pub fn invalid(field: &str, description: impl Into<String>) -> Self {
        Self::FieldInvalid(vec![(field.to_owned(), description.into())])
    }

    /// Whether a command that ends so was refused, which the audit log records (I24): the caller may not, or the state
    /// does not allow it. A request that is wrong in itself, or a fault of ours, is no refusal.
    pub fn is_refusal(&self) -> bool {
        matches!(self.code(), Code::PermissionDenied | Code::NotFound | Code::FailedPrecondition)
            || matches!(self, Self::EtagStale | Self::TokenRevoked)
    }

    /// The policy that forbade it, where one did.
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Forbidden { policy, .. } => Some(policy),
            _ => None,
        }
    }

    /// Whether a call that ends so was refused for what the caller sent or is; not for a fault of ours, nor because others
    /// were faster.
    fn is_refused(&self) -> bool {
        !matches!(self.code(), Code::Internal | Code::Unavailable | Code::Aborted)
    }

    /// The reason, without its prefix: `ETAG_STALE`.
    pub fn reason_name(&self) -> &'static str {
        let name = self.reason().as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name)
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::TokenMissing => ErrorReason::TokenMissing,
            Self::TokenInvalid => ErrorReason::TokenInvalid,
            Self::TokenExpired => ErrorReason::TokenExpired,
            Self::TokenNotBound => ErrorReason::TokenNotBound,
            Self::KeysUnavailable => ErrorReason::KeysUnavailable,
            Self::RoleMissing { .. } => ErrorReason::RoleMissing,
            Self::TokenRevoked => ErrorReason::TokenRevoked,
            Self::Forbidden { reason, .. } => *reason,
            Self::NotADelegate { .. } => ErrorReason::NotADelegate,
            Self::AlreadyEnded { .. } => ErrorReason::AlreadyEnded,
            Self::AlreadyApproved => ErrorReason::AlreadyApproved,
            Self::AlreadyVoted => ErrorReason::AlreadyVoted,
            Self::VotesDiffer { .. } => ErrorReason::VotesDiffer,
            Self::FieldInvalid(_) => ErrorReason::FieldInvalid,
            Self::FilterInvalid(_) => ErrorReason::FilterInvalid,
            Self::OrderInvalid(_) => ErrorReason::OrderInvalid,
            Self::PageTokenInvalid => ErrorReason::PageTokenInvalid,
            Self::UpdateMaskInvalid(_) => ErrorReason::UpdateMaskInvalid,
            Self::PersonalNumberRefused(_) => ErrorReason::PersonalNumberRefused,
            Self::IdempotencyKeyInvalid => ErrorReason::IdempotencyKeyInvalid,
            Self::MessageInvalid(_) => ErrorReason::MessageInvalid,
            Self::NotFound { .. } | Self::OrganisationUnknown => ErrorReason::NotFound,
            Self::EtagStale => ErrorReason::EtagStale,
            Self::IdempotencyKeyReused => ErrorReason::IdempotencyKeyReused,
            Self::ProjectNotActive { .. } => ErrorReason::ProjectNotActive,
            Self::ProjectNotOnHold => ErrorReason::ProjectNotOnHold,
            Self::GateNotNext { .. } => ErrorReason::GateNotNext,
            Self::ReviewAlreadyOpen => ErrorReason::ReviewAlreadyOpen,
            Self::ReviewNotOpen { .. } => ErrorReason::ReviewNotOpen,
            Self::CriteriaNotMet { .. } => ErrorReason::CriteriaNotMet,
            Self::AppropriationMissing { .. } => ErrorReason::AppropriationMissing,
            Self::SpendExceedsAuthority { .. } => ErrorReason::SpendExceedsAuthority,
            Self::LessonMissing => ErrorReason::LessonMissing,
            Self::OutcomeNotAllowed { .. } => ErrorReason::OutcomeNotAllowed,
            Self::ConditionNotOpen { .. } => ErrorReason::ConditionNotOpen,
            Self::WaiverNotProposed => ErrorReason::WaiverNotProposed,
            Self::ConditionLapsed => ErrorReason::ConditionLapsed,
            Self::ReviewNotDraft { .. } => ErrorReason::ReviewNotDraft,
            Self::ReviewNotLatest => ErrorReason::ReviewNotLatest,
            Self::BaselineExists => ErrorReason::BaselineExists,
            Self::BaselineMissing => ErrorReason::BaselineMissing,
            Self::IncrementTooLarge { .. } => ErrorReason::IncrementTooLarge,
            Self::StageNotInModel { .. } => ErrorReason::StageNotInModel,
            Self::ReviewNotSubmitted => ErrorReason::ReviewNotSubmitted,
            Self::TooMany { .. } => ErrorReason::TooMany,
            Self::BenefitOwnerNotEligible { .. } => ErrorReason::BenefitOwnerNotEligible,
            Self::AlreadyBenefitOwner => ErrorReason::AlreadyBenefitOwner,
            Self::NominationNotOpen => ErrorReason::NominationNotOpen,
            Self::ExceptionNotApproved => ErrorReason::ExceptionNotApproved,
            Self::MeasurementCorrected { .. } => ErrorReason::MeasurementCorrected,
            Self::BenefitFrozen { .. } => ErrorReason::BenefitFrozen,
            Self::BenefitMapCycle { .. } => ErrorReason::BenefitMapCycle,
            Self::BenefitNotEconomic => ErrorReason::BenefitNotEconomic,
            Self::BenefitIsDisbenefit => ErrorReason::BenefitIsDisbenefit,
            Self::BenefitNotCashable { .. } => ErrorReason::BenefitNotCashable,
            Self::BudgetStepNotCovered { .. } => ErrorReason::BudgetStepNotCovered,
            Self::BudgetStepNeeded { .. } => ErrorReason::BudgetStepNeeded,
            Self::BudgetEffectCorrected { .. } => ErrorReason::BudgetEffectCorrected,
            Self::NotInRealisation => ErrorReason::NotInRealisation,
            Self::ReviewNotDue { .. } => ErrorReason::ReviewNotDue,
            Self::OutcomeDeviates { .. } => ErrorReason::OutcomeDeviates,
            Self::OutcomeNotMeasured => ErrorReason::OutcomeNotMeasured,
            Self::OutcomeOpen => ErrorReason::OutcomeOpen,
            Self::NameTaken { .. } => ErrorReason::NameTaken,
            Self::ExternalIdTaken { .. } => ErrorReason::ExternalIdTaken,
            Self::UnitCycle => ErrorReason::UnitCycle,
            Self::DatabaseUnavailable(_) => ErrorReason::DatabaseUnavailable,
            Self::OutcomeUnknown(_) => ErrorReason::OutcomeUnknown,
            Self::DeadlineExceeded => ErrorReason::DeadlineExceeded,
            Self::Conflict(_) => ErrorReason::Conflict,
            Self::Overloaded => ErrorReason::Overloaded,
            Self::RateLimited { .. } => ErrorReason::RateLimited,
            Self::Internal(_) => ErrorReason::Internal,
            Self::MethodUnknown => ErrorReason::MethodUnknown,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::TokenMissing | Self::TokenInvalid | Self::TokenExpired | Self::TokenNotBound | Self::TokenRevoked => {
                Code::Unauthenticated
            }
            Self::RoleMissing { .. } | Self::Forbidden { .. } | Self::NotADelegate { .. } => Code::PermissionDenied,
            Self::FieldInvalid(_)
            | Self::FilterInvalid(_)
            | Self::OrderInvalid(_)
            | Self::PageTokenInvalid
            | Self::UpdateMaskInvalid(_)
            | Self::PersonalNumberRefused(_)
            | Self::IdempotencyKeyInvalid
            | Self::BenefitMapCycle { .. }
            | Self::MessageInvalid(_) => Code::InvalidArgument,
            Self::NotFound { .. } | Self::OrganisationUnknown => Code::NotFound,
            Self::EtagStale | Self::Conflict(_) => Code::Aborted,
            Self::IdempotencyKeyReused
            | Self::ProjectNotActive { .. }
            | Self::ProjectNotOnHold
            | Self::GateNotNext { .. }
            | Self::ReviewAlreadyOpen
            | Self::ReviewNotOpen { .. }
            | Self::AlreadyEnded { .. }
            | Self::AlreadyApproved
            | Self::AlreadyVoted
            | Self::VotesDiffer { .. }
            | Self::CriteriaNotMet { .. }
            | Self::AppropriationMissing { .. }
            | Self::SpendExceedsAuthority { .. }
            | Self::LessonMissing
            | Self::OutcomeNotAllowed { .. }
            | Self::ConditionNotOpen { .. }
            | Self::WaiverNotProposed
            | Self::ConditionLapsed
            | Self::ReviewNotDraft { .. }
            | Self::ReviewNotLatest
            | Self::BaselineExists
            | Self::BaselineMissing
            | Self::IncrementTooLarge { .. }
            | Self::StageNotInModel { .. }
            | Self::ReviewNotSubmitted
            | Self::TooMany { .. }
            | Self::BenefitOwnerNotEligible { .. }
            | Self::AlreadyBenefitOwner
            | Self::NominationNotOpen
            | Self::ExceptionNotApproved
            | Self::MeasurementCorrected { .. }
            | Self::BenefitFrozen { .. }
            | Self::BenefitNotEconomic
            | Self::BenefitIsDisbenefit
            | Self::BenefitNotCashable { .. }
            | Self::BudgetStepNotCovered { .. }
            | Self::BudgetStepNeeded { .. }
            | Self::BudgetEffectCorrected { .. }
            | Self::NotInRealisation
            | Self::ReviewNotDue { .. }
            | Self::OutcomeDeviates { .. }
            | Self::OutcomeNotMeasured
            | Self::OutcomeOpen
            | Self::NameTaken { .. }
            | Self::ExternalIdTaken { .. }
            | Self::UnitCycle => Code::FailedPrecondition,
            Self::DatabaseUnavailable(_) | Self::OutcomeUnknown(_) | Self::KeysUnavailable => Code::Unavailable,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Overloaded | Self::RateLimited { .. } => Code::ResourceExhausted,
            Self::Internal(_) => Code::Internal,
            Self::MethodUnknown => Code::Unimplemented,
        }
    }

    /// The named values of `ErrorInfo`.
    /// What one of many is told that was refused for itself: what a call of its own would have been.
    pub fn of_one(&self) -> pb::MeasurementFailure {
        let field = |wrong: FieldViolation| pb::FieldFailure { field: wrong.field, description: wrong.description };
        pb::MeasurementFailure {
            reason: self.reason_name().to_owned(),
            message: Some(pb::LocalizedText {
                da: self.message(Language::Danish),
                en: self.message(Language::English),
            }),
            fields: self.fields().into_iter().map(field).collect(),
            metadata: self.metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RoleMissing { action, needs, .. } => vec![("action", (*action).to_owned()), ("needs", needs.clone())],
            Self::Forbidden { action, policy, .. } => {
                vec![("action", (*action).to_owned()), ("policy", policy.clone())]
            }
            Self::CriteriaNotMet { criteria } => vec![("criteria", criteria.clone())],
            Self::AppropriationMissing { missing_ore } => vec![("missing_ore", missing_ore.to_string())],
            Self::SpendExceedsAuthority { left_ore } => vec![("left_ore", left_ore.to_string())],
            Self::OutcomeNotAllowed { outcome, track } => vec![("outcome", outcome.clone()), ("track", track.clone())],
            Self::ConditionNotOpen { state } => vec![("state", state.clone())],
            Self::ReviewNotDraft { state } => vec![("state", state.clone())],
            Self::IncrementTooLarge { max_ore, max_days } => {
                vec![("max_ore", max_ore.to_string()), ("max_days", max_days.to_string())]
            }
            Self::StageNotInModel { stage } => vec![("stage", stage.clone())],
            Self::TooMany { kind } => {
                vec![("type", (*kind).to_owned()), ("most", crate::projects::MOST_OF_EACH.to_string())]
            }
            Self::BenefitOwnerNotEligible { reasons, .. } => vec![("reasons", reasons.clone())],
            Self::MeasurementCorrected { corrected_by } => vec![("corrected_by", corrected_by.to_string())],
            Self::BenefitFrozen { fields } => vec![("fields", fields.clone())],
            Self::BenefitMapCycle { nodes } => vec![("nodes", nodes.clone())],
            Self::ReviewNotDue { due_on } => vec![("due_on", due_on.to_string())],
            Self::BenefitNotCashable { cashability } => vec![("cashability", cashability.clone())],
            Self::BudgetStepNotCovered { before, left_ore } => {
                vec![("before", (*before).to_owned()), ("left_ore", left_ore.to_string())]
            }
            Self::BudgetStepNeeded { after, needed_ore } => {
                vec![("after", (*after).to_owned()), ("needed_ore", needed_ore.to_string())]
            }
            Self::BudgetEffectCorrected { corrected_by } => vec![("corrected_by", corrected_by.to_string())],
            Self::OutcomeDeviates { by_rule } => vec![("by_rule", (*by_rule).to_owned())],
            Self::NotADelegate { of } => vec![("acting_for", of.clone())],
            Self::AlreadyEnded { kind } => vec![("type", (*kind).to_owned())],
            Self::VotesDiffer { outcome } => vec![("outcome", outcome.clone())],
            Self::NotFound { kind, id } => vec![("type", (*kind).to_owned()), ("id", id.clone())],
            Self::ProjectNotActive { status } => vec![("status", (*status).to_owned())],
            Self::GateNotNext { gate, next } => vec![("gate", (*gate).to_owned()), ("next", (*next).to_owned())],
            Self::ReviewNotOpen { state } => vec![("state", state.clone())],
            Self::NameTaken { kind, name } => vec![("type", (*kind).to_owned()), ("name", name.clone())],
            Self::ExternalIdTaken { field, id } => vec![("field", (*field).to_owned()), ("id", id.clone())],
            Self::PersonalNumberRefused(field) => vec![("field", field.clone())],
            _ => Vec::new(),
        }
    }

    /// The fields to blame, and how to mend each.
    fn fields(&self) -> Vec<FieldViolation> {
        let one = |field: &str, description: &str| vec![FieldViolation::new(field, description)];
        match self {
            Self::FieldInvalid(fields) => {
                fields.iter().map(|(field, description)| FieldViolation::new(field, description)).collect()
            }
            Self::FilterInvalid(why) => one("filter", why),
            Self::OrderInvalid(why) => one("order_by", why),
            Self::UpdateMaskInvalid(why) => one("update_mask", why),
            Self::PageTokenInvalid => one("page_token", "start again without it"),
            Self::PersonalNumberRefused(field) => one(field, "remove the personal number"),
            Self::BenefitMapCycle { nodes } => one("edges", &format!("lead in a circle: {nodes}; remove one of them")),
            _ => Vec::new(),
        }
    }

    /// How long to wait before trying again, where that helps.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::Overloaded => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// What happened, for the operator's eyes only.
    pub fn cause(&self) -> String {
        self.internal_cause().unwrap_or_else(|| self.to_string())
    }

    /// What happened inside, for the log; nothing for what is the caller's to mend.
    fn internal_cause(&self) -> Option<String> {
        match self {
            Self::Internal(cause) => Some(cause.clone()),
            Self::DatabaseUnavailable(error) | Self::OutcomeUnknown(error) | Self::Conflict(error) => {
                Some(error.to_string())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::English))
    }
}

impl std::error::Error for Error {}

/// Reads a database error: who is to blame decides what the caller can do.
impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if database_error(&error).and_then(|error| error.constraint()).is_some_and(|key| key.ends_with(TENANT_KEY)) {
            return Self::OrganisationUnknown;
        }
        match sqlstate(&error).as_deref() {
            // A value that its column cannot hold: what validation let through, PostgreSQL refuses.
            Some(state) if state.starts_with("22") => Self::MessageInvalid("a value is out of its range".to_owned()),
            // Serialization failure, deadlock, lock not available.
            Some("40001" | "40P01" | "55P03") => Self::Conflict(error),
            // statement_timeout: the deadline's net under the deadline.
            Some("57014") => Self::DeadlineExceeded,
            // Shutdown, crash recovery, read-only after a failover, too many connections, disk full, resources.
            Some(state) if state.starts_with("57P") || state.starts_with("53") || state == "25006" => {
                Self::DatabaseUnavailable(error)
            }
            Some(state) if state.starts_with("08") => Self::DatabaseUnavailable(error),
            Some(_) => Self::Internal(error.to_string()),
            None if is_connection(&error) => Self::DatabaseUnavailable(error),
            None => Self::Internal(error.to_string()),
        }
    }
}

/// Whether the connection, and not the statement, is to blame: there is none, or it is lost.
pub fn is_connection(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) || is_lost(error)
}

/// Whether a connection that was there is no more.
pub fn is_lost(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => match &**error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
            _ => false,
        },
        _ => false,
    }
}

fn database_error(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => error.as_database_error(),
        _ => None,
    }
}

fn sqlstate(error: &DbErr) -> Option<String> {
    database_error(error)?.code().map(Into::into)
}

/// Whether a statement broke this named constraint.
pub fn violates(error: &DbErr, constraint: &str) -> bool {
    database_error(error).and_then(|error| error.constraint()) == Some(constraint)
}

/// Gives the violation of one named constraint its domain meaning, where the statement is issued.
pub fn on_constraint(constraint: &str, meaning: impl FnOnce() -> Error) -> impl FnOnce(DbErr) -> Error {
    move |error| if violates(&error, constraint) { meaning() } else { error.into() }
}

/// The handlers' way out: the error rides along until [`finish`] knows who asked.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let mut status = Self::new(error.code(), error.message(Language::English));
        status.set_source(Arc::new(error));
        status
    }
}

/// An answer without a handler, from a layer.
pub fn response<B: Default>(error: Error) -> http::Response<B> {
    Status::from(error).into_http()
}

/// How a call failed, for its span and the metrics.
pub struct Failed {
    /// The gRPC code's name.
    pub code: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// Whether the service, and not the caller, has something to mend.
    pub ours: bool,
    /// Whether the call was refused, for what the caller sent or is.
    pub refused: bool,
}

/// Completes a failed answer with details, language, request id and trace id, and logs what the caller is not told.
/// Runs once per call, around everything that can answer.
pub fn finish<B>(
    response: &mut http::Response<B>,
    language: Language,
    request_id: &str,
    trace_id: &str,
) -> Option<Failed> {
    // A handler's status comes along whole; the generated servers refuse an unknown method in headers alone.
    let status =
        response.extensions_mut().remove::<Status>().or_else(|| Status::from_header_map(response.headers()))?;
    let foreign;
    let error = match std::error::Error::source(&status).and_then(|source| source.downcast_ref::<Error>()) {
        Some(error) => error,
        None => {
            foreign = from_transport(&status)?;
            &foreign
        }
    };
    let reason = error.reason_name();
    match (error.internal_cause(), error.code()) {
        (Some(cause), Code::Aborted) => tracing::info!(reason, cause, "call lost a race"),
        (Some(cause), Code::Unavailable) => tracing::warn!(reason, cause, "call failed"),
        (Some(cause), _) => tracing::error!(reason, cause, "call failed"),
        (None, _) => {}
    }
    let mut details = ErrorDetails::new();
    let message = error.message(language);
    details
        .set_error_info(
            reason,
            DOMAIN,
            error
                .metadata()
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<std::collections::HashMap<_, _>>(),
        )
        .set_request_info(request_id, trace_id)
        .set_localized_message(language.tag(), &message);
    let fields = error.fields();
    if !fields.is_empty() {
        details.set_bad_request(fields);
    }
    if error.code() == Code::FailedPrecondition {
        details.add_precondition_failure_violation(reason, DOMAIN, message);
    }
    if let Some(wait) = error.retry_after() {
        details.set_retry_info(Some(wait));
        // In whole seconds, for HTTP (RFC 9110, 10.2.3).
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    let complete = Status::with_error_details(error.code(), error.message(Language::English), details);
    if let Err(status) = complete.add_header(response.headers_mut()) {
        tracing::error!(cause = %status, "error details could not be sent");
    }
    Some(Failed {
        code: code_name(error.code()),
        reason,
        refused: error.is_refused(),
        ours: matches!(error.code(), Code::Internal | Code::Unavailable | Code::DeadlineExceeded | Code::Unimplemented),
    })
}

fn named_fields(status: &Status) -> Option<Vec<(String, String)>> {
    let violations = status.get_details_bad_request()?.field_violations;
    let named = violations.iter().all(|violation| !violation.field.is_empty());
    named.then(|| violations.into_iter().map(|violation| (violation.field, violation.description)).collect())
}

/// A status that no handler made: the transport could not read the call.
fn from_transport(status: &Status) -> Option<Error> {
    match status.code() {
        Code::Ok => None,
        // Compressed, which is not taken: nothing is there to inflate.
        Code::Unimplemented if status.message().starts_with("Content is compressed") => {
            Some(Error::MessageInvalid(status.message().chars().take(ECHO).collect()))
        }
        Code::Unimplemented => Some(Error::MethodUnknown),
        Code::DeadlineExceeded | Code::Cancelled => Some(Error::DeadlineExceeded),
        Code::ResourceExhausted => Some(Error::Overloaded),
        // The gateway names the fields that it cannot read.
        Code::InvalidArgument if named_fields(status).is_some() => named_fields(status).map(Error::FieldInvalid),
        Code::Internal | Code::InvalidArgument | Code::OutOfRange => {
            Some(Error::MessageInvalid(status.message().chars().take(ECHO).collect()))
        }
        code => Some(Error::Internal(format!("{code:?}: {}", status.message()))),
    }
}
