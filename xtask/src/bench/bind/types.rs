//! The source of a service of many types, and of the same types with rkyv's own derives.

use std::fmt::Write as _;

/// Types a route: the last of them reaches the others.
const CHAIN: usize = 20;

/// The service: every type is reached by a route.
pub(super) fn service(name: &str, types: usize) -> String {
    let mut text = format!(
        "//! A service of {types} types.\n\nuse cell_sdk::cell;\n\n#[cell::service]\nmod {name} {{\n    use cell_sdk::cell;\n\n"
    );
    definitions(&mut text, types, "cell::Protein");
    for last in ends(types) {
        let _ = writeln!(
            text,
            "    #[cell::handler]\n    async fn route_{last}(value: T{last}) -> T{last} {{\n        value\n    }}\n"
        );
    }
    let _ = writeln!(
        text,
        "}}\n\n#[tokio::main]\nasync fn main() {{\n    let _ = cell::serve_local({name}::handlers()).await;\n}}"
    );
    text
}

/// The same types and functions, without cells.
pub(super) fn plain(types: usize) -> String {
    let mut text = String::from(
        "//! The same types.\n#![allow(dead_code, unused_imports)]\n\nmod many_types {\n",
    );
    definitions(
        &mut text,
        types,
        "rkyv::Archive, rkyv::Serialize, rkyv::Deserialize",
    );
    for last in ends(types) {
        let _ = writeln!(
            text,
            "    async fn route_{last}(value: T{last}) -> T{last} {{\n        value\n    }}\n"
        );
    }
    text.push_str("}\n\nfn main() {}\n");
    text
}

/// The types that routes take: each is the end of a chain.
fn ends(types: usize) -> impl Iterator<Item = usize> {
    (0..types).filter(move |index| index % CHAIN == CHAIN - 1 || index + 1 == types)
}

/// Structs and enums as services have them; each refers to the one before it in its chain.
fn definitions(text: &mut String, types: usize, derives: &str) {
    for index in 0..types {
        let before = match index % CHAIN {
            0 => "u64".to_owned(),
            _ => format!("T{}", index - 1),
        };
        let _ = writeln!(
            text,
            "    /// Type number {index}.\n    #[derive({derives})]"
        );
        let _ = match index % 4 {
            3 => writeln!(
                text,
                "    pub enum T{index} {{\n        Empty,\n        One(u32),\n        Named {{ id: String, before: {before} }},\n        Many(Vec<u16>),\n    }}\n"
            ),
            _ => writeln!(
                text,
                "    pub struct T{index} {{\n        pub id: u64,\n        pub name: String,\n        pub ratio: f64,\n        pub tags: Vec<String>,\n        pub before: Option<{before}>,\n        pub flag: bool,\n    }}\n"
            ),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_reached() {
        assert_eq!(ends(200).count(), 200 / CHAIN);
        assert_eq!(ends(7).collect::<Vec<_>>(), [6]);
        assert_eq!(plain(5).matches("rkyv::Archive").count(), 5);
        assert_eq!(service("many", 5).matches("cell::Protein").count(), 5);
    }
}
