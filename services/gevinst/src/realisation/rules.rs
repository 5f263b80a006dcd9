//! How an organisation follows its benefits (S30: the Danish state's by default). Pure.

use rust_decimal::Decimal;

use crate::error::{Error, Result};

/// A version of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenefitPolicy {
    /// From 1 on; 0 is the default.
    pub version: i32,
    /// So many months after a project went into realisation its benefits are reviewed.
    pub review_months: Vec<i32>,
    /// How many days after its interval a measurement is due, and then late.
    pub grace_days: i32,
    /// How many days after its interval a measurement is missing.
    pub missing_days: i32,
    /// Below this share of the plan a light is yellow.
    pub yellow_below: Decimal,
    /// Below this share of the plan a light is red.
    pub red_below: Decimal,
    /// From this share on a benefit is realised.
    pub realised_from: Decimal,
    /// From this share on a benefit is partly realised.
    pub partly_from: Decimal,
}

/// What is in force until another is set; where PostgreSQL asks, `benefit_policy` says the same.
impl Default for BenefitPolicy {
    fn default() -> Self {
        Self {
            version: 0,
            review_months: vec![6, 12],
            grace_days: 14,
            missing_days: 60,
            yellow_below: Decimal::new(90, 2),
            red_below: Decimal::new(80, 2),
            realised_from: Decimal::new(90, 2),
            partly_from: Decimal::new(10, 2),
        }
    }
}

impl BenefitPolicy {
    /// Each of its figures agrees with the others.
    pub fn must_be_sound(&self) -> Result<()> {
        let ascends = self.review_months.windows(2).all(|pair| matches!(pair, [before, after] if before < after));
        let mistakes = [
            ("review_months", !ascends, "must each be later than the one before"),
            ("missing_days", self.missing_days <= self.grace_days, "must be more than `grace_days`"),
            ("red_below", self.red_below > self.yellow_below, "must be no more than `yellow_below`"),
            ("partly_from", self.partly_from <= Decimal::ZERO, "must be more than 0"),
            ("realised_from", self.realised_from <= self.partly_from, "must be more than `partly_from`"),
        ];
        let mistakes: Vec<(String, String)> = mistakes
            .into_iter()
            .filter(|(_, wrong, _)| *wrong)
            .map(|(field, _, why)| (field.to_owned(), why.to_owned()))
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(Error::FieldInvalid(mistakes)) }
    }

    /// Whether other days follow from it: then what is due has to be looked at anew.
    pub fn moves_days(&self, before: &Self) -> bool {
        (&self.review_months, self.grace_days, self.missing_days)
            != (&before.review_months, before.grace_days, before.missing_days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(change: impl FnOnce(&mut BenefitPolicy)) -> BenefitPolicy {
        let mut policy = BenefitPolicy::default();
        change(&mut policy);
        policy
    }

    #[test]
    fn must_be_sound_table() {
        assert!(BenefitPolicy::default().must_be_sound().is_ok());
        for (field, wrong) in [
            ("review_months", policy(|policy| policy.review_months = vec![12, 6])),
            ("review_months", policy(|policy| policy.review_months = vec![6, 6])),
            ("missing_days", policy(|policy| policy.missing_days = 14)),
            ("red_below", policy(|policy| policy.red_below = Decimal::ONE)),
            ("partly_from", policy(|policy| policy.partly_from = Decimal::ZERO)),
            ("realised_from", policy(|policy| policy.realised_from = Decimal::new(10, 2))),
        ] {
            let Err(Error::FieldInvalid(fields)) = wrong.must_be_sound() else { panic!("{wrong:?}") };
            assert_eq!(fields.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), [field]);
        }
    }

    #[test]
    fn moves_days_when_a_day_is_another_and_not_when_a_share_is() {
        let before = BenefitPolicy::default();
        assert!(policy(|policy| policy.grace_days = 15).moves_days(&before));
        assert!(policy(|policy| policy.review_months = vec![6]).moves_days(&before));
        assert!(!policy(|policy| policy.realised_from = Decimal::ONE).moves_days(&before));
    }
}
