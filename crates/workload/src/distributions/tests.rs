use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::draws::Draws;

fn lengths(text: &str) -> LengthDistribution {
    text.parse().unwrap()
}

#[test]
fn lengths_have_their_mean_and_bounds() {
    let check = |text: &str, mean: f64, range: (u32, u32)| {
        let distribution = lengths(text);
        let values: Vec<u32> = (0..20_000).map(|index| distribution.sample(3, index)).collect();
        let found = values.iter().map(|value| f64::from(*value)).sum::<f64>() / 2e4;
        assert!((found / mean - 1.0).abs() < 0.02, "{text}: {found}");
        assert!(values.iter().all(|value| (range.0..=range.1).contains(value)), "{text}");
        assert_eq!(distribution.longest(), range.1, "{text}");
    };
    check("128", 128.0, (128, 128));
    check("100..200", 150.0, (100, 200));
    check("normal:512,64", 512.0, (1, TOKENS_MAX));
    check("normal:512,0", 512.0, (1, TOKENS_MAX));
    check("normal:512,64,500..524", 512.0, (500, 524));
    check("lognormal:512,0.5", 512.0 * (0.125_f64).exp(), (1, TOKENS_MAX));
    check("128|512|1024|1024", 672.0, (128, 1024));
    assert!((lengths("lognormal:512,0.5").mean() - 580.17).abs() < 0.01);
    // Bounds that the distribution never meets still hold.
    check("normal:512,1,2000..3000", 2000.0, (2000, 3000));
}

#[test]
fn lengths_are_a_function_of_seed_and_index() {
    let values = |seed| (0..100).map(|index| lengths("1..100000").sample(seed, index)).collect::<Vec<_>>();
    assert_eq!(values(1), values(1));
    assert_ne!(values(1), values(2));
}

#[test]
fn range_ratios_of_vllm_are_understood() {
    let check = |mean, ratio, expected: Option<&str>| {
        let found = LengthDistribution::around(mean, ratio).ok().map(|lengths| lengths.to_string());
        assert_eq!(found.as_deref(), expected, "{mean} {ratio}");
    };
    check(1024, 0.0, Some("1024"));
    check(1024, 0.5, Some("512..1536"));
    check(101, 0.5, Some("50..152"));
    check(1024, 1.0, None);
    check(1024, f64::NAN, None);
    check(1, 0.5, None);
}

#[test]
fn wrong_lengths_say_what_is_wrong() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<LengthDistribution>().unwrap_err();
        assert_eq!(error.to_string(), format!("read the lengths `{text}`: {expected}"));
        assert!(!error.hint().is_empty());
    };
    check("", "`` is not a whole number in range");
    check("0", "`0` is not a length from 1 to 10000000 tokens");
    check("-1", "`-1` is not a whole number in range");
    check("99999999999", "`99999999999` is not a whole number in range");
    check("20000000", "`20000000` is not a length from 1 to 10000000 tokens");
    check("1.5", "`1.5` is not a whole number in range");
    check("0..5", "`0` is not a length from 1 to 10000000 tokens");
    check("9..5", "`9..5` is not in order");
    check("normal:512", "`512` is not written as `CENTER,DEVIATION` or `CENTER,DEVIATION,LOW..HIGH`");
    check("normal:512,-1", "`-1` is not a deviation of 0 or more");
    check("normal:nan,1", "`nan` is not a finite number");
    check("normal:512,1,5..3", "`5..3` is not in order");
    check("lognormal:0,1", "`0` is not above 0 and at most 10000000");
    check("lognormal:512,1,16", "`16` is not written as `LOW..HIGH`");
    check("zipf:1,2", "`zipf` is no known kind");
    check("1||2", "`` is not a whole number in range");
}

#[test]
fn times_have_their_mean() {
    let check = |text: &str, mean: f64| {
        let distribution: TimeDistribution = text.parse().unwrap();
        let draw = |index| distribution.draw(&mut Draws::new(1, "test", index)).as_secs_f64();
        let found = (0..20_000).map(draw).sum::<f64>() / 2e4;
        assert!((found - mean).abs() <= 0.03 * mean, "{text}: {found}");
    };
    check("2s", 2.0);
    check("0s", 0.0);
    check("1s..5s", 3.0);
    check("exponential:2s", 2.0);
    check("normal:2s,500ms", 2.0);
    check("lognormal:2s,0.5", 2.0 * (0.125_f64).exp());
}

#[test]
fn wrong_times_say_what_is_wrong() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<TimeDistribution>().unwrap_err();
        assert_eq!(error.to_string(), format!("read the times `{text}`: {expected}"));
        assert!(!error.hint().is_empty());
    };
    check("2", "`2` is not a duration such as `30s` or `250ms`");
    check("5s..1s", "`5s..1s` is not in order");
    check("48h", "`48h` is not at most a day");
    check("normal:2s", "`2s` is not written as `CENTER,DEVIATION`");
    check("lognormal:2s,-1", "`-1` is not a deviation from 0 to 16");
    check("pareto:2s", "`pareto` is no known kind");
}

fn length_distributions() -> impl Strategy<Value = LengthDistribution> {
    let bounds = || {
        prop_oneof![
            Just(LengthDistribution::UNBOUNDED),
            (1..1000_u32, 0..1000_u32).prop_map(|(low, more)| (low, low + more))
        ]
    };
    prop_oneof![
        (1..=TOKENS_MAX).prop_map(LengthDistribution::Fixed),
        (1..1000_u32, 0..1000_u32).prop_map(|(low, more)| LengthDistribution::Uniform { low, high: low + more }),
        (0.1..1e6, 0.0..1e6, bounds()).prop_map(|(mean, deviation, bounds)| LengthDistribution::Normal {
            mean,
            deviation,
            bounds
        }),
        (0.1..1e6, 0.0..16.0, bounds()).prop_map(|(median, sigma, bounds)| LengthDistribution::LogNormal {
            median,
            sigma,
            bounds
        }),
        prop::collection::vec(1..=TOKENS_MAX, 2..9).prop_map(LengthDistribution::Choice),
    ]
}

proptest! {
    #[test]
    fn printed_lengths_read_back(lengths in length_distributions(), seed in any::<u64>()) {
        let length = lengths.sample(seed, 1);
        prop_assert!(length >= 1 && length <= lengths.longest());
        let read = lengths.to_string().parse::<LengthDistribution>();
        prop_assert_eq!(read, Ok(lengths));
    }

    #[test]
    fn printed_times_read_back(nanos in 0_u64..80_000_000_000_000, more in 0_u64..1_000_000_000, sigma in 0.0..16.0) {
        let (low, more) = (Duration::from_nanos(nanos), Duration::from_nanos(more));
        for times in [
            TimeDistribution::Fixed(low),
            TimeDistribution::Uniform { low, high: low + more },
            TimeDistribution::Exponential { mean: low },
            TimeDistribution::Normal { mean: low, deviation: more },
            TimeDistribution::LogNormal { median: low, sigma },
        ] {
            let read = times.to_string().parse::<TimeDistribution>();
            prop_assert_eq!(read, Ok(times));
        }
    }

    #[test]
    fn no_text_panics(text in "(normal|lognormal|exponential)?:?[0-9a-z.,|-]{0,24}") {
        if let Ok(lengths) = text.parse::<LengthDistribution>() {
            prop_assert!(lengths.sample(1, 2) >= 1);
        }
        if let Ok(times) = text.parse::<TimeDistribution>() {
            prop_assert!(times.draw(&mut Draws::new(1, "test", 0)) <= Duration::from_secs(86_400));
        }
    }
}
