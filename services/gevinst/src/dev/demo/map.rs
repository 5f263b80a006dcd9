//! The goals of the demo organisation, and how its projects' benefits lead to them.

use std::collections::BTreeMap;

use gevinst_proto::v1::{self as pb, BenefitMapNodeKind as Kind};
use serde::Deserialize;

use super::{DEMO_ORGANISATION, People, answered, slug, way::Way};
use crate::auth::Role;

/// The file.
#[derive(Deserialize)]
pub struct Maps {
    goals: Vec<Goal>,
    maps: BTreeMap<String, Map>,
}

#[derive(Deserialize)]
struct Goal {
    code: String,
    da: String,
    en: String,
    principle: String,
}

#[derive(Deserialize)]
struct Map {
    outputs: Vec<String>,
    changes: Vec<String>,
    edges: Vec<(String, String, i32)>,
}

impl Maps {
    /// Reads it.
    pub fn read() -> Result<Self, String> {
        serde_json::from_str(include_str!("maps.json")).map_err(|error| format!("maps.json: {error}"))
    }

    /// Puts the goals in; gives their ids by their codes.
    pub async fn pursue(&self, people: &People<'_>) -> Result<BTreeMap<String, String>, String> {
        let mut ids = BTreeMap::new();
        for goal in &self.goals {
            let principle = pb::Principle::from_str_name(&format!("PRINCIPLE_{}", goal.principle));
            let request = pb::CreateStrategyGoalRequest {
                organisation: DEMO_ORGANISATION.to_string(),
                code: goal.code.clone(),
                title: Some(pb::LocalizedText { da: goal.da.clone(), en: goal.en.clone() }),
                principle: principle.unwrap_or_default().into(),
                validate_only: false,
            };
            let call = people.role(Role::PortfolioOffice)?.call(&format!("demo-goal-{}", slug(&goal.code)), request)?;
            let created = answered(people.strategy().create_strategy_goal(call).await)?.strategy_goal;
            ids.insert(goal.code.clone(), created.unwrap_or_default().id);
        }
        Ok(ids)
    }

    /// Draws a project's map, where it has one. `benefits` are their ids in the order of the register.
    pub async fn draw(
        &self,
        way: &Way<'_>,
        benefits: &[String],
        goals: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let Some(map) = self.maps.get(&way.demo.id) else { return Ok(()) };
        let titled = |letter: &str, kind: Kind, titles: &[String]| {
            let node = |(number, title): (usize, &String)| pb::BenefitMapNode {
                key: format!("{letter}{}", number + 1),
                kind: kind.into(),
                title: title.clone(),
                ..Default::default()
            };
            titles.iter().enumerate().map(node).collect::<Vec<_>>()
        };
        let mut nodes = titled("O", Kind::Output, &map.outputs);
        nodes.extend(titled("C", Kind::Change, &map.changes));
        nodes.extend(benefits.iter().enumerate().map(|(number, id)| pb::BenefitMapNode {
            key: format!("B{}", number + 1),
            kind: Kind::Benefit.into(),
            benefit: Some(id.clone()),
            ..Default::default()
        }));
        let mut edges = Vec::new();
        for (from, to, weight) in &map.edges {
            let principle = pb::Principle::from_str_name(&format!("PRINCIPLE_{to}"));
            // A key has no letters but ASCII's.
            let key = if goals.contains_key(to) || principle.is_some() { slug(to) } else { to.clone() };
            if key != *to && nodes.iter().all(|node| node.key != key) {
                nodes.push(pb::BenefitMapNode {
                    key: key.clone(),
                    kind: Kind::Goal.into(),
                    strategy_goal: goals.get(to).cloned(),
                    principle: principle.unwrap_or_default().into(),
                    ..Default::default()
                });
            }
            edges.push(pb::BenefitMapEdge { from: from.clone(), to: key, weight: *weight });
        }
        let request = pb::SetBenefitMapRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: way.project.clone(),
            nodes,
            edges,
            ..Default::default()
        };
        let call = way.manager()?.call(&format!("demo-{}-map", way.demo.id), request)?;
        answered(way.people.maps().set_benefit_map(call).await).map(drop)
    }
}
