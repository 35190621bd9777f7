//! Scales for the K formats: the choice that leaves the least squared error.
//!
//! The formats fix how a block is decoded, not how its scales are chosen. The search here tries a few
//! slopes around the obvious one, rounds, and solves the least-squares problem for those codes. It runs
//! once per weight and slope, so its sums are kept in lanes that the compiler turns into vectors.

use super::reciprocal;

/// Slopes tried on each side of the obvious one, a tenth of a code apart. More gain under 0.5 % in error.
const STEPS: i8 = 8;

/// Independent sums, so that additions do not wait for each other.
const LANES: usize = 8;

/// Rounds to the nearest integer, ties to even, for magnitudes below 2^22: adding this number leaves no
/// bits for the fraction. Unlike `f32::round` it needs no call on older processors.
fn nearest(value: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (value + SHIFT) - SHIFT
}

/// `value ≈ scale · code - minimum` for one group of a Q4_K or Q5_K block; neither is negative.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) minimum: f32,
}

impl Affine {
    /// Stores the nearest codes from 0 to `top`.
    pub(super) fn encode(self, values: &[f32; 32], top: u8) -> [u8; 32] {
        let (inverse, top) = (reciprocal(self.scale), f32::from(top));
        values.map(|value| nearest(((value + self.minimum) * inverse).clamp(0.0, top)) as u8)
    }

    /// The best pair for codes from 0 to `top`.
    pub(super) fn fit(values: &[f32; 32], top: u8) -> Self {
        let low = values.iter().copied().fold(0.0, f32::min);
        let high = values.iter().copied().fold(low, f32::max);
        if high <= low {
            return Self { scale: 0.0, minimum: -low };
        }
        let mut best = Self { scale: (high - low) / f32::from(top), minimum: -low };
        let mut least = f32::INFINITY;
        for step in -STEPS..=STEPS {
            let inverse = (f32::from(top) + 0.1 * f32::from(step)) / (high - low);
            let sums = Sums::of(values, |value| nearest(((value - low) * inverse).clamp(0.0, f32::from(top))));
            let candidate = sums.line();
            let error = sums.error(candidate);
            if error < least {
                (best, least) = (candidate, error);
            }
        }
        best
    }
}

/// Sums over the values `x` of a group and their codes `q`.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f32,
    x: f32,
    q: f32,
    xx: f32,
    qq: f32,
    xq: f32,
}

impl Sums {
    fn of(values: &[f32], code: impl Fn(f32) -> f32) -> Self {
        let mut lanes = [Self::default(); LANES];
        for values in values.as_chunks::<LANES>().0 {
            for (lane, &x) in lanes.iter_mut().zip(values) {
                let q = code(x);
                lane.x += x;
                lane.q += q;
                lane.xx += x * x;
                lane.qq += q * q;
                lane.xq += x * q;
            }
        }
        let sum = |of: fn(&Self) -> f32| lanes.iter().map(of).sum();
        Self {
            count: values.len() as f32,
            x: sum(|lane| lane.x),
            q: sum(|lane| lane.q),
            xx: sum(|lane| lane.xx),
            qq: sum(|lane| lane.qq),
            xq: sum(|lane| lane.xq),
        }
    }

    /// The pair with the least squared error for these codes.
    fn line(&self) -> Affine {
        let determinant = self.count * self.qq - self.q * self.q;
        let scale = (self.count * self.xq - self.x * self.q) / determinant;
        let minimum = (self.q * self.xq - self.qq * self.x) / determinant;
        if scale > 0.0 && minimum >= 0.0 {
            return Affine { scale, minimum };
        }
        // The format has no positive offset, so the best line goes through zero.
        Affine { scale: (self.xq * reciprocal(self.qq)).max(0.0), minimum: 0.0 }
    }

    /// The squared error of a pair for these codes.
    fn error(&self, Affine { scale, minimum }: Affine) -> f32 {
        let squares = scale * scale * self.qq + self.count * minimum * minimum + self.xx;
        squares + 2.0 * (minimum * self.x - scale * self.xq - scale * minimum * self.q)
    }
}

/// The scale for `value ≈ scale · code`, codes from `-half` to `half - 1`. It may be negative: the
/// side with one code more then takes the larger values.
pub(super) fn signed_scale(values: &[f32; 16], half: i8) -> f32 {
    let extreme = values.iter().copied().fold(0.0_f32, |a, b| if b.abs() > a.abs() { b } else { a });
    if extreme == 0.0 {
        return 0.0;
    }
    let mut best = 0.0;
    // Minimizing the error of a one-parameter fit is maximizing (Σxq)² / Σqq.
    let mut most = 0.0;
    for step in -STEPS..=STEPS {
        let inverse = -(f32::from(half) + 0.1 * f32::from(step)) / extreme;
        let sums = Sums::of(values, |value| signed(value, inverse, half));
        if sums.qq > 0.0 && sums.xq * sums.xq > most * sums.qq {
            (best, most) = (sums.xq / sums.qq, sums.xq * sums.xq / sums.qq);
        }
    }
    best
}

/// The nearest codes from `-half` to `half - 1`.
pub(super) fn signed_codes(values: &[f32; 16], inverse: f32, half: i8) -> [i8; 16] {
    values.map(|value| signed(value, inverse, half) as i8)
}

fn signed(value: f32, inverse: f32, half: i8) -> f32 {
    let half = f32::from(half);
    nearest((value * inverse).clamp(-half, half - 1.0))
}
