//! Random schemas as real Rust: what the compiler makes of them is what their records and layouts say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cell_runtime::schema::{Ty, dynamic};
use conformance::random::{Model, Rng, Style, archive_source, json, source, value};

use crate::sources::Crate;

/// How many schemas are compiled in one batch.
const MODELS: usize = 12;
/// How many values of each argument and answer.
const VALUES: usize = 3;

#[test]
fn rust_archives_random_values_of_random_schemas_as_snapshots_say() {
    let mut modules = String::from("#![allow(warnings)]\nuse cell_sdk::cell;\n");
    let mut main = String::from("fn main() {\n");
    let mut expected: BTreeMap<usize, (String, String)> = BTreeMap::new();
    for seed in 0..MODELS {
        let module = format!("m{seed}");
        let model = Model::random(&module, seed as u64);
        let snapshot = model.snapshot().unwrap();
        modules.push_str(&source(&model, &module, Style::Plain, 0));
        let _ = writeln!(
            main,
            "let _ = {module}::handlers();\nfingerprint(\"{module}\");"
        );
        let mut rng = Rng::new(seed as u64);
        let mut values = Vec::new();
        for ty in model
            .routes
            .iter()
            .flat_map(|route| [&route.req, &route.res].into_iter().chain(&route.err))
        {
            for _ in 0..VALUES {
                let value = value(&model, ty, 4, &mut rng);
                let json = json(&model, ty, &value);
                let bytes = dynamic::encode(&snapshot, ty, &json)
                    .unwrap_or_else(|error| panic!("{module} {ty}: {error}"));
                let number = expected.len();
                expected.insert(number, (hex(&bytes), format!("{module} {ty} {json}")));
                values.push((number, Ty::clone(ty), value));
            }
        }
        main.push_str(&archive_source(&model, &module, &values));
        expected.insert(
            1_000_000 + seed,
            (
                snapshot.fingerprint.to_string(),
                format!("the fingerprint of {module}"),
            ),
        );
    }
    main.push_str("}\n");
    main.push_str(
        r#"
fn out<T: cell_sdk::protein::Protein>(number: usize, value: &T) {
    let bytes = cell_sdk::protein::encode(value).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{number} {hex}");
}
fn fingerprint(module: &str) {
    let snapshot = cell_sdk::schema::own_service(&format!("made::{module}")).unwrap();
    println!("{} {}", 1_000_000 + module[1..].parse::<usize>().unwrap(), snapshot.fingerprint);
}
"#,
    );
    let text = Crate::new(&[("src/main.rs".to_owned(), modules + &main)]).run();
    let mut seen = 0;
    for line in text.lines() {
        let (number, found) = line.split_once(' ').unwrap_or((line, ""));
        let (wanted, what) = &expected[&number.parse().unwrap()];
        assert_eq!(found, wanted, "{what}");
        seen += 1;
    }
    assert_eq!(seen, expected.len());
    assert!(seen > MODELS * 20, "{seen} values");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
