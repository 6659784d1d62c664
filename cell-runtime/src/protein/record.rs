//! The bytes of a schema record: magic, length, JSON. The macros put them into the binary's `cell_schema` section.

/// What a record starts with.
const MAGIC: &[u8; 8] = b"CELLREC1";

const HEADER_LEN: usize = MAGIC.len() + 4;

/// How the parts of a record are put together. A list's items each end in a comma; the one before a closing bracket goes,
/// so that an item can be left out by `#[cfg]` without anybody counting.
const fn closes_list(part: &[u8], last: u8) -> bool {
    last == b',' && !part.is_empty() && (part[0] == b']' || part[0] == b'}')
}

const fn last_byte(part: &[u8], last: u8) -> u8 {
    if part.is_empty() {
        last
    } else {
        part[part.len() - 1]
    }
}

/// The length of the record that [`record`] makes of the same parts.
pub const fn record_len(parts: &[&str]) -> usize {
    let mut len = HEADER_LEN;
    let mut last = 0;
    let mut index = 0;
    while index < parts.len() {
        let part = parts[index].as_bytes();
        if closes_list(part, last) {
            len -= 1;
        }
        len += part.len();
        last = last_byte(part, last);
        index += 1;
    }
    len
}

/// One record whose JSON is made of `parts`. `LEN` is what [`record_len`] says.
pub const fn record<const LEN: usize>(parts: &[&str]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes.split_at_mut(MAGIC.len()).0.copy_from_slice(MAGIC);
    let json_len = (LEN - HEADER_LEN) as u32;
    bytes
        .split_at_mut(MAGIC.len())
        .1
        .split_at_mut(4)
        .0
        .copy_from_slice(&json_len.to_le_bytes());
    let mut at = HEADER_LEN;
    let mut last = 0;
    let mut index = 0;
    while index < parts.len() {
        let part = parts[index].as_bytes();
        if closes_list(part, last) {
            at -= 1;
        }
        bytes
            .split_at_mut(at)
            .1
            .split_at_mut(part.len())
            .0
            .copy_from_slice(part);
        at += part.len();
        last = last_byte(part, last);
        index += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comma_before_a_closing_bracket_goes() {
        const PARTS: &[&str] = &["{\"a\":[", "1,", "2,", "", "]", "}"];
        const RECORD: [u8; record_len(PARTS)] = record(PARTS);
        assert_eq!(&RECORD[..8], MAGIC);
        assert_eq!(RECORD[8..12], 11u32.to_le_bytes());
        assert_eq!(&RECORD[12..], b"{\"a\":[1,2]}");
    }
}
