//! What waits to be written, with payloads that are copied and payloads that are not.

use proptest::prelude::*;

use crate::vesicle::Vesicle;
use crate::wire::{FrameDecoder, Header, Kind, Limits, Outbox, encode_frame};

#[derive(Clone, Debug)]
enum Step {
    Put { kind: Kind, len: usize, ext: bool },
    Write { most: usize, compact: bool },
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
    let write = (most, any::<bool>()).prop_map(|(most, compact)| Step::Write { most, compact });
    prop::collection::vec(prop_oneof![put, write], 1..40)
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
