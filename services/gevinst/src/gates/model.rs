//! A version of the gate model, ready to be asked: stages, gates, criteria and what holds on each track.
//!
//! The default is data (`default_model.json`), and its versions are known by their ids. What an organisation publishes is a row. Either is checked as a whole, once,
//! and kept: a version never changes.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use gevinst_proto::v1 as pb;
use prost_reflect::{MessageDescriptor, ReflectMessage};
use quick_cache::sync::Cache;
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder};
use uuid::{Uuid, uuid};

use super::{
    criteria::INVARIANTS,
    entity::gate_model,
    expression::Expression,
    rules::{self, GateCode, Outcome, Step},
};
use crate::{
    ctx::Command,
    error::{Error, Result},
    ids::{GateModelId, OrganisationId},
    projects::{
        self,
        rules::{SizeClass, Stage, Track},
    },
    wire::{json, read_json},
};

/// The versions that are shipped, oldest first: id, version, definition. Projects start with the last where nothing has been
/// published. One that has been released is never changed: the next stands beside it.
const SHIPPED_VERSIONS: [(Uuid, i32, &str); 1] =
    [(uuid!("6e761257-0000-8000-8000-000000000001"), 1, include_str!("default_model.json"))];

/// The id of the newest version that is shipped.
pub const SHIPPED: Uuid = SHIPPED_VERSIONS[SHIPPED_VERSIONS.len() - 1].0;

static SHIPPED_MODELS: LazyLock<Result<Vec<Arc<GateModel>>, String>> = LazyLock::new(|| {
    let read = |(id, version, text): &(Uuid, i32, &str)| {
        let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let definition = read_json::<pb::GateModelDefinition>(value).map_err(|error| format!("{error:?}"))?;
        let (_, sha256) = canonical(&definition).map_err(|error| format!("{error:?}"))?;
        let (id, version, definition) = (id.to_string(), *version, Some(definition));
        GateModel::new(pb::GateModel { id, version, sha256, definition, ..Default::default() })
            .map(Arc::new)
            .map_err(|mistakes| format!("{mistakes:?}"))
    };
    SHIPPED_VERSIONS.iter().map(read).collect()
});

/// How many published versions are kept ready.
const MOST_KEPT: usize = 256;

static PUBLISHED: LazyLock<Cache<(OrganisationKey, Uuid), Arc<GateModel>>> = LazyLock::new(|| Cache::new(MOST_KEPT));

type OrganisationKey = Uuid;

/// A version of the gate model, checked.
pub struct GateModel {
    /// As the contract shows it.
    pub shown: pb::GateModel,
    /// What it says.
    pub definition: pb::GateModelDefinition,
    steps: Vec<Step>,
    criteria: Vec<Criterion>,
}

/// What a gate asks, with its expressions ready.
pub struct Criterion {
    /// As the contract shows it.
    pub definition: pb::Criterion,
    /// Of a RULE, what must be true.
    pub rule: Option<Arc<Expression>>,
    /// Where it is asked.
    pub applies_if: Option<Arc<Expression>>,
}

/// A field to blame, and how to mend it.
pub type Mistakes = Vec<(String, String)>;

