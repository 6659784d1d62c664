use std::fmt;
use std::net::SocketAddr;

/// `host:port`, with an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    host: String,
    port: u16,
}

impl RemoteAddress {
    /// Reads an address; nothing where the text has no host, or no port from 1 to 65535.
    pub fn parse(text: &str) -> Option<RemoteAddress> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host.len() <= 253
                    && host
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        is_host.then(|| RemoteAddress {
            host: bare.unwrap_or(host).to_owned(),
            port,
        })
    }

    /// The addresses that the name stands for, as the system resolves it.
    pub(super) async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect())
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for good in ["host:4433", "10.0.0.1:1", "[::1]:65535", "a-b.example:80"] {
            assert_eq!(
                RemoteAddress::parse(good).map(|address| address.to_string()),
                Some(good.to_owned())
            );
        }
        for bad in [
            "",
            "host",
            ":1",
            "host:",
            "host:0",
            "host:65536",
            "::1:4433",
            "[::1]",
            "[x]:1",
            "a b:1",
            "/a:1",
        ] {
            assert_eq!(RemoteAddress::parse(bad), None, "{bad}");
        }
    }
}
