//! A status light, derived and never typed (domain, section 6: Lights; S30).

use rust_decimal::Decimal;

/// From which share of the plan on a light turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Below it, yellow.
    pub yellow_below: Decimal,
    /// Below it, red; no more than `yellow_below`.
    pub red_below: Decimal,
}

/// A light; the worse, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// As planned, or near it.
    Green,
    /// Behind.
    Yellow,
    /// Far behind.
    Red,
}

/// The light of a share of what was planned: 1 is as planned.
pub fn light(share: Decimal, thresholds: Thresholds) -> Light {
    if share < thresholds.red_below {
        Light::Red
    } else if share < thresholds.yellow_below {
        Light::Yellow
    } else {
        Light::Green
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_turns_below_its_thresholds_and_not_at_them() {
        let share = |text: &str| text.parse::<Decimal>().expect("a decimal");
        let thresholds = Thresholds { yellow_below: share("0.9"), red_below: share("0.8") };
        for (of, expected) in [
            ("1.5", Light::Green),
            ("0.9000", Light::Green),
            ("0.8999", Light::Yellow),
            ("0.8000", Light::Yellow),
            ("0.7999", Light::Red),
            ("-1", Light::Red),
        ] {
            assert_eq!(light(share(of), thresholds), expected, "{of}");
        }
        assert!(Light::Red > Light::Yellow && Light::Yellow > Light::Green);
    }
}
