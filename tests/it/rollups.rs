//! Figures year by year, and what benefits come to together (S07, S30): each equals a recomputation from the measurements,
//! whatever was measured, corrected, planned anew and handed over before (I14).

use std::{collections::BTreeMap, sync::Arc};

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome, RollupGrouping as By, RollupReference as Against};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use prost_types::FieldMask;
use tonic::Code;

use crate::{
    harness::{World, starting},
    owners::{acceptance, approval, bare, nomination, reread},
    register::planning,
};

fn rollup(world: &World, group_by: By, reference: Against) -> pb::GetBenefitRollupRequest {
    pb::GetBenefitRollupRequest {
        organisation: world.id(),
        group_by: group_by.into(),
        reference: reference.into(),
        ..Default::default()
    }
}

async fn figures(world: &World, benefit: &pb::Benefit) -> pb::GetBenefitProgressResponse {
    let request = pb::GetBenefitProgressRequest { organisation: world.id(), benefit: benefit.id.clone() };
    world.office().call(request).await.unwrap()
}

/// The first day of the month so many from now.
fn month(world: &World, months: i32) -> String {
    let today = gevinst::wire::today(world.clock.now());
    let at = today.year() * 12 + i32::from(u8::from(today.month())) - 1 + months;
    format!("{:04}-{:02}-01", at.div_euclid(12), at.rem_euclid(12) + 1)
}

async fn created(world: &World, request: pb::CreateBenefitRequest) -> pb::Benefit {
    world.manager().call(request).await.unwrap().benefit.unwrap()
}

async fn measured(world: &World, benefit: &pb::Benefit, values: &[(&str, i32)]) {
    for (value, months) in values {
        world.office().call(world.measurement(benefit, value, &month(world, *months))).await.unwrap();
    }
}

#[tokio::test]
async fn figures_year_by_year_as_worked_by_hand() {
    let world = World::new().await;
    let project = world.project().await;
    // The month it is counts: 18 months have gone.
    let benefit = created(&world, world.economic_request(&project, &month(&world, -17))).await;
    measured(&world, &benefit, &[("950", -16), ("850", -6), ("700", -1)]).await;
    let found = figures(&world, &benefit).await;
    let against = found.against_plan.unwrap();
    let [first, second] = &against.years[..] else { panic!("{against:?}") };
    // The mean of 950 and 850 is half way to 800, of half a million kroner.
    assert_eq!((first.months_gone, first.measurements, first.actual(), first.share()), (12, 2, "900", "0.5000"));
    let value = first.value.clone().unwrap();
    assert_eq!(
        (value.planned_to_date_ore, value.realised_ore, value.expected_ore),
        (50_000_000, 25_000_000, 25_000_000)
    );
    // 700 is three quarters of the way to 600; half a million of the million has come due.
    assert_eq!((second.months_gone, second.share()), (6, "0.7500"));
    let value = second.value.clone().unwrap();
    assert_eq!(
        (value.planned_to_date_ore, value.realised_ore, value.expected_ore),
        (50_000_000, 37_500_000, 75_000_000)
    );
    let sum = against.value.unwrap();
    assert_eq!((sum.planned_ore, sum.realised_ore, sum.realised_share()), (150_000_000, 62_500_000, "0.6250"));
    assert_eq!(found.against_baseline, None, "no gate has frozen it");
    let forecast = found.forecast.unwrap();
    assert_eq!((forecast.months, forecast.on.as_str()), (3, second.until.as_str()));
}

#[tokio::test]
async fn figures_against_what_a_gate_froze_whatever_was_planned_since_i14() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = created(&world, world.planned_request(&project, &month(&world, -5))).await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    world.decided(&project, GateCode::G2, GateOutcome::Go).await;
    let frozen = reread(&world, &benefit).await;
    // From 46 to 35 became from 46 to 45, later: half way is far past that.
    let easier = planning(&world, &frozen, "45", &month(&world, -2));
    world.manager().call(easier).await.unwrap();
    measured(&world, &benefit, &[("40.5", -1)]).await;
    let found = figures(&world, &benefit).await;
    let (plan, baseline) = (found.against_plan.unwrap(), found.against_baseline.unwrap());
    assert_eq!((plan.plan, plan.years[0].share(), plan.years[0].months_gone), (1, "5.5000", 3));
    assert_eq!((baseline.plan, baseline.years[0].share(), baseline.years[0].months_gone), (0, "0.5000", 6));
    assert_eq!(baseline.progress.unwrap().value(), "0.5000");
    assert_eq!(found.progress.unwrap().value(), "1.2000", "bounded, for it is qualitative");
}

