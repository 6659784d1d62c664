//! Fingerprints: 64 bits that say whether two sides mean the same schema.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Error;

/// The first 8 bytes of the BLAKE3 hash of a canonical description, read big-endian: written as `0x` and 16 hex digits,
/// the digits are in byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of canonical bytes.
    #[must_use]
    pub fn of(canonical: &[u8]) -> Self {
        let hash = blake3::hash(canonical);
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        Fingerprint(u64::from_be_bytes(first))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("0x").filter(|digits| {
            digits.len() == 16
                && digits
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Fingerprint)
            .ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                Error::new(format!(
                    "`{}` is no fingerprint: expected `0x` and 16 lowercase hex digits",
                    shown.escape_debug()
                ))
            })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_sixteen_digits() {
        assert_eq!(Fingerprint(0x2a).to_string(), "0x000000000000002a");
        assert_eq!("0x000000000000002a".parse(), Ok(Fingerprint(0x2a)));
    }

    #[test]
    fn nothing_else_is_read() {
        for text in ["", "2a", "0x2a", "0x+00000000000002a", "0x000000000000002A"] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }

    #[test]
    fn digits_are_in_byte_order() {
        // BLAKE3 of nothing starts with these bytes.
        assert_eq!(Fingerprint::of(b"").to_string(), "0xaf1349b9f5f9a1a6");
    }
}
