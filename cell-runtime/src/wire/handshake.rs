use super::status::StatusCode;
use super::{Limits, PROTOCOL_VERSION, Status, Violation, drift_message};

const MAGIC: [u8; 4] = *b"CELL";

/// Feature bits of a handshake.
pub mod features {
    /// HELLO: the client takes shared memory where the server offers it.
    pub const GAP: u32 = 1;
}

/// The first frame of a client: who it wants to talk to, and with which schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The protocol version.
    pub version: u16,
    /// See [`features`]; unknown ones are ignored.
    pub features: u32,
    /// The fingerprint that the client was built from; zero asks for no check.
    pub fingerprint: u64,
    /// The cell that the client wants.
    pub cell: String,
    /// The client's own name, for messages.
    pub client: String,
}

impl Hello {
    /// A hello of this version.
    pub fn new(cell: impl Into<String>, fingerprint: u64, client: impl Into<String>) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            features: 0,
            fingerprint,
            cell: cell.into(),
            client: client.into(),
        }
    }

    /// The payload: magic, `version u16`, `features u32`, `fingerprint u64`, then both names, each with a `u16` length.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = prefix(self.version, self.features, self.fingerprint);
        put_text(&mut out, &self.cell, Limits::DEFAULT.name_bytes_max);
        put_text(&mut out, &self.client, Limits::DEFAULT.name_bytes_max);
        out
    }

    /// Reads a payload; bytes after the fields that this version knows are ignored.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Hello, Violation> {
        let mut reader = Reader(bytes);
        let (version, features, fingerprint) = reader.prefix()?;
        let cell = reader.text(limits.name_bytes_max)?;
        let client = reader.text(limits.name_bytes_max)?;
        Ok(Hello {
            version,
            features,
            fingerprint,
            cell,
            client,
        })
    }
}

/// The first frame of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloAck {
    /// The protocol version.
    pub version: u16,
    /// Feature bits that both sides use.
    pub features: u32,
    /// The fingerprint of the service.
    pub fingerprint: u64,
    /// The name of the cell.
    pub cell: String,
    /// Why the connection is refused; `None` where it is accepted.
    pub refusal: Option<Status>,
}

/// A refused handshake, as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Code and sentence.
    pub status: Status,
    /// The fingerprint of the server.
    pub fingerprint: u64,
    /// The name of the server.
    pub cell: String,
}

impl HelloAck {
    /// What a server with this name and fingerprint answers to `hello`. Zero on either side asks for no check.
    pub fn answer(hello: &Hello, cell: &str, fingerprint: u64) -> HelloAck {
        let refusal = if hello.version != PROTOCOL_VERSION {
            Some(Status::new(
                StatusCode::Refused,
                format!(
                    "`{cell}` speaks protocol {PROTOCOL_VERSION}, `{}` speaks {}; build both with one version",
                    hello.client, hello.version
                ),
            ))
        } else if hello.cell != cell {
            Some(Status::new(
                StatusCode::Refused,
                format!("this is `{cell}`, not `{}`", hello.cell),
            ))
        } else if hello.fingerprint != 0 && fingerprint != 0 && hello.fingerprint != fingerprint {
            Some(Status::new(
                StatusCode::SchemaMismatch,
                drift_message(cell, hello.fingerprint, fingerprint),
            ))
        } else {
            None
        };
        HelloAck {
            version: PROTOCOL_VERSION,
            features: 0,
            fingerprint,
            cell: cell.to_owned(),
            refusal,
        }
    }

    /// The payload: as HELLO with the server's name, then `code u16` (zero: accepted) and the message with a `u16` length.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = prefix(self.version, self.features, self.fingerprint);
        put_text(&mut out, &self.cell, Limits::DEFAULT.name_bytes_max);
        let (code, message) = self
            .refusal
            .as_ref()
            .map_or((0, ""), |status| (status.code as u16, &status.message));
        out.extend_from_slice(&code.to_le_bytes());
        put_text(&mut out, message, Limits::DEFAULT.message_bytes_max);
        out
    }

    /// Reads a payload.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<HelloAck, Violation> {
        let mut reader = Reader(bytes);
        let (version, features, fingerprint) = reader.prefix()?;
        let cell = reader.text(limits.name_bytes_max)?;
        let code = u16::from_le_bytes(reader.array()?);
        let message = reader.text(limits.message_bytes_max)?;
        let refusal = (code != 0).then(|| Status::new(StatusCode::from_wire(code), message));
        Ok(HelloAck {
            version,
            features,
            fingerprint,
            cell,
            refusal,
        })
    }
}

fn prefix(version: u16, features: u32, fingerprint: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&features.to_le_bytes());
    out.extend_from_slice(&fingerprint.to_le_bytes());
    out
}

/// Cuts what is too long: a program whose file has a long name would be in violation.
fn put_text(out: &mut Vec<u8>, text: &str, bytes_max: usize) {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&(end as u16).to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..end]);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| Violation("handshake cut short".to_owned()))?;
        self.0 = rest;
        Ok(*head)
    }

    fn prefix(&mut self) -> Result<(u16, u32, u64), Violation> {
        if self.array::<4>()? != MAGIC {
            return Err(Violation(
                "no handshake of this protocol (magic bytes differ)".to_owned(),
            ));
        }
        Ok((
            u16::from_le_bytes(self.array()?),
            u32::from_le_bytes(self.array()?),
            u64::from_le_bytes(self.array()?),
        ))
    }

    fn text(&mut self, bytes_max: usize) -> Result<String, Violation> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        if len > bytes_max {
            return Err(Violation(format!(
                "text of {len} bytes in a handshake; at most {bytes_max} are allowed"
            )));
        }
        let bytes = self
            .0
            .get(..len)
            .ok_or_else(|| Violation("handshake cut short".to_owned()))?;
        self.0 = &self.0[len..];
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Violation("a name in the handshake is not UTF-8".to_owned()))
    }
}