#[tokio::test]
async fn figures_of_what_is_summed_up_compare_a_quarter_with_a_quarter() {
    let world = World::new().await;
    let request = world.economic_request(&world.project().await, &month(&world, -5));
    let mut measure = request.measure.clone().unwrap();
    measure.aggregation = pb::MeasureAggregation::Sum.into();
    let benefit = created(&world, pb::CreateBenefitRequest { measure: Some(measure), ..request }).await;
    // Of 1,000 a year, 250 a quarter; 225 and 225 are half way to 200.
    measured(&world, &benefit, &[("225", -5), ("225", -2)]).await;
    let found = figures(&world, &benefit).await;
    let first = &found.against_plan.unwrap().years[0];
    assert_eq!((first.actual(), first.months_covered, first.share()), ("450", 6, "0.5000"));
    let progress = found.progress.unwrap();
    // To 600 in the end: 900 a year is a quarter of the way.
    assert_eq!((progress.actual_a_year(), progress.value()), ("900", "0.2500"));
}

#[tokio::test]
async fn rollup_by_area_portfolio_owner_and_calendar_year_with_a_light() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = created(&world, world.economic_request(&project, &month(&world, -11))).await;
    measured(&world, &benefit, &[("830", -1)]).await;
    let felt = created(&world, world.planned_request(&project, &month(&world, -11))).await;
    measured(&world, &felt, &[("35", -1)]).await;
    let carried =
        pb::CreateBenefitRequest { disbenefit: true, ..world.economic_request(&project, &month(&world, -11)) };
    created(&world, carried).await;
    let of = async |group_by, reference| world.office().call(rollup(&world, group_by, reference)).await.unwrap();

    let all = of(By::Unspecified, Against::Unspecified).await;
    assert!(all.rows.is_empty());
    let total = all.total.unwrap();
    let (economic, qualitative) = (total.economic.clone().unwrap(), total.qualitative.clone().unwrap());
    assert_eq!((economic.benefits, economic.planned, economic.unmeasured), (1, 1, 0));
    // 0.85 of the way is yellow; there is better.
    assert_eq!((economic.value.unwrap().realised_share(), economic.light), ("0.8500", pb::Light::Yellow.into()));
    assert_eq!((qualitative.measured, qualitative.mean_share()), (1, "1.0000"));
    assert_eq!((qualitative.light, total.light()), (pb::Light::Green.into(), pb::Light::Yellow));
    let carried = total.economic_disbenefits.clone().unwrap();
    assert_eq!((carried.benefits, carried.unmeasured, carried.light), (1, 1, pb::Light::Unspecified.into()));
    let (unit, owner) = (project.org_unit.clone(), benefit.owner.clone());
    for (group_by, key) in
        [(By::Project, &project.id), (By::Area, &unit), (By::Owner, &owner), (By::Portfolio, &String::new())]
    {
        let rows = of(group_by, Against::Plan).await.rows;
        let [row] = &rows[..] else { panic!("{rows:?}") };
        let same = pb::BenefitRollup { key: String::new(), label: String::new(), ..row.clone() };
        assert_eq!((&row.key, same), (key, total.clone()), "{group_by:?}");
    }
    let years = of(By::Year, Against::Unspecified).await.rows;
    let planned: i64 = years.iter().map(|row| row.economic.clone().unwrap().value.unwrap().planned_ore).sum();
    assert_eq!(planned, 150_000_000);
    assert!(years.len() >= 2 && years.is_sorted_by_key(|row| row.key.clone()), "{years:?}");
}

