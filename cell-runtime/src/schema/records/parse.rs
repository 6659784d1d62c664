//! Section bytes → records.

use std::collections::BTreeMap;

use super::raw::Record;
use super::{Call, MAGIC, Records};
use crate::schema::limits::{RECORD_BYTES_MAX, RECORDS_MAX, SECTION_BYTES_MAX};
use crate::schema::{Error, Kind, is_identifier};

pub(super) fn parse(section: &[u8]) -> Result<Records, Error> {
    if section.len() > SECTION_BYTES_MAX {
        return Err(Error::new(format!(
            "the schema section has {} bytes, more than {SECTION_BYTES_MAX}",
            section.len()
        )));
    }
    let mut records = Records::default();
    let mut rest = skip_padding(section);
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        if count > RECORDS_MAX {
            return Err(Error::new(format!(
                "the schema section holds more than {RECORDS_MAX} records"
            )));
        }
        let at = section.len() - rest.len();
        let (json, behind) = split(rest).ok_or_else(|| {
            Error::new(format!(
                "the schema section is damaged at byte {at} of {}",
                section.len()
            ))
            .hint("rebuild the cell with the same version of cell-runtime as the tool")
        })?;
        add(&mut records, json)
            .map_err(|error| error.within(format_args!("schema record at byte {at}")))?;
        rest = skip_padding(behind);
    }
    records.calls.sort();
    records.calls.dedup();
    Ok(records)
}

/// The linker may align each record on its own.
fn skip_padding(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    &bytes[zeros..]
}

/// One record's JSON and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    if len > RECORD_BYTES_MAX {
        return None;
    }
    rest.split_at_checked(len)
}

fn add(records: &mut Records, json: &[u8]) -> Result<(), Error> {
    let record = serde_json::from_slice(json)
        .map_err(|cause| Error::new(format!("cannot be read: {cause}")))?;
    match record {
        Record::Struct(mut definition) => {
            definition.kind = Kind::Struct;
            insert(&mut records.definitions, definition.id.clone(), definition);
        }
        Record::Enum(mut definition) => {
            definition.kind = Kind::Enum;
            insert(&mut records.definitions, definition.id.clone(), definition);
        }
        Record::Service(service) => {
            insert(&mut records.services, service.id.clone(), service);
        }
        Record::Calls { cell, binding } => {
            if !is_identifier(&cell) {
                return Err(Error::new(format!(
                    "`{}` names no cell",
                    cell.escape_debug()
                )));
            }
            records.calls.push(Call { cell, binding });
        }
        Record::Unknown => {}
    }
    Ok(())
}

/// The same record may stand in a binary twice, once for each codegen unit that it was instantiated in.
fn insert<T: PartialEq>(map: &mut BTreeMap<String, Vec<T>>, id: String, item: T) {
    let items = map.entry(id).or_default();
    if !items.contains(&item) {
        items.push(item);
    }
}
