//! Schedules as text.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::curve::Curve;
use super::schedule::{Arrivals, Process, Stage};
use crate::spec::{ShownDuration, SpecError, SpecKind, SpecProblem, duration, key_value, number, whole};

/// Most parts of a text: a longer schedule is a trace.
const PARTS_MAX: usize = 100_000;

impl FromStr for Arrivals {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let arrivals = read(text.trim()).map_err(|problem| problem.in_text(SpecKind::Arrivals, text))?;
        arrivals.check().map_err(|error| error.problem.in_text(SpecKind::Arrivals, text))?;
        Ok(arrivals)
    }
}

fn read(text: &str) -> Result<Arrivals, SpecProblem> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let parts: Vec<&str> = rest.split(',').map(str::trim).filter(|part| !part.is_empty()).take(PARTS_MAX).collect();
    match kind.trim() {
        "constant" => Ok(Arrivals::Constant { rate: only_rate(&parts)? }),
        "poisson" => Ok(Arrivals::Poisson { rate: only_rate(&parts)? }),
        "gamma" => gamma(&parts),
        "ramp" => ramp(&parts),
        "stages" => stages(&parts),
        "burst" if parts.is_empty() => Ok(Arrivals::AtOnce),
        "burst" => bursts(&parts),
        "diurnal" => diurnal(&parts),
        "times" => Ok(Arrivals::Times(parts.iter().map(|part| duration(part)).collect::<Result<_, _>>()?)),
        other => Err(SpecProblem::UnknownKind(other.to_owned())),
    }
}

fn only_rate(parts: &[&str]) -> Result<f64, SpecProblem> {
    match parts {
        [] => Err(SpecProblem::Missing("the rate")),
        [rate] => number(rate),
        [_, other, ..] => Err(SpecProblem::UnknownKey((*other).to_owned())),
    }
}

fn gamma(parts: &[&str]) -> Result<Arrivals, SpecProblem> {
    let (rate, rest) = parts.split_first().ok_or(SpecProblem::Missing("the rate"))?;
    match rest {
        [] => Err(SpecProblem::Missing("`burstiness`")),
        [part] => match key_value(part)? {
            ("burstiness", value) => Ok(Arrivals::Gamma { rate: number(rate)?, burstiness: number(value)? }),
            (key, _) => Err(SpecProblem::UnknownKey(key.to_owned())),
        },
        [_, other, ..] => Err(SpecProblem::UnknownKey((*other).to_owned())),
    }
}

/// `1..50,60s`: a ramp whose last rate stays.
fn ramp(parts: &[&str]) -> Result<Arrivals, SpecProblem> {
    let [rates, time, options @ ..] = parts else {
        return Err(SpecProblem::shape(&parts.join(","), "`FROM..TO,DURATION`"));
    };
    let (from, to) = rates.split_once("..").ok_or_else(|| SpecProblem::shape(rates, "`FROM..TO`"))?;
    let (from, to) = (number(from)?, number(to)?);
    let process = process(options)?;
    let mut stages = vec![Stage::ramp(from, to, duration(time)?)];
    if to > 0.0 {
        stages.push(Stage::steady(to, None));
    }
    Ok(Arrivals::Stages { stages, process })
}

fn stages(parts: &[&str]) -> Result<Arrivals, SpecProblem> {
    let options_start = parts.iter().position(|part| part.contains('=')).unwrap_or(parts.len());
    let (stages, options) = parts.split_at(options_start);
    let stages = stages.iter().map(|part| stage(part)).collect::<Result<_, _>>()?;
    Ok(Arrivals::Stages { stages, process: process(options)? })
}

/// `10@30s`, `0..50@1m`, `1..50@1m:exponential`, or `50` for a rate without end.
fn stage(part: &str) -> Result<Stage, SpecProblem> {
    let (rates, time) = match part.split_once('@') {
        Some((rates, time)) => (rates, Some(time)),
        None => (part, None),
    };
    let (from, to) = rates.split_once("..").unwrap_or((rates, rates));
    let (time, curve) = match time.map(|time| time.split_once(':').unwrap_or((time, "linear"))) {
        None => (None, Curve::Linear),
        Some((time, curve)) => (Some(duration(time)?), curve_of(curve.trim())?),
    };
    Ok(Stage { duration: time, from: number(from)?, to: number(to)?, curve })
}

