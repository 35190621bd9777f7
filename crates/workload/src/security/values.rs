//! Names, addresses and paths that the events are filled with.

use crate::source::Source;

const USERS: &[&str] = &[
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "karl", "laura", "mallory",
    "nina", "oscar", "peggy", "quinn", "rupert", "sybil", "trent", "ursula", "victor", "wendy", "yusuf",
];

const SERVICE_ACCOUNTS: &[&str] = &[
    "root", "admin", "oracle", "postgres", "test", "ubuntu", "git", "jenkins", "backup", "nagios", "ftpuser", "deploy",
];

const HOSTS: &[&str] = &[
    "web-01", "web-02", "web-07", "db-01", "db-03", "mail-01", "mail-02", "bastion", "build-04", "cache-02", "vpn-01",
    "files-01", "api-03", "api-05", "proxy-02", "node-11", "node-17", "gw-01", "ldap-01", "ci-02",
];

const DOMAINS: &[&str] = &[
    "example.com",
    "example.net",
    "example.org",
    "shop.example.com",
    "intra.example.net",
    "mail.example.org",
    "cdn.example.com",
    "docs.example.net",
    "api.example.com",
    "status.example.org",
    "news.example.net",
    "cloud.example.com",
];

const BROWSERS: &[&str] = &[
    "Firefox/128.0",
    "Chrome/126.0",
    "Safari/17.5",
    "curl/8.5",
    "Edge/125.0",
    "okhttp/4.12",
    "python-requests/2.32",
    "Wget/1.24",
];

const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A person's login.
pub(crate) fn user(source: &mut Source) -> &'static str {
    source.own(USERS)
}

/// A login that guessing programs try first.
pub(crate) fn service_account(source: &mut Source) -> &'static str {
    source.own(SERVICE_ACCOUNTS)
}

/// A machine's short name.
pub(crate) fn host(source: &mut Source) -> &'static str {
    source.own(HOSTS)
}

/// A name under the example domains.
pub(crate) fn domain(source: &mut Source) -> &'static str {
    source.own(DOMAINS)
}

/// A client's name as in a `User-Agent` header.
pub(crate) fn browser(source: &mut Source) -> &'static str {
    source.own(BROWSERS)
}

/// A public address of the documentation ranges (RFC 5737).
pub(crate) fn public_ip(source: &mut Source) -> String {
    let network = source.any(&["192.0.2", "198.51.100", "203.0.113"]);
    format!("{network}.{}", source.between(1, 254))
}

/// An address of a private network (RFC 1918).
pub(crate) fn private_ip(source: &mut Source) -> String {
    format!("10.0.{}.{}", source.below(8), source.between(2, 250))
}

/// A port above the well-known ones.
pub(crate) fn high_port(source: &mut Source) -> u32 {
    source.between(32_768, 60_999)
}

/// A syslog time stamp.
pub(crate) fn stamp(source: &mut Source) -> String {
    let month = source.any(MONTHS);
    let (day, hour) = (source.between(1, 28), source.below(24));
    let (minute, second) = (source.below(60), source.below(60));
    format!("{month} {day:2} {hour:02}:{minute:02}:{second:02}")
}
