//! Benefits put together: economic and qualitative apart, benefits and disbenefits apart (S07, S30). Pure.

use std::collections::BTreeMap;

use gevinst_appraisal::{
    light::{Light, Thresholds, light},
    realisation::{Appraised, Plan, Share, Value, realised_share, spread},
};
use rust_decimal::Decimal;

use crate::benefits::rules::BenefitKind;

/// A benefit with what became of it.
pub struct Found {
    /// What kind of value it is.
    pub kind: BenefitKind,
    /// Whether it gets worse.
    pub disbenefit: bool,
    /// As planned, with what was measured; no years where nothing says when.
    pub plan: Plan,
    /// Year by year.
    pub appraised: Vec<Appraised>,
}

/// What one of them adds to a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addend {
    has_plan: bool,
    unmeasured: bool,
    value: Value,
    /// Of a qualitative one.
    share: Option<Decimal>,
}

impl Addend {
    /// With a share of the money only: what a benefit does for one of the goals that it serves.
    pub fn for_goal(self, share: Decimal) -> Self {
        Self { value: self.value.times(share), ..self }
    }
}

impl Found {
    /// From a plan, as things stand.
    pub fn new(kind: BenefitKind, disbenefit: bool, plan: Plan) -> Self {
        let appraised = plan.appraise();
        Self { kind, disbenefit, plan, appraised }
    }

    /// What it adds in all.
    pub fn whole(&self) -> Addend {
        let is_measured = self.plan.years.iter().any(|year| year.measured.is_some());
        Addend {
            has_plan: !self.plan.years.is_empty(),
            unmeasured: self.plan.months_gone > 0 && !self.plan.years.is_empty() && !is_measured,
            value: Value::sum(&self.plan, &self.appraised),
            share: self.plan.bounded_share(),
        }
    }

    /// What it adds to each calendar year that its own years lie in. `first` is the month that it starts in: months since
    /// the year 0.
    pub fn yearly(&self, first: i32) -> BTreeMap<i32, Addend> {
        let mut addends = BTreeMap::<i32, Addend>::new();
        for (at, (year, found)) in (0..).step_by(12).zip(self.plan.years.iter().zip(&self.appraised)) {
            let (calendar, month) = ((first + at).div_euclid(12), (first + at).rem_euclid(12));
            let turn = 12 - month;
            let planned = year.planned_ore.unwrap_or_default();
            let begins = addends.entry(calendar).or_default();
            begins.has_plan = true;
            begins.unmeasured |= found.months_gone > 0 && year.measured.is_none();
            begins.value = begins.value.and(part(planned, found, 0, turn));
            begins.share = found.share.and_then(Share::bounded);
            if turn < 12 {
                let goes_on = addends.entry(calendar + 1).or_default();
                goes_on.has_plan = true;
                goes_on.value = goes_on.value.and(part(planned, found, turn, 12));
            }
        }
        addends
    }
}

/// What of a year's value falls to its months from `from` to `to`: what was planned evenly, what was realised over the
/// months gone, what is expected beyond that over those ahead. The parts add up to the year.
fn part(planned: i64, found: &Appraised, from: i32, to: i32) -> Value {
    let gone = found.months_gone;
    let realised = spread(found.realised_ore, from.min(gone), to.min(gone), gone);
    let ahead = found.expected_ore.saturating_sub(found.realised_ore);
    let (from_ahead, to_ahead) = ((from - gone).max(0), (to - gone).max(0));
    Value {
        planned: spread(planned, from, to, 12),
        planned_to_date: spread(found.planned_to_date_ore, from.min(gone), to.min(gone), gone),
        realised,
        expected: realised.saturating_add(spread(ahead, from_ahead, to_ahead, 12 - gone)),
    }
}

/// Benefits of one kind together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub benefits: i32,
    /// How many have a plan with years and a start.
    pub planned: i32,
    /// How many have begun and were never measured since.
    pub unmeasured: i32,
    /// Of economic ones.
    pub value: Value,
    /// How many of qualitative ones were measured.
    pub measured: i32,
    /// The sum of those ones' bounded shares.
    pub shares: Decimal,
}

impl Sum {
    fn add(&mut self, addend: &Addend) {
        self.benefits += 1;
        self.planned += i32::from(addend.has_plan);
        self.unmeasured += i32::from(addend.unmeasured);
        self.value = self.value.and(addend.value);
        self.measured += i32::from(addend.share.is_some());
        self.shares += addend.share.unwrap_or_default();
    }

    /// The mean of the shares; what is missing is not scored.
    pub fn mean(&self) -> Option<Decimal> {
        (self.measured > 0).then(|| self.shares / Decimal::from(self.measured))
    }
}

