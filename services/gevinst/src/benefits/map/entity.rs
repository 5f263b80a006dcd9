//! Benefit maps, as rows, and all that is read with one.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, FromQueryResult, entity::prelude::*};
use serde::Deserialize;
use time::OffsetDateTime;

use super::parts::{Drawn, Links, Nodes, Serves};
use crate::{
    auth::Resource,
    db::{Tx, json_column, postgres},
    error::{Error, Result},
    ids::{OrganisationId, ProjectId},
    projects,
    strategy::entity as goals,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "benefit_maps")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: Uuid,
    pub nodes: Nodes,
    pub edges: Links,
    pub set_by: String,
    #[serde(with = "time::serde::iso8601")]
    pub set_at: OffsetDateTime,
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// A benefit, as far as a map asks.
#[derive(Clone, Debug, Deserialize)]
pub struct Mapped {
    pub id: Uuid,
    pub title: String,
    /// Whether it has to reach a goal (I21): what gets worse, and what is pursued no more, does not.
    pub owes_goal: bool,
}

/// A measure, or an account, that a benefit of the project and another benefit claim at once.
#[derive(Clone, Debug, Deserialize)]
pub struct Claim {
    pub benefit: Uuid,
    pub other: Uuid,
    pub other_project: Uuid,
    /// What the other is called; absent where who asks does not see it.
    pub other_title: Option<String>,
    /// The account, as the benefit of the project has it; absent of a measure.
    pub account: Option<String>,
    /// In which years both promise something of the account.
    pub years: Option<Vec<i32>>,
}

/// A project's map, with what its nodes stand for.
#[derive(Clone, Debug, Deserialize)]
pub struct Known {
    /// Absent where it has not been set.
    pub map: Option<Model>,
    /// The project's benefits, oldest first.
    pub benefits: Vec<Mapped>,
    /// The goals that are on the map.
    pub goals: Vec<goals::Model>,
    /// What its benefits claim that others claim too.
    pub claims: Vec<Claim>,
}

impl Known {
    /// The map as it is drawn; an empty one where it has not been set.
    pub fn drawn(&self) -> Drawn {
        let map = self.map.as_ref();
        map.map(|map| Drawn { nodes: map.nodes.clone(), links: map.edges.clone() }).unwrap_or_default()
    }
}

/// It, as a column of a question about the project `p`.
pub const KNOWN: &str = "(SELECT json_build_object('map', row_to_json(m), \
    'benefits', (SELECT coalesce(json_agg(json_build_object('id', b.id, 'title', b.title, \
            'owes_goal', NOT b.disbenefit AND b.state <> 'CANCELLED') ORDER BY b.created_at, b.id), '[]') \
        FROM benefits b WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id), \
    'goals', (SELECT coalesce(json_agg(g), '[]') FROM strategy_goals g WHERE g.organisation_id = p.organisation_id \
        AND g.id IN (SELECT (n->>'strategy_goal')::uuid FROM jsonb_array_elements(m.nodes) n)), \
    'claims', (SELECT coalesce(json_agg(json_build_object('benefit', t.benefit_id, 'other', t.other_id, \
            'other_project', t.other_project, 'other_title', o.title, 'account', t.account, 'years', t.years) \
            ORDER BY t.account NULLS FIRST, t.benefit_id, t.other_id), '[]') \
        FROM ((SELECT c.benefit_id, d.benefit_id AS other_id, d.project_id AS other_project, NULL::text AS account, \
            NULL::int[] AS years FROM measure_claims c \
            JOIN measure_claims d ON d.organisation_id = c.organisation_id AND d.measure = c.measure \
                AND d.pursued AND NOT d.stopped AND d.benefit_id <> c.benefit_id AND d.period && c.period \
            WHERE c.organisation_id = p.organisation_id AND c.project_id = p.id AND c.pursued AND NOT c.stopped \
            ORDER BY 1, 2 LIMIT 200) \
            UNION ALL (SELECT a.benefit_id, e.benefit_id, e.project_id, min(a.account), array_agg(DISTINCT a.year ORDER BY a.year) \
            FROM account_claims a JOIN account_claims e ON e.organisation_id = a.organisation_id \
                AND e.account_key = a.account_key AND e.year = a.year AND e.stands AND e.benefit_id <> a.benefit_id \
            JOIN measure_claims c ON c.organisation_id = a.organisation_id AND c.benefit_id = a.benefit_id \
                AND c.pursued AND NOT c.stopped \
            JOIN measure_claims d ON d.organisation_id = e.organisation_id AND d.benefit_id = e.benefit_id \
                AND d.pursued AND NOT d.stopped \
            WHERE a.organisation_id = p.organisation_id AND a.project_id = p.id AND a.stands \
            GROUP BY a.benefit_id, e.benefit_id, e.project_id, a.account_key ORDER BY 1, 2, 4 LIMIT 200)) t \
        LEFT JOIN benefits o ON o.organisation_id = p.organisation_id AND o.id = t.other_id))::text \
    FROM (SELECT) one LEFT JOIN benefit_maps m ON m.organisation_id = p.organisation_id AND m.project_id = p.id)";

/// A project with its map.
pub struct Placed {
    pub project: projects::entity::Model,
    pub known: Known,
}

impl<'a> From<&'a Placed> for Resource<'a> {
    fn from(placed: &'a Placed) -> Self {
        (&placed.project).into()
    }
}

/// One project with its map, in one question.
pub async fn placed(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: ProjectId,
) -> Result<Option<Placed>> {
    let sql = format!("SELECT p.*, {KNOWN} AS p_map FROM projects p WHERE p.organisation_id = $1 AND p.id = $2");
    let Some(row) = db.query_one_raw(postgres(sql, [organisation.uuid().into(), project.uuid().into()])).await? else {
        return Ok(None);
    };
    let project = projects::entity::Model::from_query_result(&row, "")?;
    let known = json_column(&row, "p_map")?.ok_or_else(|| Error::Internal("a project without a map".to_owned()))?;
    Ok(Some(Placed { project, known }))
}

/// Writes what each of a project's benefits serves; nothing, of those that are not among them.
pub async fn serve(
    tx: &Tx,
    organisation: OrganisationId,
    project: ProjectId,
    serves: BTreeMap<Uuid, Serves>,
) -> Result<()> {
    let unwritten = |error: serde_json::Error| Error::Internal(format!("what a benefit serves: {error}"));
    let (ids, written): (Vec<Uuid>, Vec<Serves>) = serves.into_iter().unzip();
    let written: Vec<String> =
        written.iter().map(|served| serde_json::to_string(served).map_err(unwritten)).collect::<Result<_>>()?;
    let sql = "UPDATE benefits b SET serves = coalesce((SELECT s.serves::jsonb FROM unnest($3::uuid[], $4::text[]) \
            AS s (id, serves) WHERE s.id = b.id), '[]') \
        WHERE b.organisation_id = $1 AND b.project_id = $2";
    let values = [organisation.uuid().into(), project.uuid().into(), ids.into(), written.into()];
    tx.execute_raw(postgres(sql, values)).await?;
    Ok(())
}
