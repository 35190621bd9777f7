//! What tokens cost: price per hour × hours / tokens.

use weighbridge_types::definition as defs;
use weighbridge_types::metric::{Cell, Metric};

use crate::bounded::{Bounded, Window};
use crate::energy::or_null;
/// What the machine under test costs, as its user says.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// Per hour of the whole system that the window measures, with the doubt that the user puts on it.
    pub per_hour: Bounded,
    /// The currency's sign or code.
    pub currency: String,
}

/// Tokens of the window; unknown with a reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Prompt tokens.
    pub input: Result<Bounded, String>,
    /// Generated tokens.
    pub output: Result<Bounded, String>,
}

/// Cost per million output tokens, per million prompt tokens, and per million of both: each takes the whole price, so
/// that they are three views of one sum and never added.
///
/// Formula: `price per hour × window hours / tokens × 1e6` (as inference-perf and InferenceX report it). The bounds
/// are those of price and tokens together; the window's length is exact.
#[must_use]
pub fn cost_metrics(price: Option<&Price>, window: Window, tokens: &Tokens, cell: &Cell) -> Vec<Metric> {
    let both = || {
        let (input, output) =
            (tokens.input.as_ref().map_err(Clone::clone)?, tokens.output.as_ref().map_err(Clone::clone)?);
        Ok(input.plus(*output))
    };
    [
        (&defs::COST_OUTPUT, tokens.output.clone()),
        (&defs::COST_INPUT, tokens.input.clone()),
        (&defs::COST_TOTAL, both()),
    ]
    .into_iter()
    .map(|(definition, tokens)| {
        let cost = price.ok_or_else(|| "no price per hour was given".to_owned()).and_then(|price| {
            let paid = price.per_hour.times(window.seconds() / 3600.0 * 1e6);
            paid.over(tokens?).ok_or_else(|| "no token is certain in the window".to_owned())
        });
        let mut metric = or_null(definition, cell, &cost, "price_and_tokens");
        if let Some(price) = price {
            metric.unit = format!("{}/Mtok", price.currency);
        }
        metric
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use weighbridge_types::time::Stamp;

    use super::*;

    #[test]
    fn cost_is_price_over_tokens() {
        let window = Window { from: Stamp::default(), to: Stamp::from_nanos(36_000_000_000) };
        let price = Price { per_hour: Bounded::new(2.0, 1.0, 3.0).unwrap(), currency: "€".to_owned() };
        let unknown = || Err("the server does not tell it".to_owned());
        let tokens = Tokens { input: Ok(Bounded::exact(30_000.0)), output: Ok(Bounded::new(1e4, 5e3, 1e4).unwrap()) };
        let check = |price: Option<&Price>, tokens: &Tokens, expected: [Result<(f64, f64, f64), &str>; 3]| {
            let found = cost_metrics(price, window, tokens, &Cell::default());
            for (metric, expected) in found.iter().zip(expected) {
                match expected {
                    Ok((value, low, high)) => {
                        let interval = metric.interval.as_ref().unwrap();
                        let pairs = [(metric.value.unwrap(), value), (interval.low, low), (interval.high, high)];
                        assert!(pairs.iter().all(|(a, b)| (a - b).abs() < 1e-9), "{metric:?}");
                        assert_eq!(metric.unit, "€/Mtok");
                    }
                    Err(reason) => assert!(metric.reason.as_ref().unwrap().contains(reason), "{metric:?}"),
                }
            }
        };
        let total = (0.5, 10_000.0 / 40_000.0, 30_000.0 / 35_000.0);
        check(Some(&price), &tokens, [Ok((2.0, 1.0, 6.0)), Ok((2.0 / 3.0, 1.0 / 3.0, 1.0)), Ok(total)]);
        let half = Tokens { input: unknown(), ..tokens.clone() };
        check(Some(&price), &half, [Ok((2.0, 1.0, 6.0)), Err("does not tell"), Err("does not tell")]);
        check(None, &tokens, [Err("no price"); 3]);
        let none = Tokens { input: Ok(Bounded::exact(0.0)), output: Ok(Bounded::exact(0.0)) };
        check(Some(&price), &none, [Err("no token is certain"); 3]);
    }
}