fn curve_of(name: &str) -> Result<Curve, SpecProblem> {
    match name {
        "linear" => Ok(Curve::Linear),
        "exponential" => Ok(Curve::Exponential),
        "hyperbolic" => Ok(Curve::Hyperbolic),
        other => Err(SpecProblem::value(other, "`linear`, `exponential` or `hyperbolic`")),
    }
}

fn bursts(parts: &[&str]) -> Result<Arrivals, SpecProblem> {
    let [size, every] = parts else {
        return Err(SpecProblem::shape(&parts.join(","), "`SIZE,every=DURATION`"));
    };
    match key_value(every)? {
        ("every", value) => Ok(Arrivals::Bursts { size: whole(size)?, every: duration(value)? }),
        (key, _) => Err(SpecProblem::UnknownKey(key.to_owned())),
    }
}

fn diurnal(parts: &[&str]) -> Result<Arrivals, SpecProblem> {
    let (mut mean, mut amplitude, mut period) = (None, None, None::<Duration>);
    let mut options = Vec::new();
    for part in parts {
        let (key, value) = key_value(part)?;
        let is_repeated = match key {
            "mean" => mean.replace(number(value)?).is_some(),
            "amplitude" => amplitude.replace(number(value)?).is_some(),
            "period" => period.replace(duration(value)?).is_some(),
            _ => {
                options.push(*part);
                false
            }
        };
        if is_repeated {
            return Err(SpecProblem::Twice(key.to_owned()));
        }
    }
    Ok(Arrivals::Diurnal {
        mean: mean.ok_or(SpecProblem::Missing("`mean`"))?,
        amplitude: amplitude.ok_or(SpecProblem::Missing("`amplitude`"))?,
        period: period.ok_or(SpecProblem::Missing("`period`"))?,
        process: process(&options)?,
    })
}

/// `process=…` or `burstiness=…`.
fn process(options: &[&str]) -> Result<Process, SpecProblem> {
    match options {
        [] => Ok(Process::default()),
        [option] => match key_value(option)? {
            ("process", "constant") => Ok(Process::Constant),
            ("process", "poisson") => Ok(Process::Poisson),
            ("process", other) => Err(SpecProblem::value(other, "`constant` or `poisson`")),
            ("burstiness", value) => Ok(Process::Gamma { burstiness: number(value)? }),
            (key, _) => Err(SpecProblem::UnknownKey(key.to_owned())),
        },
        [_, other, ..] => Err(SpecProblem::Twice((*other).to_owned())),
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { rate } => write!(f, "constant:{rate}"),
            Self::Poisson { rate } => write!(f, "poisson:{rate}"),
            Self::Gamma { rate, burstiness } => write!(f, "gamma:{rate},burstiness={burstiness}"),
            Self::Stages { stages, process } => {
                write!(f, "stages:")?;
                for (place, stage) in stages.iter().enumerate() {
                    write!(f, "{}{stage}", if place > 0 { "," } else { "" })?;
                }
                write!(f, "{}", ProcessPart(*process))
            }
            Self::Bursts { size, every } => write!(f, "burst:{size},every={}", ShownDuration(*every)),
            Self::AtOnce => write!(f, "burst"),
            Self::Diurnal { mean, amplitude, period, process } => {
                let (period, process) = (ShownDuration(*period), ProcessPart(*process));
                write!(f, "diurnal:mean={mean},amplitude={amplitude},period={period}{process}")
            }
            Self::Times(times) => {
                write!(f, "times:")?;
                for (place, at) in times.iter().enumerate() {
                    write!(f, "{}{}", if place > 0 { "," } else { "" }, ShownDuration(*at))?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from.to_bits() == self.to.to_bits() {
            write!(f, "{}", self.from)?;
        } else {
            write!(f, "{}..{}", self.from, self.to)?;
        }
        let Some(duration) = self.duration else { return Ok(()) };
        write!(f, "@{}", ShownDuration(duration))?;
        match self.curve {
            Curve::Linear => Ok(()),
            Curve::Exponential => write!(f, ":exponential"),
            Curve::Hyperbolic => write!(f, ":hyperbolic"),
        }
    }
}

/// A process as it follows the rest, with the comma before it; empty for the default.
struct ProcessPart(Process);

impl fmt::Display for ProcessPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Process::Poisson => Ok(()),
            Process::Constant => write!(f, ",process=constant"),
            Process::Gamma { burstiness } => write!(f, ",burstiness={burstiness}"),
        }
    }
}
