//! What a review finds of a benefit. Pure.

use rust_decimal::Decimal;
use strum::{EnumString, FromRepr, IntoStaticStr};
use time::Date;

use crate::{
    error::{Error, Result},
    realisation::rules::BenefitPolicy,
};

/// What was found. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum BenefitOutcome {
    Realised = 1,
    PartlyRealised = 2,
    NotRealised = 3,
    Cancelled = 4,
}

/// What the rule is asked of.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Whether there is a measurement that counts.
    pub is_measured: bool,
    /// How much is realised; none where there is nothing to divide by.
    pub share: Option<Decimal>,
}

impl Found {
    /// What the rule says; nothing where something was measured and there is no share.
    pub fn by_rule(self, policy: &BenefitPolicy) -> Option<BenefitOutcome> {
        match self.share {
            _ if !self.is_measured => Some(BenefitOutcome::NotRealised),
            None => None,
            Some(share) if share >= policy.realised_from => Some(BenefitOutcome::Realised),
            Some(share) if share >= policy.partly_from => Some(BenefitOutcome::PartlyRealised),
            Some(_) => Some(BenefitOutcome::NotRealised),
        }
    }

    /// The outcome: by rule, or another with a reason. What nobody has measured is not realised.
    pub fn outcome(
        self,
        by_rule: Option<BenefitOutcome>,
        asked: Option<BenefitOutcome>,
        deviation_reason: &str,
    ) -> Result<BenefitOutcome> {
        use BenefitOutcome::{PartlyRealised, Realised};
        let Some(outcome) = asked.or(by_rule) else {
            return Err(Error::OutcomeOpen);
        };
        if !self.is_measured && matches!(outcome, Realised | PartlyRealised) {
            return Err(Error::OutcomeNotMeasured);
        }
        if by_rule != Some(outcome) && deviation_reason.trim().is_empty() {
            let by_rule = by_rule.map_or("UNSPECIFIED", Into::into);
            return Err(Error::OutcomeDeviates { by_rule });
        }
        Ok(outcome)
    }
}

/// A review answers one that the policy asks for.
pub fn must_be_asked_for(number: Option<i32>, policy: &BenefitPolicy) -> Result<()> {
    let most = policy.review_months.len();
    match number.map(usize::try_from) {
        Some(Ok(number)) if number > most => {
            Err(Error::invalid("number", format!("is none of the policy's reviews, of which there are {most}")))
        }
        _ => Ok(()),
    }
}

/// A review that the policy asks for is held from its day on: what was found before says nothing of that day.
pub fn must_be_due(due_on: Option<Date>, today: Date) -> Result<()> {
    match due_on {
        Some(due_on) if today < due_on => Err(Error::ReviewNotDue { due_on }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;

    use super::{BenefitOutcome::*, *};

    fn measured(share: &str) -> Found {
        Found { is_measured: true, share: share.parse().ok() }
    }

    const UNMEASURED: Found = Found { is_measured: false, share: None };

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for outcome in BenefitOutcome::iter() {
            let name = format!("BENEFIT_OUTCOME_{}", <&str>::from(outcome));
            assert_eq!(pb::BenefitOutcome::from_str_name(&name).map(i32::from), Some(outcome as i32), "{name}");
        }
    }

    #[test]
    fn by_rule_turns_at_the_policys_shares() {
        let policy = BenefitPolicy::default();
        for (found, expected) in [
            (measured("1.2"), Some(Realised)),
            (measured("0.9000"), Some(Realised)),
            (measured("0.8999"), Some(PartlyRealised)),
            (measured("0.1"), Some(PartlyRealised)),
            (measured("0.0999"), Some(NotRealised)),
            (measured("-3"), Some(NotRealised)),
            (measured("none"), None),
            (UNMEASURED, Some(NotRealised)),
            // A plan that has begun has a share of nothing, also unmeasured.
            (Found { is_measured: false, share: Some(Decimal::ONE) }, Some(NotRealised)),
        ] {
            assert_eq!(found.by_rule(&policy), expected, "{found:?}");
        }
    }

    #[test]
    fn outcome_by_rule_or_with_a_reason() {
        let policy = BenefitPolicy::default();
        for (found, asked, reason, expected) in [
            (measured("1"), None, "", Ok(Realised)),
            (measured("1"), Some(Realised), "", Ok(Realised)),
            (measured("1"), Some(NotRealised), "Ikke i drift.", Ok(NotRealised)),
            (measured("1"), Some(NotRealised), " ", Err("OUTCOME_DEVIATES")),
            (measured("1"), Some(Cancelled), "", Err("OUTCOME_DEVIATES")),
            (measured("1"), Some(Cancelled), "Opgaven er væk.", Ok(Cancelled)),
            (measured("none"), None, "Vurderet.", Err("OUTCOME_OPEN")),
            (measured("none"), Some(Realised), "", Err("OUTCOME_DEVIATES")),
            (measured("none"), Some(Realised), "Niveauet er holdt.", Ok(Realised)),
            (UNMEASURED, None, "", Ok(NotRealised)),
            (UNMEASURED, Some(PartlyRealised), "Vi tror det.", Err("OUTCOME_NOT_MEASURED")),
            (UNMEASURED, Some(Cancelled), "Opgaven er væk.", Ok(Cancelled)),
        ] {
            let answer = found.outcome(found.by_rule(&policy), asked, reason);
            assert_eq!(answer.map_err(|error| error.reason_name()), expected, "{found:?} {asked:?}");
        }
    }

    #[test]
    fn review_is_one_of_the_policys_or_none() {
        let policy = BenefitPolicy::default();
        for (number, allowed) in [(None, true), (Some(1), true), (Some(2), true), (Some(3), false)] {
            assert_eq!(must_be_asked_for(number, &policy).is_ok(), allowed, "{number:?}");
        }
    }

    #[test]
    fn review_is_held_from_its_day_on() {
        let day = time::macros::date!(2027 - 06 - 01);
        let (before, after) = (day - time::Duration::DAY, day + time::Duration::DAY);
        for (due_on, today, allowed) in
            [(None, day, true), (Some(day), before, false), (Some(day), day, true), (Some(day), after, true)]
        {
            assert_eq!(must_be_due(due_on, today).is_ok(), allowed, "{due_on:?} {today}");
        }
    }
}
