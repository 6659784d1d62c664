//! What waits to be written, with payloads that are copied and payloads that are not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use crate::beside::{Beside, Place};
use crate::vesicle::Vesicle;
use crate::wire::{FrameDecoder, Header, Kind, Limits, Outbox, encode_frame, flags};

#[derive(Clone, Debug)]
enum Step {
    Put { kind: Kind, len: usize, ext: bool },
    Write { most: usize, compact: bool },
    WriteParts { most: usize, compact: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        Just(Kind::Request),
        Just(Kind::Response),
        Just(Kind::Cancel)
    ];
    let len = prop_oneof![
        0usize..100,
        Just((32 << 10) - 1),
        Just(32usize << 10),
        40_000usize..70_000
    ];
    let put = (kind, len, any::<bool>()).prop_map(|(kind, len, ext)| Step::Put { kind, len, ext });
    let most = prop_oneof![0usize..80, 1000usize..100_000];
    let write =
        (most.clone(), any::<bool>()).prop_map(|(most, compact)| Step::Write { most, compact });
    let parts =
        (most, any::<bool>()).prop_map(|(most, compact)| Step::WriteParts { most, compact });
    prop::collection::vec(prop_oneof![2 => put, 1 => write, 1 => parts], 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_what_was_put_however_it_is_cut(steps in steps()) {
        let mut out = Outbox::default();
        let (mut expected, mut written) = (Vec::new(), Vec::new());
        // Each frame's call, kind and end in the stream.
        let mut frames = Vec::new();
        for step in steps {
            match step {
                Step::Put { kind, len, ext } => {
                    let id = frames.len() as u64 + 1;
                    let payload = Vesicle::wrap(vec![id as u8; len]);
                    let ext: &[u8] = if ext { &[9; 32] } else { &[] };
                    out.put_message(Header::new(kind, id, 0), ext, &payload);
                    encode_frame(Header::new(kind, id, 0), ext, &payload, &mut expected);
                    frames.push((id, kind, expected.len()));
                }
                Step::WriteParts { most, compact } => {
                    let outcome = out.write(|parts| {
                        let whole = parts.iter().map(|part| part.len()).sum::<usize>();
                        let before = written.len();
                        for part in parts {
                            let left = most - (written.len() - before);
                            written.extend_from_slice(&part[..left.min(part.len())]);
                        }
                        assert_eq!(written.len() - before, most.min(whole));
                        assert!(parts.len() == 1 || parts.iter().all(|part| !part.is_empty()));
                        Ok(written.len() - before)
                    });
                    prop_assert!(outcome.is_ok());
                    if compact {
                        out.compact();
                    }
                }
                Step::Write { mut most, compact } => {
                    while most > 0 && !out.is_empty() {
                        let len = out.pending().len().min(most);
                        prop_assert!(len > 0, "more is left than there is to write");
                        written.extend_from_slice(&out.pending()[..len]);
                        out.advance(len);
                        most -= len;
                    }
                    if compact {
                        out.compact();
                    }
                }
            }
            prop_assert_eq!(out.len(), expected.len() - written.len());
            let unsent: Vec<u64> = frames
                .iter()
                .filter(|(_, kind, end)| *kind == Kind::Request && *end > written.len())
                .map(|(id, ..)| *id)
                .collect();
            prop_assert_eq!(out.unsent_requests(), unsent);
        }
        prop_assert!(expected.starts_with(&written));
        let mut decoder = FrameDecoder::new(Limits::DEFAULT);
        let mut input = &written[..];
        for (id, _, end) in frames.iter().filter(|(.., end)| *end <= written.len()) {
            let frame = decoder.next(&mut input).unwrap().unwrap();
            prop_assert_eq!(frame.header.call_id, *id);
            prop_assert_eq!(written.len() - input.len(), *end);
        }
    }
}

/// Payloads beside the stream, as shared memory carries them.
#[derive(Clone, Debug, Default)]
struct Side(Arc<Mutex<VecDeque<(Place, Vesicle)>>>);

impl Beside for Side {
    fn put(&mut self, payload: &[u8]) -> Option<Place> {
        let place = match payload[0] {
            0 => Place::Bulk,
            1 => Place::Sealed,
            _ => return None,
        };
        let mut queue = self.0.lock().unwrap();
        queue.push_back((place, Vesicle::wrap(payload)));
        Some(place)
    }

    fn take(&mut self, place: Place, len: usize) -> Result<Vesicle, String> {
        let (sent, payload) = self
            .0
            .lock()
            .unwrap()
            .pop_front()
            .ok_or_else(|| "nothing is there".to_owned())?;
        assert_eq!((sent, payload.len()), (place, len));
        Ok(payload)
    }
}

#[test]
fn payloads_beside_the_stream_stay_with_their_frames() {
    let side = Side::default();
    let mut out = Outbox::default();
    out.set_beside(Box::new(side.clone()));
    let sizes = [64 << 10, (64 << 10) + 1, 100_000];
    let mut expected = Vec::new();
    for id in 1..=9u64 {
        let payload = Vesicle::wrap(vec![id as u8 % 3; sizes[id as usize / 3 % 3]]);
        let ext: &[u8] = if id % 2 == 0 { &[9; 32] } else { &[] };
        out.put_message(Header::new(Kind::Request, id, 0), ext, &payload);
        expected.push((id, ext, payload));
    }
    assert_eq!(out.unsent_requests(), (1..=9).collect::<Vec<u64>>());
    let mut decoder = FrameDecoder::new(Limits::DEFAULT);
    decoder.set_beside(Box::new(side.clone()));
    let (mut seen, mut step) = (Vec::new(), 0);
    while !out.is_empty() {
        step += 1;
        let len = out.pending().len().min(1 + step * 7919 % 50_000);
        let mut input = &out.pending()[..len];
        while let Some(frame) = decoder.next(&mut input).unwrap() {
            assert_eq!(frame.header.flags, 0);
            seen.push((frame.header.call_id, frame.ext, frame.payload));
        }
        out.advance(len);
        out.compact();
        let unsent = out.unsent_requests();
        assert_eq!(unsent.len(), 9 - seen.len(), "after {} bytes", step);
    }
    assert_eq!(seen.len(), 9);
    for ((id, ext, payload), (seen_id, seen_ext, seen_payload)) in expected.iter().zip(&seen) {
        assert_eq!((id, *ext, payload), (seen_id, &seen_ext[..], seen_payload));
    }
}

#[test]
fn payloads_in_memory_that_is_not_shared_end_the_connection() {
    for flag in [flags::SEALED, flags::BULK] {
        let mut header = Header::new(Kind::Request, 1, 100_000);
        header.flags = flag;
        let mut decoder = FrameDecoder::new(Limits::DEFAULT);
        let why = decoder.next(&mut &header.encode()[..]).unwrap_err();
        assert!(why.0.contains("that has none"), "{why}");
        // The limit holds for them too.
        header.len = (16 << 20) + 1;
        let mut decoder = FrameDecoder::new(Limits::DEFAULT);
        decoder.set_beside(Box::new(Side::default()));
        let why = decoder.next(&mut &header.encode()[..]).unwrap_err();
        assert!(why.0.contains("at most 16777216"), "{why}");
        header.len = 100;
        let mut decoder = FrameDecoder::new(Limits::DEFAULT);
        decoder.set_beside(Box::new(Side::default()));
        let why = decoder.next(&mut &header.encode()[..]).unwrap_err();
        assert!(why.0.contains("nothing is there"), "{why}");
    }
}
