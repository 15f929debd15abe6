//! Measurements against a peer in the same run, so that the ratio means something on any machine.

use serde::Serialize;

pub mod boot;
pub mod dns;
pub mod enforce;
pub mod intake;
pub mod memory;
pub mod openings;
pub mod peer;
pub mod portal;
pub mod restart;
pub mod restoring;
pub mod rig;
pub mod steering;
pub mod store;
pub mod turns;

/// Name, what it measures, and how.
pub type Part = (&'static str, &'static str, fn() -> anyhow::Result<Vec<Row>>);

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Ours: the median of the runs.
    pub value: f64,
    /// Unit of `value` and `peer`.
    pub unit: &'static str,
    /// The peer's median in the same run, if there is one.
    pub peer: Option<f64>,
    /// Ours divided by the peer's.
    pub ratio: Option<f64>,
    /// What is promised, in words.
    pub target: String,
    /// Whether the promise holds here; none if nothing is promised.
    pub holds: Option<bool>,
}

impl Row {
    /// A value without a peer, and the most it may be.
    pub fn bound(name: impl Into<String>, value: f64, unit: &'static str, most: Option<f64>) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            peer: None,
            ratio: None,
            target: most.map_or_else(String::new, |most| format!("≤ {most} {unit}").trim_end().into()),
            holds: most.map(|most| value <= most),
        }
    }
}

/// The middle value; the mean of the two middle ones for an even count. Zero for none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match (values.len() % 2, values.get(half)) {
        (_, None) => 0.0,
        (1, Some(middle)) => *middle,
        (_, Some(upper)) => values.get(half.wrapping_sub(1)).map_or(*upper, |lower| f64::midpoint(*lower, *upper)),
    }
}

/// The value that so many in a hundred do not exceed. Infinite for none.
pub fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_odd_and_even_counts() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert_eq!(median(Vec::new()).to_bits(), 0.0_f64.to_bits());
    }
}
