//! Grants, delegations, the authority matrix and revocations, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

/// A role granted.
pub mod role_grant {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use time::{Date, OffsetDateTime};

    use super::super::rules::ScopeKind;
    use crate::{
        auth::Role,
        error::{Error, Result},
        ids::{OrganisationId, RoleGrantId},
        listing::{Field, FieldKind, List},
        wire::{known, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "role_grants")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub subject: String,
        pub role: String,
        pub scope_kind: String,
        pub scope_id: Uuid,
        pub grantable: bool,
        pub valid_from: Date,
        pub valid_until: Option<Date>,
        pub reason: String,
        pub granted_by: String,
        pub granted_at: OffsetDateTime,
        pub revoked_by: Option<String>,
        pub revoked_at: Option<OffsetDateTime>,
        pub revoke_reason: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's grants.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, id: RoleGrantId) -> Select<Entity> {
        find_in(organisation).filter(Column::Id.eq(id.uuid()))
    }

    /// What grants can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "subject", column: Column::Subject, kind: FieldKind::Text },
            Field {
                name: "role",
                column: Column::Role,
                kind: FieldKind::Name(|name| Role::from_row_name(name).is_some()),
            },
            Field { name: "scope", column: Column::ScopeId, kind: FieldKind::Id },
            Field { name: "granted_by", column: Column::GrantedBy, kind: FieldKind::Text },
            Field { name: "revoked_by", column: Column::RevokedBy, kind: FieldKind::Text },
            Field { name: "grant_time", column: Column::GrantedAt, kind: FieldKind::Time },
        ],
        orders: &["grant_time"],
        default_order: "grant_time desc",
        id: Column::Id,
    };

    impl Model {
        /// The role.
        pub fn role(&self) -> Result<Role> {
            Role::from_row_name(&self.role).ok_or_else(|| Error::Internal(format!("an unknown role {}", self.role)))
        }

        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::RoleGrant> {
            Ok(pb::RoleGrant {
                role: self.role()? as i32,
                id: self.id.to_string(),
                organisation: self.organisation_id.to_string(),
                subject: self.subject,
                scope: Some(pb::Scope {
                    kind: known::<ScopeKind>(&self.scope_kind)? as i32,
                    id: self.scope_id.to_string(),
                }),
                grantable: self.grantable,
                valid_from: self.valid_from.to_string(),
                valid_until: self.valid_until.map(|day| day.to_string()),
                reason: self.reason,
                granted_by: self.granted_by,
                grant_time: Some(timestamp(self.granted_at)),
                revoked_by: self.revoked_by,
                revoke_time: self.revoked_at.map(timestamp),
                revoke_reason: self.revoke_reason,
            })
        }
    }
}

/// A role lent.
pub mod delegation {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use time::{Date, OffsetDateTime};

    use crate::{
        auth::Resource,
        ids::{DelegationId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::timestamp,
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "delegations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub role_grant_id: Uuid,
        pub delegator: String,
        pub delegate: String,
        pub valid_from: Date,
        pub valid_until: Date,
        pub reason: String,
        pub proposed_at: OffsetDateTime,
        pub approved_by: Option<String>,
        pub approved_at: Option<OffsetDateTime>,
        pub ended_by: Option<String>,
        pub ended_at: Option<OffsetDateTime>,
        pub end_reason: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's delegations.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, id: DelegationId) -> Select<Entity> {
        find_in(organisation).filter(Column::Id.eq(id.uuid()))
    }

    /// What delegations can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "delegator", column: Column::Delegator, kind: FieldKind::Text },
            Field { name: "delegate", column: Column::Delegate, kind: FieldKind::Text },
            Field { name: "role_grant", column: Column::RoleGrantId, kind: FieldKind::Id },
            Field { name: "approved_by", column: Column::ApprovedBy, kind: FieldKind::Text },
            Field { name: "propose_time", column: Column::ProposedAt, kind: FieldKind::Time },
        ],
        orders: &["propose_time"],
        default_order: "propose_time desc",
        id: Column::Id,
    };

    impl<'a> From<&'a Model> for Resource<'a> {
        fn from(model: &'a Model) -> Self {
            Self::Delegation { delegator: &model.delegator, delegate: &model.delegate }
        }
    }

    impl From<Model> for pb::Delegation {
        fn from(model: Model) -> Self {
            Self {
                id: model.id.to_string(),
                organisation: model.organisation_id.to_string(),
                role_grant: model.role_grant_id.to_string(),
                delegator: model.delegator,
                delegate: model.delegate,
                valid_from: model.valid_from.to_string(),
                valid_until: model.valid_until.to_string(),
                reason: model.reason,
                propose_time: Some(timestamp(model.proposed_at)),
                approved_by: model.approved_by,
                approve_time: model.approved_at.map(timestamp),
                ended_by: model.ended_by,
                end_time: model.ended_at.map(timestamp),
                end_reason: model.end_reason,
            }
        }
    }
}

/// A rule of the authority matrix (I04).
pub mod authority_rule {
    use gevinst_proto::v1 as pb;
    use sea_orm::{Condition, QueryOrder, entity::prelude::*};
    use time::{Date, OffsetDateTime};

