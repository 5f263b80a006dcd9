//! A map as the contract shows it: each node under its name, and what it lacks in words (I21).

use std::collections::{BTreeMap, BTreeSet};

use gevinst_proto::v1 as pb;
use uuid::Uuid;

use super::{
    entity::{Claim, Known},
    parts::{Node, principle},
    rules::{self, Lack},
};
use crate::{
    dossier::words::{self, Language},
    error::Result,
    ids::ProjectId,
    strategy::entity as goals,
    wire::{etag, timestamp},
};

/// How many findings are told: as many as the rules of gates can see.
const MOST: usize = 200;

impl Known {
    /// The same as it is asked about at gates and frozen: of what other projects claim too, only that one does, for that does
    /// not depend on who asks.
    pub fn anonymous(mut self) -> Self {
        let own: BTreeSet<Uuid> = self.benefits.iter().map(|benefit| benefit.id).collect();
        for claim in self.claims.iter_mut().filter(|claim| !own.contains(&claim.other)) {
            claim.other_title = None;
        }
        self
    }

    /// Names the state of the map, also that it has not been set.
    pub fn etag(&self) -> String {
        etag(self.map.as_ref().map_or(0, |map| map.version))
    }

    /// The map of this project.
    pub fn into_proto(self, project: ProjectId) -> Result<pb::BenefitMap> {
        let (drawn, findings) = (self.drawn(), self.findings()?);
        let nodes = drawn.nodes.0.into_iter().map(|node| {
            let label = self.label(&node)?;
            node.into_proto(label)
        });
        Ok(pb::BenefitMap {
            project: project.to_string(),
            nodes: nodes.collect::<Result<_>>()?,
            edges: drawn.links.0.into_iter().map(Into::into).collect(),
            findings,
            etag: self.etag(),
            set_by: self.map.as_ref().map(|map| map.set_by.clone()).unwrap_or_default(),
            set_time: self.map.map(|map| timestamp(map.set_at)),
        })
    }

    /// What a node is called.
    fn label(&self, node: &Node) -> Result<pb::LocalizedText> {
        let same = |text: &str| pb::LocalizedText { da: text.to_owned(), en: text.to_owned() };
        if let Some(benefit) = self.benefits.iter().find(|benefit| node.benefit == Some(benefit.id)) {
            return Ok(same(&benefit.title));
        }
        if let Some(goal) = self.goal(node) {
            let (da, en) = (format!("{}: {}", goal.code, goal.title_da), format!("{}: {}", goal.code, goal.title_en));
            return Ok(pb::LocalizedText { da, en });
        }
        match principle(node.principle.as_deref())? {
            pb::Principle::Unspecified => Ok(same(&node.title)),
            named => {
                let (da, en) = words::principle(named);
                Ok(pb::LocalizedText { da: da.to_owned(), en: en.to_owned() })
            }
        }
    }

    fn goal(&self, node: &Node) -> Option<&goals::Model> {
        self.goals.iter().find(|goal| node.strategy_goal == Some(goal.id))
    }

    /// A benefit's measure, or an account that it promises something of, that another claims too, named as far as it is seen.
    fn claimed_twice(&self, claim: &Claim, node: Option<&Node>) -> pb::BenefitMapFinding {
        let own = self.benefits.iter().find(|benefit| benefit.id == claim.benefit);
        let own = own.map(|benefit| benefit.title.as_str()).unwrap_or_default();
        let years: Vec<String> = claim.years.iter().flatten().map(i32::to_string).collect();
        let years = years.join(", ");
        let said = match (&claim.other_title, &claim.account) {
            (Some(other), Some(account)) => (
                format!("Gevinsterne »{own}« og »{other}« lover begge beløb på kontoen »{account}« i {years}."),
                format!(
                    "The benefits “{own}” and “{other}” both promise amounts on the account “{account}” in {years}."
                ),
            ),
            (None, Some(account)) => (
                format!(
                    "Gevinsten »{own}« lover beløb på kontoen »{account}« i {years}, og det gør en gevinst i et andet \
                     projekt også."
                ),
                format!(
                    "The benefit “{own}” promises amounts on the account “{account}” in {years}, and so does a benefit of \
                     another project."
                ),
            ),
            (Some(other), None) => (
                format!("Gevinsterne »{own}« og »{other}« måles på det samme i de samme år."),
                format!("The benefits “{own}” and “{other}” are measured by the same in the same years."),
            ),
            (None, None) => (
                format!("Gevinsten »{own}« måles på det samme i de samme år som en gevinst i et andet projekt."),
                format!(
                    "The benefit “{own}” is measured by the same in the same years as a benefit of another project."
                ),
            ),
        };
        let lack = if claim.account.is_some() { Lack::AccountClaimedTwice } else { Lack::MeasureClaimedTwice };
        let seen = |id: Uuid| claim.other_title.is_some().then(|| id.to_string());
        pb::BenefitMapFinding {
            other_benefit: seen(claim.other),
            other_project: seen(claim.other_project),
            ..finding(lack, node, Some(claim.benefit), said)
        }
    }

