//! The same hand-written client over a simulated radio.

use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::protocol::crypto::Challenge;
use keyturner::protocol::frame::{self, Framing, Message, Reassembler};
use keyturner::protocol::gatt::Characteristic;
use keyturner::protocol::reply::Reply;
use keyturner::protocol::request::LockActionCommand;
use keyturner::protocol::{Command, IdType, LockAction, StatusCode};
use keyturner::simlock::{LinkId, SimLockConfig};
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use keyturner::transport::{Link, Purpose, Transport, TransportError};

use super::bench::{Client, NUKI_ID, PairingClient, suffix_field};

pub(crate) fn radio(settings: SimSettings) -> (SimRadio, SimDoor) {
    radio_with(settings, SimLockConfig::family(NUKI_ID))
}

pub(crate) fn radio_with(settings: SimSettings, config: SimLockConfig) -> (SimRadio, SimDoor) {
    let clock = Clock::virtual_from(UnixMillis(1_795_442_400_000));
    let radio = SimRadio::new(clock, settings, [9; 32]);
    let door = radio.add(config, [7; 32]);
    (radio, door)
}

/// A client with an open link.
pub(crate) struct Central {
    pub(crate) client: Client,
    pub(crate) link: Link,
    inbox: Reassembler,
    nonces: u8,
}

pub(crate) async fn pair(radio: &SimRadio, door: &SimDoor, id_type: IdType) -> Result<Client, TransportError> {
    door.pairing_mode(true);
    let mut link = radio.connect(door.address(), Purpose::Pairing).await?;
    let mut pairing = PairingClient::new(LinkId(0), id_type, 0x4B54_0001, "Keyturner");
    let mut inbox = Reassembler::new(Framing::Plain);
    while let Some(message) = pairing.next() {
        link.writer.write(Characteristic::PairingGdio, frame::encode_plain(&message)).await?;
        let answer = loop {
            if let Some(answer) = inbox.next_frame().unwrap() {
                break answer;
            }
            let piece = link.indications.recv().await.expect("the link lives");
            assert_eq!(piece.characteristic, Characteristic::PairingGdio);
            inbox.push(&piece.value);
        };
        pairing.answered(&frame::decode_plain(&answer).unwrap());
    }
    link.writer.disconnect().await?;
    Ok(pairing.into_client())
}

impl Central {
    pub(crate) async fn connect(radio: &SimRadio, door: &SimDoor, client: Client) -> Result<Self, TransportError> {
        let link = radio.connect(door.address(), Purpose::Daily).await?;
        Ok(Self { client, link, inbox: Reassembler::new(Framing::Encrypted), nonces: 0 })
    }

    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), TransportError> {
        self.nonces += 1;
        let frame = frame::encode_encrypted(&self.client.key, &[self.nonces; 24], self.client.auth_id, message);
        self.link.writer.write(Characteristic::KeyturnerUsdio, frame).await
    }

    /// The next reply; `None` when the link is gone.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(frame) = self.inbox.next_frame().unwrap() {
                let (_, message) = frame::decode_encrypted(&self.client.key, &frame).unwrap();
                return Some(Reply::decode(message, false).unwrap());
            }
            let piece = self.link.indications.recv().await?;
            self.inbox.push(&piece.value);
        }
    }

    pub(crate) async fn challenge(&mut self) -> Result<Challenge, TransportError> {
        self.send(&Message::request(Command::Challenge)).await?;
        match self.reply().await {
            Some(Reply::Challenge(nonce)) => Ok(nonce),
            other => panic!("{other:?} is no challenge"),
        }
    }

    pub(crate) async fn act(&mut self, action: LockAction, suffix: &str) -> Result<(), TransportError> {
        let nonce = self.challenge().await?;
        let app_id = self.client.app_id;
        let command = LockActionCommand { action, app_id, flags: 0, suffix: Some(suffix_field(suffix)) };
        self.send(&command.encode(&nonce)).await
    }

    /// Replies up to COMPLETE or the end of the link.
    pub(crate) async fn until_complete(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        let wait = async {
            while let Some(reply) = self.reply().await {
                let is_end = reply == Reply::Status(StatusCode::Complete);
                replies.push(reply);
                if is_end {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("an answer or an end");
        replies
    }
}
