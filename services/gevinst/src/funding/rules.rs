//! What a project's money adds up to, and what may still be spent (I05, S08). Pure.

use strum::{EnumString, FromRepr, IntoStaticStr};

use crate::error::{Error, Result};

/// What released money may be spent on. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum SpendPurpose {
    Experiments = 1,
    General = 2,
}

/// An appropriation, as far as a sum asks.
#[derive(Clone, Copy, Debug)]
pub struct Appropriation {
    /// How much, in øre.
    pub ore: i64,
    /// Whether it has not been taken back.
    pub stands: bool,
}

/// Money that a gate has released, as far as a sum asks.
#[derive(Clone, Copy, Debug)]
pub struct Tranche {
    /// How much, in øre.
    pub ore: i64,
    /// What it may be spent on.
    pub purpose: SpendPurpose,
    /// Whether the decision that released it still counts.
    pub stands: bool,
}

/// What was spent, in øre.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// On everything.
    pub total_ore: i64,
    /// Of that, on experiments.
    pub on_experiments_ore: i64,
}

/// A project's money, as the contract's `Funding` explains each figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the contract explains each")]
pub struct Figures {
    pub appropriated_ore: i64,
    pub authorised_ore: i64,
    pub authorised_for_experiments_ore: i64,
    pub spent_ore: i64,
    pub spent_on_experiments_ore: i64,
    pub left_ore: i64,
    pub left_general_ore: i64,
}

/// Every figure of a project's money. Sums are exact: one that fits no column is a fault, not a wrong answer.
pub fn figures(
    appropriations: impl IntoIterator<Item = Appropriation>,
    tranches: impl IntoIterator<Item = Tranche>,
    spent: Spent,
) -> Result<Figures> {
    let appropriated: i128 =
        appropriations.into_iter().filter(|each| each.stands).map(|each| i128::from(each.ore)).sum();
    let (mut general, mut experiments) = (0_i128, 0_i128);
    for tranche in tranches.into_iter().filter(|each| each.stands) {
        match tranche.purpose {
            SpendPurpose::General => general += i128::from(tranche.ore),
            SpendPurpose::Experiments => experiments += i128::from(tranche.ore),
        }
    }
    let (total, on_experiments) = (i128::from(spent.total_ore), i128::from(spent.on_experiments_ore));
    // Experiments use their own tranches first, then general ones.
    let beyond_their_own = (on_experiments - experiments).max(0);
    Ok(Figures {
        appropriated_ore: ore(appropriated)?,
        authorised_ore: ore(general + experiments)?,
        authorised_for_experiments_ore: ore(experiments)?,
        spent_ore: spent.total_ore,
        spent_on_experiments_ore: spent.on_experiments_ore,
        left_ore: ore(general + experiments - total)?,
        left_general_ore: ore(general - (total - on_experiments) - beyond_their_own)?,
    })
}

fn ore(sum: i128) -> Result<i64> {
    i64::try_from(sum).map_err(|_| Error::Internal(format!("a project's money adds up to {sum} øre")))
}

impl Figures {
    /// I05: what is spent has been released, and what was released for experiments pays for nothing else (S08). What comes
    /// back was spent before, and on the same purpose.
    pub fn must_cover(&self, amount_ore: i64, purpose: SpendPurpose) -> Result<()> {
        let left_ore = match purpose {
            SpendPurpose::Experiments => self.left_ore,
            SpendPurpose::General => self.left_general_ore,
        };
        if amount_ore > 0 && amount_ore > left_ore {
            return Err(Error::SpendExceedsAuthority { left_ore: left_ore.max(0) });
        }
        let spent_ore = match purpose {
            SpendPurpose::Experiments => i128::from(self.spent_on_experiments_ore),
            SpendPurpose::General => i128::from(self.spent_ore) - i128::from(self.spent_on_experiments_ore),
        };
        if amount_ore < 0 && spent_ore + i128::from(amount_ore) < 0 {
            let more = format!("is more than was spent on it: {spent_ore} øre");
            return Err(Error::invalid("amount_ore", more));
        }
        Ok(())
    }

