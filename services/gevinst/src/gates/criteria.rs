//! How the criteria of a gate stand: what is met, why, what would meet it, and who can. Never a percentage: no sum of
//! weights passes a gate, and nothing offsets a must.
//!
//! Three kinds come from the gate model; two invariants hold whatever a model says (I05, I20).

use std::sync::Arc;

use gevinst_proto::v1 as pb;

use super::{
    expression::{Expression, Undecided, evaluate},
    model::{Criterion, GateModel},
    rules::{GateCode, Step},
};
use crate::{
    auth::Role,
    error::{Error, Language, Result},
    projects::rules::Stage,
};

/// The names of what always holds; no criterion of a model takes one.
pub const INVARIANTS: [&str; 2] = ["I05", "I20"];

/// What always holds, in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Always {
    /// I05: how much more would have to be appropriated for what is asked; 0 when it is there.
    pub missing_ore: i64,
    /// I20: whether the project has published a lesson.
    pub has_lesson: bool,
}

impl Always {
    /// Reads them from a dossier.
    pub fn of(dossier: &pb::Dossier) -> Self {
        let (authorised, appropriated) =
            dossier.funding.as_ref().map_or((0, 0), |funding| (funding.authorised_ore, funding.appropriated_ore));
        let (asked, corrects) =
            dossier.asked.as_ref().map_or((0, 0), |asked| (asked.amount_ore, asked.corrects_amount_ore));
        let released = authorised.saturating_sub(corrects);
        let missing = released.saturating_add(asked).saturating_sub(appropriated);
        // Without a question of money there is nothing to appropriate.
        Self { missing_ore: if asked > 0 { missing.max(0) } else { 0 }, has_lesson: !dossier.lessons.is_empty() }
    }
}

/// How the criteria of a gate stand: first what is missing, musts before shoulds; then what is met; then what is not asked.
///
/// What is to be kept (`kept`) is not decided by how busy the machine was: then the call is to come again.
pub async fn results(
    model: &GateModel,
    step: &Step,
    dossier: &pb::Dossier,
    kept: bool,
) -> Result<Vec<pb::CriterionResult>> {
    let criteria: Vec<&Criterion> = model.asked_at(step).collect();
    let expressions: Vec<Arc<Expression>> =
        criteria.iter().flat_map(|criterion| [&criterion.applies_if, &criterion.rule]).flatten().cloned().collect();
    let answers = if expressions.is_empty() { Vec::new() } else { evaluate(expressions, dossier).await };
    if kept && answers.iter().any(|answer| matches!(answer, Err(Undecided::Busy(_)))) {
        return Err(Error::Overloaded);
    }
    let mut answers = answers.into_iter();
    let mut next = || answers.next().ok_or_else(|| Error::Internal("an expression without an answer".to_owned()));
    let mut results = Vec::with_capacity(criteria.len() + 2);
    for criterion in criteria {
        // In the order in which they were put.
        let applies = criterion.applies_if.as_ref().map(|_| next()).transpose()?;
        let rule = criterion.rule.as_ref().map(|_| next()).transpose()?;
        results.push(result(criterion, step.code, applies, rule, dossier));
    }
    results.extend(always(step, dossier));
    results.sort_by_key(|result| (!result.applies, result.met, result.strength));
    Ok(results)
}

/// The codes of the model's musts that are missing (I02).
pub fn missing(results: &[pb::CriterionResult]) -> Vec<&str> {
    let is_missing = |result: &&pb::CriterionResult| {
        result.applies && !result.met && result.strength() == pb::CriterionStrength::Must
    };
    let codes = results.iter().filter(is_missing).map(|result| result.code.as_str());
    codes.filter(|code| !INVARIANTS.contains(code)).collect()
}

/// Whether nothing stands against a GO, invariants included.
pub fn go_possible(results: &[pb::CriterionResult]) -> bool {
    results.iter().all(|result| !result.applies || result.met || result.strength() == pb::CriterionStrength::Should)
}

