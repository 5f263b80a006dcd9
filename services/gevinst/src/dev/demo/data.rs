//! The demo's two files: the municipality with its projects, and what its people say and decide about them. Fields that
//! are not read here are for later capabilities.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The municipality and its projects.
#[derive(Deserialize)]
pub struct Data {
    /// The municipality.
    pub organisation: Municipality,
    /// Its areas.
    pub(super) areas: Vec<Area>,
    pub(super) projects: Vec<DemoProject>,
}

/// The invented municipality.
#[derive(Deserialize)]
pub struct Municipality {
    /// Its name.
    pub name: String,
    /// Its code.
    pub code: String,
}

#[derive(Deserialize)]
pub(super) struct Area {
    pub name: String,
}

#[derive(Deserialize)]
pub(super) struct DemoProject {
    pub id: String,
    pub title: Title,
    area: String,
    pub class: String,
    pub vision: String,
    /// "G1:GO" submits and decides, "G3:" only submits, "G2:DRAFT" only drafts.
    pub gates: Vec<String>,
    pub register: Vec<DemoBenefit>,
    pub flows_tkr: Flows,
}

#[derive(Deserialize)]
pub(super) struct Title {
    pub da: String,
}

#[derive(Deserialize)]
pub(super) struct Flows {
    pub capex: Vec<i64>,
    pub one_off: Vec<i64>,
    pub benefit: Vec<i64>,
}

#[derive(Deserialize)]
pub(super) struct DemoBenefit {
    pub title: String,
    pub kind: String,
    pub measure: String,
    pub unit: String,
    pub baseline: String,
    pub target: String,
    pub actual: Option<String>,
}

impl DemoProject {
    /// The unit it belongs to: P12 names its area by its short name.
    pub fn unit(&self) -> &str {
        if self.area == "It & Digitalisering" { "It & Digitalisering og stab" } else { &self.area }
    }

    /// One of its people: `projektleder-p01`.
    pub fn subject(&self, post: &str) -> String {
        format!("{post}-{}", self.id.to_lowercase())
    }
}

impl Flows {
    /// What the project costs until it is done, in thousand kroner.
    pub fn total(&self) -> i64 {
        self.capex.iter().chain(&self.one_off).sum()
    }

    /// Over how many years.
    pub fn years(&self) -> i32 {
        let spends = |year: &usize| {
            [&self.capex, &self.one_off].iter().any(|flow| flow.get(*year).is_some_and(|amount| *amount > 0))
        };
        let last = (0..self.capex.len().max(self.one_off.len())).rev().find(spends).unwrap_or_default();
        i32::try_from(last).unwrap_or_default() + 1
    }

    /// Whether anything is built.
    pub fn is_capital(&self) -> bool {
        self.capex.iter().any(|amount| *amount > 0)
    }
}

/// What people say, decide and hand in.
#[derive(Deserialize)]
pub(super) struct Stories {
    /// What is said of a criterion where a story says nothing else.
    pub usual: BTreeMap<String, Usual>,
    /// The same of a GO at a gate.
    pub reasons: BTreeMap<String, String>,
    pub projects: BTreeMap<String, Story>,
}

#[derive(Deserialize)]
pub(super) struct Usual {
    pub title: String,
    pub reason: String,
}

#[derive(Deserialize)]
pub(super) struct Story {
    pub track: Option<String>,
    #[serde(default)]
    pub track_reason: String,
    pub size: Option<String>,
    /// What G1 releases.
    pub first_tkr: i64,
    /// Of the appropriation.
    pub case_number: Option<String>,
    pub affected: String,
    pub tried: String,
    pub exit: String,
    /// Goal, scope and when it is done.
    pub steps: Vec<[String; 3]>,
    /// What came of the first step.
    pub result: String,
    pub turn: Option<Turn>,
    /// By gate and criterion: "G3/S28_USABLE". Null is left alone.
    #[serde(default)]
    pub assessed: BTreeMap<String, Option<Assessed>>,
    /// By gate, or gate and outcome: "G2", "G2:GO".
    #[serde(default)]
    pub decided: BTreeMap<String, String>,
    /// By gate and outcome, the outcome that was tried before and refused.
    #[serde(default)]
    pub tries: BTreeMap<String, String>,
    /// Gates and outcomes that the executive board decides.
    #[serde(default)]
    pub board: Vec<String>,
    #[serde(default)]
    pub hold_reasons: Vec<String>,
    #[serde(default)]
    pub conditions: Vec<Upon>,
    pub lesson: Option<Learnt>,
    /// Why its benefits are all of one kind.
    pub single_kind_reason: Option<String>,
    /// More of each benefit, in the order of the register.
    #[serde(default)]
    pub worth: Vec<Worth>,
    /// What gets worse, and for whom.
    pub disbenefit: Option<(DemoBenefit, Worth)>,
    /// What the first benefit takes out of the budget.
    pub cashed: Option<Cashed>,
    /// Who leads the unit after its leader has left.
    pub successor: Option<String>,
}

/// What is taken out of a budget.
#[derive(Deserialize)]
pub(super) struct Cashed {
    pub account: String,
    pub year: i32,
    /// Of the budget's case.
    pub reference: String,
    /// Each step, and its amount in thousand kroner.
    pub steps: Vec<(String, i64)>,
}

/// More of a benefit.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Worth {
    /// Kind and name.
    pub groups: Vec<(String, String)>,
    pub cashability: String,
    pub method: Option<String>,
    pub source: Option<String>,
    /// The day it begins; else when the project goes live.
    pub from: Option<String>,
    /// Each year's target and its value in thousand kroner; of what is no money, 0.
    pub years: Vec<(String, i64)>,
    /// Value and what it means.
    pub scale: Vec<(String, String)>,
    /// Day and value; a second of one day corrects the first.
    pub measured: Vec<(String, String)>,
}

#[derive(Deserialize)]
pub(super) struct Turn {
    pub from: String,
    pub to: String,
    pub trigger: String,
    pub budget_tkr: i64,
    /// How much later it is done.
    pub days: i64,
}

#[derive(Deserialize)]
pub(super) struct Assessed {
    pub grade: String,
    pub reason: String,
}

#[derive(Deserialize)]
pub(super) struct Upon {
    pub title: String,
    pub days: i64,
}

#[derive(Deserialize)]
pub(super) struct Learnt {
    pub gate: String,
    pub what: String,
    pub why: String,
    pub advice: String,
    pub tags: Vec<String>,
}

/// Reads the file of the municipality and its projects.
pub fn hedeby() -> Result<Data, String> {
    serde_json::from_str(include_str!("../hedeby.json")).map_err(|error| format!("hedeby.json: {error}"))
}

pub(super) fn stories() -> Result<Stories, String> {
    serde_json::from_str(include_str!("stories.json")).map_err(|error| format!("stories.json: {error}"))
}
