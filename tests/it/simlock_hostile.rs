//! Whatever is written to the simulated lock: no panic, no movement.

use std::time::Duration;

use keyturner::protocol::frame::{self, Message};
use keyturner::protocol::gatt::Characteristic;
use keyturner::protocol::request::LockActionCommand;
use keyturner::protocol::{Command, IdType, LockAction, LockState};
use keyturner::simlock::{Input, LinkId};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};

use crate::support::bench::Bench;

const ALL: [Characteristic; 3] =
    [Characteristic::PairingGdio, Characteristic::KeyturnerGdio, Characteristic::KeyturnerUsdio];

/// Bytes that repeat from run to run.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut x = seed.wrapping_mul(2_654_435_761).wrapping_add(u32::try_from(length).unwrap()) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

fn assert_untouched(bench: &Bench, what: &str) {
    assert_eq!(bench.lock.state().lock_state, LockState::Locked, "{what}");
    assert_eq!(bench.lock.executions_total(), 0, "{what}");
    assert_eq!(bench.lock.users().len(), 4, "{what}");
}

#[test]
fn every_length_of_noise_on_every_characteristic() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.feed(Input::PairingMode(true));
    for length in 0..=200 {
        for characteristic in ALL {
            for seed in 0..4 {
                bench.write(client.link, characteristic, noise(length, seed));
            }
            bench.write(client.link, characteristic, vec![0; length]);
            bench.write(client.link, characteristic, vec![0xFF; length]);
        }
    }
    bench.pass(Duration::from_secs(60));
    assert_untouched(&bench, "noise");
}

#[test]
fn every_prefix_extension_and_flipped_bit_of_a_genuine_action() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let command = |nonce: &[u8; 32]| {
        LockActionCommand { action: LockAction::Unlatch, app_id: client.app_id, flags: 0, suffix: None }.encode(nonce)
    };
    let length = frame::encode_encrypted(&client.key, &[1; 24], client.auth_id, &command(&[0; 32])).len();
    for at in 0..length {
        let nonce = bench.challenge(&client);
        let genuine = frame::encode_encrypted(&client.key, &[1; 24], client.auth_id, &command(&nonce));
        bench.write(client.link, Characteristic::KeyturnerUsdio, genuine[..at].to_vec());
        let mut flipped = genuine.clone();
        flipped[at] ^= 1 << (at % 8);
        bench.write(client.link, Characteristic::KeyturnerUsdio, flipped);
        let mut longer = genuine;
        longer.extend(noise(at, 3));
        if at > 0 {
            bench.write(client.link, Characteristic::KeyturnerUsdio, longer);
        }
        bench.frames(client.link, Characteristic::KeyturnerGdio);
        bench.replies(&client);
    }
    assert_untouched(&bench, "mutations");
}

#[test]
fn every_command_with_every_length_of_payload_sealed_by_a_genuine_user() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let ids = (0..0x60u16).chain([0x100, 0x110, 0xFFFF]);
    for id in ids {
        for length in 0..=120 {
            bench.send(&client, &Message::new(Command::from_id(id), noise(length, u32::from(id))));
        }
    }
    bench.pass(Duration::from_secs(1));
    assert_untouched(&bench, "commands");
}

#[test]
fn strange_links_are_nobodys() {
    let mut bench = Bench::family();
    bench.feed(Input::Confirmed { link: LinkId(77) });
    bench.feed(Input::Disconnected { link: LinkId(77) });
    bench.feed(Input::MtuChanged { link: LinkId(77), mtu: 0 });
    bench.write(LinkId(77), Characteristic::KeyturnerUsdio, vec![0; 60]);
    bench.feed(Input::SetClock(i64::MAX));
    bench.feed(Input::SetClock(i64::MIN));
    let client = bench.client(IdType::Bridge);
    assert_eq!(bench.states(&client).current_time, None, "a clock beyond all years is not set");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_at_all_move_the_bolt(
        writes in prop::collection::vec((0..3usize, prop::collection::vec(any::<u8>(), 0..200)), 0..20),
        is_pairing in any::<bool>(),
    ) {
        let mut bench = Bench::family();
        let link = bench.connect();
        bench.feed(Input::PairingMode(is_pairing));
        for (which, value) in writes {
            bench.write(link, ALL[which], value);
        }
        bench.pass(Duration::from_secs(40));
        prop_assert_eq!(bench.lock.state().lock_state, LockState::Locked);
        prop_assert_eq!(bench.lock.users().len(), 3);
    }
}
