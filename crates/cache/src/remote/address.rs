//! Where a server is: `redis://[[user]:password@]host[:port][/database]`.

use std::fmt;

use super::RemoteError;

/// A server, and how to be let in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u32,
}

impl Address {
    /// Reads an address of this scheme. What is wrong is said without the text, which may hold a password.
    pub(super) fn parse(text: &str, scheme: &str, port: u16) -> Result<Self, RemoteError> {
        let rest = text
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .ok_or(RemoteError::Address("it does not begin with redis:// or memcached://"))?;
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let (user, password) = match login {
            None => (None, None),
            Some(login) => {
                let (user, password) =
                    login.split_once(':').ok_or(RemoteError::Address("a login is user:password or :password"))?;
                let user = decode(user)?;
                (Some(user).filter(|user| !user.is_empty()), Some(decode(password)?))
            }
        };
        let (place, database) = place.split_once('/').unwrap_or((place, ""));
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| RemoteError::Address("the database is not a number"))?,
        };
        let (host, digits) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) =
                    rest.split_once(']').ok_or(RemoteError::Address("a bracket of the host is not closed"))?;
                (host, behind.strip_prefix(':'))
            }
            None => place.split_once(':').map_or((place, None), |(host, digits)| (host, Some(digits))),
        };
        let port = match digits {
            None => port,
            Some(digits) => digits.parse().map_err(|_| RemoteError::Address("the port is not a number"))?,
        };
        if host.is_empty() || host.contains(|sign: char| sign.is_whitespace() || sign.is_control()) {
            return Err(RemoteError::Address("the host is missing"));
        }
        Ok(Self { host: host.to_owned(), port, user, password, database })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Address {
    /// Without the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/{}", self.database)
    }
}

/// Takes percent signs apart.
fn decode(text: &str) -> Result<String, RemoteError> {
    const WRONG: RemoteError = RemoteError::Address("a percent sign of the login has no two hexadecimal digits");
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(WRONG)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| WRONG)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (&'static str, u16, Option<&'static str>, Option<&'static str>, u32);

    #[test]
    fn addresses_are_read() {
        let check = |text, expected: Option<Parts>| {
            let found = Address::parse(text, "redis", 6379).ok();
            let expected = expected.map(|(host, port, user, password, database)| {
                let (user, password) = (user.map(str::to_owned), password.map(str::to_owned));
                Address { host: host.to_owned(), port, user, password, database }
            });
            assert_eq!(found, expected, "{text}");
        };
        check("redis://localhost", Some(("localhost", 6379, None, None, 0)));
        check("redis://10.0.0.1:7000/3", Some(("10.0.0.1", 7000, None, None, 3)));
        check("redis://:p%40ss%3A/@cache:1/", Some(("cache", 1, None, Some("p@ss:/"), 0)));
        check("redis://me:secret@[::1]:9/2", Some(("::1", 9, Some("me"), Some("secret"), 2)));
        for wrong in
            ["rediss://a", "redis://", "redis://a:b", "redis://a/b", "redis://a@b", "redis://:%4@b", "redis://[a"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn no_text_holds_the_password() {
        let address = Address::parse("redis://me:hunter2@cache", "redis", 6379).unwrap();
        assert_eq!(
            (format!("{address}"), format!("{address:?}")),
            ("cache:6379".to_owned(), "cache:6379/0".to_owned())
        );
        let error = Address::parse("redis://me:hunter2%@cache", "redis", 6379).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
