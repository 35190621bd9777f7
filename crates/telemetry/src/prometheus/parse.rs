//! The line reader.

use std::collections::BTreeMap;

use super::labels::Labels;

/// Most bytes of one answer. A vLLM server with several engines writes some 200 KiB.
pub(crate) const BYTE_LIMIT: usize = 16 << 20;
/// Most series of one answer; more means a server whose labels grow without bound.
const SERIES_LIMIT: usize = 200_000;
/// Letters of a bad line that an error shows.
const SHOWN: usize = 80;

/// What a metric says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the format")]
pub enum MetricType {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    Unknown,
}

/// One line with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'text> {
    /// The whole name, with its suffix (`_total`, `_bucket`, `_sum`, `_count`).
    pub name: &'text str,
    /// Its labels.
    pub labels: Labels<'text>,
    /// The number; may be NaN or infinite.
    pub value: f64,
    /// The server's own stamp as written: milliseconds in Prometheus, seconds in OpenMetrics. Almost none writes it.
    pub timestamp: Option<f64>,
}

/// An answer of a metrics endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition<'text> {
    /// Every series, in the order of the text.
    pub series: Vec<Series<'text>>,
    /// The types that were declared, by the name in the declaration.
    pub types: BTreeMap<&'text str, MetricType>,
    /// Lines that could not be read and were left out.
    pub skipped: usize,
}

/// An answer that is no exposition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Too many bytes or series.
    #[error("read the metrics: {what} {found} is above the limit of {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("read the metrics: byte {place} is not UTF-8")]
    NotText {
        /// Offset of the first wrong byte.
        place: usize,
    },
    /// No line could be read.
    #[error("read the metrics: line {line} is not `name value`: `{text}`")]
    NotExposition {
        /// Number of the first bad line, from 1.
        line: usize,
        /// Its start.
        text: String,
    },
}

impl ParseError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "point the address at the model server itself, not at a collector of many",
            Self::NotText { .. } => "ask for the text form: the endpoint may answer with protocol buffers",
            Self::NotExposition { .. } => {
                "check the address: vLLM, SGLang, TGI and llama-server (with --metrics) answer on /metrics, \
                 TensorRT-LLM on /prometheus/metrics"
            }
        }
    }
}

/// Reads an answer in the text form of Prometheus or OpenMetrics.
///
/// A line that cannot be read is left out and counted, so that one odd exporter line does not hide the rest; an
/// answer without a single readable line is an error, unless it is empty.
///
/// # Errors
/// When the answer is too large, is not text, or holds no line of the format (an HTML page, JSON).
pub fn parse(bytes: &[u8]) -> Result<Exposition<'_>, ParseError> {
    if bytes.len() > BYTE_LIMIT {
        return Err(ParseError::TooLarge { what: "the size in bytes", found: bytes.len(), limit: BYTE_LIMIT });
    }
    let text = str::from_utf8(bytes).map_err(|error| ParseError::NotText { place: error.valid_up_to() })?;
    let mut found = Exposition::default();
    let mut first_bad = None;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line == "# EOF" {
            break;
        }
        if let Some(comment) = line.strip_prefix('#') {
            found.types.extend(declared_type(comment));
        } else if let Some(series) = read_series(line) {
            found.series.push(series);
        } else if !line.is_empty() {
            found.skipped += 1;
            first_bad.get_or_insert((index + 1, line));
        }
        if found.series.len() > SERIES_LIMIT {
            return Err(ParseError::TooLarge {
                what: "the number of series",
                found: SERIES_LIMIT + 1,
                limit: SERIES_LIMIT,
            });
        }
    }
    match first_bad {
        Some((line, text)) if found.series.is_empty() => {
            Err(ParseError::NotExposition { line, text: text.chars().take(SHOWN).collect() })
        }
        _ => Ok(found),
    }
}

/// `# TYPE name type`; every other comment is none.
fn declared_type(comment: &str) -> Option<(&str, MetricType)> {
    let mut words = comment.split_ascii_whitespace();
    if words.next() != Some("TYPE") {
        return None;
    }
    let name = words.next().filter(|name| is_metric_name(name))?;
    let kind = match words.next()? {
        "counter" => MetricType::Counter,
        "gauge" => MetricType::Gauge,
        "histogram" => MetricType::Histogram,
        "gaugehistogram" => MetricType::GaugeHistogram,
        "summary" => MetricType::Summary,
        "info" => MetricType::Info,
        "stateset" => MetricType::StateSet,
        "unknown" | "untyped" => MetricType::Unknown,
        _ => return None,
    };
    Some((name, kind))
}