fn result(
    criterion: &Criterion,
    gate: GateCode,
    applies: Option<Result<bool, Undecided>>,
    rule: Option<Result<bool, Undecided>>,
    dossier: &pb::Dossier,
) -> pb::CriterionResult {
    let definition = &criterion.definition;
    let mut result = pb::CriterionResult {
        code: definition.code.clone(),
        title: definition.title.clone(),
        kind: definition.kind,
        strength: definition.strength,
        weight: definition.weight,
        principle: definition.principle,
        applies: true,
        met: false,
        why: None,
        remedy: definition.remedy.clone(),
        who: Some(who(criterion, dossier)),
        assessment: None,
    };
    match applies {
        Some(Ok(false)) => {
            result.applies = false;
            result.why = text("Stilles ikke til dette projekt.", "Not asked of this project.");
            return result;
        }
        // What cannot be told is asked: an error never lets a project through.
        Some(Err(error)) => {
            result.why = undecided(&error);
            return result;
        }
        Some(Ok(true)) | None => {}
    }
    match rule {
        Some(Ok(met)) => {
            result.met = met;
            result.why = if met {
                text(
                    "Reglen er opfyldt af det, der står i projektets dossier.",
                    "The project's dossier meets the rule.",
                )
            } else {
                text("Projektets dossier opfylder ikke reglen.", "The project's dossier does not meet the rule.")
            };
        }
        Some(Err(error)) => result.why = undecided(&error),
        None => {
            let project = dossier.project.as_ref();
            let manager = project.map(|project| &project.project_manager);
            let model = project.map(|project| &project.gate_model);
            // An assessment answers the criterion of the model that asked it; and who runs the project by now has not graded it.
            let newest = dossier.assessments.iter().find(|found| {
                let theirs = [Some(&found.assessor), found.assessed_for.as_ref()].contains(&manager);
                found.gate == gate as i32
                    && found.criterion == definition.code
                    && Some(&found.gate_model) == model
                    && !(theirs && definition.kind() == pb::CriterionKind::Assessment)
            });
            let wanted = match definition.minimum_grade() {
                pb::Grade::Unspecified => pb::Grade::Green,
                grade => grade,
            };
            result.met = newest.is_some_and(|found| found.grade >= wanted as i32);
            result.why = assessed(newest, wanted, definition.kind());
            result.assessment = newest.cloned();
        }
    }
    result
}

fn assessed(
    newest: Option<&pb::CriterionAssessment>,
    wanted: pb::Grade,
    kind: pb::CriterionKind,
) -> Option<pb::LocalizedText> {
    let Some(found) = newest else {
        return match kind {
            pb::CriterionKind::Evidence => text("Der er ingen dokumentation endnu.", "There is no evidence yet."),
            _ => text("Ingen har vurderet det endnu.", "Nobody has assessed it yet."),
        };
    };
    let (grade_da, grade_en) = grade(found.grade());
    let (wanted_da, wanted_en) = grade(wanted);
    let who = &found.assessor;
    let mut da = format!("Vurderet {grade_da} af {who}");
    let mut en = format!("Assessed {grade_en} by {who}");
    if found.grade < wanted as i32 {
        da.push_str(&format!("; der kræves mindst {wanted_da}"));
        en.push_str(&format!("; at least {wanted_en} is needed"));
    }
    text(&format!("{da}: {}", found.reason), &format!("{en}: {}", found.reason))
}

/// A grade's names, in Danish and English.
pub fn grade(grade: pb::Grade) -> (&'static str, &'static str) {
    match grade {
        pb::Grade::Unspecified => ("uden farve", "unspecified"),
        pb::Grade::Red => ("rød", "red"),
        pb::Grade::Amber => ("gul", "amber"),
        pb::Grade::Green => ("grøn", "green"),
    }
}

fn undecided(error: &Undecided) -> Option<pb::LocalizedText> {
    let error = error.text();
    text(
        &format!("Reglen kan ikke afgøres og regnes for ikke opfyldt: {error}"),
        &format!("The rule cannot be decided and counts as not met: {error}"),
    )
}

fn text(da: &str, en: &str) -> Option<pb::LocalizedText> {
    Some(pb::LocalizedText { da: da.to_owned(), en: en.to_owned() })
}

