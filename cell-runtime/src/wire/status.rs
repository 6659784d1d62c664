use std::fmt;
use std::time::Duration;

/// What became of a call that did not reach the handler's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum StatusCode {
    /// The cell has no such route.
    UnknownRoute = 1,
    /// The two sides were built from different schemas.
    SchemaMismatch = 2,
    /// The cell does not talk to this peer.
    Refused = 3,
    /// The deadline passed before the answer.
    DeadlineExceeded = 4,
    /// The caller gave up.
    Cancelled = 5,
    /// A limit on calls, bytes or connections was reached; trying again later may work.
    Overloaded = 6,
    /// The handler panicked, or the cell has a bug.
    Internal = 7,
    /// The cell is stopping and did not finish the call inside its drain limit.
    Draining = 8,
    /// No generation of the cell is alive.
    Unavailable = 9,
    /// The request is not an archive of the route's arguments.
    BadRequest = 10,
}

impl StatusCode {
    const ALL: [StatusCode; 10] = [
        StatusCode::UnknownRoute,
        StatusCode::SchemaMismatch,
        StatusCode::Refused,
        StatusCode::DeadlineExceeded,
        StatusCode::Cancelled,
        StatusCode::Overloaded,
        StatusCode::Internal,
        StatusCode::Draining,
        StatusCode::Unavailable,
        StatusCode::BadRequest,
    ];

    /// The code with this number; numbers of a newer protocol read as [`StatusCode::Internal`].
    pub fn from_wire(number: u16) -> StatusCode {
        StatusCode::ALL
            .into_iter()
            .find(|code| *code as u16 == number)
            .unwrap_or(StatusCode::Internal)
    }

    /// The code in words, as messages and JSON show it.
    pub fn name(self) -> &'static str {
        match self {
            StatusCode::UnknownRoute => "unknown route",
            StatusCode::SchemaMismatch => "schema mismatch",
            StatusCode::Refused => "refused",
            StatusCode::DeadlineExceeded => "deadline exceeded",
            StatusCode::Cancelled => "cancelled",
            StatusCode::Overloaded => "overloaded",
            StatusCode::Internal => "internal",
            StatusCode::Draining => "draining",
            StatusCode::Unavailable => "unavailable",
            StatusCode::BadRequest => "bad request",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an overloaded server asks for: longer than most calls take, and shorter than people notice.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// A status: the code and a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What happened.
    pub code: StatusCode,
    /// Why, in words.
    pub message: String,
    /// After how long trying again may work, where the server has an idea.
    pub retry_after: Option<Duration>,
}

impl Status {
    /// A status with a message.
    pub fn new(code: StatusCode, message: impl Into<String>) -> Status {
        Status {
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// A limit on load was reached, and the call was not started.
    pub fn overloaded(message: impl Into<String>) -> Status {
        Status {
            retry_after: Some(RETRY_AFTER),
            ..Status::new(StatusCode::Overloaded, message)
        }
    }

    /// The payload of a STATUS frame: `code u16`, then the message in UTF-8.
    pub fn encode(&self, message_bytes_max: usize) -> Vec<u8> {
        let mut end = self.message.len().min(message_bytes_max);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = Vec::with_capacity(2 + end);
        bytes.extend_from_slice(&(self.code as u16).to_le_bytes());
        bytes.extend_from_slice(&self.message.as_bytes()[..end]);
        bytes
    }

    /// Reads a STATUS payload; bytes that are not UTF-8 are replaced, since the message is only shown.
    pub fn decode(bytes: &[u8]) -> Option<Status> {
        let (code, message) = bytes.split_first_chunk::<2>()?;
        Some(Status::new(
            StatusCode::from_wire(u16::from_le_bytes(*code)),
            String::from_utf8_lossy(message),
        ))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            self.code.fmt(f)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

impl std::error::Error for Status {}
