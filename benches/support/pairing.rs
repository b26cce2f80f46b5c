//! Pairing with a simulated lock. Benches are programs of their own, so each takes this file in.

use keyturner::clock::Clock;
use keyturner::gateway::PairedLock;
use keyturner::gateway::pair::{PairRequest, pair};
use keyturner::protocol::IdType;
use keyturner::protocol::crypto::Pin;
use keyturner::transport::sim::{SimDoor, SimRadio};

const PIN: Pin = Pin::new(1234);

/// As its bridge.
pub(crate) async fn paired(radio: &SimRadio, clock: Clock, door: &SimDoor) -> PairedLock {
    door.pairing_mode(true);
    let (app_id, id_type) = (0x4B54_0001, IdType::Bridge);
    let request = PairRequest { id_type, app_id, name: "Keyturner".to_owned(), pin: Some(PIN), seed: [3; 32] };
    let (authorization, generation) = pair(radio, clock, door.address(), request).await.unwrap();
    PairedLock {
        nuki_id: door.nuki_id(),
        address: door.address(),
        name: String::new(),
        generation,
        auth_id: authorization.auth_id,
        id_type,
        key: authorization.key,
        app_id,
        pin: Some(PIN),
    }
}
