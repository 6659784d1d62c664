//! Large payloads that are read to where they stay.

use proptest::prelude::*;
use tokio::io::ReadBuf;

use crate::vesicle::Vesicle;
use crate::wire::{Frame, FrameDecoder, Header, Kind, Limits, encode_frame};

/// A payload whose bytes are all different from their neighbours'.
fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn cut(input: &mut &[u8], most: usize) -> Vec<u8> {
    let (taken, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    taken.to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_the_same_however_their_bytes_are_read(
        sizes in prop::collection::vec((prop_oneof![0usize..300, 30_000usize..400_000], any::<bool>()), 1..6),
        reads in prop::collection::vec((1usize..120_000, any::<bool>()), 1..20),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (id, (len, ext)) in sizes.iter().enumerate() {
            let ext: &[u8] = if *ext { &[9; 32] } else { &[] };
            let payload = payload(*len);
            encode_frame(Header::new(Kind::Response, id as u64, 0), ext, &payload, &mut bytes);
            expected.push((id as u64, ext.to_vec(), payload));
        }
        let mut decoder = FrameDecoder::new(Limits::DEFAULT);
        let (mut input, mut frames) = (&bytes[..], Vec::<Frame>::new());
        for (most, direct) in reads.iter().cycle() {
            let awaits = decoder.awaits_large();
            let filled = if *direct {
                decoder.fill(|room| {
                    let part = cut(&mut input, room.remaining().min(*most));
                    room.put_slice(&part);
                })
            } else {
                None
            };
            prop_assert!(awaits || filled.is_none());
            let part = if filled.is_some() { Vec::new() } else { cut(&mut input, *most) };
            let mut part = &part[..];
            while let Some(frame) = decoder.next(&mut part).unwrap() {
                frames.push(frame);
            }
            if input.is_empty() {
                break;
            }
        }
        prop_assert!(decoder.is_at_boundary());
        let frames: Vec<(u64, Vec<u8>, Vec<u8>)> = frames
            .into_iter()
            .map(|frame| (frame.header.call_id, frame.ext, frame.payload.to_vec()))
            .collect();
        prop_assert_eq!(frames, expected);
    }
}

/// What a decoder knows after the head and the first `len` bytes of a large payload.
fn after(len: usize) -> FrameDecoder {
    let mut bytes = Vec::new();
    encode_frame(
        Header::new(Kind::Response, 1, 0),
        &[],
        &payload(1 << 20),
        &mut bytes,
    );
    let head = bytes.len() - (1 << 20);
    let mut decoder = FrameDecoder::new(Limits::DEFAULT);
    let frame = decoder.next(&mut &bytes[..head + len]).unwrap();
    assert!(frame.is_none());
    decoder
}

#[test]
fn no_more_is_read_than_the_payload_misses() {
    let missing = 40_000;
    let mut decoder = after((1 << 20) - missing);
    let room = decoder.fill(|room| room.remaining());
    assert_eq!(room, Some(missing));
    // What is nearly there is read with what comes behind it.
    let mut decoder = after((1 << 20) - 1000);
    assert_eq!(
        (decoder.awaits_large(), decoder.fill(|_| ())),
        (false, None)
    );
}

#[test]
fn a_read_that_brings_nothing_changes_nothing() {
    let mut decoder = after(100_000);
    assert_eq!(decoder.fill(|_| 5), Some(5));
    let rest = payload(1 << 20);
    let frame = decoder.next(&mut &rest[100_000..]).unwrap().unwrap();
    assert_eq!(frame.payload, Vesicle::wrap(rest));
}

#[test]
#[should_panic(expected = "another buffer")]
fn another_buffer_is_not_taken_for_the_payload() {
    let other = Box::leak(Box::new([0; 64]));
    after(100_000).fill(|room| {
        let mut swapped = ReadBuf::new(other);
        swapped.set_filled(64);
        // Its lifetime is shorter than that of what is leaked.
        *room = swapped;
    });
}
