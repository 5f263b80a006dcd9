//! What benefits come to together (S07, S30): by project, owner, area, portfolio, year and group.
//!
//! Nothing is kept: a roll-up is computed from the months that the measurements come to, in one question (the policy's
//! lights are another, and goals in words), by the formulas
//! that a single benefit's figures are computed by. So it equals them, and a recomputation from the measurements; and it
//! costs the same however much was measured.

pub mod entity;
pub mod grpc;
pub mod rules;

use std::collections::{BTreeMap, HashMap};

use gevinst_appraisal::{
    light::{Light, Thresholds},
    realisation,
};
use gevinst_proto::v1 as pb;
use time::Date;
use uuid::Uuid;

use self::{
    entity::{Row, Wanted},
    rules::{Sum, Together, economic_light, qualitative_light},
};
use super::{
    figures::{self, months, share_text},
    profile::{Group, Groups},
};
use crate::{
    auth::Action,
    ctx::{Ctx, Reading},
    error::{Error, Result},
    listing::{key_after, token_after},
    realisation::entity as realisation_entity,
    strategy::entity as goal,
    wire::{decimal_text, today},
};

/// How many benefits are put together at once.
const MOST: u32 = 20_000;

/// How many groups are shown.
const MOST_GROUPS: usize = 1_000;

/// How many rows to a page where nobody says.
const PAGE: usize = 200;

/// What benefits come to, row by row.
pub async fn rollup(ctx: Ctx, request: pb::GetBenefitRollupRequest) -> Result<pb::GetBenefitRollupResponse> {
    let grouping = request.group_by();
    let wanted = Wanted {
        newest: request.reference() == pb::RollupReference::Plan,
        project: id("project", request.project.as_deref())?,
        portfolio: id("portfolio", request.portfolio.as_deref())?,
        org_unit: id("org_unit", request.org_unit.as_deref())?,
        owner: Some(request.owner.clone()).filter(|owner| !owner.is_empty()),
    };
    let asked = format!("{grouping:?} {wanted:?}");
    let after = key_after(&["rollup", &asked], &request.page_token)?;
    let (db, today) = (ctx.read(Action::BenefitRead)?, today(ctx.now()));
    let thresholds = thresholds(&db).await?;
    let goals = if grouping == pb::RollupGrouping::Goal { goals(&db).await? } else { HashMap::new() };
    let (mut total, mut rows) = (Together::default(), BTreeMap::<(String, String), Together>::new());
    for row in found(&db, today, wanted).await? {
        let (starts_on, serves) = (row.starts_on, row.serves.shares()?);
        let key = key(grouping, &row);
        let found = row.found(today)?;
        let whole = found.whole();
        total.add(&found, &whole);
        match (key, starts_on) {
            (Some((key, label)), _) => rows.entry((label, key)).or_default().add(&found, &whole),
            (None, Some(first)) if grouping == pb::RollupGrouping::Year => {
                for (year, addend) in found.yearly(first.year() * 12 + i32::from(u8::from(first.month())) - 1) {
                    rows.entry((year.to_string(), year.to_string())).or_default().add(&found, &addend);
                }
            }
            (None, _) if grouping == pb::RollupGrouping::Goal => {
                for (key, share) in serves {
                    let label = goals.get(&key).cloned().unwrap_or_default();
                    rows.entry((label, key)).or_default().add(&found, &whole.for_goal(share));
                }
            }
            (None, _) => {}
        }
    }
    let size = usize::try_from(request.page_size).ok().filter(|size| *size > 0).unwrap_or(PAGE);
    let place = |(label, key): &(String, String)| format!("{label}\u{0}{key}");
    let mut page: Vec<_> = rows
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| place(key) > *after))
        .take(size + 1)
        .collect();
    let more = page.len() > size;
    page.truncate(size);
    let next_page_token = match page.last() {
        Some((last, _)) if more => token_after(&["rollup", &asked], &place(last))?,
        _ => String::new(),
    };
    Ok(pb::GetBenefitRollupResponse {
        rows: page.into_iter().map(|((label, key), sum)| shown(key, label, sum, thresholds)).collect(),
        total: Some(shown(String::new(), String::new(), total, thresholds)),
        as_of: today.to_string(),
        formula: realisation::FORMULA.to_owned(),
        thresholds: Some(pb::LightThresholds {
            yellow_below: decimal_text(thresholds.yellow_below),
            red_below: decimal_text(thresholds.red_below),
        }),
        next_page_token,
    })
}

