//! What a benefit's row keeps as JSON: whom it falls to, its scale, the evidence of its baseline, its start and its targets.
//! Decimals are texts, so that no figure passes through a float.

use gevinst_proto::v1 as pb;
use rust_decimal::Decimal;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use time::Date;
use uuid::Uuid;

use super::rules::Target;
use crate::{
    error::{Error, Result},
    ids::IncrementId,
    wire::{bare, day, decimal, decimal_text, iso_day, named},
};

/// Whom it falls to, or who carries it (S07).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// As in the contract, without the enum's prefix.
    pub kind: String,
    /// Who among them; empty for all of the kind.
    pub name: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Groups(pub Vec<Group>);

impl Groups {
    /// As asked for; the same group stands once.
    pub fn read(groups: &[pb::BeneficiaryGroup]) -> Result<Self> {
        let mut read: Vec<Group> = Vec::with_capacity(groups.len());
        for (index, group) in groups.iter().enumerate() {
            let kind = bare(group.kind().as_str_name(), "BENEFICIARY_KIND_");
            let group = Group { kind, name: group.name.trim().to_owned() };
            if read.contains(&group) {
                return Err(Error::invalid(&format!("groups[{index}]"), "stands there twice"));
            }
            read.push(group);
        }
        Ok(Self(read))
    }

    /// As the audit log writes them.
    pub fn texts(&self) -> Vec<String> {
        let text = |group: &Group| match group.name.as_str() {
            "" => group.kind.clone(),
            name => format!("{}: {name}", group.kind),
        };
        self.0.iter().map(text).collect()
    }

    /// As the contract shows them.
    pub fn into_proto(self) -> Result<Vec<pb::BeneficiaryGroup>> {
        let shown = |group: Group| {
            let kind = named(pb::BeneficiaryKind::from_str_name, "BENEFICIARY_KIND_", &group.kind)?;
            Ok(pb::BeneficiaryGroup { kind, name: group.name })
        };
        self.0.into_iter().map(shown).collect()
    }
}

/// What one value means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    value: String,
    description: String,
}

/// A scale, from the lowest value to the highest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Scale(Vec<Point>);

impl Scale {
    /// As asked for.
    pub fn read(points: Vec<pb::ScalePoint>) -> Result<Self> {
        let read = |point: pb::ScalePoint| {
            let value = decimal_text(decimal("measure.scale.value", &point.value)?);
            Ok(Point { value, description: point.description })
        };
        Ok(Self(points.into_iter().map(read).collect::<Result<_>>()?))
    }

    /// Its values.
    pub fn values(&self) -> Result<Vec<Decimal>> {
        self.0.iter().map(|point| stored(&point.value)).collect()
    }

    /// As the audit log writes it.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(|point| format!("{}: {}", point.value, point.description)).collect()
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Vec<pb::ScalePoint> {
        self.0.into_iter().map(|point| pb::ScalePoint { value: point.value, description: point.description }).collect()
    }
}

/// What shows that the baseline is what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Evidence {
    source: String,
    #[serde(with = "iso_day")]
    measured_on: Date,
    url: String,
}

impl Evidence {
    /// As asked for, of a day no later than today.
    pub fn read(evidence: pb::BaselineEvidence, today: Date) -> Result<Self> {
        let measured_on = day("baseline_evidence.measured_on", &evidence.measured_on)?;
        super::rules::must_have_happened("baseline_evidence.measured_on", measured_on, today)?;
        Ok(Self { source: evidence.source, measured_on, url: evidence.url })
    }
}

impl From<Evidence> for pb::BaselineEvidence {
    fn from(evidence: Evidence) -> Self {
        Self { source: evidence.source, measured_on: evidence.measured_on.to_string(), url: evidence.url }
    }
}

/// What a benefit begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Start {
    event: String,
    gate: Option<String>,
    increment: Option<Uuid>,
    planned_on: Option<String>,
}

impl Start {
    /// As asked for: each event with what belongs to it, and nothing else.
    pub fn read(start: &pb::BenefitStart) -> Result<Self> {
        use pb::BenefitStartEvent as Event;
        let event = start.event();
        let has_gate = start.gate != 0;
        if has_gate != (event == Event::Gate) {
            return Err(Error::invalid("start.gate", "belongs to the event GATE, which needs it, and to no other"));
        }
        if start.increment.is_some() != (event == Event::Increment) {
            let why = "belongs to the event INCREMENT, which needs it, and to no other";
            return Err(Error::invalid("start.increment", why));
        }
        if start.planned_on.is_empty() != (event == Event::Increment) {
            let why = "is the day, of the event DATE, or the day that is expected, of GATE, GO_LIVE and CLOSURE, which need \
                it; of INCREMENT leave it empty, for the increment has its own";
            return Err(Error::invalid("start.planned_on", why));
        }
        let planned_on = if start.planned_on.is_empty() {
            None
        } else {
            Some(day("start.planned_on", &start.planned_on)?.to_string())
        };
        Ok(Self {
            event: bare(event.as_str_name(), "BENEFIT_START_EVENT_"),
            gate: has_gate.then(|| bare(start.gate().as_str_name(), "GATE_CODE_")),
            increment: start.increment.as_deref().map(IncrementId::parse).transpose()?.map(IncrementId::uuid),
            planned_on,
        })
    }

    /// As the audit log writes it.
    pub fn text(&self) -> String {
        let increment = self.increment.map(|id| id.to_string());
        let parts = [Some(&self.event), self.gate.as_ref(), increment.as_ref(), self.planned_on.as_ref()];
        parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
    }

    /// The increment that it is tied to.
    pub fn increment(&self) -> Option<IncrementId> {
        self.increment.map(IncrementId::new)
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::BenefitStart> {
        let gate = |gate: String| named(pb::GateCode::from_str_name, "GATE_CODE_", &gate);
        Ok(pb::BenefitStart {
            event: named(pb::BenefitStartEvent::from_str_name, "BENEFIT_START_EVENT_", &self.event)?,
            gate: self.gate.map(gate).transpose()?.unwrap_or_default(),
            increment: self.increment.map(|id| id.to_string()),
            planned_on: self.planned_on.unwrap_or_default(),
        })
    }
}

/// What is to be reached in a year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Year {
    target: String,
    value_ore: Option<i64>,
}

/// Year by year, the first first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Years(Vec<Year>);

impl Years {
    /// As asked for.
    pub fn read(targets: &[pb::BenefitTarget]) -> Result<Self> {
        let read = |(index, year): (usize, &pb::BenefitTarget)| {
            let target = decimal_text(decimal(&format!("targets[{index}].target"), &year.target)?);
            Ok(Year { target, value_ore: year.value_ore })
        };
        Ok(Self(targets.iter().enumerate().map(read).collect::<Result<_>>()?))
    }

    /// How many years.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// As rules and figures see them.
    pub fn targets(&self) -> Result<Vec<Target>> {
        self.0.iter().map(|year| Ok(Target { target: stored(&year.target)?, value_ore: year.value_ore })).collect()
    }

    /// As the contract shows them.
    pub fn into_proto(self) -> Vec<pb::BenefitTarget> {
        self.0.into_iter().map(|year| pb::BenefitTarget { target: year.target, value_ore: year.value_ore }).collect()
    }
}

fn stored(text: &str) -> Result<Decimal> {
    text.parse().map_err(|_| Error::Internal(format!("the database holds {text}, which is no decimal")))
}