impl GateModel {
    /// Checks a model as a whole: every mistake is named by its place.
    pub fn new(shown: pb::GateModel) -> Result<Self, Mistakes> {
        let definition = shown.definition.clone().unwrap_or_default();
        let mut mistakes = Mistakes::new();
        let steps: Vec<Step> = definition.gates.iter().filter_map(step).collect();
        if steps.len() == definition.gates.len() {
            mistakes.extend(rules::mistakes(&steps));
        } else {
            mistakes.push(("gates".to_owned(), "a gate, a stage or a size is unknown".to_owned()));
        }
        for (index, gate) in definition.gates.iter().enumerate() {
            let texts = [&gate.name_da, &gate.name_en, &gate.question_da, &gate.question_en];
            for (name, text) in ["name_da", "name_en", "question_da", "question_en"].into_iter().zip(texts) {
                if text.is_empty() || text.chars().count() > 500 {
                    mistakes.push((format!("gates[{index}].{name}"), "takes 1 to 500 characters".to_owned()));
                }
            }
        }
        let asked: BTreeSet<GateCode> = steps.iter().flat_map(Step::asks).collect();
        let mut codes = BTreeSet::new();
        let mut criteria = Vec::new();
        for (index, criterion) in definition.criteria.iter().enumerate() {
            let place = |field: &str| format!("criteria[{index}].{field}");
            if INVARIANTS.contains(&criterion.code.as_str()) {
                mistakes.push((place("code"), "is the name of what always holds".to_owned()));
            }
            if !codes.insert(criterion.code.as_str()) {
                mistakes.push((place("code"), "stands twice".to_owned()));
            }
            for (at, gate) in criterion.gates.iter().enumerate() {
                if GateCode::from_repr(*gate).is_none_or(|gate| !asked.contains(&gate)) {
                    mistakes.push((place(&format!("gates[{at}]")), "is no gate of this model".to_owned()));
                }
            }
            if criterion.kind() == pb::CriterionKind::Rule {
                if criterion.rule.is_empty() {
                    mistakes.push((place("rule"), "is missing: a RULE needs one".to_owned()));
                }
                if criterion.minimum_grade() != pb::Grade::Unspecified {
                    mistakes.push((place("minimum_grade"), "is of no use: nobody grades a RULE".to_owned()));
                }
            } else {
                if !criterion.rule.is_empty() {
                    mistakes.push((place("rule"), "is of no use: only a RULE has one".to_owned()));
                }
                if criterion.assessors.is_empty() {
                    mistakes.push((place("assessors"), "is missing: who may assess it?".to_owned()));
                }
            }
            let mut expression = |field: &str, source: &str| match source {
                "" => None,
                source => match Expression::new(source, &schema()) {
                    Ok(expression) => Some(Arc::new(expression)),
                    Err(refusal) => {
                        mistakes.push((place(field), refusal.0));
                        None
                    }
                },
            };
            let (rule, applies_if) =
                (expression("rule", &criterion.rule), expression("applies_if", &criterion.applies_if));
            criteria.push(Criterion { definition: criterion.clone(), rule, applies_if });
        }
        let mut tracks = BTreeSet::new();
        for (index, policy) in definition.tracks.iter().enumerate() {
            let place = |field: &str| format!("tracks[{index}].{field}");
            if !tracks.insert(policy.track) {
                mistakes.push((place("track"), "stands twice".to_owned()));
            }
            if policy.refused_outcomes.contains(&(Outcome::Escalated as i32)) {
                mistakes.push((place("refused_outcomes"), "names ESCALATED, which is always open (I04)".to_owned()));
            }
            for (at, gate) in policy.experiments_only.iter().enumerate() {
                if GateCode::from_repr(*gate).is_none_or(|gate| !asked.contains(&gate)) {
                    mistakes.push((place(&format!("experiments_only[{at}]")), "is no gate of this model".to_owned()));
                }
            }
        }
        if mistakes.is_empty() { Ok(Self { shown, definition, steps, criteria }) } else { Err(mistakes) }
    }

    /// Its id.
    pub fn id(&self) -> Result<Uuid> {
        Uuid::try_parse(&self.shown.id).map_err(|error| Error::Internal(format!("a gate model's id: {error}")))
    }

    /// The gate that leads out of a stage for a project of this size.
    pub fn step_from(&self, stage: Stage, size: SizeClass) -> Option<&Step> {
        rules::step_from(&self.steps, stage, size)
    }

    /// The gate of this code on the way of a project of this size: where a decision to be corrected was made.
    pub fn step_of(&self, code: GateCode, size: SizeClass) -> Option<&Step> {
        rules::path(&self.steps, size).into_iter().find(|step| step.code == code)
    }

    /// What a gate asks, in the model's order.
    pub fn asked_at<'m>(&'m self, step: &'m Step) -> impl Iterator<Item = &'m Criterion> {
        let asks = move |gate: &i32| step.asks().any(|code| code as i32 == *gate);
        self.criteria.iter().filter(move |criterion| criterion.definition.gates.iter().any(asks))
    }

    /// What holds on a track.
    pub fn track(&self, track: Track) -> Option<&pb::TrackPolicy> {
        self.definition.tracks.iter().find(|policy| policy.track == track as i32)
    }
}

/// A gate as a path asks; `None` where a name is unknown.
fn step(gate: &pb::Gate) -> Option<Step> {
    Some(Step {
        code: GateCode::from_repr(gate.code)?,
        from: Stage::from_repr(gate.from_stage)?,
        to: Stage::from_repr(gate.to_stage)?,
        sizes: gate.size_classes.iter().map(|size| SizeClass::from_repr(*size)).collect::<Option<_>>()?,
        merges: gate.merges.iter().map(|code| GateCode::from_repr(*code)).collect::<Option<_>>()?,
        min_deciders: usize::try_from(gate.min_deciders.max(1)).ok()?,
    })
}

/// What expressions speak of.
fn schema() -> MessageDescriptor {
    pb::Dossier::default().descriptor()
}

/// A model's definition as canonical JSON (RFC 8785), and its SHA-256 in hex.
pub fn canonical(definition: &pb::GateModelDefinition) -> Result<(String, String)> {
    let text = serde_json_canonicalizer::to_string(&json(definition, false)?)
        .map_err(|error| Error::Internal(error.to_string()))?;
    let sha256 = digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((text, sha256))
}

fn all_shipped() -> Result<&'static [Arc<GateModel>]> {
    let versions = SHIPPED_MODELS.as_ref();
    versions.map(Vec::as_slice).map_err(|error| Error::Internal(format!("a gate model that is shipped: {error}")))
}

/// The newest version that is shipped.
pub fn shipped() -> Result<Arc<GateModel>> {
    let versions = all_shipped()?;
    versions.last().cloned().ok_or_else(|| Error::Internal("no gate model is shipped".to_owned()))
}

