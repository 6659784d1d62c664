//! What a supervisor and its cells say to each other: JSON objects, one a line, on the cell's descriptor 4. A line whose `t` is
//! unknown is ignored, so that either side may be newer.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};
use serde::{Deserialize, Serialize};

/// The descriptor of the listener that a supervised cell serves.
pub const LISTENER_FD: RawFd = 3;
/// The descriptor of the control socket.
pub const CONTROL_FD: RawFd = 4;
/// Set to `1` in a supervised cell.
pub const ENV_FDS: &str = "CELL_FDS";
/// The longest line of a cell, in bytes; more without a line break is a broken peer.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// The longest line of a supervisor: a shader of [`crate::shader::import::SOURCE_BYTES_MAX`] bytes, each escaped in JSON.
pub const TO_CELL_BYTES_MAX: usize = 8 << 20;

/// What a cell tells its supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum FromCell {
    /// It accepts calls from now on.
    Ready {
        /// The name of its service.
        cell: String,
        /// The service's fingerprint, `0x` and 16 hex digits.
        fingerprint: String,
        /// Its pid as it sees it; inside a sandbox not the pid outside.
        pid: u32,
    },
    /// It serves nothing, and does its work from now on.
    Running {
        /// Its pid as it sees it; inside a sandbox not the pid outside.
        pid: u32,
    },
    /// What was asked with `measure`.
    Measured {
        /// Calls that were answered since the cell started.
        calls: u64,
        /// The time that 99 of 100 calls answered since the last measurement took at most, in microseconds.
        p99_us: Option<u64>,
    },
    /// It has answered every call that it started, and exits.
    Drained,
    /// It cannot serve.
    Failed {
        /// Why.
        message: String,
    },
    /// It holds a shader, and wants its text whenever it changes.
    ShaderHeld {
        /// The package that has the file.
        package: String,
        /// The file, from the package's folder.
        path: String,
    },
    /// A shader's text is the current one now.
    ShaderApplied {
        /// The package that has the file.
        package: String,
        /// The file, from the package's folder.
        path: String,
        /// The version that was pushed.
        version: u64,
    },
    /// A shader's text cannot be used; the one before stays.
    ShaderRefused {
        /// The package that has the file.
        package: String,
        /// The file, from the package's folder.
        path: String,
        /// The version that was pushed.
        version: u64,
        /// Why.
        why: String,
    },
    /// Something newer than this version.
    #[serde(other)]
    Unknown,
}

/// What a supervisor tells a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ToCell {
    /// Accept no more, finish what runs, exit.
    Drain {
        /// How long calls may still run, in milliseconds.
        limit_ms: u64,
    },
    /// Say how many calls were answered, and how fast.
    Measure,
    /// The text of a shader that the cell holds.
    Shader {
        /// The package that has the file.
        package: String,
        /// The file, from the package's folder.
        path: String,
        /// Higher than every version that this cell was given before.
        version: u64,
        /// The whole text, with its imports in place.
        source: String,
    },
    /// Something newer than this version.
    #[serde(other)]
    Unknown,
}

/// The line that says `message`, with its line break.
pub fn encode(message: &impl Serialize) -> String {
    // Enums of strings and numbers always have a JSON form.
    let mut line = serde_json::to_string(message).unwrap_or_default();
    line.push('\n');
    line
}

/// Reads a line.
pub fn decode<T: for<'a> Deserialize<'a>>(line: &str) -> Result<T, String> {
    serde_json::from_str(line)
        .map_err(|error| format!("bad control message `{}`: {error}", line.trim_end()))
}

/// What a supervised cell inherits.
#[derive(Debug)]
pub struct Inherited {
    /// The listener that the supervisor owns and this generation serves.
    pub listener: UnixListener,
    /// The control socket; its end means that the supervisor is gone.
    pub control: UnixStream,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The inherited descriptors, once; `None` in a process that no supervisor started.
pub fn inherit() -> io::Result<Option<Inherited>> {
    if std::env::var_os(ENV_FDS).is_none_or(|value| value != "1")
        || TAKEN.swap(true, Ordering::SeqCst)
    {
        return Ok(None);
    }
    // A process that a cell started has the variable, but not the descriptors.
    let Some(listener) = claim(LISTENER_FD)? else {
        return Ok(None);
    };
    if !getsockopt(&listener, sockopt::AcceptConn).unwrap_or(false) {
        std::mem::forget(listener);
        return Ok(None);
    }
    let control = claim(CONTROL_FD)?.ok_or_else(|| {
        io::Error::other(format!(
            "descriptor {CONTROL_FD} is closed, but {ENV_FDS} says that it is the control socket"
        ))
    })?;
    Ok(Some(Inherited {
        listener: listener.into(),
        control: control.into(),
    }))
}

/// Takes ownership of a descriptor that was passed down, and keeps it from this process's own children.
fn claim(fd: RawFd) -> io::Result<Option<OwnedFd>> {
    // SAFETY: fcntl on a number that may be closed answers EBADF, which is checked next.
    let is_open = unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0;
    if !is_open {
        return Ok(None);
    }
    // SAFETY: the descriptor is open, was put there for us by the supervisor, and is taken once (`TAKEN`).
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl(&owned, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(Some(owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_and_newer_ones_are_ignored() {
        let ready = FromCell::Ready {
            cell: "a".into(),
            fingerprint: "0x0000000000000001".into(),
            pid: 1,
        };
        for message in [
            ready,
            FromCell::Running { pid: 1 },
            FromCell::Drained,
            FromCell::ShaderHeld {
                package: "p".into(),
                path: "shaders/x.wgsl".into(),
            },
            FromCell::ShaderApplied {
                package: "p".into(),
                path: "shaders/x.wgsl".into(),
                version: u64::MAX,
            },
            FromCell::Failed {
                message: "no \"port\"".into(),
            },
        ] {
            assert_eq!(decode::<FromCell>(&encode(&message)), Ok(message));
        }
        assert_eq!(
            encode(&ToCell::Drain { limit_ms: 5 }),
            "{\"t\":\"drain\",\"limit_ms\":5}\n"
        );
        assert_eq!(
            decode::<ToCell>("{\"t\":\"newer\",\"path\":\"x\"}"),
            Ok(ToCell::Unknown)
        );
        assert!(
            decode::<ToCell>("{")
                .unwrap_err()
                .contains("bad control message")
        );
    }
}