#[tokio::test]
async fn rollup_by_goal_gives_each_its_share_and_lights_go_by_the_policy() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = created(&world, world.economic_request(&project, &month(&world, -11))).await;
    measured(&world, &benefit, &[("830", -1)]).await;
    let node = |key: &str| pb::BenefitMapNode { key: key.to_owned(), ..Default::default() };
    let edge = |to: &str, weight| pb::BenefitMapEdge { from: "b".to_owned(), to: to.to_owned(), weight };
    let kind = pb::BenefitMapNodeKind::Goal.into();
    let goal =
        |key: &str, principle: pb::Principle| pb::BenefitMapNode { kind, principle: principle.into(), ..node(key) };
    let map = pb::SetBenefitMapRequest {
        organisation: world.id(),
        project: project.id.clone(),
        nodes: vec![
            pb::BenefitMapNode {
                kind: pb::BenefitMapNodeKind::Benefit.into(),
                benefit: Some(benefit.id.clone()),
                ..node("b")
            },
            goal("v", pb::Principle::GiveValue),
            goal("i", pb::Principle::Involve),
        ],
        edges: vec![edge("v", 60), edge("i", 15)],
        ..Default::default()
    };
    world.manager().call(map).await.unwrap();
    let by_goal = async || world.office().call(rollup(&world, By::Goal, Against::Plan)).await.unwrap();
    let answer = by_goal().await;
    let shares: Vec<(String, i64)> = answer
        .rows
        .iter()
        .map(|row| (row.key.clone(), row.economic.clone().unwrap().value.unwrap().planned_ore))
        .collect();
    assert_eq!(shares, [("GIVE_VALUE".to_owned(), 90_000_000), ("INVOLVE".to_owned(), 22_500_000)]);
    // 0.85 is yellow by default, and green where 0.8 is enough.
    assert_eq!(answer.total.unwrap().light(), pb::Light::Yellow);
    let lenient = pb::SetBenefitPolicyRequest {
        yellow_below: "0.8".to_owned(),
        red_below: "0.5".to_owned(),
        ..crate::realisation::policy(&world)
    };
    world.office().call(lenient).await.unwrap();
    let answer = by_goal().await;
    assert_eq!(
        (answer.total.unwrap().light(), answer.thresholds.unwrap().yellow_below),
        (pb::Light::Green, "0.8".to_owned())
    );
}

