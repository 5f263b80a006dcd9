//! How far a benefit has come from its baseline towards its target (domain, section 6: Progress).

use rust_decimal::{Decimal, RoundingStrategy};

/// The formula, in words, as answers carry it.
pub const FORMULA: &str = "(actual - baseline) / (target - baseline), rounded half away from zero to 4 places; \
    of a qualitative benefit no less than 0 and no more than 1.2; where a year's measurements are summed up, actual is a \
    year of the newest";

/// Decimal places of a progress.
const PLACES: u32 = 4;

/// The most that a qualitative benefit can count as: overshooting one must not hide another.
const QUALITATIVE_MOST: Decimal = Decimal::from_parts(12, 0, 0, false, 1);

/// Why there is no figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nothing has been measured.
    NotMeasured,
    /// Baseline and target are equal: there is no way to go.
    NoDistance,
}

/// A progress, as a share of the way: 1 is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The share, bounded for qualitative benefits.
    pub value: Decimal,
    /// The share before the bounds.
    pub unbounded: Decimal,
}

/// A progress with the steps that lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appraised {
    /// actual − baseline; none without a measurement.
    pub covered: Option<Decimal>,
    /// target − baseline.
    pub planned: Decimal,
    /// The share, or why there is none.
    pub value: Result<Progress, Absence>,
}

/// (actual − baseline) / (target − baseline), whichever of the two is larger.
///
/// Absent when nothing is measured and when baseline and target are equal. No figure is refused for being negative (it
/// got worse) or above 1 (it went further); only qualitative ones are bounded to [0, 1.2].
pub fn progress(baseline: Decimal, target: Decimal, actual: Option<Decimal>, qualitative: bool) -> Appraised {
    let planned = target - baseline;
    let covered = actual.map(|actual| actual - baseline);
    let value = match covered {
        None => Err(Absence::NotMeasured),
        Some(_) if planned.is_zero() => Err(Absence::NoDistance),
        Some(covered) => {
            let mut unbounded =
                (covered / planned).round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero);
            unbounded.rescale(PLACES);
            let mut value = unbounded;
            if qualitative {
                value = value.clamp(Decimal::ZERO, QUALITATIVE_MOST);
                value.rescale(PLACES);
            }
            Ok(Progress { value, unbounded })
        }
    };
    Appraised { covered, planned, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn share(baseline: &str, target: &str, actual: &str, qualitative: bool) -> String {
        let actual = Some(decimal(actual));
        let appraised = progress(decimal(baseline), decimal(target), actual, qualitative);
        appraised.value.map_or_else(|absence| format!("{absence:?}"), |progress| progress.value.to_string())
    }

    #[test]
    fn progress_table() {
        let cases = [
            // baseline, target, actual, qualitative: share. The first three are worked by hand:
            // (242 - 310) / (210 - 310) = -68 / -100
            ("310", "210", "242", false, "0.6800"),
            // (69 - 58) / (80 - 58) = 11 / 22
            ("58", "80", "69", false, "0.5000"),
            // (19500 - 41000) / (12000 - 41000) = -21500 / -29000 = 0.741379…
            ("41000", "12000", "19500", false, "0.7414"),
            ("6.2", "5.0", "6.2", false, "0.0000"),
            ("6.2", "5.0", "5", false, "1.0000"),
            ("6.2", "5.0", "6.8", false, "-0.5000"),
            ("0", "10", "30", false, "3.0000"),
            ("-5", "5", "0", false, "0.5000"),
            ("0", "3", "1", false, "0.3333"),
            ("0", "3", "2", false, "0.6667"),
            ("0", "80000", "4", false, "0.0001"),
            ("0", "10", "30", true, "1.2000"),
            ("0", "10", "12", true, "1.2000"),
            ("0", "10", "11", true, "1.1000"),
            ("0", "10", "-3", true, "0.0000"),
            ("4", "4", "4", true, "NoDistance"),
            ("999999999999999.999999", "-999999999999999.999999", "0", false, "0.5000"),
        ];
        for (baseline, target, actual, qualitative, expected) in cases {
            assert_eq!(share(baseline, target, actual, qualitative), expected, "{baseline} {target} {actual}");
        }
    }

    #[test]
    fn progress_not_measured_absent_with_planned_distance() {
        let appraised = progress(decimal("310"), decimal("210"), None, false);
        assert_eq!(appraised.value, Err(Absence::NotMeasured));
        assert_eq!(appraised.covered, None);
        assert_eq!(appraised.planned, decimal("-100"));
    }

    #[test]
    fn progress_covered_by_largest_over_smallest_distance_does_not_overflow() {
        let smallest = decimal("0.000001");
        let actual = Some(decimal("999999999999999.999999"));
        let appraised = progress(Decimal::ZERO, smallest, actual, false);
        assert_eq!(appraised.value.map(|progress| progress.value), Ok(decimal("999999999999999999999")));
    }
}
