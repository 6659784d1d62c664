//! Joining strings at compile time. Everything goes through `copy_from_slice`: byte by byte is slow in the compiler.

/// The longest type expression, in bytes.
const TEXT_LEN_MAX: usize = 2048;

/// A short string that is built at compile time, of a length that may depend on a type parameter.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; TEXT_LEN_MAX],
    len: usize,
}

impl Text {
    /// Joins `parts`.
    pub const fn join(parts: &[&str]) -> Text {
        let mut text = Text {
            bytes: [0; TEXT_LEN_MAX],
            len: 0,
        };
        let mut index = 0;
        while index < parts.len() {
            let part = parts[index].as_bytes();
            assert!(
                text.len + part.len() <= TEXT_LEN_MAX,
                "this type's name is too long for the schema (2048 bytes)"
            );
            text.bytes
                .split_at_mut(text.len)
                .1
                .split_at_mut(part.len())
                .0
                .copy_from_slice(part);
            text.len += part.len();
            index += 1;
        }
        text
    }

    /// A number in decimal.
    pub const fn number(number: usize) -> Text {
        let mut text = Text {
            bytes: [0; TEXT_LEN_MAX],
            len: 1,
        };
        let mut rest = number / 10;
        while rest > 0 {
            text.len += 1;
            rest /= 10;
        }
        let mut index = text.len;
        let mut rest = number;
        while index > 0 {
            index -= 1;
            text.bytes[index] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text
    }

    /// The string.
    pub const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => panic!("joined strings are UTF-8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_and_counts() {
        const PARTS: &[&str] = &["[", "u8", ";", Text::number(4096).as_str(), "]"];
        assert_eq!(Text::join(PARTS).as_str(), "[u8;4096]");
        assert_eq!(Text::number(0).as_str(), "0");
        assert_eq!(Text::number(10).as_str(), "10");
    }
}