#[tokio::test]
async fn rollup_pages_follow_each_other_and_belong_to_their_question() {
    let world = World::new().await;
    for _ in 0..5 {
        created(&world, world.planned_request(&world.project().await, "2027-01-01")).await;
    }
    let page = |page_token: String| pb::GetBenefitRollupRequest {
        page_size: 2,
        page_token,
        ..rollup(&world, By::Project, Against::Unspecified)
    };
    let (mut keys, mut token) = (Vec::new(), String::new());
    for rows in [2, 2, 1] {
        let answer = world.office().call(page(token)).await.unwrap();
        assert_eq!((answer.rows.len(), answer.total.unwrap().qualitative.unwrap().benefits), (rows, 5));
        keys.extend(answer.rows.into_iter().map(|row| row.key));
        token = answer.next_page_token;
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((keys.len(), token.as_str()), (5, ""));
    let other = world.office().call(page(String::new())).await.unwrap().next_page_token;
    let failure = world
        .office()
        .call(pb::GetBenefitRollupRequest { page_token: other, ..rollup(&world, By::Owner, Against::Unspecified) })
        .await
        .unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "PAGE_TOKEN_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn rollup_holds_what_the_caller_sees_and_no_more() {
    let world = World::new().await;
    let (mine, other) = (world.project().await, world.project().await);
    let request = pb::CreateBenefitRequest { owner: "me".to_owned(), ..world.planned_request(&mine, "2027-01-01") };
    created(&world, request).await;
    created(&world, world.planned_request(&other, "2027-01-01")).await;
    let answer = bare(&world, "me").call(rollup(&world, By::Project, Against::Unspecified)).await.unwrap();
    assert_eq!(answer.total.unwrap().qualitative.unwrap().benefits, 1);
    assert_eq!((answer.rows[0].key.as_str(), answer.rows[0].label.as_str()), (mine.id.as_str(), ""));
    let failure = bare(&world, "nobody").call(rollup(&world, By::Project, Against::Unspecified)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let elsewhere = world.elsewhere().await;
    let answer = elsewhere.office().call(rollup(&elsewhere, By::Project, Against::Unspecified)).await.unwrap();
    assert_eq!(answer.total.unwrap().qualitative.unwrap().benefits, 0);
}

#[tokio::test]
async fn group_that_only_carries_is_told_s07() {
    let world = World::new().await;
    let project = world.project().await;
    let group =
        |kind: pb::BeneficiaryKind, name: &str| pb::BeneficiaryGroup { kind: kind.into(), name: name.to_owned() };
    let (citizens, staff) =
        (group(pb::BeneficiaryKind::Citizens, ""), group(pb::BeneficiaryKind::Employees, "Natholdet"));
    for (groups, disbenefit) in [
        (vec![citizens.clone()], false),
        (vec![staff.clone()], true),
        (vec![citizens.clone(), staff.clone()], true),
        (Vec::new(), false),
    ] {
        let request = world.planned_request(&project, &month(&world, -1));
        created(&world, pb::CreateBenefitRequest { groups, disbenefit, ..request }).await;
    }
    let request = pb::GetValueByGroupRequest { organisation: world.id(), ..Default::default() };
    let answer = world.office().call(request).await.unwrap();
    let told: Vec<_> = answer
        .groups
        .iter()
        .map(|found| {
            let counts = [&found.qualitative, &found.qualitative_disbenefits].map(|sum| sum.as_ref().unwrap().benefits);
            (found.group.clone().unwrap(), counts, found.only_carries)
        })
        .collect();
    assert_eq!(told, [(citizens, [1, 1], false), (staff, [0, 2], true)]);
    assert_eq!(answer.without_group, 1);
}

/// What happens to one of the benefits.
#[derive(Clone, Debug)]
enum Step {
    /// Measured: hundredths, so many months ago.
    Measure(usize, i32, i32),
    /// One of its measurements that count is corrected: to hundredths, of another month.
    Correct(usize, usize, i32, i32),
    /// Planned anew: targets and values of two years, and from when.
    Plan(usize, [(i32, i32); 2], i32),
    /// Handed over to another owner.
    HandOver(usize, u8),
    /// Months pass.
    Wait(i64),
    /// The next gate of the first project goes on: the second freezes its benefits.
    Gate,
    /// One of the projects moves to another area, and into a portfolio or out of all.
    Move(usize, usize, usize),
    /// One of the projects draws its map: how much, in per cent, its first benefit gives value, and its second gives value and
    /// involves.
    Draw(usize, [i32; 3]),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (value, ago, which) = (0..2000i32, 0..30i32, 0..4usize);
    let step = prop_oneof![
        6 => (which.clone(), value.clone(), ago.clone()).prop_map(|(of, value, ago)| Step::Measure(of, value, ago)),
        2 => (which.clone(), 0..8usize, value.clone(), ago.clone()).prop_map(|(of, at, value, ago)| Step::Correct(of, at, value, ago)),
        2 => (which.clone(), [(0..2000i32, 0..100_000i32), (0..2000i32, 0..100_000i32)], -24..6i32)
            .prop_map(|(of, years, from)| Step::Plan(of, years, from)),
        1 => (which, 0..3u8).prop_map(|(of, to)| Step::HandOver(of, to)),
        1 => (1..200i64).prop_map(Step::Wait),
        1 => Just(Step::Gate),
        1 => (0..2usize, 0..2usize, 0..3usize).prop_map(|(of, area, portfolio)| Step::Move(of, area, portfolio)),
        1 => (0..2usize, [1..=100i32, 1..=60, 1..=40]).prop_map(|(of, weights)| Step::Draw(of, weights)),
    ];
    proptest::collection::vec(step, 1..25)
}

/// Two projects with two benefits each: what is counted together, what a year's sum is of, what gets worse.
struct Stage {
    world: World,
    projects: [pb::Project; 2],
    benefits: Vec<pb::Benefit>,
    gates: usize,
    areas: [pb::OrgUnit; 2],
    portfolios: [pb::Portfolio; 2],
    /// What each benefit serves, in per cent.
    serves: [Vec<(pb::Principle, i32)>; 4],
}

/// Who the benefits are for.
fn groups(benefit: usize) -> &'static [pb::BeneficiaryKind] {
    use pb::BeneficiaryKind::{Citizens, Employees};
    [&[Citizens][..], &[Citizens, Employees], &[], &[Employees]][benefit]
}

fn group(kind: pb::BeneficiaryKind) -> pb::BeneficiaryGroup {
    pb::BeneficiaryGroup { kind: kind.into(), ..Default::default() }
}

fn hundredths(value: i32) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let projects = [world.project().await, world.project().await];
        let areas = [world.unit("Nord").await, world.unit("Syd").await];
        let portfolios = [world.portfolio("Velfærd").await, world.portfolio("Teknik").await];
        let mut benefits = Vec::new();
        for (at, aggregation) in [
            pb::MeasureAggregation::Average,
            pb::MeasureAggregation::Sum,
            pb::MeasureAggregation::Latest,
            pb::MeasureAggregation::Max,
        ]
        .into_iter()
        .enumerate()
        {
            let project = &projects[at / 2];
            let from = month(&world, -14 - i32::try_from(at).unwrap());
            let request =
                if at == 2 { world.planned_request(project, &from) } else { world.economic_request(project, &from) };
            let mut measure = request.measure.clone().unwrap();
            measure.aggregation = aggregation.into();
            let request = pb::CreateBenefitRequest {
                measure: Some(measure),
                disbenefit: at == 3,
                groups: groups(at).iter().map(|kind| group(*kind)).collect(),
                ..request
            };
            benefits.push(created(&world, request).await);
        }
        Self { world, projects, benefits, gates: 0, areas, portfolios, serves: Default::default() }
    }

    async fn take(&mut self, step: &Step) {
        let world = &self.world;
        match step {
            Step::Measure(of, value, ago) => {
                measured(world, &self.benefits[*of], &[(&hundredths(*value), -ago)]).await;
            }
            Step::Correct(of, at, value, ago) => {
                let benefit = &self.benefits[*of];
                let counting = counting(world, benefit).await;
                let Some(wrong) = counting.get(*at) else { return };
                let corrects =
                    pb::MeasurementCorrection { measurement: wrong.id.clone(), reason: "Talt forkert.".to_owned() };
                let request = pb::RecordMeasurementRequest {
                    corrects: Some(corrects),
                    ..world.measurement(benefit, &hundredths(*value), &month(world, -ago))
                };
                world.office().call(request).await.unwrap();
            }
            Step::Plan(of, years, from) => {
                let benefit = reread(world, &self.benefits[*of]).await;
                let economic = benefit.kind() == pb::BenefitKind::Economic;
                let targets = years.map(|(target, ore)| pb::BenefitTarget {
                    target: hundredths(target),
                    value_ore: economic.then_some(ore.into()),
                });
                let request = pb::PlanBenefitRequest {
                    targets: targets.to_vec(),
                    price_level_year: economic.then_some(2026),
                    start: Some(starting(&month(world, *from))),
                    ..planning(world, &benefit, "0", "2027-01-01")
                };
                // The other way than before, or worth something without a way to go: refused, and nothing has changed.
                match world.office().call(request).await {
                    Err(failure) => assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}"),
                    Ok(planned) => assert_eq!(planned.benefit.unwrap().baseline, benefit.baseline),
                }
            }
            Step::HandOver(of, to) => {
                let (benefit, to) = (&self.benefits[*of], format!("owner-{to}"));
                if reread(world, benefit).await.owner == to {
                    return;
                }
                let request = pb::NominateBenefitOwnerRequest {
                    exception_reason: "Kender området.".to_owned(),
                    ..nomination(world, benefit, &to)
                };
                let nominated = world.office().call(request).await.unwrap().ownership.unwrap();
                world.steering().call(approval(world, &nominated)).await.unwrap();
                bare(world, &to).call(acceptance(world, benefit)).await.unwrap();
            }
            Step::Wait(days) => world.clock.advance(time::Duration::days(*days)),
            Step::Gate => {
                let gates = [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5];
                if let Some(gate) = gates.get(self.gates) {
                    world.decided(&self.projects[0], *gate, GateOutcome::Go).await;
                    self.gates += 1;
                }
            }
            Step::Move(of, area, portfolio) => self.moved(*of, *area, *portfolio).await,
            Step::Draw(of, weights) => self.draws(*of, *weights).await,
        }
    }

    async fn moved(&mut self, of: usize, area: usize, portfolio: usize) {
        let before = self.world.reread(&self.projects[of]).await;
        let request = pb::UpdateProjectRequest {
            organisation: self.world.id(),
            project: before.id,
            changes: Some(pb::ProjectChanges {
                org_unit: Some(self.areas[area].id.clone()),
                portfolio: self.portfolios.get(portfolio).map(|portfolio| portfolio.id.clone()),
                ..Default::default()
            }),
            update_mask: Some(FieldMask { paths: vec!["org_unit".to_owned(), "portfolio".to_owned()] }),
            etag: before.etag,
            ..Default::default()
        };
        self.projects[of] = self.world.office().call(request).await.unwrap().project.unwrap();
    }

    async fn draws(&mut self, of: usize, [first, value, involving]: [i32; 3]) {
        use pb::{BenefitMapNodeKind as Kind, Principle};
        let [whole, part] = [&self.benefits[2 * of], &self.benefits[2 * of + 1]];
        let node =
            |key: &str, kind: Kind| pb::BenefitMapNode { key: key.to_owned(), kind: kind.into(), ..Default::default() };
        let benefit =
            |key, of: &pb::Benefit| pb::BenefitMapNode { benefit: Some(of.id.clone()), ..node(key, Kind::Benefit) };
        let goal =
            |key, principle: Principle| pb::BenefitMapNode { principle: principle.into(), ..node(key, Kind::Goal) };
        let edge =
            |from: &str, to: &str, weight| pb::BenefitMapEdge { from: from.to_owned(), to: to.to_owned(), weight };
        let project = self.projects[of].id.clone();
        let get = pb::GetBenefitMapRequest { organisation: self.world.id(), project: project.clone() };
        let request = pb::SetBenefitMapRequest {
            organisation: self.world.id(),
            project,
            nodes: vec![
                benefit("a", whole),
                benefit("b", part),
                goal("v", Principle::GiveValue),
                goal("i", Principle::Involve),
            ],
            edges: vec![edge("a", "v", first), edge("b", "v", value), edge("b", "i", involving)],
            etag: self.world.office().call(get).await.unwrap().benefit_map.unwrap().etag,
            ..Default::default()
        };
        self.world.office().call(request).await.unwrap();
        self.serves[2 * of] = vec![(Principle::GiveValue, first)];
        self.serves[2 * of + 1] = vec![(Principle::GiveValue, value), (Principle::Involve, involving)];
    }
}

