//! What a map's row keeps as JSON: its nodes and edges as they were set; and, on a benefit's row, what it serves.

use std::collections::{BTreeMap, BTreeSet};

use gevinst_proto::v1 as pb;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rules::{self, Edge, NodeKind};
use crate::{
    error::{Error, Result},
    ids::{BenefitId, StrategyGoalId},
    wire::{bare, known, named},
};

/// Something on a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    /// What edges call it.
    pub key: String,
    /// As in the contract, without the enum's prefix.
    pub kind: String,
    /// Of outputs and changes; empty of others.
    pub title: String,
    /// Of benefits.
    pub benefit: Option<Uuid>,
    /// Of goals that are no principle.
    pub strategy_goal: Option<Uuid>,
    /// Of goals that are one.
    pub principle: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Nodes(pub Vec<Node>);

/// That one leads to another, by their keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    from: String,
    to: String,
    weight: u8,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Links(pub Vec<Link>);

/// The fields to blame.
type Wrong = Vec<(String, String)>;

impl Node {
    /// What it is.
    pub fn kind(&self) -> Result<NodeKind> {
        known(&self.kind)
    }

    fn read(index: usize, node: pb::BenefitMapNode, wrong: &mut Wrong) -> Result<Self> {
        let kind = node.kind();
        let principle = Some(node.principle()).filter(|principle| *principle != pb::Principle::Unspecified);
        let mut blame = |field: &str, why: &str| wrong.push((format!("nodes[{index}].{field}"), why.to_owned()));
        let is = |one: pb::BenefitMapNodeKind| kind == one;
        let titled = is(pb::BenefitMapNodeKind::Output) || is(pb::BenefitMapNodeKind::Change);
        match (titled, node.title.trim().is_empty()) {
            (true, true) => blame("title", "is missing: outputs and changes have one"),
            (false, false) => {
                blame("title", "belongs to outputs and changes: leave it out, the node has a name already")
            }
            _ => {}
        }
        match (is(pb::BenefitMapNodeKind::Benefit), node.benefit.is_some()) {
            (true, false) => blame("benefit", "is missing: name one of the project's benefits"),
            (false, true) => blame("benefit", "belongs to nodes of the kind BENEFIT: leave it out"),
            _ => {}
        }
        match (is(pb::BenefitMapNodeKind::Goal), node.strategy_goal.is_some(), principle.is_some()) {
            (true, false, false) => blame("strategy_goal", "is missing: name a strategy goal, or a principle"),
            (true, true, true) => blame("principle", "stands beside a strategy goal: name one of both"),
            (false, true, _) => blame("strategy_goal", "belongs to nodes of the kind GOAL: leave it out"),
            (false, _, true) => blame("principle", "belongs to nodes of the kind GOAL: leave it out"),
            _ => {}
        }
        Ok(Self {
            kind: bare(kind.as_str_name(), "BENEFIT_MAP_NODE_KIND_"),
            key: node.key,
            title: node.title.trim().to_owned(),
            benefit: node.benefit.as_deref().map(BenefitId::parse).transpose()?.map(BenefitId::uuid),
            strategy_goal: node
                .strategy_goal
                .as_deref()
                .map(StrategyGoalId::parse)
                .transpose()?
                .map(StrategyGoalId::uuid),
            principle: principle.map(|principle| bare(principle.as_str_name(), "PRINCIPLE_")),
        })
    }

    /// What it stands for: nothing stands on a map twice.
    fn stands_for(&self) -> (Option<Uuid>, Option<Uuid>, Option<&str>) {
        (self.benefit, self.strategy_goal, self.principle.as_deref())
    }

    /// As the audit log writes it.
    pub fn text(&self) -> String {
        let id = self.benefit.or(self.strategy_goal).map(|id| id.to_string());
        let what = id.or_else(|| self.principle.clone()).unwrap_or_else(|| self.title.clone());
        format!("{} {} {what}", self.key, self.kind)
    }

