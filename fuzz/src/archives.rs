//! Archives of every construct of a schema, from somebody who may have written anything.

use std::sync::{Arc, OnceLock};

use cell_sdk::Vesicle;
use cell_sdk::schema::{Snapshot, dynamic};

/// The first two bytes choose the type, the rest is the archive. What is accepted is read without a panic, is no larger
/// when it is written again, and then reads the same. What cells accept, the tool reads as well.
pub fn archives(data: &[u8]) {
    let Some((choice, archive)) = data.split_first_chunk::<2>() else {
        return;
    };
    let snapshot = snapshot();
    let choice = usize::from(u16::from_le_bytes(*choice));
    let route = &snapshot.routes[choice % snapshot.routes.len()];
    let archive = Vesicle::wrap(archive);
    let as_tool = dynamic::decode(snapshot, &route.res, &archive);
    let Ok(again) = conformance::echo(&route.name, &archive) else {
        return;
    };
    if let Err(error) = as_tool {
        // The tool counts every value; a cell counts what points to something, or has bytes.
        let error = error.to_string();
        let limits = ["nests deeper than", "holds more than"];
        assert!(
            limits.iter().any(|limit| error.contains(limit)),
            "`{}`: a cell reads it, the tool does not: {error}",
            route.name
        );
    }
    // Padding between values may differ, and nothing else.
    assert!(
        again.len() <= 2 * archive.len() + 64,
        "`{}`: {} bytes became {}",
        route.name,
        archive.len(),
        again.len()
    );
    let again = Vesicle::wrap(again);
    let third = conformance::echo(&route.name, &again);
    assert_eq!(third.as_deref(), Ok(&*again), "`{}`", route.name);
}

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    SNAPSHOT.get_or_init(conformance::snapshot)
}
