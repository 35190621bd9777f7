//! Scales for the K formats: the choice that leaves the least squared error.
//!
//! The formats fix how a block is decoded, not how its scales are chosen. The search here tries a few
//! slopes around the obvious one, rounds, and solves the least-squares problem for those codes.

/// Slopes tried on each side of the obvious one. More than these gain under 0.5 % in error.
const STEPS: i8 = 8;

/// `value ≈ scale · code - minimum` for one group of a Q4_K or Q5_K block; neither is negative.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) minimum: f32,
}

impl Affine {
    /// The nearest code from 0 to `top`.
    pub(super) fn code(self, value: f32, top: u8) -> u8 {
        let inverse = super::reciprocal(self.scale);
        (((value + self.minimum) * inverse).round() as u8).min(top)
    }

    /// The best pair for codes from 0 to `top`.
    pub(super) fn fit(values: &[f32], top: u8) -> Self {
        let low = values.iter().copied().fold(0.0, f32::min);
        let high = values.iter().copied().fold(low, f32::max);
        if high <= low {
            return Self { scale: 0.0, minimum: -low };
        }
        let mut best = Self { scale: (high - low) / f32::from(top), minimum: -low };
        let mut least = best.error(values, top);
        for step in -STEPS..=STEPS {
            let slope = (f32::from(top) + 0.1 * f32::from(step)) / (high - low);
            let start = Self { scale: 1.0 / slope, minimum: -low };
            let candidate = start.refit(values, top);
            let error = candidate.error(values, top);
            if error < least {
                (best, least) = (candidate, error);
            }
        }
        best
    }

    /// Least squares over scale and minimum, for the codes that this pair gives.
    fn refit(self, values: &[f32], top: u8) -> Self {
        let count = values.len() as f32;
        let (mut sum_x, mut sum_q, mut sum_qq, mut sum_xq) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
        for &value in values {
            let code = f32::from(self.code(value, top));
            sum_x += value;
            sum_q += code;
            sum_qq += code * code;
            sum_xq += value * code;
        }
        let determinant = count * sum_qq - sum_q * sum_q;
        if determinant <= 0.0 {
            return self;
        }
        let scale = (count * sum_xq - sum_x * sum_q) / determinant;
        let minimum = (sum_q * sum_xq - sum_qq * sum_x) / determinant;
        if scale > 0.0 && minimum >= 0.0 {
            return Self { scale, minimum };
        }
        // The format has no positive offset, so the best line goes through zero.
        Self { scale: (sum_xq / sum_qq).max(0.0), minimum: 0.0 }
    }

    fn error(self, values: &[f32], top: u8) -> f32 {
        let residual = |value: f32| self.scale * f32::from(self.code(value, top)) - self.minimum - value;
        values.iter().map(|&value| residual(value).powi(2)).sum()
    }
}

/// The scale for `value ≈ scale · code`, codes from `-half` to `half - 1`. It may be negative: the
/// side with one code more then takes the larger values.
pub(super) fn signed_scale(values: &[f32], half: i8) -> f32 {
    let extreme = values.iter().copied().fold(0.0_f32, |a, b| if b.abs() > a.abs() { b } else { a });
    if extreme == 0.0 {
        return 0.0;
    }
    let mut best = 0.0;
    // Minimizing the error of a one-parameter fit is maximizing (Σxq)² / Σqq.
    let mut most = 0.0;
    for step in -STEPS..=STEPS {
        let inverse = -(f32::from(half) + 0.1 * f32::from(step)) / extreme;
        let (mut sum_xq, mut sum_qq) = (0.0_f32, 0.0_f32);
        for &value in values {
            let code = f32::from(signed_code(value, inverse, half));
            sum_xq += value * code;
            sum_qq += code * code;
        }
        if sum_qq > 0.0 && sum_xq * sum_xq > most * sum_qq {
            (best, most) = (sum_xq / sum_qq, sum_xq * sum_xq / sum_qq);
        }
    }
    best
}

/// The nearest code from `-half` to `half - 1`.
pub(super) fn signed_code(value: f32, inverse: f32, half: i8) -> i8 {
    ((value * inverse).round() as i8).clamp(-half, half - 1)
}