/// A version by its id: one that is shipped, one that has been asked for before, or a row.
pub async fn find(db: &impl ConnectionTrait, organisation: OrganisationId, id: Uuid) -> Result<Option<Arc<GateModel>>> {
    if let Some(at) = SHIPPED_VERSIONS.iter().position(|(shipped, ..)| *shipped == id) {
        return Ok(all_shipped()?.get(at).cloned());
    }
    let key = (organisation.uuid(), id);
    if let Some(kept) = PUBLISHED.get(&key) {
        return Ok(Some(kept));
    }
    let row = gate_model::find_in(organisation).filter(gate_model::Column::Id.eq(id)).one(db).await?;
    row.map(keep).transpose()
}

/// The version that an organisation's new projects start with.
pub async fn current(db: &impl ConnectionTrait, organisation: OrganisationId) -> Result<Arc<GateModel>> {
    let newest = gate_model::find_in(organisation)
        .order_by_desc(gate_model::Column::PublishedAt)
        .order_by_desc(gate_model::Column::Id)
        .one(db)
        .await?;
    newest.map_or_else(shipped, keep)
}

fn keep(row: gate_model::Model) -> Result<Arc<GateModel>> {
    let key = (row.organisation_id, row.id);
    if let Some(kept) = PUBLISHED.get(&key) {
        return Ok(kept);
    }
    let model = GateModel::new(row.into_proto()?)
        .map_err(|mistakes| Error::Internal(format!("gate model {}: {mistakes:?}", key.1)))?;
    let model = Arc::new(model);
    PUBLISHED.insert(key, model.clone());
    Ok(model)
}

/// The version that a project passes.
pub async fn of(db: &impl ConnectionTrait, project: &projects::entity::Model) -> Result<Arc<GateModel>> {
    let organisation = OrganisationId::new(project.organisation_id);
    let found = find(db, organisation, project.gate_model_id).await?;
    found.ok_or_else(|| GateModelId::new(project.gate_model_id).not_found())
}

/// What one increment of a project may cost, in øre, and how many days it may take; 0 for no cap (S09).
pub async fn track_caps(command: &Command, project: &projects::entity::Model) -> Result<(i64, i32)> {
    let model = of(command.tx(), project).await?;
    let policy = model.track(project.track()?);
    Ok(policy.map_or((0, 0), |policy| (policy.max_increment_ore, policy.max_increment_days)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_model_is_whole_and_every_criterion_serves_a_principle_s02() {
        let model = shipped().unwrap();
        assert_eq!(model.definition.tracks.len(), 3);
        for criterion in &model.definition.criteria {
            assert_ne!(criterion.principle(), pb::Principle::Unspecified, "{}", criterion.code);
        }
        // XS merges G2 and G4, and keeps G5.
        let light = rules::path(&model.steps, SizeClass::Xs);
        assert_eq!(light.iter().map(|step| step.code).collect::<Vec<_>>(), [GateCode::G1, GateCode::G2, GateCode::G5]);
        assert_eq!(light[1].merges, [GateCode::G4]);
        assert_eq!(rules::path(&model.steps, SizeClass::M).len(), 5);
    }

    #[test]
    fn new_mistakes_named_by_their_places() {
        type Spoil = fn(&mut pb::GateModelDefinition);
        let cases: [(Spoil, &str); 15] = [
            (|model| model.gates.clear(), "gates"),
            (|model| model.gates[0].code = 99, "gates"),
            (|model| model.gates[0].name_da.clear(), "gates[0].name_da"),
            (|model| model.criteria[0].code = "I05".to_owned(), "criteria[0].code"),
            (|model| model.criteria[1].code = model.criteria[0].code.clone(), "criteria[1].code"),
            (|model| model.criteria[0].gates = vec![77], "criteria[0].gates[0]"),
            (|model| model.criteria[0].rule.clear(), "criteria[0].rule"),
            (|model| model.criteria[0].rule = "project.trak == 'STANDARD'".to_owned(), "criteria[0].rule"),
            (|model| model.criteria[0].rule = "true || nobody.knows".to_owned(), "criteria[0].rule"),
            (|model| model.criteria[0].rule = "project.title".to_owned(), "criteria[0].rule"),
            (|model| model.criteria[0].applies_if = "project.track == 'STANDART'".to_owned(), "criteria[0].applies_if"),
            (|model| model.criteria[0].minimum_grade = pb::Grade::Red.into(), "criteria[0].minimum_grade"),
            (|model| model.tracks[1].track = model.tracks[0].track, "tracks[1].track"),
            (|model| model.tracks[0].refused_outcomes.push(Outcome::Escalated as i32), "tracks[0].refused_outcomes"),
            (|model| model.tracks[0].experiments_only = vec![88], "tracks[0].experiments_only[0]"),
        ];
        let whole = shipped().unwrap();
        assert_eq!(whole.definition.criteria[0].kind(), pb::CriterionKind::Rule);
        for (spoil, place) in cases {
            let mut definition = whole.definition.clone();
            spoil(&mut definition);
            let spoilt = pb::GateModel { definition: Some(definition), ..Default::default() };
            let mistakes = GateModel::new(spoilt).err().unwrap_or_default();
            assert!(mistakes.iter().any(|(field, _)| field == place), "{place}: {mistakes:?}");
        }
    }
}
