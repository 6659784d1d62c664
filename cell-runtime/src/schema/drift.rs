//! The check that a generated binding runs while it is compiled.

/// Refuses to compile a binding of another schema than the lock beside it names.
///
/// # Panics
///
/// With the sentence of [`crate::wire::drift_message`], which at compile time is the error's text.
#[track_caller]
pub const fn check_lock(cell: &str, binding: u64, lock: &str) {
    let lock = lock.trim_ascii();
    let mut expected = [0; 18];
    write_fingerprint(binding, &mut expected);
    if equal(lock.as_bytes(), &expected) {
        return;
    }
    let mut message = Message {
        bytes: [0; Message::LEN],
        len: 0,
    };
    message.push(b"schema drift: `");
    message.push(cell.as_bytes());
    message.push(b"` has fingerprint ");
    message.push(lock.as_bytes());
    message.push(b", but this binding was generated from ");
    message.push(&expected);
    message.push(b"; run `cargo cell build` (or `cargo cell bind`)");
    panic!("{}", message.text());
}

const fn write_fingerprint(fingerprint: u64, text: &mut [u8; 18]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text[0] = b'0';
    text[1] = b'x';
    let mut index = 0;
    while index < 16 {
        let nibble = (fingerprint >> (60 - 4 * index)) & 0xf;
        text[2 + index] = DIGITS[nibble as usize];
        index += 1;
    }
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

struct Message {
    bytes: [u8; Message::LEN],
    len: usize,
}

impl Message {
    /// Room for the sentence with the longest name of a cell, and for a lock that somebody has put a novel into.
    const LEN: usize = 512;

    const fn push(&mut self, part: &[u8]) {
        let mut index = 0;
        while index < part.len() && index < 200 && self.len < Message::LEN {
            // A lock may hold anything: what is not plain text is not shown.
            self.bytes[self.len] = if part[index].is_ascii() && !part[index].is_ascii_control() {
                part[index]
            } else {
                b'?'
            };
            self.len += 1;
            index += 1;
        }
    }

    const fn text(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "schema drift",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::drift_message;

    #[test]
    fn a_lock_that_agrees_passes() {
        const { check_lock("button", 0x2a, "0x000000000000002a\n") };
        check_lock("button", u64::MAX, "0xffffffffffffffff\r\n");
    }

    #[test]
    fn one_that_does_not_says_what_the_handshake_says() {
        let said = std::panic::catch_unwind(|| check_lock("button", 0x2a, "0x000000000000002b\n"));
        let said = said.err().and_then(|panic| panic.downcast::<String>().ok());
        assert_eq!(said.as_deref(), Some(&drift_message("button", 0x2a, 0x2b)));
    }

    #[test]
    fn a_lock_with_anything_in_it_is_one_that_does_not() {
        for lock in [
            "",
            "\n",
            "0x2a",
            &"é".repeat(5000),
            "0x000000000000002a 0x000000000000002a",
        ] {
            let said = std::panic::catch_unwind(|| check_lock("button", 0x2a, lock));
            let said = said.err().and_then(|panic| panic.downcast::<String>().ok());
            assert!(said.is_some_and(|said| said.starts_with("schema drift: `button` has")));
        }
    }
}
