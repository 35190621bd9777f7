//! `config`: files that put the service behind others. What goes into them is checked here, before it is text of a file.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

const HELP: &str = "\
Examples:
  weighbridge config nginx --output /etc/nginx/conf.d/weighbridge.conf
  weighbridge config nginx --server 10.0.0.1:8700=3 --server 10.0.0.2:8700=2 --listen 127.0.0.1:8080
  weighbridge config systemd --output /etc/systemd/system/weighbridge.service
  weighbridge config compose";

/// Longest name of a host.
const HOST_MOST: usize = 253;

/// Largest weight of a server.
const WEIGHT_MOST: u8 = 100;

#[derive(Clone, Debug, Subcommand)]
#[command(after_help = HELP)]
pub enum ConfigVerb {
    /// A file for nginx: servers by weight and by who has least to do, streams that are not held back
    Nginx(NginxArguments),
    /// A unit for systemd, with no more rights than the service needs
    Systemd(ConfigOutputArguments),
    /// A compose file: two instances, the cache that they share, nginx before them
    Compose(ConfigOutputArguments),
}

/// Where a file goes.
#[derive(Clone, Debug, Args)]
pub struct ConfigOutputArguments {
    /// File to write instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What nginx is told.
#[derive(Clone, Debug, Args)]
pub struct NginxArguments {
    /// A server behind it; may be given several times [default: 127.0.0.1:8701=3, :8702=3 and :8703=2]
    #[arg(long, value_name = "HOST:PORT[=WEIGHT]")]
    pub server: Vec<Upstream>,
    /// Where it listens: a port of every address, or ADDRESS:PORT
    #[arg(long, value_name = "[ADDRESS:]PORT", default_value = "80")]
    pub listen: Listen,
    /// Write a whole nginx.conf that needs no rights, instead of a file for conf.d
    #[arg(long, requires = "prefix")]
    pub standalone: bool,
    /// Folder, from the root, in which that nginx keeps its pid and what does not fit into memory
    #[arg(long, value_name = "FOLDER", requires = "standalone")]
    pub prefix: Option<Folder>,
    #[command(flatten)]
    pub output: ConfigOutputArguments,
}

/// A server behind a balancer: its host holds nothing but letters, digits, `.`, `-` and `_`, or is an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    host: String,
    port: u16,
    weight: u8,
}

impl Upstream {
    /// A server of this machine.
    #[must_use]
    pub fn local(port: u16, weight: u8) -> Self {
        Self { host: "127.0.0.1".to_owned(), port, weight }
    }

    /// Host and port, as they stand in a file.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Its share of the requests, among those of the others.
    #[must_use]
    pub fn weight(&self) -> u8 {
        self.weight
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.address(), self.weight)
    }
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, weight) = text.split_once('=').unwrap_or((text, "1"));
        let weight = number(weight).filter(|weight| (1..=WEIGHT_MOST).contains(weight));
        let weight = weight.ok_or_else(|| format!("the weight must be a whole number from 1 to {WEIGHT_MOST}"))?;
        let (host, port) = address.rsplit_once(':').ok_or("it must be HOST:PORT or HOST:PORT=WEIGHT")?;
        if !is_host(host) {
            return Err(
                "the host must be a name of letters, digits, `.`, `-` and `_`, or an address; IPv6 in []".into()
            );
        }
        Ok(Self { host: host.to_owned(), port: port_of(port)?, weight })
    }
}

/// Digits alone: the parser of the standard library also takes a `+`.
fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn port_of(text: &str) -> Result<u16, String> {
    let port = number(text).filter(|port| *port > 0);
    port.ok_or_else(|| "the port must be a whole number from 1 to 65535".to_owned())
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // nginx reads `unix:` as the path of a socket.
    host.len() <= HOST_MOST && host.split('.').all(is_label) && !host.eq_ignore_ascii_case("unix")
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    address: Option<IpAddr>,
    port: u16,
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(formatter, "{}", SocketAddr::new(address, self.port)),
            None => write!(formatter, "{}", self.port),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(port) = port_of(text) {
            return Ok(Self { address: None, port });
        }
        match text.parse::<SocketAddr>() {
            // A zone of an IPv6 address is printed with `%`, which is no address to nginx.
            Ok(SocketAddr::V6(address)) if address.scope_id() != 0 => Err("an address with a zone is not known".into()),
            Ok(address) if address.port() > 0 => Ok(Self { address: Some(address.ip()), port: address.port() }),
            _ => Err("it must be a port from 1 to 65535, or ADDRESS:PORT".into()),
        }
    }
}

/// A folder whose path means the same in a shell and in a file of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(String);

impl fmt::Display for Folder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
        if !text.starts_with('/') || !text.bytes().all(is_plain) {
            return Err("it must begin with `/` and hold letters, digits, `.`, `_`, `-`, `+` and `@` alone".into());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn servers_are_read_and_text_of_files_is_refused() {
        for (text, printed) in [
            ("127.0.0.1:8701=3", "127.0.0.1:8701=3"),
            ("weighbridge-1:8700", "weighbridge-1:8700=1"),
            ("a_b.example:65535=100", "a_b.example:65535=100"),
            ("[::1]:80", "[::1]:80=1"),
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap().to_string(), printed);
        }
        for text in [
            "",
            "host",
            ":80",
            "host:0",
            "host:65536",
            "host:+80",
            "host:80=0",
            "host:80=101",
            "host:80=",
            "host:80 down",
            "a;b:80",
            "a b:80",
            "a{b:80",
            "$host:80",
            "a\nb:80",
            "#a:80",
            "-a:80",
            "a..b:80",
            "::1:80",
            "[::1%lo]:80",
            "unix:80",
            "http://a:80",
            "a:80=3=3",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }

    #[test]
    fn places_to_listen_and_folders_are_read() {
        for text in ["80", "127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["0", "65536", "", "host:80", "127.0.0.1:0", "80;", "[fe80::1%2]:80"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        assert_eq!("/tmp/a.b-c/".parse::<Folder>().unwrap().to_string(), "/tmp/a.b-c");
        for text in ["", "a", "/a b", "/a;b", "/a$b", "/a\"b", "/a\nb"] {
            assert!(text.parse::<Folder>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_holds_nothing_that_ends_a_directive(text in "[a-z0-9:=.;{}$#\\[\\]%/ \\n_-]{0,24}") {
            let plain = |text: String| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_[]=/".contains(&byte));
            if let Ok(server) = text.parse::<Upstream>() {
                prop_assert!(plain(server.to_string()));
                prop_assert_eq!(server.to_string().parse::<Upstream>().unwrap(), server);
            }
            if let Ok(listen) = text.parse::<Listen>() {
                prop_assert!(plain(listen.to_string()));
                prop_assert_eq!(listen.to_string().parse::<Listen>().unwrap(), listen);
            }
            if let Ok(folder) = text.parse::<Folder>() {
                prop_assert!(plain(folder.to_string()));
            }
        }
    }
}