/// Who can do something about a criterion: the roles that it names; of a rule that names none, those who run the project.
fn who(criterion: &Criterion, dossier: &pb::Dossier) -> pb::LocalizedText {
    let project = dossier.project.as_ref();
    let manager = project.map_or("", |project| &project.project_manager);
    let owner = project.map_or("", |project| &project.project_owner);
    if criterion.definition.assessors.is_empty() {
        return pb::LocalizedText {
            da: format!("projektlederen ({manager}), porteføljekontoret"),
            en: format!("the project manager ({manager}), the portfolio office"),
        };
    }
    let named = |code: &String| {
        let (da, en) = code.parse().map_or(("en rolle", "a role"), role);
        match code.as_str() {
            "project-manager" => (format!("{da} ({manager})"), format!("{en} ({manager})")),
            "project-owner" => (format!("{da} ({owner})"), format!("{en} ({owner})")),
            _ => (da.to_owned(), en.to_owned()),
        }
    };
    let (da, en): (Vec<String>, Vec<String>) = criterion.definition.assessors.iter().map(named).unzip();
    pb::LocalizedText { da: da.join(", "), en: en.join(", ") }
}

/// What a role is called, in Danish and English.
pub fn role(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::ExecutiveBoard => ("direktionen", "the executive board"),
        Role::SteeringGroup => ("styregruppen", "the steering group"),
        Role::PortfolioOffice => ("porteføljekontoret", "the portfolio office"),
        Role::ProjectOwner => ("projektejeren", "the project owner"),
        Role::ProjectManager => ("projektlederen", "the project manager"),
        Role::BenefitOwner => ("en gevinstansvarlig", "a benefit owner"),
        Role::AreaLeader => ("lederen af det berørte område", "the leader of the affected area"),
        Role::AssessorDpo => ("databeskyttelsesrådgiveren", "the data protection officer"),
        Role::AssessorCiso => ("den sikkerhedsansvarlige", "the security officer"),
        Role::AssessorUx => ("den ansvarlige for brugervenlighed", "the usability officer"),
        Role::Finance => ("økonomiafdelingen", "finance"),
        Role::Reader => ("en læser", "a reader"),
        Role::Auditor => ("en revisor", "an auditor"),
        Role::Integration => ("et andet system", "another system"),
    }
}

/// What holds whatever a model says: an appropriation for what is released (I05), a lesson before the end (I20).
fn always(step: &Step, dossier: &pb::Dossier) -> [pb::CriterionResult; 2] {
    let Always { missing_ore, has_lesson } = Always::of(dossier);
    let asked = dossier.asked.as_ref().map_or(0, |asked| asked.amount_ore);
    let closing = step.to == Stage::Closed;
    let invariant = |code: &str| pb::CriterionResult {
        code: code.to_owned(),
        kind: pb::CriterionKind::Rule.into(),
        strength: pb::CriterionStrength::Must.into(),
        weight: 100,
        ..Default::default()
    };
    let not_asked = || text("Stilles ikke ved denne port.", "Not asked at this gate.");
    [
        pb::CriterionResult {
            title: text("Der er en bevilling til det, der frigives", "What is released has an appropriation"),
            applies: asked > 0,
            met: asked > 0 && missing_ore == 0,
            why: match (asked, missing_ore) {
                (0, _) => not_asked(),
                (_, 0) => text("Bevillinger og rammer dækker det.", "Appropriations and frames cover it."),
                _ => text(
                    &format!("Der mangler {}.", Language::Danish.kroner(missing_ore)),
                    &format!("{} is missing.", Language::English.kroner(missing_ore)),
                ),
            },
            remedy: text(
                "Registrér kommunalbestyrelsens bevilling eller den ramme, der trækkes på.",
                "Record the council's appropriation, or the frame that is drawn on.",
            ),
            who: text("økonomiafdelingen og porteføljekontoret", "finance and the portfolio office"),
            ..invariant("I05")
        },
        pb::CriterionResult {
            title: text("Projektet har offentliggjort en læring", "The project has published a lesson"),
            applies: closing,
            met: closing && has_lesson,
            why: match (closing, has_lesson) {
                (false, _) => not_asked(),
                (_, true) => text("Der er mindst én.", "There is at least one."),
                (_, false) => text("Der er ingen endnu.", "There is none yet."),
            },
            remedy: text("Offentliggør, hvad projektet har lært.", "Publish what the project has learnt."),
            who: text(
                "projektets leder eller ejer, porteføljekontoret",
                "the project's manager or owner, the portfolio office",
            ),
            ..invariant("I20")
        },
    ]
}