    /// I05: what gates have released keeps its appropriations, also without this one.
    pub fn must_do_without(&self, appropriation_ore: i64) -> Result<()> {
        // Also what has been spent of a tranche that was revoked since.
        let used = i128::from(self.authorised_ore.max(self.spent_ore));
        let missing = used + i128::from(appropriation_ore) - i128::from(self.appropriated_ore);
        if missing > 0 { Err(Error::AppropriationMissing { missing_ore: ore(missing)? }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use SpendPurpose::{Experiments, General};
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for purpose in SpendPurpose::iter() {
            let name = format!("SPEND_PURPOSE_{}", <&str>::from(purpose));
            assert_eq!(pb::SpendPurpose::from_str_name(&name).map(i32::from), Some(purpose as i32), "{name}");
        }
    }

    fn of(tranches: &[(i64, SpendPurpose)], general: i64, experiments: i64) -> Figures {
        let tranches = tranches.iter().map(|(ore, purpose)| Tranche { ore: *ore, purpose: *purpose, stands: true });
        figures([], tranches, Spent { total_ore: general + experiments, on_experiments_ore: experiments }).unwrap()
    }

    #[test]
    fn figures_what_ended_or_was_revoked_not_counted() {
        let appropriations = [(100, true), (20, false), (3, true)].map(|(ore, stands)| Appropriation { ore, stands });
        let tranches = [(50, General, true), (7, General, false), (30, Experiments, true), (5, Experiments, false)]
            .map(|(ore, purpose, stands)| Tranche { ore, purpose, stands });
        let spent = Spent { total_ore: 42, on_experiments_ore: 35 };
        assert_eq!(
            figures(appropriations, tranches, spent).unwrap(),
            Figures {
                appropriated_ore: 103,
                authorised_ore: 80,
                authorised_for_experiments_ore: 30,
                spent_ore: 42,
                spent_on_experiments_ore: 35,
                left_ore: 38,
                left_general_ore: 38,
            }
        );
        assert_eq!(figures([], [], Spent::default()).unwrap(), Figures::default());
    }

    #[test]
    fn figures_left_table_s08() {
        let both: &[_] = &[(30, Experiments), (50, General)];
        let cases = [
            // tranches, spent in general, on experiments: left, left in general
            (both, 0, 0, 80, 50),
            (both, 0, 30, 50, 50),
            (both, 0, 31, 49, 49),
            (both, 50, 0, 30, 0),
            (both, 20, 60, 0, 0),
            (&[(50, General)], 0, 10, 40, 40),
            (&[(30, Experiments)], 0, 10, 20, 0),
            // Tranches have been revoked since: what was spent is spent.
            (&[], 10, 5, -15, -15),
            (&[(30, Experiments)], 10, 5, 15, -10),
        ];
        for (tranches, general, experiments, left, left_general) in cases {
            let figures = of(tranches, general, experiments);
            let found = (figures.left_ore, figures.left_general_ore);
            assert_eq!(found, (left, left_general), "{tranches:?} less {general} and {experiments}");
        }
    }

    #[test]
    fn figures_sums_never_wrap() {
        let most = Tranche { ore: i64::MAX, purpose: General, stands: true };
        assert!(figures([], [most], Spent::default()).is_ok());
        assert!(matches!(figures([], [most, most], Spent::default()), Err(Error::Internal(_))));
        let least = Appropriation { ore: 1, stands: true };
        let most = Appropriation { ore: i64::MAX, stands: true };
        assert!(matches!(figures([most, least], [], Spent::default()), Err(Error::Internal(_))));
    }

    #[test]
    fn must_cover_table_i05_s08() {
        let both: &[_] = &[(30, Experiments), (50, General)];
        let cases = [
            // tranches, spent in general, on experiments, amount, purpose: what is left when refused
            (both, 0, 0, 50, General, None),
            (both, 0, 0, 51, General, Some(50)),
            (both, 0, 0, 80, Experiments, None),
            (both, 0, 0, 81, Experiments, Some(80)),
            (both, 50, 0, 1, General, Some(0)),
            (both, 50, 0, 30, Experiments, None),
            (both, 50, 0, 31, Experiments, Some(30)),
            (both, 0, 31, 49, General, None),
            (both, 0, 31, 50, General, Some(49)),
            (&[], 0, 0, 1, General, Some(0)),
            // Overspent since a tranche was revoked: nothing is left, and what comes back is taken.
            (&[], 10, 5, 1, Experiments, Some(0)),
            (&[], 10, 5, -1, General, None),
            (both, 0, 0, i64::MAX, Experiments, Some(80)),
        ];
        for (tranches, general, experiments, amount, purpose, refused) in cases {
            let answer = of(tranches, general, experiments).must_cover(amount, purpose);
            let left = match answer {
                Ok(()) => None,
                Err(Error::SpendExceedsAuthority { left_ore }) => Some(left_ore),
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(left, refused, "{amount} on {purpose:?} of {tranches:?} less {general} and {experiments}");
        }
    }

    #[test]
    fn must_cover_no_more_comes_back_than_was_spent_on_it() {
        let figures = of(&[(100, General)], 10, 5);
        for (amount, purpose, allowed) in [
            (-10, General, true),
            (-11, General, false),
            (-5, Experiments, true),
            (-6, Experiments, false),
            (i64::MIN, Experiments, false),
        ] {
            assert_eq!(figures.must_cover(amount, purpose).is_ok(), allowed, "{amount} {purpose:?}");
        }
    }

    #[test]
    fn must_do_without_table_i05() {
        for (appropriated, authorised, ends, missing) in
            [(100, 60, 40, None), (100, 60, 41, Some(1)), (100, 0, 100, None), (100, 100, 100, Some(100))]
        {
            let figures = Figures { appropriated_ore: appropriated, authorised_ore: authorised, ..Figures::default() };
            let found = match figures.must_do_without(ends) {
                Ok(()) => None,
                Err(Error::AppropriationMissing { missing_ore }) => Some(missing_ore),
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found, missing, "{appropriated} {authorised} {ends}");
        }
    }
}
