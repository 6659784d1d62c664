//! Archives of every construct of a schema, from somebody who may have written anything.

use std::sync::{Arc, OnceLock};

use cell_sdk::Vesicle;
use cell_sdk::schema::{Snapshot, dynamic};
use conformance::ECHOES;

/// The first two bytes choose the type, the rest is the archive. What is accepted is read without a panic, is no larger
/// when it is written again, and then reads the same. What cells accept, the tool reads as well.
pub fn archives(data: &[u8]) {
    let Some((choice, archive)) = data.split_first_chunk::<2>() else {
        return;
    };
    let choice = u16::from_le_bytes(*choice);
    let (name, echo) = ECHOES[usize::from(choice & 0xfff) % ECHOES.len()];
    let archive = Vesicle::wrap(archive);
    let Ok(again) = echo(&archive) else {
        return;
    };
    // Padding between values may differ, and nothing else.
    assert!(
        again.len() <= 2 * archive.len() + 64,
        "`{name}`: {} bytes became {}",
        archive.len(),
        again.len()
    );
    let again = Vesicle::wrap(again);
    assert_eq!(echo(&again).as_deref(), Ok(&*again), "`{name}`");
    // The tool takes longer than all of the above.
    if choice >> 13 == 0 {
        as_tool(name, &archive);
    }
}

fn as_tool(name: &str, archive: &[u8]) {
    let route = snapshot().route(name).expect("it has all routes");
    if let Err(error) = dynamic::decode(snapshot(), &route.res, archive) {
        // It counts every value; a cell counts what points to something, or has bytes.
        let error = error.to_string();
        let limits = ["nests deeper than", "holds more than"];
        assert!(
            limits.iter().any(|limit| error.contains(limit)),
            "`{name}`: a cell reads it, the tool does not: {error}"
        );
    }
}

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    SNAPSHOT.get_or_init(conformance::snapshot)
}