/// To whom the value falls (S07).
pub async fn by_group(ctx: Ctx, request: pb::GetValueByGroupRequest) -> Result<pb::GetValueByGroupResponse> {
    let wanted = Wanted {
        newest: request.reference() == pb::RollupReference::Plan,
        project: id("project", request.project.as_deref())?,
        portfolio: id("portfolio", request.portfolio.as_deref())?,
        org_unit: id("org_unit", request.org_unit.as_deref())?,
        owner: None,
    };
    let (db, today) = (ctx.read(Action::BenefitRead)?, today(ctx.now()));
    let thresholds = thresholds(&db).await?;
    let (mut without_group, mut groups) = (0, BTreeMap::<(String, String), Together>::new());
    for mut row in found(&db, today, wanted).await? {
        let Groups(named) = std::mem::take(&mut row.groups);
        let found = row.found(today)?;
        without_group += i32::from(named.is_empty());
        for Group { kind, name } in named {
            groups.entry((kind, name)).or_default().add(&found, &found.whole());
        }
    }
    let shown = |((kind, name), sum): ((String, String), Together)| {
        let group = Groups(vec![Group { kind, name }]).into_proto()?.pop();
        let only_carries = sum.only_carries();
        let sums = shown(String::new(), String::new(), sum, thresholds);
        Ok(pb::GroupValue {
            group,
            economic: sums.economic,
            qualitative: sums.qualitative,
            economic_disbenefits: sums.economic_disbenefits,
            qualitative_disbenefits: sums.qualitative_disbenefits,
            only_carries,
        })
    };
    Ok(pb::GetValueByGroupResponse {
        groups: groups.into_iter().take(MOST_GROUPS).map(shown).collect::<Result<_>>()?,
        without_group,
        as_of: today.to_string(),
        formula: realisation::FORMULA.to_owned(),
    })
}

/// The benefits that are wanted, as far as the caller sees them.
async fn found(db: &Reading<'_>, today: Date, wanted: Wanted) -> Result<Vec<Row>> {
    let rows = entity::rows(db, db.organisation(), months::first_day(today), wanted, MOST + 1).await?;
    db.listed(rows.is_empty()).await?;
    if rows.len() > MOST as usize { Err(Error::TooMany { kind: "benefit" }) } else { Ok(rows) }
}

fn id(field: &str, text: Option<&str>) -> Result<Option<Uuid>> {
    text.map(|text| crate::wire::uuid(field, text)).transpose()
}

/// What a benefit is put together by, and that in words; of calendar years, and of all together, nothing.
fn key(grouping: pb::RollupGrouping, row: &Row) -> Option<(String, String)> {
    match grouping {
        pb::RollupGrouping::Unspecified | pb::RollupGrouping::Year | pb::RollupGrouping::Goal => None,
        pb::RollupGrouping::Project => Some(row.project.clone()),
        pb::RollupGrouping::Owner => Some((row.owner.clone(), row.owner.clone())),
        pb::RollupGrouping::Area => Some(row.area.clone()),
        pb::RollupGrouping::Portfolio => Some(row.portfolio.clone()),
    }
}

/// What the organisation's policy says of lights.
async fn thresholds(db: &Reading<'_>) -> Result<Thresholds> {
    let policy = realisation_entity::in_force(db, db.organisation()).await?;
    Ok(Thresholds { yellow_below: policy.yellow_below, red_below: policy.red_below })
}

/// The organisation's goals in words, by their ids.
async fn goals(db: &Reading<'_>) -> Result<HashMap<String, String>> {
    let found = goal::find_in(db.organisation()).all(db).await?;
    Ok(found.into_iter().map(|goal| (goal.id.to_string(), format!("{} {}", goal.code, goal.title_da))).collect())
}

fn shown(key: String, label: String, sum: Together, thresholds: Thresholds) -> pb::BenefitRollup {
    let lights = (economic_light(&sum.economic, thresholds), qualitative_light(&sum.qualitative, thresholds));
    pb::BenefitRollup {
        key,
        label,
        economic: Some(economic(&sum.economic, lights.0)),
        qualitative: Some(qualitative(&sum.qualitative, lights.1)),
        economic_disbenefits: Some(economic(&sum.economic_disbenefits, None)),
        qualitative_disbenefits: Some(qualitative(&sum.qualitative_disbenefits, None)),
        light: light(lights.0.max(lights.1)).into(),
    }
}

fn economic(sum: &Sum, found: Option<Light>) -> pb::EconomicRollup {
    pb::EconomicRollup {
        benefits: sum.benefits,
        planned: sum.planned,
        unmeasured: sum.unmeasured,
        value: Some(figures::shown(sum.value)),
        light: light(found).into(),
    }
}

fn qualitative(sum: &Sum, found: Option<Light>) -> pb::QualitativeRollup {
    pb::QualitativeRollup {
        benefits: sum.benefits,
        planned: sum.planned,
        unmeasured: sum.unmeasured,
        measured: sum.measured,
        mean_share: sum.mean().map(share_text),
        light: light(found).into(),
    }
}

fn light(found: Option<Light>) -> pb::Light {
    match found {
        None => pb::Light::Unspecified,
        Some(Light::Green) => pb::Light::Green,
        Some(Light::Yellow) => pb::Light::Yellow,
        Some(Light::Red) => pb::Light::Red,
    }
}
