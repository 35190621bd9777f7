//! Parsers of the texts under `/proc` that tell what a process and its host used.

/// Ticks per second of the times in `/proc`. The kernel's `USER_HZ`, 100 on every platform that this builds for.
const TICKS_PER_SECOND: f64 = 100.0;

/// The value of a `name: value` line, as in `status`, `meminfo`, `cpuinfo` and `io`.
pub(crate) fn field<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim_end() == name).then(|| value.trim())
    })
}

/// A field of kibibytes (`VmRSS: 1748 kB`), in bytes.
pub(crate) fn kib_field(text: &str, name: &str) -> Option<u64> {
    let kib: u64 = field(text, name)?.strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// A field that is a plain number.
pub(crate) fn number_field(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.parse().ok()
}

/// What `/proc/<pid>/stat` tells of a process or thread.
#[derive(Debug, PartialEq)]
pub(crate) struct ProcessTimes {
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// User and system time, seconds, in steps of 10 ms.
    pub(crate) cpu_seconds: f64,
}

/// Reads `stat`. The name in parentheses may itself hold spaces and parentheses, so fields count from the last `)`.
pub(crate) fn parse_stat(text: &str) -> Option<ProcessTimes> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = number(11)?.checked_add(number(12)?)?;
    Some(ProcessTimes {
        minor_faults: number(7)?,
        major_faults: number(9)?,
        cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
    })
}

/// Ticks of all processors since boot, from the first line of `/proc/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostTicks {
    total: u64,
    idle: u64,
    stolen: u64,
}

/// Shares of the host's time between two readings, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HostShares {
    /// Run by anything on this host; stolen time is not.
    pub(crate) busy: f64,
    /// Taken by the hypervisor.
    pub(crate) stolen: f64,
}

/// Reads user, nice, system, idle, iowait, irq, softirq and steal. Guest time is part of user time already.
pub(crate) fn parse_host_ticks(text: &str) -> Option<HostTicks> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let [_, _, _, idle, iowait, _, _, stolen] = ticks[..] else {
        return None;
    };
    let total = ticks.iter().try_fold(0_u64, |sum, &tick| sum.checked_add(tick))?;
    Some(HostTicks { total, idle: idle.checked_add(iowait)?, stolen })
}

impl HostTicks {
    /// Shares of the time since an earlier reading; `None` when no tick has passed. Idle time may run backwards by a
    /// tick on some kernels, hence the saturation.
    pub(crate) fn since(self, earlier: Self) -> Option<HostShares> {
        let total = self.total.checked_sub(earlier.total).filter(|&total| total > 0)?;
        let idle = self.idle.saturating_sub(earlier.idle).min(total);
        let stolen = self.stolen.saturating_sub(earlier.stolen).min(total - idle);
        let busy = total - idle - stolen;
        Some(HostShares { busy: busy as f64 / total as f64, stolen: stolen as f64 / total as f64 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "VmRSS:\t    1748 kB\nRssAnon: 12 kB\nmodel\t\t: 17\nmodel name\t: X: Y\n";
        assert_eq!(kib_field(text, "VmRSS"), Some(1748 * 1024));
        assert_eq!(kib_field(text, "Anon"), None);
        assert_eq!(kib_field(text, "model"), None);
        assert_eq!(field(text, "model name"), Some("X: Y"));
        assert_eq!(number_field(text, "model"), Some(17));
    }

    #[test]
    fn stat_survives_an_odd_program_name() {
        let text = "7 (a ) (b) S 1 7 7 0 -1 4194304 105 0 3 0 250 50 0 0 20 0 1 0 100 0 0";
        let expected = ProcessTimes { minor_faults: 105, major_faults: 3, cpu_seconds: 3.0 };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("7 (a) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn shares_come_from_differences() {
        let earlier = parse_host_ticks("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2\n").unwrap();
        let later = parse_host_ticks("cpu  150 0 60 820 60 0 0 10 7 0\n").unwrap();
        let shares = later.since(earlier).unwrap();
        assert_eq!((shares.busy, shares.stolen), (0.6, 0.1));
        assert_eq!(later.since(later), None);
        assert_eq!(earlier.since(later), None);
        assert_eq!(parse_host_ticks("cpu  1 2 3\n"), None);
        assert_eq!(parse_host_ticks("cpu0 1 2 3 4 5 6 7 8\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,200}", later in "cpu [0-9 ]{0,120}") {
            let _ = (parse_stat(&text), parse_stat(&format!("1 (x) {text}")), kib_field(&text, "VmRSS"));
            if let (Some(a), Some(b)) = (parse_host_ticks(&text), parse_host_ticks(&later)) {
                let _ = b.since(a);
            }
        }

        #[test]
        fn shares_stay_within_one(a in prop::array::uniform8(0_u64..1000), d in prop::array::uniform8(0_u64..1000)) {
            let line = |ticks: [u64; 8]| format!("cpu  {}\n", ticks.map(|tick| tick.to_string()).join(" "));
            let sum = std::array::from_fn(|index| a[index] + d[index]);
            let (earlier, later) = (parse_host_ticks(&line(a)).unwrap(), parse_host_ticks(&line(sum)).unwrap());
            if let Some(shares) = later.since(earlier) {
                prop_assert!(shares.busy >= 0.0 && shares.stolen >= 0.0 && shares.busy + shares.stolen <= 1.0 + 1e-12);
            }
        }
    }
}