/// `name{labels} value [timestamp] [# exemplar]`.
fn read_series(line: &str) -> Option<Series<'_>> {
    let end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(end);
    if !is_metric_name(name) {
        return None;
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => Labels::read(inside)?,
        None => (Labels::default(), rest),
    };
    // An exemplar follows ` # `; it is of one request and enters no figure.
    let numbers = rest.split_once('#').map_or(rest, |(numbers, _)| numbers);
    let mut words = numbers.split_ascii_whitespace();
    let value = number(words.next()?)?;
    let timestamp = match words.next() {
        Some(word) => Some(number(word)?),
        None => None,
    };
    words.next().is_none().then_some(Series { name, labels, value, timestamp })
}

/// Names are ASCII letters, digits, `_` and `:`, a digit not first.
fn is_metric_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|&byte| is_first(byte)) && bytes.iter().all(|&b| is_first(b) || b.is_ascii_digit())
}

/// A number as Go writes it: `1`, `1e-3`, `+Inf`, `NaN`. Rust reads these forms, and `infinity`, in any case.
fn number(word: &str) -> Option<f64> {
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Series as `name labels value timestamp`, types, lines left out.
    fn shown(text: &str) -> Result<(Vec<String>, usize), ParseError> {
        let found = parse(text.as_bytes())?;
        let line = |series: &Series<'_>| {
            let labels: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let timestamp = series.timestamp.map(|stamp| format!(" @{stamp}")).unwrap_or_default();
            format!("{} [{}] {}{timestamp}", series.name, labels.join(","), series.value)
        };
        Ok((found.series.iter().map(line).collect(), found.skipped))
    }

    #[test]
    fn lines_of_real_servers_are_read() {
        let check = |text: &str, expected: &[&str], skipped: usize| {
            let expected = expected.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(shown(text), Ok((expected, skipped)), "{text}");
        };
        check("", &[], 0);
        check("\n\n# HELP a b\n# TYPE a counter\na 1\n", &["a [] 1"], 0);
        check("a 1\r\nb{c=\"d\"} 2\r\n", &["a [] 1", "b [c=d] 2"], 0);
        check("vllm:num_requests_running{model_name=\"m\"} 1.0", &["vllm:num_requests_running [model_name=m] 1"], 0);
        check(
            "a{} 1 1395066363000\na\t2\na  +Inf\na NaN\na -Inf",
            &["a [] 1 @1395066363000", "a [] 2", "a [] inf", "a [] NaN", "a [] -inf"],
            0,
        );
        check("a_bucket{le=\"0.1\"} 8 # {trace_id=\"x\"} 0.05 1520879607.8", &["a_bucket [le=0.1] 8"], 0);
        check("a {b=\"c\"} 1", &["a [b=c] 1"], 0);
        check("a 8.128902e+06\n# EOF\nb 1", &["a [] 8128902"], 0);
        check("a 1\nb\nc x\n1d 2\ne 1 2 3\nf{g} 1", &["a [] 1"], 5);
    }

    #[test]
    fn types_are_kept_by_name() {
        let found =
            parse(b"# TYPE a counter\n#TYPE b gauge\n# TYPE c wrong\n# TYPE d untyped\n# HELP e counter\n").unwrap();
        let types: Vec<_> = found.types.into_iter().collect();
        assert_eq!(types, [("a", MetricType::Counter), ("b", MetricType::Gauge), ("d", MetricType::Unknown)]);
    }

    #[test]
    fn what_is_no_exposition_says_so() {
        let check = |bytes: &[u8], expected: &str| {
            let error = parse(bytes).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.hint().is_empty());
        };
        check(b"<!doctype html>\n<html>", "line 1 is not `name value`: `<!doctype html>`");
        check(b"\n[{\"iter\": 1}]", "line 2");
        check(b"a 1\n\xff", "byte 4 is not UTF-8");
        check(&vec![b'\n'; BYTE_LIMIT + 1], "above the limit of 16777216");
        check("a 1\n".repeat(SERIES_LIMIT + 1).as_bytes(), "number of series 200001");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"([a-z:_]{1,4}(\{([a-z]="[^\x00]{0,3}",?)*\}?)? [0-9eE+.NaInf-]{0,4}[ #\r\n]{0,2}){0,8}"#) {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn what_is_written_is_read(
            name in "[a-z_:][a-z0-9_:]{0,9}", label in "[a-z_][a-z0-9_]{0,5}", text in ".{0,12}", value: f64,
        ) {
            let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let line = format!("{name}{{{label}=\"{escaped}\"}} {value:e}\n");
            let found = parse(line.as_bytes()).unwrap();
            prop_assert_eq!(found.skipped, 0);
            let series = &found.series[0];
            prop_assert_eq!(series.name, name.as_str());
            prop_assert_eq!(series.labels.get(&label), Some(text.as_str()));
            prop_assert!(series.value.to_bits() == value.to_bits() || series.value.is_nan() && value.is_nan());
        }
    }
}
