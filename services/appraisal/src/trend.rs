//! Where a measure is heading: a straight line through its months, with the interval that the next value falls in.
//!
//! Ordinary least squares and Student's t, as in any textbook of statistics. It is computed in floating point: a forecast
//! is no amount, and is given with six significant digits.

use rust_decimal::{Decimal, prelude::FromPrimitive};

/// The method, in words, as answers carry it.
pub const METHOD: &str = "Ordinary least squares through the monthly values of the newest 24 measured months; the interval is \
    the 80 % prediction interval, value ± t * s * sqrt(1 + 1/n + (x - mean x)^2 / sum (x - mean x)^2), where s is the \
    residuals' standard deviation with n - 2 degrees of freedom and t Student's 0.90 quantile";

/// How many months are looked at, the newest.
pub const MOST_MONTHS: usize = 24;

/// The 0.90 quantiles of Student's t with 1 to 22 degrees of freedom.
const T: [f64; 22] = [
    3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345, 1.341, 1.337,
    1.333, 1.330, 1.328, 1.325, 1.323, 1.321,
];

/// A month's value: months from the start, and what they measured.
pub type Point = (i32, Decimal);

/// A straight line through what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    points: f64,
    mean_x: f64,
    mean_y: f64,
    spread_x: f64,
    slope: f64,
    /// The residuals' standard deviation.
    deviation: f64,
    /// Student's t.
    t: f64,
    first: i32,
}

/// A forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Where the line is.
    pub value: Decimal,
    /// The interval's lower end.
    pub low: Decimal,
    /// The interval's upper end.
    pub high: Decimal,
}

impl Trend {
    /// Through points in the order of their months; none through fewer than three.
    pub fn through(points: &[Point]) -> Option<Self> {
        let points = points.get(points.len().saturating_sub(MOST_MONTHS)..)?;
        let t = *T.get(points.len().checked_sub(3)?)?;
        let first = points.first()?.0;
        let n = points.len() as f64;
        let xy: Vec<(f64, f64)> =
            points.iter().map(|(x, y)| Some((f64::from(x - first), f64::try_from(*y).ok()?))).collect::<Option<_>>()?;
        let (mean_x, mean_y) = (xy.iter().map(|(x, _)| x).sum::<f64>() / n, xy.iter().map(|(_, y)| y).sum::<f64>() / n);
        let spread_x: f64 = xy.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let slope = xy.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread_x;
        let residual = |(x, y): &(f64, f64)| y - (mean_y + slope * (x - mean_x));
        let deviation = (xy.iter().map(|point| residual(point).powi(2)).sum::<f64>() / (n - 2.0)).sqrt();
        slope.is_finite().then_some(Self { points: n, mean_x, mean_y, spread_x, slope, deviation, t, first })
    }

    /// What the measure is expected to be in a month.
    pub fn at(&self, month: i32) -> Option<Forecast> {
        let x = f64::from(month - self.first);
        let value = self.mean_y + self.slope * (x - self.mean_x);
        let spread = (1.0 + 1.0 / self.points + (x - self.mean_x).powi(2) / self.spread_x).sqrt();
        let half = self.t * self.deviation * spread;
        Some(Forecast { value: rounded(value)?, low: rounded(value - half)?, high: rounded(value + half)? })
    }

    /// The first month, from the newest on, in which the line has reached a target that it was not at in the first month;
    /// none where it does not within fifty years.
    pub fn reaches(&self, target: Decimal, newest: i32) -> Option<i32> {
        let target = f64::try_from(target).ok()?;
        let line = |month: i32| self.mean_y + self.slope * (f64::from(month - self.first) - self.mean_x);
        let rises = target > line(self.first);
        (newest..newest + 600).find(|month| if rises { line(*month) >= target } else { line(*month) <= target })
    }
}

/// Six significant digits.
fn rounded(value: f64) -> Option<Decimal> {
    Decimal::from_f64(value)?.round_sf(6).map(|rounded| rounded.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[i64]) -> Vec<Point> {
        (0..).zip(values.iter().copied().map(Decimal::from)).collect()
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    #[test]
    fn trend_needs_three_points_of_different_months() {
        assert_eq!(Trend::through(&points(&[1, 2])), None);
        assert!(Trend::through(&points(&[1, 2, 3])).is_some());
    }

    #[test]
    fn trend_of_a_straight_line_is_that_line_without_doubt() {
        let trend = Trend::through(&points(&[100, 95, 90, 85])).expect("a trend");
        let forecast = trend.at(10).expect("a forecast");
        assert_eq!(forecast, Forecast { value: decimal("50"), low: decimal("50"), high: decimal("50") });
        assert_eq!(trend.reaches(decimal("60"), 3), Some(8));
        assert_eq!(trend.reaches(decimal("200"), 3), None, "it falls");
    }

    /// Worked by hand: x = 0..4, y = 2, 4, 5, 4, 5: mean x 2, mean y 4, slope 6/10, residuals -0.8, 0.6, 1, -0.6, -0.2;
    /// s = sqrt(2.4 / 3) = 0.894427, t(3) = 1.638. At x = 5: 5.8 ± 1.638 * 0.894427 * sqrt(1 + 1/5 + 9/10) = 5.8 ± 2.12309.
    #[test]
    fn trend_interval_as_in_the_textbook() {
        let forecast = Trend::through(&points(&[2, 4, 5, 4, 5])).and_then(|trend| trend.at(5)).expect("a forecast");
        assert_eq!(
            (forecast.value, forecast.low, forecast.high),
            (decimal("5.8"), decimal("3.67691"), decimal("7.92309"))
        );
    }

    #[test]
    fn trend_looks_at_the_newest_months_only() {
        let mut values = vec![1_000_000; 10];
        values.extend((0..24).map(|month| 100 - month));
        let trend = Trend::through(&points(&values)).expect("a trend");
        assert_eq!(trend.at(34).map(|forecast| forecast.value), Some(decimal("76")));
    }
}
