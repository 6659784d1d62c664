//! `[remote]` of a `Cell.toml`: the network door of a cell.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::config::unknown_key;
use crate::error::{Error, Result};

/// How a cell is open to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The UDP address.
    pub listen: SocketAddr,
    /// The folder of keys, where it is not the usual one.
    pub keys: Option<PathBuf>,
}

const KEYS: [&str; 2] = ["listen", "keys"];

/// Parses the table.
pub(super) fn parse(value: &Value, place: &str) -> Result<Remote> {
    let wrong = |what: &str| {
        Error::user(format!("`remote` in `{place}` {what}"))
            .hint("for example: [remote] listen = \"0.0.0.0:4433\"")
    };
    let table = value
        .as_object()
        .ok_or_else(|| wrong("must be a table with `listen`"))?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(unknown_key("remote", key, &KEYS, place));
    }
    let listen = table
        .get("listen")
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<SocketAddr>().ok())
        // A port that the system picks would be another one each time.
        .filter(|address| address.port() != 0)
        .ok_or_else(|| wrong("must have `listen`, an address and a port"))?;
    let keys = match table.get("keys") {
        None => None,
        Some(folder) => Some(
            folder
                .as_str()
                .filter(|folder| folder.starts_with('/'))
                .map(PathBuf::from)
                .ok_or_else(|| wrong("must have an absolute path in `keys`"))?,
        ),
    };
    Ok(Remote { listen, keys })
}

#[cfg(test)]
mod tests {
    use super::super::config;
    use super::*;

    fn parsed(text: &str) -> Result<Remote> {
        let value = config::value(text, "Cell.toml")?;
        parse(&value["remote"], "Cell.toml")
    }

    #[test]
    fn a_door_has_an_address_and_maybe_keys() {
        let remote = |keys: Option<&str>| Remote {
            listen: ([0, 0, 0, 0], 4433).into(),
            keys: keys.map(PathBuf::from),
        };
        assert_eq!(
            parsed("[remote]\nlisten = '0.0.0.0:4433'"),
            Ok(remote(None))
        );
        assert_eq!(
            parsed("[remote]\nlisten = '0.0.0.0:4433'\nkeys = '/etc/cell'"),
            Ok(remote(Some("/etc/cell")))
        );
        for (text, part) in [
            ("remote = true", "must be a table"),
            ("[remote]", "must have `listen`"),
            ("[remote]\nlisten = 4433", "must have `listen`"),
            ("[remote]\nlisten = 'host:4433'", "must have `listen`"),
            ("[remote]\nlisten = '[::]:0'", "must have `listen`"),
            ("[remote]\nlisten = '[::]:1'\nkeys = 'k'", "absolute path"),
            ("[remote]\nlisen = '[::]:1'", "unknown key `remote.lisen`"),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }
}
