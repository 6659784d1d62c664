//! What a call can fail with.

use std::fmt;

use crate::wire::{Refusal, Status, StatusCode};

/// Why a call, a connection or a server failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The two sides were built from different schemas; the message names both and the command that helps.
    SchemaMismatch(Refusal),
    /// The cell does not talk to this client.
    Refused(Refusal),
    /// The cell answered with a status.
    Status(Status),
    /// The cell cannot be reached, or died while it worked on the call.
    Unavailable {
        /// The cell that was called.
        cell: String,
        /// Why.
        reason: String,
    },
    /// No socket of this cell was found.
    NotFound {
        /// The cell that was called.
        cell: String,
        /// Where was looked, and what helps.
        hint: String,
    },
    /// The deadline passed.
    DeadlineExceeded {
        /// The cell that was called.
        cell: String,
    },
    /// Bytes are not an archive of the expected type, or a value cannot be archived.
    Codec(String),
    /// The operating system refused something.
    Io {
        /// What was tried.
        what: String,
        /// What it answered.
        reason: String,
    },
}

impl Error {
    /// An I/O error with what was tried.
    pub fn io(what: impl Into<String>, source: &std::io::Error) -> Error {
        Error::Io {
            what: what.into(),
            reason: source.to_string(),
        }
    }

    /// The status code that fits, for tools that show one.
    pub fn code(&self) -> StatusCode {
        match self {
            Error::SchemaMismatch(_) => StatusCode::SchemaMismatch,
            Error::Refused(refusal) => refusal.status.code,
            Error::Status(status) => status.code,
            Error::Unavailable { .. } | Error::NotFound { .. } | Error::Io { .. } => {
                StatusCode::Unavailable
            }
            Error::DeadlineExceeded { .. } => StatusCode::DeadlineExceeded,
            Error::Codec(_) => StatusCode::BadRequest,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::SchemaMismatch(refusal) => f.write_str(&refusal.status.message),
            Error::Refused(refusal) => write!(
                f,
                "`{}` refused the connection: {}",
                refusal.cell, refusal.status.message
            ),
            Error::Status(status) => status.fmt(f),
            Error::Unavailable { cell, reason } => write!(f, "`{cell}` is unavailable: {reason}"),
            Error::NotFound { cell, hint } => write!(f, "no running cell `{cell}`: {hint}"),
            Error::DeadlineExceeded { cell } => {
                write!(f, "`{cell}` did not answer before the deadline")
            }
            Error::Codec(reason) => write!(f, "bad archive: {reason}"),
            Error::Io { what, reason } => write!(f, "failed to {what}: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a call to a fallible handler has no value: the handler's own error, or anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The handler returned `Err`.
    App(E),
    /// The call did not get that far.
    Failed(Error),
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> CallError<E> {
        CallError::Failed(error)
    }
}

impl<E: fmt::Debug> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::App(error) => write!(f, "the handler answered with an error: {error:?}"),
            CallError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> std::error::Error for CallError<E> {}