/// The benefit's measurements that count, newest first.
async fn counting(world: &World, benefit: &pb::Benefit) -> Vec<pb::Measurement> {
    let request = pb::ListMeasurementsRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        page_size: 200,
        ..Default::default()
    };
    let listed = world.office().call(request).await.unwrap().measurements;
    listed.into_iter().filter(|measurement| measurement.corrected_by.is_none()).collect()
}

/// An exact share, and amounts by it: of whole numbers alone.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fraction(i128, i128);

impl Fraction {
    /// So much of an amount, half away from zero.
    fn of(self, amount: Self) -> i64 {
        let (over, under) = (self.0 * amount.0, self.1 * amount.1);
        let (over, under) = if under < 0 { (-over, -under) } else { (over, under) };
        let half_up = (2 * over.abs() + under).div_euclid(2 * under);
        i64::try_from(half_up * over.signum()).unwrap()
    }
}

/// A decimal with at most two places, times 100.
fn whole(decimal: &str) -> i128 {
    let (sign, digits) = decimal.strip_prefix('-').map_or((1, decimal), |digits| (-1, digits));
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    sign * format!("{before}{after:0<2}").parse::<i128>().unwrap()
}

/// Months since the year 0.
fn months(day: &str) -> i32 {
    day[..4].parse::<i32>().unwrap() * 12 + day[5..7].parse::<i32>().unwrap() - 1
}

