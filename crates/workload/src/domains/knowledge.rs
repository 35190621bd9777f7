//! Knowledge: facts that cannot be derived, only known.
//!
//! Both splits ask for the same facts, in different words: a fact that training never showed
//! could only be guessed.

use crate::source::Source;
use crate::task::Draft;

/// A table of facts and four ways to ask; the last one is the held-out one.
struct Facts {
    pairs: &'static [(&'static str, &'static str)],
    wordings: [&'static str; 4],
}

const PORTS: Facts = Facts {
    pairs: &[
        ("21", "FTP"),
        ("22", "SSH"),
        ("23", "Telnet"),
        ("25", "SMTP"),
        ("53", "DNS"),
        ("80", "HTTP"),
        ("110", "POP3"),
        ("123", "NTP"),
        ("143", "IMAP"),
        ("161", "SNMP"),
        ("389", "LDAP"),
        ("443", "HTTPS"),
        ("445", "SMB"),
        ("3306", "MySQL"),
        ("3389", "RDP"),
        ("5432", "PostgreSQL"),
        ("6379", "Redis"),
        ("27017", "MongoDB"),
    ],
    wordings: [
        "Which service uses port {}?",
        "Port {} is for:",
        "What listens on port {}?",
        "A packet to port {} goes to which service?",
    ],
};

const STATUS: Facts = Facts {
    pairs: &[
        ("200", "OK"),
        ("201", "Created"),
        ("204", "No Content"),
        ("301", "Moved Permanently"),
        ("302", "Found"),
        ("304", "Not Modified"),
        ("400", "Bad Request"),
        ("401", "Unauthorized"),
        ("403", "Forbidden"),
        ("404", "Not Found"),
        ("408", "Request Timeout"),
        ("429", "Too Many Requests"),
        ("500", "Internal Server Error"),
        ("502", "Bad Gateway"),
        ("503", "Service Unavailable"),
        ("504", "Gateway Timeout"),
    ],
    wordings: [
        "What does HTTP status {} mean?",
        "HTTP {} stands for:",
        "The server answers {}. What is that?",
        "Name the meaning of status code {}.",
    ],
};

const CAPITALS: Facts = Facts {
    pairs: &[
        ("France", "Paris"),
        ("Italy", "Rome"),
        ("Spain", "Madrid"),
        ("Norway", "Oslo"),
        ("Egypt", "Cairo"),
        ("Peru", "Lima"),
        ("Japan", "Tokyo"),
        ("Kenya", "Nairobi"),
        ("Poland", "Warsaw"),
        ("Greece", "Athens"),
        ("Cuba", "Havana"),
        ("India", "New Delhi"),
        ("Ireland", "Dublin"),
        ("Austria", "Vienna"),
        ("Chile", "Santiago"),
        ("Ghana", "Accra"),
        ("Portugal", "Lisbon"),
        ("Finland", "Helsinki"),
        ("Hungary", "Budapest"),
        ("Canada", "Ottawa"),
    ],
    wordings: [
        "What is the capital of {}?",
        "The capital of {} is:",
        "Which city governs {}?",
        "Name the capital city of {}.",
    ],
};

const ELEMENTS: Facts = Facts {
    pairs: &[
        ("hydrogen", "H"),
        ("helium", "He"),
        ("carbon", "C"),
        ("nitrogen", "N"),
        ("oxygen", "O"),
        ("sodium", "Na"),
        ("iron", "Fe"),
        ("copper", "Cu"),
        ("silver", "Ag"),
        ("gold", "Au"),
        ("tin", "Sn"),
        ("lead", "Pb"),
        ("calcium", "Ca"),
        ("potassium", "K"),
        ("sulfur", "S"),
        ("zinc", "Zn"),
    ],
    wordings: [
        "What is the symbol of {}?",
        "The chemical symbol of {} is:",
        "How do chemists write {}?",
        "Name the symbol for the element {}.",
    ],
};

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    let facts = match index / 12 % 4 {
        0 => PORTS,
        1 => STATUS,
        2 => CAPITALS,
        _ => ELEMENTS,
    };
    let (key, right) = facts.pairs[source.position(facts.pairs.len())];
    let pool: Vec<&str> = facts.pairs.iter().map(|pair| pair.1).collect();
    let wrong = source.others(&pool, &[right], 3);
    let input = source.own(&facts.wordings).replace("{}", key);
    let reason = format!("{key} has {right}");
    Draft::chosen(source, index, input, right, &wrong, reason)
}