    /// As the contract shows it, under what it is called.
    pub fn into_proto(self, label: pb::LocalizedText) -> Result<pb::BenefitMapNode> {
        Ok(pb::BenefitMapNode {
            kind: named(pb::BenefitMapNodeKind::from_str_name, "BENEFIT_MAP_NODE_KIND_", &self.kind)?,
            key: self.key,
            title: self.title,
            benefit: self.benefit.map(|id| id.to_string()),
            strategy_goal: self.strategy_goal.map(|id| id.to_string()),
            principle: principle(self.principle.as_deref())?.into(),
            label: Some(label),
        })
    }
}

/// A principle, by the name that a column keeps.
pub fn principle(name: Option<&str>) -> Result<pb::Principle> {
    let number = name.map(|name| named(pb::Principle::from_str_name, "PRINCIPLE_", name)).transpose()?;
    Ok(number.and_then(|number| pb::Principle::try_from(number).ok()).unwrap_or_default())
}

impl Link {
    /// As the audit log writes it.
    pub fn text(&self) -> String {
        format!("{} → {} {} %", self.from, self.to, self.weight)
    }
}

/// A map, as asked for and as kept.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// Its nodes.
    pub nodes: Nodes,
    /// Its edges.
    pub links: Links,
}

impl Drawn {
    /// As asked for, with everything that is wrong with it.
    pub fn read(nodes: Vec<pb::BenefitMapNode>, edges: Vec<pb::BenefitMapEdge>) -> Result<Self> {
        let mut wrong = Wrong::new();
        let nodes: Vec<Node> = nodes
            .into_iter()
            .enumerate()
            .map(|(index, node)| Node::read(index, node, &mut wrong))
            .collect::<Result<_>>()?;
        let (mut keys, mut things) = (BTreeSet::new(), BTreeSet::new());
        for (index, node) in nodes.iter().enumerate() {
            if !keys.insert(&node.key) {
                wrong.push((format!("nodes[{index}].key"), format!("stands there twice: {}", node.key)));
            }
            let thing = node.stands_for();
            if thing != (None, None, None) && !things.insert(thing) {
                let field = if node.benefit.is_some() { "benefit" } else { "kind" };
                wrong.push((format!("nodes[{index}].{field}"), "stands on the map twice".to_owned()));
            }
        }
        let mut links = BTreeSet::new();
        for (index, edge) in edges.iter().enumerate() {
            let mut blame = |field: &str, why: String| wrong.push((format!("edges[{index}]{field}"), why));
            for (field, key) in [(".from", &edge.from), (".to", &edge.to)] {
                if !keys.contains(key) {
                    blame(field, format!("is no node's key: {key}"));
                }
            }
            if !links.insert((&edge.from, &edge.to)) {
                blame("", format!("stands there twice: from {} to {}", edge.from, edge.to));
            }
        }
        let links = edges.into_iter().map(|edge| Link {
            weight: u8::try_from(edge.weight).unwrap_or_default(),
            from: edge.from,
            to: edge.to,
        });
        let drawn = Self { links: Links(links.collect()), nodes: Nodes(nodes) };
        if wrong.is_empty() {
            drawn.blame_edges(&mut wrong)?;
        }
        if wrong.is_empty() { drawn.must_be_a_map().map(|()| drawn) } else { Err(Error::FieldInvalid(wrong)) }
    }

    /// Edges that lead backwards, or that give more than there is.
    fn blame_edges(&self, wrong: &mut Wrong) -> Result<()> {
        let (kinds, edges) = (self.kinds()?, self.edges());
        for (index, edge) in edges.iter().enumerate() {
            let (from, to) = (kinds[edge.from], kinds[edge.to]);
            if !from.leads_to(to) {
                let (from, to) = (<&str>::from(from), <&str>::from(to));
                let why = format!("leads from {from} to {to}: the way is OUTPUT, CHANGE, BENEFIT, GOAL");
                wrong.push((format!("edges[{index}]"), why));
            }
        }
        for (index, sum) in rules::too_heavy(&edges) {
            let from = &self.links.0[index].from;
            let why = format!("what leaves {from} comes to {sum} per cent with it: it may come to 100");
            wrong.push((format!("edges[{index}].weight"), why));
        }
        Ok(())
    }

