//! A victim beside an aggressor: small requests at a low rate, alone and beside each load.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use weighbridge_engine::Engine;
use weighbridge_workload::{Part, SessionShape, Synthetic, SyntheticSettings, TextPool, Traffic};

use crate::error::LoadError;

/// What the victim asks, where only its rate is told: little, as a health check or an autocompletion does.
const USUAL_LENGTHS: &str = "input=64,output=32";

/// A stream of small requests: `rate=1,isl=64,osl=32`.
#[derive(Clone, Debug, PartialEq)]
pub struct Victim {
    /// Requests per second, Poisson.
    pub rate: f64,
    /// What it asks.
    pub part: Part,
}

impl Victim {
    /// Its requests. The seed is another than the load's, so that the two do not share prompts.
    pub(crate) fn traffic(
        &self,
        engine: &Arc<dyn Engine>,
        seed: u64,
        salt: Option<u64>,
    ) -> Result<Arc<dyn Traffic>, LoadError> {
        let pool = engine.tokenizer().map_or_else(TextPool::without_tokenizer, TextPool::new);
        let settings = SyntheticSettings {
            parts: vec![self.part.clone()],
            seed: seed.wrapping_add(1),
            salt,
            sessions: None,
            distinct: None,
        };
        Ok(Arc::new(Synthetic::new(settings, Arc::new(pool))?))
    }

    /// Its arrivals, in the words of arrivals.
    pub(crate) fn arrivals(&self) -> String {
        format!("poisson:{}", self.rate)
    }
}

impl FromStr for Victim {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        let refused = |problem: &str| LoadError::Setting {
            setting: "victim",
            value: text.to_owned(),
            problem: format!("{problem}; write `rate=1,isl=64,osl=32`"),
        };
        let is_rate = |part: &&str| part.trim().starts_with("rate=");
        let (rates, rest): (Vec<&str>, Vec<&str>) = text.split(',').partition(is_rate);
        let [rate] = rates[..] else { return Err(refused("it needs one `rate`")) };
        let rate = rate.trim().trim_start_matches("rate=").trim().parse::<f64>().ok();
        let rate = rate.filter(|rate| *rate > 0.0 && *rate <= 1e4);
        let rate = rate.ok_or_else(|| refused("its rate must be above 0 and at most 10000"))?;
        let rest = rest.join(",");
        let part: Part = if rest.trim().is_empty() { USUAL_LENGTHS.parse() } else { rest.parse() }?;
        if part.shape != SessionShape::Single || part.group.is_some() {
            return Err(refused("it asks single requests, without a group"));
        }
        Ok(Self { rate, part })
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rate={},{}", self.rate, self.part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_victim_is_a_rate_and_lengths() {
        let check = |text: &str, expected: Result<&str, &str>| match (text.parse::<Victim>(), expected) {
            (Ok(victim), Ok(expected)) => assert_eq!(victim.to_string(), expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        };
        check("rate=1,isl=64,osl=32", Ok("rate=1,input=64,output=32"));
        check("isl=8,osl=4..6, rate=2.5", Ok("rate=2.5,input=8,output=4..6"));
        check("rate=1", Ok("rate=1,input=64,output=32"));
        check("isl=64,osl=32", Err("one `rate`"));
        check("rate=1,rate=2", Err("one `rate`"));
        check("rate=0", Err("above 0"));
        check("rate=inf", Err("above 0"));
        check("rate=1,isl=64", Err("output"));
        check("rate=1,isl=8,osl=8,turns=3", Err("single requests"));
        check("rate=1,isl=8,osl=8,color=red", Err("color"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_again(text in "[a-z=0-9.,| ]{0,40}", rate in 0.01..100.0_f64, isl in 1_u32..99) {
            let _ = text.parse::<Victim>();
            let victim: Victim = format!("rate={rate},isl={isl},osl=4").parse().unwrap();
            prop_assert_eq!(victim.to_string().parse::<Victim>().unwrap(), victim);
        }
    }
}
