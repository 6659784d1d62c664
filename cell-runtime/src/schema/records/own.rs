//! The records of the running process, found through the symbols that the linker puts around the section.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::Records;
use crate::lock::lock;
use crate::schema::{Error, Snapshot};

/// A record of no kind that anybody reads: with it the section, and so the linker's symbols, exist in every binary.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = "cell_schema")]
static ANCHOR: [u8; 12 + ANCHOR_JSON.len()] = anchor();

#[cfg(target_os = "linux")]
const ANCHOR_JSON: &[u8] = br#"{"k":"runtime"}"#;

#[cfg(target_os = "linux")]
const fn anchor() -> [u8; 12 + ANCHOR_JSON.len()] {
    let mut bytes = [0; 12 + ANCHOR_JSON.len()];
    let (magic, rest) = bytes.split_at_mut(8);
    magic.copy_from_slice(super::MAGIC);
    let (len, json) = rest.split_at_mut(4);
    len.copy_from_slice(&(ANCHOR_JSON.len() as u32).to_le_bytes());
    json.copy_from_slice(ANCHOR_JSON);
    bytes
}

/// The section's bytes in this process.
#[cfg(target_os = "linux")]
#[must_use]
pub fn own() -> &'static [u8] {
    unsafe extern "C" {
        #[link_name = "__start_cell_schema"]
        static START: u8;
        #[link_name = "__stop_cell_schema"]
        static STOP: u8;
    }
    // Using the anchor keeps the object file that holds it in the link, whatever else is dropped.
    std::hint::black_box(&ANCHOR);
    let start = &raw const START;
    let stop = &raw const STOP;
    // SAFETY: the linker defines both symbols around the one read-only section of that name, which lives as long as
    // the process, and only byte arrays are ever put into it.
    unsafe { std::slice::from_raw_parts(start, stop.offset_from_unsigned(start)) }
}

/// Nothing: only ELF linkers put symbols around a section of any name.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn own() -> &'static [u8] {
    &[]
}

/// The schema of a service of this process, by the full path of its module; resolved once.
pub fn own_service(id: &str) -> Result<Arc<Snapshot>, Error> {
    type Cache = Mutex<BTreeMap<String, Arc<Snapshot>>>;
    static RECORDS: OnceLock<Result<Records, Error>> = OnceLock::new();
    static SERVICES: Cache = Mutex::new(BTreeMap::new());

    let mut services = lock(&SERVICES);
    if let Some(snapshot) = services.get(id) {
        return Ok(Arc::clone(snapshot));
    }
    let records = RECORDS
        .get_or_init(|| Records::parse(own()))
        .as_ref()
        .map_err(Clone::clone)?;
    let snapshot = Arc::new(records.service(Some(id))?);
    services.insert(id.to_owned(), Arc::clone(&snapshot));
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_section_that_can_be_read() {
        assert!(
            own()
                .windows(ANCHOR_JSON.len())
                .any(|bytes| bytes == ANCHOR_JSON)
        );
        assert!(Records::parse(own()).is_ok());
    }

    #[test]
    fn a_service_that_is_not_there_is_an_error() {
        let error = own_service("nobody::nothing")
            .map(|_| ())
            .map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("there is no schema record of the service `nobody::nothing`; is it a module with `#[cell::service]`?".to_owned())
        );
    }
}