/// Planned, planned to date, realised and expected, in øre; and the newest measured year's share.
type Sums = ([i64; 4], Option<Fraction>);

/// What became of a benefit against a plan, computed from its measurements.
async fn recomputed(world: &World, benefit: &pb::Benefit, plan: &pb::BenefitPlan, starts_on: Option<&str>) -> Sums {
    let Some(starts_on) = starts_on else { return ([0; 4], None) };
    let start = months(starts_on);
    let gone = months(&world.day(0)) - start + 1;
    let interval = 3;
    let aggregation = benefit.measure.as_ref().unwrap().aggregation();
    let mut counting = counting(world, benefit).await;
    counting.reverse();
    let baseline = whole(&plan.baseline);
    let mut years = Vec::new();
    for (at, year) in (0i32..).step_by(12).zip(&plan.targets) {
        let of_the_year: Vec<&pb::Measurement> = counting
            .iter()
            .filter(|found| (start + at..start + at + 12).contains(&months(&found.measured_on)))
            .collect();
        let values: Vec<i128> = of_the_year.iter().map(|found| whole(&found.value)).collect();
        let mut intervals: Vec<i32> =
            of_the_year.iter().map(|found| (months(&found.measured_on) - start) / interval).collect();
        intervals.sort_unstable();
        intervals.dedup();
        let covered = interval * i32::try_from(intervals.len()).unwrap();
        let way = whole(&year.target) - baseline;
        let sum: i128 = values.iter().sum();
        let count = i128::try_from(values.len()).unwrap();
        let share = match aggregation {
            _ if values.is_empty() || way == 0 => None,
            pb::MeasureAggregation::Sum => {
                Some(Fraction(sum * 12 - baseline * i128::from(covered), way * i128::from(covered)))
            }
            pb::MeasureAggregation::Average => Some(Fraction(sum - baseline * count, way * count)),
            pb::MeasureAggregation::Max => Some(Fraction(values.iter().max().unwrap() - baseline, way)),
            _ => Some(Fraction(values.last().unwrap() - baseline, way)),
        };
        let months_gone = (gone - at).clamp(0, 12);
        let shown =
            if aggregation == pb::MeasureAggregation::Sum && !values.is_empty() { covered } else { months_gone };
        years.push((i128::from(year.value_ore.unwrap_or_default()), months_gone, shown, share));
    }
    let newest = years.iter().rev().find_map(|(.., share)| *share);
    let mut sums = [0; 4];
    for (planned, gone, shown, share) in years {
        let to_date = Fraction(1, 1).of(Fraction(planned * i128::from(gone), 12));
        let realised = share.map_or(0, |share| share.of(Fraction(planned * i128::from(shown), 12)));
        let ahead = newest.unwrap_or(Fraction(1, 1)).of(Fraction(planned - i128::from(to_date), 1));
        for (sum, part) in sums.iter_mut().zip([i64::try_from(planned).unwrap(), to_date, realised, realised + ahead]) {
            *sum += part;
        }
    }
    (sums, newest)
}

