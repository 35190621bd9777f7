//! CVSS 3.1 base scores (FIRST, specification document, section 7.1), for the distance of two vectors.

/// The base score of a vector such as `CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H`, 0 to 10. The prefix may be missing;
/// temporal and environmental metrics are ignored. `None` where a base metric is missing, unknown or stands twice.
///
/// ```
/// use weighbridge_eval::cvss::base_score;
/// assert_eq!(base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Some(9.8));
/// assert_eq!(base_score("AV:N/AC:L"), None);
/// ```
#[must_use]
pub fn base_score(vector: &str) -> Option<f64> {
    let vector = vector.trim();
    let find = |name: &str| {
        let mut values = vector.split('/').filter_map(|part| part.split_once(':')).filter(|(key, _)| *key == name);
        let value = values.next()?.1;
        values.next().is_none().then_some(value)
    };
    let weight = |name: &str, table: &[(&str, f64)]| {
        let value = find(name)?;
        table.iter().find(|(known, _)| *known == value).map(|(_, weight)| *weight)
    };
    let is_changed = match find("S")? {
        "C" => true,
        "U" => false,
        _ => return None,
    };
    let (low, high) = if is_changed { (0.68, 0.5) } else { (0.62, 0.27) };
    let exploitability = 8.22
        * weight("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * weight("AC", &[("L", 0.77), ("H", 0.44)])?
        * weight("PR", &[("N", 0.85), ("L", low), ("H", high)])?
        * weight("UI", &[("N", 0.85), ("R", 0.62)])?;
    let mut kept = 1.0;
    for name in ["C", "I", "A"] {
        kept *= 1.0 - weight(name, &[("H", 0.56), ("L", 0.22), ("N", 0.0)])?;
    }
    let base: f64 = 1.0 - kept;
    let impact = if is_changed { 7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15) } else { 6.42 * base };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let sum = if is_changed { 1.08 * (impact + exploitability) } else { impact + exploitability };
    Some(round_up(sum.min(10.0)))
}

/// The smallest number with one decimal that is not below, as appendix A of the specification computes it.
fn round_up(score: f64) -> f64 {
    let scaled = (score * 100_000.0).round();
    if (scaled % 10_000.0).abs() < 0.5 { scaled / 100_000.0 } else { ((scaled / 10_000.0).floor() + 1.0) / 10.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scores that the specification's examples and the National Vulnerability Database publish.
    #[test]
    fn known_vectors_have_their_published_score() {
        let check = |vector: &str, expected: f64| {
            let found = base_score(vector).unwrap();
            assert!((found - expected).abs() < 1e-9, "{vector}: {found}, expected {expected}");
        };
        check("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4); // CVE-2013-0375
        check("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1); // CVE-2014-3566
        check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5); // CVE-2014-0160
        check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0); // CVE-2021-44228
        check("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8);
        check("AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1); // CVE-2013-1937
        check("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in ".*") {
            let _ = base_score(&text);
        }
    }
}
