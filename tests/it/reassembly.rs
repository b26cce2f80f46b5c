//! Messages come in pieces of any size, without a fragment header.

use keyturner::protocol::Command;
use keyturner::protocol::crypto::SharedKey;
use keyturner::protocol::frame::{self, FrameError, Framing, Message, Reassembler};
use proptest::prelude::*;

const NONCE: [u8; 24] = [7; 24];
/// Bytes of an encrypted frame besides its payload.
const OVERHEAD: usize = 54;

fn encrypted(payload: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..payload).map(|i| i.to_le_bytes()[0]).collect();
    let message = Message::new(Command::LogEntry, payload);
    frame::encode_encrypted(&SharedKey::from_bytes([3; 32]), &NONCE, 2, &message)
}

fn plain(command: Command, payload: usize) -> Vec<u8> {
    frame::encode_plain(&Message::new(command, vec![0x5A; payload]))
}

/// Feeds pieces and takes frames as they become whole.
fn reassemble<'a>(framing: Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut reassembler = Reassembler::new(framing);
    let mut frames = Vec::new();
    for piece in pieces {
        reassembler.push(piece);
        while let Some(frame) = reassembler.next_frame()? {
            frames.push(frame);
        }
    }
    assert!(!reassembler.is_mid_message(), "bytes are left over");
    Ok(frames)
}

#[test]
fn a_message_is_whole_whatever_the_size_of_its_pieces() {
    for (framing, frame) in [
        (Framing::Encrypted, encrypted(2)),
        (Framing::Encrypted, encrypted(79)),
        (Framing::Plain, plain(Command::PublicKey, 32)),
        (Framing::Plain, plain(Command::Challenge, 32)),
        (Framing::Plain, plain(Command::AuthorizationId, 84)),
        (Framing::Plain, plain(Command::Status, 1)),
        (Framing::Plain, plain(Command::AuthorizationInfo, 1)),
        (Framing::Plain, plain(Command::ErrorReport, 3)),
    ] {
        for size in 1..=frame.len() + 1 {
            let frames = reassemble(framing, frame.chunks(size)).unwrap();
            assert_eq!(frames, std::slice::from_ref(&frame), "{framing:?}, {} bytes in pieces of {size}", frame.len());
        }
    }
}

#[test]
fn a_full_last_piece_does_not_hide_the_end() {
    for total in [60, 80, 100, 140, 200] {
        let frame = encrypted(total - OVERHEAD);
        assert_eq!(frame.len() % 20, 0);
        assert_eq!(reassemble(Framing::Encrypted, frame.chunks(20)).unwrap(), [frame]);
    }
    for total in [20, 40, 80] {
        let frame = plain(Command::Unknown(0x0ABC), total - 4);
        assert_eq!(frame.len() % 20, 0);
        assert_eq!(reassemble(Framing::Plain, frame.chunks(20)).unwrap(), [frame]);
    }
}

#[test]
fn messages_may_end_in_the_middle_of_a_piece() {
    for (framing, frames) in [
        (Framing::Encrypted, vec![encrypted(1), encrypted(53), encrypted(53), encrypted(1), encrypted(27)]),
        (
            Framing::Plain,
            vec![plain(Command::Challenge, 32), plain(Command::Status, 1), plain(Command::ErrorReport, 3)],
        ),
    ] {
        let stream = frames.concat();
        for size in 1..=stream.len() {
            assert_eq!(reassemble(framing, stream.chunks(size)).unwrap(), frames, "{framing:?}, pieces of {size}");
        }
    }
}

#[test]
fn a_half_message_is_kept_until_the_rest_comes_or_the_link_ends() {
    let frame = encrypted(40);
    let (head, tail) = frame.split_at(50);
    let mut reassembler = Reassembler::new(Framing::Encrypted);
    assert!(!reassembler.is_mid_message());
    reassembler.push(head);
    assert_eq!(reassembler.next_frame(), Ok(None));
    assert!(reassembler.is_mid_message());
    reassembler.push(tail);
    assert_eq!(reassembler.next_frame(), Ok(Some(frame.clone())));
    assert!(!reassembler.is_mid_message());

    reassembler.push(head);
    reassembler.clear();
    reassembler.push(&frame);
    assert_eq!(reassembler.next_frame(), Ok(Some(frame)));
}

#[test]
fn an_impossible_length_field_ends_the_stream_at_once() {
    let header = |length: u16| [&NONCE[..], &[2, 0, 0, 0], &length.to_le_bytes()].concat();
    for length in 0..=u16::MAX {
        let mut reassembler = Reassembler::new(Framing::Encrypted);
        reassembler.push(&header(length));
        let possible = (24..=512).contains(&length);
        match reassembler.next_frame() {
            Ok(None) => assert!(possible, "{length}"),
            Err(FrameError::BadLength { length: found, .. }) => {
                assert!(!possible, "{length}");
                assert_eq!(found, usize::from(length));
                assert!(!reassembler.is_mid_message(), "the garbage is still there");
            }
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn a_plain_message_without_end_is_given_up() {
    let mut reassembler = Reassembler::new(Framing::Plain);
    let mut pushed = 0;
    let error = loop {
        reassembler.push(&[0xEE; 20]);
        pushed += 20;
        assert!(pushed <= 300, "still waiting after {pushed} bytes");
        match reassembler.next_frame() {
            Ok(None) => {}
            Ok(Some(frame)) => panic!("{frame:02x?} is no message"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, FrameError::Endless { actual: pushed });
    assert!(!reassembler.is_mid_message());
    let status = plain(Command::Status, 1);
    reassembler.push(&status);
    assert_eq!(reassembler.next_frame(), Ok(Some(status)), "a new link starts clean");
}

#[test]
fn an_unknown_plain_message_ends_where_its_checksum_is_right() {
    for payload in [0, 1, 15, 16, 17, 36, 101] {
        let frame = plain(Command::Unknown(0x0BEE), payload);
        assert_eq!(reassemble(Framing::Plain, frame.chunks(20)).unwrap(), std::slice::from_ref(&frame));
        assert_eq!(reassemble(Framing::Plain, [frame.as_slice()]).unwrap(), [frame]);
    }
}

#[test]
fn a_known_plain_message_with_a_wrong_checksum_ends_by_its_length() {
    let mut frame = plain(Command::ErrorReport, 3);
    frame[6] ^= 1;
    let frames = reassemble(Framing::Plain, [frame.as_slice()]).unwrap();
    assert_eq!(frames.len(), 1);
    assert!(matches!(frame::decode_plain(&frames[0]), Err(FrameError::BadCrc { .. })));
}

proptest! {
    #[test]
    fn any_cut_of_any_encrypted_stream_gives_the_same_messages(
        sizes in proptest::collection::vec(0usize..200, 1..8),
        cuts in proptest::collection::vec(1usize..60, 1..200),
    ) {
        let frames: Vec<Vec<u8>> = sizes.into_iter().map(encrypted).collect();
        let stream = frames.concat();
        let mut rest = stream.as_slice();
        let mut pieces = Vec::new();
        for size in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(reassemble(Framing::Encrypted, pieces).unwrap(), frames);
    }

    #[test]
    fn no_bytes_make_reassembly_panic_or_hoard(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..40),
    ) {
        for framing in [Framing::Plain, Framing::Encrypted] {
            let mut reassembler = Reassembler::new(framing);
            for piece in &pieces {
                reassembler.push(piece);
                while let Ok(Some(frame)) = reassembler.next_frame() {
                    prop_assert!(!frame.is_empty() && frame.len() <= 30 + 512);
                }
            }
        }
    }
}