fn sums(rollup: Option<pb::EconomicRollup>) -> [i64; 4] {
    let value = rollup.unwrap_or_default().value.unwrap_or_default();
    [value.planned_ore, value.planned_to_date_ore, value.realised_ore, value.expected_ore]
}

fn added(to: &mut [i64; 4], parts: [i64; 4]) {
    for (sum, part) in to.iter_mut().zip(parts) {
        *sum += part;
    }
}

/// Every roll-up is what the measurements come to.
async fn holds(stage: &Stage) -> Result<(), TestCaseError> {
    let world = &stage.world;
    for reference in [Against::Unspecified, Against::Plan] {
        let mut expected = BTreeMap::<(i32, String), [[i64; 4]; 2]>::new();
        let mut qualitative = None;
        let mut by_group = BTreeMap::<i32, [[i64; 4]; 2]>::new();
        for (at, benefit) in stage.benefits.iter().enumerate() {
            let benefit = reread(world, benefit).await;
            let project = &stage.projects[at / 2];
            let request = pb::ListBenefitPlansRequest {
                organisation: world.id(),
                benefit: benefit.id.clone(),
                page_size: 200,
                ..Default::default()
            };
            let plans = world.office().call(request).await.unwrap().plans;
            let frozen = benefit.baseline_plan.filter(|_| reference == Against::Unspecified);
            let (number, starts_on) = match frozen {
                Some(number) => (number, benefit.baseline_starts_on.as_deref()),
                None => (plans[0].number, benefit.starts_on.as_deref()),
            };
            let plan = plans.iter().find(|plan| plan.number == number).unwrap();
            let (sums, share) = recomputed(world, &benefit, plan, starts_on).await;
            if benefit.kind() == pb::BenefitKind::Qualitative {
                qualitative = share;
                continue;
            }
            for key in [
                (By::Project as i32, benefit.project.clone()),
                (By::Owner as i32, benefit.owner.clone()),
                (By::Area as i32, project.org_unit.clone()),
                (By::Portfolio as i32, project.portfolio().to_owned()),
                (0, String::new()),
            ] {
                added(&mut expected.entry(key).or_default()[usize::from(benefit.disbenefit)], sums);
            }
            for (principle, weight) in &stage.serves[at] {
                let key = (By::Goal as i32, principle.as_str_name().trim_start_matches("PRINCIPLE_").to_owned());
                let share = Fraction((*weight).into(), 100);
                let served = sums.map(|sum| share.of(Fraction(sum.into(), 1)));
                added(&mut expected.entry(key).or_default()[usize::from(benefit.disbenefit)], served);
            }
            for kind in groups(at) {
                added(&mut by_group.entry(*kind as i32).or_default()[usize::from(benefit.disbenefit)], sums);
            }
        }
        let mut by_year = [[0; 4]; 2];
        for group_by in [By::Unspecified, By::Project, By::Owner, By::Area, By::Portfolio, By::Goal, By::Year] {
            let answer = world.office().call(rollup(world, group_by, reference)).await.unwrap();
            let total = answer.total.unwrap();
            let found = [sums(total.economic), sums(total.economic_disbenefits)];
            prop_assert_eq!(found, expected[&(0, String::new())], "all together, {:?}", reference);
            let share = qualitative.map(|Fraction(over, under)| {
                let share = (over as f64 / under as f64).clamp(0.0, 1.2);
                (share * 10_000.0).round() / 10_000.0
            });
            let mean = total.qualitative.unwrap().mean_share.map(|share| share.parse::<f64>().unwrap());
            prop_assert_eq!(mean, share);
            for row in answer.rows {
                let found = [sums(row.economic), sums(row.economic_disbenefits)];
                if group_by == By::Year {
                    for (sum, part) in by_year.iter_mut().zip(found) {
                        added(sum, part);
                    }
                } else {
                    let expected = expected.get(&(group_by as i32, row.key.clone())).copied().unwrap_or_default();
                    prop_assert_eq!(found, expected, "{:?} {}", group_by, row.key);
                }
            }
        }
        let request =
            pb::GetValueByGroupRequest { organisation: world.id(), reference: reference.into(), ..Default::default() };
        let groups = world.office().call(request).await.unwrap().groups.into_iter();
        let found = groups.map(|found| {
            (found.group.unwrap_or_default().kind, [sums(found.economic), sums(found.economic_disbenefits)])
        });
        prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), by_group, "by group, {:?}", reference);
        prop_assert_eq!(by_year, expected[&(0, String::new())], "calendar years add up");
    }
    Ok(())
}

#[test]
fn rollups_equal_a_recomputation_after_any_sequence() {
    let long = std::env::var("GEVINST_TEST_LONG").is_ok_and(|value| value == "1");
    let runtime = Arc::new(tokio::runtime::Runtime::new().unwrap());
    let config = Config { cases: if long { 400 } else { 25 }, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            let mut stage = Stage::new().await;
            for step in &steps {
                stage.take(step).await;
            }
            let held = holds(&stage).await;
            stage.world.stop().await;
            held
        })
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

#[tokio::test]
async fn rollup_denied_to_who_has_no_role_in_another_organisation() {
    let world = World::new().await;
    let stranger = world.person("stranger", &[Role::Finance]);
    let elsewhere = world.elsewhere().await;
    let request = rollup(&elsewhere, By::Project, Against::Unspecified);
    let failure = stranger.call(request).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
}
