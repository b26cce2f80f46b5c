//! The simulated lock, at whose other end anybody may be: with `keyturner sim --adapter` it is on the air.

use std::time::Duration;

use super::bytes::Bytes;
use super::session::paired;
use crate::protocol::crypto::SharedKey;
use crate::protocol::frame::{AuthId, Message, encode_encrypted};
use crate::protocol::gatt::Characteristic;
use crate::protocol::{Command, LockState};
use crate::simlock::{Device, Input, LinkId, Moment, Output, SimLock, SimLockConfig};

const NUKI_ID: u32 = 0x0A1B_2C3D;
/// 2026-11-23 14:00:00 UTC.
const START: i64 = 1_795_442_400;
/// So much may come of one input: the whole log in pieces of 20 bytes stays below it.
const MAX_AT_ONCE: usize = 20_000;
const MAX_STEPS: u32 = 400;

/// Bytes as what centrals do: the device, then commands with what they need.
pub fn simlock(data: &[u8]) {
    let mut bytes = Bytes(data);
    let Some(device) = bytes.pick(&Device::ALL) else { return };
    let mut config = SimLockConfig::family_of(device, NUKI_ID);
    config.log_capacity = 50;
    let mut lock = SimLock::new(config, [7; 32]);
    let Some((auth_id, key)) = paired(&mut lock, device.pin()) else { return };
    let mut bench = Bench { lock, now: Duration::from_secs(1), auth_id, key };
    let before = bench.what_counts();
    for _ in 0..MAX_STEPS {
        let Some(command) = bytes.next() else { break };
        bench.step(command, &mut bytes);
    }
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.what_counts(), before, "without a nonce that the lock gave, nobody changes anything");
}

struct Bench {
    lock: SimLock,
    now: Duration,
    auth_id: AuthId,
    key: SharedKey,
}

impl Bench {
    fn step(&mut self, command: u8, bytes: &mut Bytes<'_>) {
        let link = LinkId(u32::from(command & 3));
        match command {
            0x00..=0x07 => {
                let mtu = 23 + u16::from(bytes.byte()) * 2;
                self.feed(Input::Connected { link, mtu });
                for characteristic in Characteristic::ALL {
                    self.feed(Input::Subscribed { link, characteristic, indications: command & 4 == 0 });
                }
            }
            0x08..=0x0B => self.feed(Input::Disconnected { link }),
            0x0C..=0x0F => self.feed(Input::MtuChanged { link, mtu: u16::from(bytes.byte()) }),
            0x10..=0x13 => self.feed(Input::Confirmed { link }),
            0x14..=0x17 => self.pass(Duration::from_millis(20 << (bytes.byte() & 0x0F))),
            0x18..=0x1B => self.feed(Input::Subscribed {
                link,
                characteristic: bytes.pick(&Characteristic::ALL).unwrap_or(Characteristic::KeyturnerUsdio),
                indications: bytes.byte() & 1 == 1,
            }),
            // Whatever is written in clear.
            0x20..=0x5F => {
                let characteristic = bytes.pick(&Characteristic::ALL).unwrap_or(Characteristic::KeyturnerUsdio);
                let value = bytes.some().to_vec();
                self.feed(Input::Write { link, characteristic, value });
            }
            // Whatever a genuine user seals.
            0x60..=0xFF => {
                let message = Message::new(Command::from_id(u16::from(bytes.byte())), bytes.some());
                let value = encode_encrypted(&self.key, &[0x5A; 24], self.auth_id, &message);
                self.feed(Input::Write { link, characteristic: Characteristic::KeyturnerUsdio, value });
            }
            _ => {}
        }
    }

    /// What nobody may change who only writes.
    fn what_counts(&self) -> (LockState, u32, usize, usize, i64) {
        let state = self.lock.state().lock_state;
        let lists = (self.lock.users().len(), self.lock.keypad_codes().len());
        (state, self.lock.executions_total(), lists.0, lists.1, self.lock.clock_offset())
    }

    fn feed(&mut self, input: Input) {
        let seconds = i64::try_from(self.now.as_secs()).unwrap_or(0);
        self.lock.handle(input, Moment { mono: self.now, unix_seconds: START.saturating_add(seconds) });
        let mut count = 0;
        while let Some(output) = self.lock.poll() {
            count += 1;
            assert!(count < MAX_AT_ONCE, "outputs without end");
            if let Output::Advertise(advertising) = output {
                assert!(advertising.data.len() <= 31 && advertising.scan_response.len() <= 31, "it fits a packet");
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now.saturating_add(time);
        for _ in 0..10_000 {
            let next = self.lock.next_timeout().map_or(end, |next| next.clamp(self.now, end));
            self.now = next;
            self.feed(Input::Tick);
            if self.now >= end && self.lock.next_timeout().is_none_or(|at| at > end) {
                return;
            }
        }
        assert!(self.lock.next_timeout().is_none(), "the lock never comes to rest");
    }
}