/// What some benefits come to together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// Economic benefits.
    pub economic: Sum,
    /// Qualitative benefits.
    pub qualitative: Sum,
    /// Economic disbenefits.
    pub economic_disbenefits: Sum,
    /// Qualitative disbenefits.
    pub qualitative_disbenefits: Sum,
}

impl Together {
    /// And this much of this one.
    pub fn add(&mut self, found: &Found, addend: &Addend) {
        self.sum(found).add(addend);
    }

    fn sum(&mut self, found: &Found) -> &mut Sum {
        match (found.kind, found.disbenefit) {
            (BenefitKind::Economic, false) => &mut self.economic,
            (BenefitKind::Qualitative, false) => &mut self.qualitative,
            (BenefitKind::Economic, true) => &mut self.economic_disbenefits,
            (BenefitKind::Qualitative, true) => &mut self.qualitative_disbenefits,
        }
    }

    /// S07: whether there is a disbenefit and no benefit.
    pub fn only_carries(&self) -> bool {
        let benefits = self.economic.benefits + self.qualitative.benefits;
        benefits == 0 && self.economic_disbenefits.benefits + self.qualitative_disbenefits.benefits > 0
    }
}

/// S30: the light of economic benefits: what was realised of what was planned to date.
pub fn economic_light(sum: &Sum, thresholds: Thresholds) -> Option<Light> {
    realised_share(sum.value.realised, sum.value.planned_to_date).map(|share| light(share, thresholds))
}

/// S30: the light of qualitative benefits.
pub fn qualitative_light(sum: &Sum, thresholds: Thresholds) -> Option<Light> {
    sum.mean().map(|share| light(share, thresholds))
}

#[cfg(test)]
mod tests {
    use gevinst_appraisal::realisation::{Aggregation, Measured, Year};

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn measured(value: &str) -> Option<Measured> {
        let value = decimal(value);
        Some(Measured { count: 1, sum: value, min: value, max: value, latest: value, months: 3 })
    }

    /// From 1,000 to 600 in two years worth 1,001 and 2,003, half way in the first, after so many months.
    fn economic(months_gone: i32) -> Found {
        let years = vec![
            Year { target: decimal("600"), planned_ore: Some(1001), measured: measured("800") },
            Year { target: decimal("600"), planned_ore: Some(2003), measured: None },
        ];
        let baseline = decimal("1000");
        let aggregation = Aggregation::Latest;
        Found::new(
            BenefitKind::Economic,
            false,
            Plan { baseline, aggregation, years, months_gone, is_cancelled: false },
        )
    }

    #[test]
    fn calendar_years_add_up_to_the_whole_whatever_the_start_and_the_day() {
        for months_gone in 0..=26 {
            let found = economic(months_gone);
            let whole = found.whole().value;
            for first in 2027 * 12..2028 * 12 {
                let parts = found.yearly(first).into_values().fold(Value::default(), |sum, part| sum.and(part.value));
                assert_eq!(parts, whole, "{months_gone} {first}");
            }
        }
    }

    #[test]
    fn calendar_years_share_a_year_by_its_months_and_count_the_benefit_once_each() {
        let found = economic(12);
        let yearly = found.yearly(2027 * 12 + 6);
        let planned: Vec<(i32, i64)> = yearly.iter().map(|(year, addend)| (*year, addend.value.planned)).collect();
        assert_eq!(planned, [(2027, 501), (2028, 500 + 1002), (2029, 1001)]);
        let mut year = Together::default();
        year.add(&found, &yearly[&2028]);
        assert_eq!((year.economic.benefits, year.economic.planned), (1, 1));
        let shares: Vec<Option<Decimal>> = yearly.values().map(|addend| addend.share).collect();
        assert_eq!(shares, [Some(decimal("0.5000")), None, None], "each counts where its year begins");
    }

    #[test]
    fn kinds_and_signs_are_kept_apart() {
        let mut together = Together::default();
        for (kind, disbenefit) in [
            (BenefitKind::Economic, false),
            (BenefitKind::Economic, true),
            (BenefitKind::Qualitative, false),
            (BenefitKind::Qualitative, true),
        ] {
            let found = Found { kind, disbenefit, ..economic(6) };
            together.add(&found, &found.whole());
        }
        let counts =
            [together.economic, together.qualitative, together.economic_disbenefits, together.qualitative_disbenefits];
        assert_eq!(counts.map(|sum| sum.benefits), [1; 4]);
        assert!(!together.only_carries());
        let carries = Together { economic: Sum::default(), qualitative: Sum::default(), ..together };
        assert!(carries.only_carries());
        assert!(!Together::default().only_carries());
    }
}