    use crate::{
        auth::{Role, policy::Mandate},
        error::{Error, Result},
        gates::rules::{Outcome, RiskClass, Rule},
        ids::{AuthorityRuleId, OrganisationId},
        listing::{Field, FieldKind, List},
        projects::rules::Track,
        wire::{known, timestamp, today},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "authority_rules")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub role: String,
        pub max_amount_ore: i64,
        pub max_risk_class: String,
        pub tracks: Vec<String>,
        pub outcomes: Vec<String>,
        pub second_required: bool,
        pub valid_from: Date,
        pub valid_until: Option<Date>,
        pub reason: String,
        pub set_by: String,
        pub set_at: OffsetDateTime,
        pub ended_by: Option<String>,
        pub ended_at: Option<OffsetDateTime>,
        pub end_reason: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's rules.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, id: AuthorityRuleId) -> Select<Entity> {
        find_in(organisation).filter(Column::Id.eq(id.uuid()))
    }

    /// The rules that count now, with their ids, oldest first.
    pub async fn in_force(
        db: &impl ConnectionTrait,
        organisation: OrganisationId,
        now: OffsetDateTime,
    ) -> Result<Vec<(Uuid, Rule)>> {
        let today = today(now);
        let rules = find_in(organisation)
            .filter(Column::EndedAt.is_null())
            .filter(Column::ValidFrom.lte(today))
            .filter(Condition::any().add(Column::ValidUntil.is_null()).add(Column::ValidUntil.gte(today)))
            .order_by_asc(Column::SetAt)
            .order_by_asc(Column::Id);
        rules.all(db).await?.into_iter().map(|rule| Ok((rule.id, rule.into_rule()?))).collect()
    }

    /// What the matrix can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field {
                name: "role",
                column: Column::Role,
                kind: FieldKind::Name(|name| Role::from_row_name(name).is_some()),
            },
            Field { name: "second_required", column: Column::SecondRequired, kind: FieldKind::Bool },
            Field { name: "set_by", column: Column::SetBy, kind: FieldKind::Text },
            Field { name: "ended_by", column: Column::EndedBy, kind: FieldKind::Text },
            Field { name: "set_time", column: Column::SetAt, kind: FieldKind::Time },
        ],
        orders: &["set_time"],
        default_order: "set_time desc",
        id: Column::Id,
    };

    impl Model {
        fn role(&self) -> Result<Role> {
            Role::from_row_name(&self.role).ok_or_else(|| Error::Internal(format!("an unknown role {}", self.role)))
        }

        /// As a decision asks.
        pub fn into_rule(self) -> Result<Rule> {
            Ok(Rule {
                mandate: Mandate {
                    role: self.role()?,
                    max_amount_ore: self.max_amount_ore,
                    max_risk: known::<RiskClass>(&self.max_risk_class)? as i64,
                    tracks: self.tracks,
                    outcomes: self.outcomes,
                },
                second_required: self.second_required,
            })
        }

        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::AuthorityRule> {
            Ok(pb::AuthorityRule {
                role: self.role()? as i32,
                id: self.id.to_string(),
                organisation: self.organisation_id.to_string(),
                max_amount_ore: self.max_amount_ore,
                max_risk_class: known::<RiskClass>(&self.max_risk_class)? as i32,
                tracks: self.tracks.iter().map(|name| Ok(known::<Track>(name)? as i32)).collect::<Result<_>>()?,
                outcomes: self.outcomes.iter().map(|name| Ok(known::<Outcome>(name)? as i32)).collect::<Result<_>>()?,
                second_required: self.second_required,
                valid_from: self.valid_from.to_string(),
                valid_until: self.valid_until.map(|day| day.to_string()),
                reason: self.reason,
                set_by: self.set_by,
                set_time: Some(timestamp(self.set_at)),
                ended_by: self.ended_by,
                end_time: self.ended_at.map(timestamp),
                end_reason: self.end_reason,
            })
        }
    }
}

/// A revoked token, or subject.
pub mod token_denial {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use time::OffsetDateTime;

    use super::super::rules::RevokedClaim;
    use crate::{
        error::Result,
        ids::{OrganisationId, TokenDenialId},
        listing::{Field, FieldKind, List},
        wire::{known, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "token_denials")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub claim: String,
        pub value: String,
        pub reason: String,
        pub denied_by: String,
        pub denied_at: OffsetDateTime,
        pub lifted_by: Option<String>,
        pub lifted_at: Option<OffsetDateTime>,
        pub lift_reason: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's revocations.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, id: TokenDenialId) -> Select<Entity> {
        find_in(organisation).filter(Column::Id.eq(id.uuid()))
    }

    /// Those of these subjects who are revoked now.
    pub async fn subjects_among(
        db: &impl ConnectionTrait,
        organisation: OrganisationId,
        subjects: &[&str],
    ) -> Result<Vec<String>> {
        let found = find_in(organisation)
            .filter(Column::LiftedAt.is_null())
            .filter(Column::Claim.eq(<&str>::from(RevokedClaim::Subject)))
            .filter(Column::Value.is_in(subjects.iter().copied()));
        Ok(found.all(db).await?.into_iter().map(|denial| denial.value).collect())
    }

    /// What revocations can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field {
                name: "claim",
                column: Column::Claim,
                kind: FieldKind::Name(|name| name.parse::<RevokedClaim>().is_ok()),
            },
            Field { name: "value", column: Column::Value, kind: FieldKind::Text },
            Field { name: "denied_by", column: Column::DeniedBy, kind: FieldKind::Text },
            Field { name: "lifted_by", column: Column::LiftedBy, kind: FieldKind::Text },
            Field { name: "deny_time", column: Column::DeniedAt, kind: FieldKind::Time },
        ],
        orders: &["deny_time"],
        default_order: "deny_time desc",
        id: Column::Id,
    };

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::TokenDenial> {
            Ok(pb::TokenDenial {
                id: self.id.to_string(),
                organisation: self.organisation_id.to_string(),
                claim: known::<RevokedClaim>(&self.claim)? as i32,
                value: self.value,
                reason: self.reason,
                denied_by: self.denied_by,
                deny_time: Some(timestamp(self.denied_at)),
                lifted_by: self.lifted_by,
                lift_time: self.lifted_at.map(timestamp),
                lift_reason: self.lift_reason,
            })
        }
    }
}
