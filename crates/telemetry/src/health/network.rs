//! TCP counters of the network namespace, from `/proc/self/net/snmp` and `netstat`.

use crate::root::SystemRoot;

/// Counters since the namespace was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TcpCounts {
    pub(super) sent: u64,
    pub(super) again: u64,
    /// Segments received in error, failed connection attempts, overflown listen queues.
    pub(super) errors: u64,
}

/// Reads the counters; `None` where the host does not tell them.
pub(super) fn tcp_counts(root: &SystemRoot) -> Option<TcpCounts> {
    let snmp = root.read("/proc/self/net/snmp")?;
    let tcp = |name| counter(&snmp, "Tcp", name);
    let netstat = root.read("/proc/self/net/netstat").unwrap_or_default();
    let overflows = counter(&netstat, "TcpExt", "ListenOverflows").unwrap_or_default();
    let errors = [tcp("InErrs")?, tcp("AttemptFails")?, overflows];
    let errors = errors.into_iter().fold(0_u64, u64::saturating_add);
    Some(TcpCounts { sent: tcp("OutSegs")?, again: tcp("RetransSegs")?, errors })
}

/// Two lines with the same prefix: names, then values.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_ascii_whitespace().position(|found| found == name)?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::root::fake;

    const SNMP: &str = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoMin MaxConn AttemptFails OutSegs RetransSegs InErrs\n\
                        Tcp: 200 -1 4 28230 7 2\nUdp: InErrs\nUdp: 9\n";

    #[test]
    fn counters_are_found_by_name() {
        let netstat = "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 1 5\n";
        let files = [("/proc/self/net/snmp", SNMP), ("/proc/self/net/netstat", netstat)];
        let check = |files: &[(&str, &str)], expected| {
            let (_folder, root) = fake::root(files);
            assert_eq!(tcp_counts(&root), expected);
        };
        check(&files, Some(TcpCounts { sent: 28_230, again: 7, errors: 11 }));
        check(&files[..1], Some(TcpCounts { sent: 28_230, again: 7, errors: 6 }));
        check(&files[1..], None);
        check(&[("/proc/self/net/snmp", "Tcp: OutSegs\n")], None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(Tcp:[ a-zA-Z0-9]{0,20}\n){0,4}") {
            let _ = counter(&text, "Tcp", "a");
        }
    }
}
