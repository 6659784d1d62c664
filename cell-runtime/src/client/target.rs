//! What a client talks to.

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "remote")]
use crate::discovery;
use crate::error::Error;
#[cfg(feature = "remote")]
use crate::remote;
use crate::transport::MemoryStream;

/// What an address may be besides a path.
#[cfg(feature = "remote")]
const NETWORK: &str = "or of a host, such as `host:4433`";
#[cfg(not(feature = "remote"))]
const NETWORK: &str =
    "or, with the feature `remote` of the runtime crate, a host, such as `host:4433`";

/// What a client talks to.
#[derive(Clone)]
pub struct Target {
    cell: Arc<str>,
    pub(super) fingerprint: u64,
    pub(super) address: Address,
}

#[derive(Clone)]
pub(super) enum Address {
    Discover,
    Unix(PathBuf),
    Memory(Arc<dyn Fn() -> std::io::Result<MemoryStream> + Send + Sync>),
    #[cfg(feature = "remote")]
    Remote(remote::RemoteAddress, Option<remote::Keys>),
}

impl Target {
    /// The cell of this name, found as `docs/protocol.md` describes. A fingerprint of zero accepts any schema.
    pub fn named(cell: &str, fingerprint: u64) -> Target {
        Target {
            cell: cell.into(),
            fingerprint,
            address: Address::Discover,
        }
    }

    /// A cell behind an explicit address: `/path/to.sock`, or `cell@/path/to.sock`; with the feature `remote` also `host:4433`
    /// and `cell@host:4433`, called as whom the environment names (`docs/remote.md`).
    pub fn at(address: &str, cell: &str, fingerprint: u64) -> Result<Target, Error> {
        let (name, place) = address.split_once('@').unwrap_or((cell, address));
        #[cfg(feature = "remote")]
        if let Some(address) = remote::RemoteAddress::parse(place) {
            discovery::check_name(name)?;
            return Ok(Target {
                cell: name.into(),
                fingerprint,
                address: Address::Remote(address, None),
            });
        }
        if !place.starts_with(['/', '.']) {
            return Err(Error::NotFound {
                cell: name.to_owned(),
                hint: format!(
                    "`{address}` is no address; write the path of a Unix socket, such as `{name}@/run/{name}.sock`, {NETWORK}"
                ),
            });
        }
        Ok(Target {
            cell: name.into(),
            fingerprint,
            address: Address::Unix(PathBuf::from(place)),
        })
    }

    /// A cell on another machine, called with these keys.
    #[cfg(feature = "remote")]
    pub fn remote(
        address: remote::RemoteAddress,
        keys: remote::Keys,
        cell: &str,
        fingerprint: u64,
    ) -> Target {
        Target {
            cell: cell.into(),
            fingerprint,
            address: Address::Remote(address, Some(keys)),
        }
    }

    /// A cell in this process, behind [`crate::transport::memory`].
    pub fn memory(
        cell: &str,
        fingerprint: u64,
        connect: impl Fn() -> std::io::Result<MemoryStream> + Send + Sync + 'static,
    ) -> Target {
        Target {
            cell: cell.into(),
            fingerprint,
            address: Address::Memory(Arc::new(connect)),
        }
    }

    /// The name of the cell.
    pub fn cell(&self) -> &str {
        &self.cell
    }
}
