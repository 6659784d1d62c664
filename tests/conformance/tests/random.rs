//! Random schemas and values through the codec of snapshots, which knows the layout from the schema alone.

use cell_sdk::schema::{Snapshot, Ty, dynamic};
use conformance::random::{Edit, Model, Rng, edit, json, value};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(seed in any::<u64>()) {
        let model = Model::random("random", seed);
        let snapshot = model.snapshot().expect("a sound schema");
        let mut rng = Rng::new(seed);
        for ty in types(&model) {
            let value = value(&model, &ty, 4, &mut rng);
            let json = json(&model, &ty, &value);
            let bytes = dynamic::encode(&snapshot, &ty, &json).map_err(|error| TestCaseError::fail(format!("{ty}: {error}: {json}")))?;
            prop_assert_eq!(dynamic::decode(&snapshot, &ty, &bytes), Ok(json), "{}", ty);
        }
    }

    #[test]
    fn a_snapshot_reads_back(seed in any::<u64>()) {
        let snapshot = Model::random("random", seed).snapshot().expect("a sound schema");
        prop_assert_eq!(Snapshot::from_json(&snapshot.to_json()), Ok(snapshot));
    }

    /// Every edit of a schema is another schema, and is found when it is looked for.
    #[test]
    fn an_edit_changes_the_fingerprint(seed in any::<u64>()) {
        let model = Model::random("random", seed);
        let before = model.snapshot().expect("a sound schema");
        let mut rng = Rng::new(seed);
        for kind in Edit::ALL {
            let Some((edited, what)) = edit(&model, kind, &mut rng) else { continue };
            let after = edited.snapshot().expect("a sound schema");
            prop_assert_ne!(before.fingerprint, after.fingerprint, "{}", what);
            prop_assert!(!cell_sdk::schema::diff(&before, &after).is_empty(), "{}", what);
        }
    }
}

proptest! {
    // Few: a length that is flipped up may hold millions of values without bytes, as many as the limit lets it.
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes: a value, or an error.
    #[test]
    fn damage_is_an_error_or_a_value(seed in any::<u64>()) {
        let model = Model::random("random", seed);
        let snapshot = model.snapshot().expect("a sound schema");
        let mut rng = Rng::new(seed);
        for ty in types(&model) {
            let json = json(&model, &ty, &value(&model, &ty, 3, &mut rng));
            let bytes = dynamic::encode(&snapshot, &ty, &json).expect("archives");
            let bytes = &bytes[..bytes.len().min(96)];
            for len in (0..bytes.len()).step_by(2) {
                let _ = dynamic::decode(&snapshot, &ty, &bytes[..len]);
                let mut flipped = bytes.to_vec();
                flipped[len] ^= 1 << rng.below(8);
                let _ = dynamic::decode(&snapshot, &ty, &flipped);
            }
        }
    }
}

fn types(model: &Model) -> Vec<Ty> {
    let routes = model.routes.iter();
    routes
        .flat_map(|route| {
            [
                Some(route.req.clone()),
                Some(route.res.clone()),
                route.err.clone(),
            ]
        })
        .flatten()
        .collect()
}
