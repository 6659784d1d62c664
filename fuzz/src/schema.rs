//! Snapshots and records that a stranger wrote.

use cell_sdk::schema::{Records, Snapshot};

/// What is believed says the same when it is written and read again.
pub fn snapshots(data: &[u8]) {
    let Ok(snapshot) = Snapshot::from_json(&String::from_utf8_lossy(data)) else {
        return;
    };
    let json = snapshot.to_json();
    assert_eq!(Snapshot::from_json(&json).as_ref(), Ok(&snapshot));
}

/// A section gives records or an error, and its services give snapshots that are believed.
pub fn records(data: &[u8]) {
    let Ok(records) = Records::parse(data) else {
        return;
    };
    for service in records.services() {
        if let Ok(snapshot) = records.service(Some(service)) {
            let json = snapshot.to_json();
            assert_eq!(Snapshot::from_json(&json), Ok(snapshot));
        }
    }
}