    /// I21: no way leads back to where it began; and no way is longer than shares can be told of.
    fn must_be_a_map(&self) -> Result<()> {
        let edges = self.edges();
        let order = rules::order(self.nodes.0.len(), &edges).map_err(|circle| Error::BenefitMapCycle {
            nodes: circle.into_iter().map(|node| self.nodes.0[node].key.as_str()).collect::<Vec<_>>().join(","),
        })?;
        let steps = rules::steps_to(&order, &edges);
        match steps.iter().enumerate().max_by_key(|(_, steps)| **steps) {
            Some((node, steps)) if *steps > rules::LONGEST => {
                let (key, most) = (&self.nodes.0[node].key, rules::LONGEST);
                let why = format!("the longest way, which ends at {key}, has {steps} edges: it may have {most}");
                Err(Error::invalid("edges", why))
            }
            _ => Ok(()),
        }
    }

    /// The kind of each node.
    pub fn kinds(&self) -> Result<Vec<NodeKind>> {
        self.nodes.0.iter().map(Node::kind).collect()
    }

    /// Its edges, between the numbers of nodes.
    pub fn edges(&self) -> Vec<Edge> {
        let numbers: BTreeMap<&str, usize> =
            self.nodes.0.iter().enumerate().map(|(number, node)| (node.key.as_str(), number)).collect();
        let edge = |link: &Link| {
            let (from, to) = (*numbers.get(link.from.as_str())?, *numbers.get(link.to.as_str())?);
            Some(Edge { from, to, weight: link.weight })
        };
        self.links.0.iter().filter_map(edge).collect()
    }

    /// The nodes, each before all that it leads to.
    pub fn order(&self) -> Result<Vec<usize>> {
        let ordered = rules::order(self.nodes.0.len(), &self.edges());
        ordered.map_err(|_| Error::Internal("the database holds a benefit map that goes round in a circle".to_owned()))
    }

    /// What each benefit on it serves.
    pub fn serves(&self) -> Result<BTreeMap<Uuid, Serves>> {
        let shares = rules::shares(&self.kinds()?, &self.order()?, &self.edges());
        let served = |(goal, share): (usize, rules::Share)| {
            let goal = &self.nodes.0[goal];
            let share = share.rounded().normalize().to_string();
            Served { strategy_goal: goal.strategy_goal, principle: goal.principle.clone(), share }
        };
        let of_benefit = |(node, shares): (&Node, BTreeMap<usize, rules::Share>)| {
            Some((node.benefit?, Serves(shares.into_iter().map(served).collect())))
        };
        Ok(self.nodes.0.iter().zip(shares).filter_map(of_benefit).collect())
    }
}

impl From<Link> for pb::BenefitMapEdge {
    fn from(link: Link) -> Self {
        Self { from: link.from, to: link.to, weight: link.weight.into() }
    }
}

/// A goal or principle that a benefit serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    strategy_goal: Option<Uuid>,
    principle: Option<String>,
    /// A decimal as text, so that it passes through no float.
    share: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Serves(Vec<Served>);

impl Serves {
    /// Each goal's id or principle's name, and the share of the benefit that reaches it.
    pub fn shares(&self) -> Result<Vec<(String, rust_decimal::Decimal)>> {
        let each = self.0.iter().map(|served| {
            let goal = served.strategy_goal.map(|id| id.to_string());
            let of = goal.or_else(|| served.principle.clone()).unwrap_or_default();
            let unreadable = |_| Error::Internal(format!("a share that is no decimal: {}", served.share));
            Ok((of, served.share.parse().map_err(unreadable)?))
        });
        each.collect()
    }

    /// As the contract shows them.
    pub fn into_proto(self) -> Result<Vec<pb::ServedGoal>> {
        let shown = |served: Served| {
            Ok(pb::ServedGoal {
                strategy_goal: served.strategy_goal.map(|id| id.to_string()),
                principle: principle(served.principle.as_deref())?.into(),
                share: served.share,
            })
        };
        self.0.into_iter().map(shown).collect()
    }
}