    fn findings(&self) -> Result<Vec<pb::BenefitMapFinding>> {
        let drawn = self.drawn();
        let owing: BTreeSet<Uuid> =
            self.benefits.iter().filter(|benefit| benefit.owes_goal).map(|benefit| benefit.id).collect();
        let owes = |node: &Node| node.benefit.is_some_and(|id| owing.contains(&id));
        let mut found = Vec::new();
        let on_map: BTreeMap<Uuid, &Node> =
            drawn.nodes.0.iter().filter_map(|node| Some((node.benefit?, node))).collect();
        for benefit in self.benefits.iter().filter(|benefit| benefit.owes_goal && !on_map.contains_key(&benefit.id)) {
            let said = said(Lack::BenefitNotOnMap, &benefit.title, &benefit.title);
            found.push(finding(Lack::BenefitNotOnMap, None, Some(benefit.id), said));
        }
        for (lack, number) in rules::lacks(&drawn.kinds()?, &drawn.order()?, &drawn.edges()) {
            let node = &drawn.nodes.0[number];
            if lack != Lack::BenefitWithoutGoal || owes(node) {
                let label = self.label(node)?;
                found.push(finding(lack, Some(node), node.benefit, said(lack, &label.da, &label.en)));
            }
        }
        for node in &drawn.nodes.0 {
            if let Some(last) = self.goal(node).and_then(|goal| goal.ends_on) {
                let label = self.label(node)?;
                let day = |language: Language| language.day(&last.to_string());
                let da = format!("Målet »{}« gælder til og med {}.", label.da, day(Language::Danish));
                let en = format!("The goal “{}” holds until {}.", label.en, day(Language::English));
                found.push(finding(Lack::GoalEnds, Some(node), None, (da, en)));
            }
        }
        for claim in &self.claims {
            found.push(self.claimed_twice(claim, on_map.get(&claim.benefit).copied()));
        }
        found.sort_by_key(|finding| finding.kind);
        found.truncate(MOST);
        Ok(found)
    }
}

fn finding(lack: Lack, node: Option<&Node>, benefit: Option<Uuid>, said: (String, String)) -> pb::BenefitMapFinding {
    pb::BenefitMapFinding {
        kind: lack as i32,
        node: node.map(|node| node.key.clone()),
        benefit: benefit.map(|id| id.to_string()),
        text: Some(pb::LocalizedText { da: said.0, en: said.1 }),
        ..Default::default()
    }
}

/// What is the matter with something of this name.
fn said(lack: Lack, da: &str, en: &str) -> (String, String) {
    match lack {
        Lack::BenefitNotOnMap => {
            (format!("Gevinsten »{da}« er ikke med i diagrammet."), format!("The benefit “{en}” is not on the map."))
        }
        Lack::BenefitWithoutGoal => (
            format!("Gevinsten »{da}« fører ikke til noget mål eller princip."),
            format!("The benefit “{en}” leads to no goal or principle."),
        ),
        Lack::BenefitWithoutChange => {
            (format!("Ingen forandring fører til gevinsten »{da}«."), format!("No change leads to the benefit “{en}”."))
        }
        Lack::ChangeWithoutOutput => (
            format!("Ingen leverance fører til forandringen »{da}«."),
            format!("No output leads to the change “{en}”."),
        ),
        Lack::ChangeLeadsNowhere => (
            format!("Forandringen »{da}« fører hverken til en gevinst eller et mål."),
            format!("The change “{en}” leads to no benefit or goal."),
        ),
        Lack::OutputLeadsNowhere => (
            format!("Leverancen »{da}« fører hverken til en gevinst eller et mål."),
            format!("The output “{en}” leads to no benefit or goal."),
        ),
        Lack::GoalNotReached | Lack::GoalEnds | Lack::MeasureClaimedTwice | Lack::AccountClaimedTwice => {
            (format!("Ingen gevinst fører til målet »{da}«."), format!("No benefit leads to the goal “{en}”."))
        }
    }
}
