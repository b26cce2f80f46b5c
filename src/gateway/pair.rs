//! Pairing over a real or simulated radio: the IO around [`Pairing`].

use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Clock;
use crate::protocol::IdType;
use crate::protocol::beacon::{Advertisement, NukiId, PairingMode};
use crate::protocol::crypto::Pin;
use crate::protocol::gatt::Generation;
use crate::protocol::pairing::Applicant;
use crate::session::pairing::{Authorization, Output, Pairing, PairingConfig, PairingError};
use crate::transport::{Address, Link, Purpose, Transport, TransportError};

/// A lock that waits to be paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub nuki_id: NukiId,
    /// Its address.
    pub address: Address,
    /// Which kind it is, and whether it was ever set up.
    pub mode: PairingMode,
    /// Signal strength, dBm.
    pub rssi: Option<i16>,
}

/// Why pairing failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The radio failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The exchange failed.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// Nobody advertised pairing mode in time.
    #[error(
        "no lock in pairing mode was heard; hold its button for 5 seconds until the ring lights up, within reach of this computer"
    )]
    NobodyThere,
    /// The one asked for is there, but not in pairing mode.
    #[error(
        "lock {0:08X} is heard, but it is not in pairing mode; hold its button for 5 seconds until the ring lights up"
    )]
    NotInPairingMode(NukiId),
}

/// Waits until a lock in pairing mode is heard: `wanted`, or the first one.
///
/// # Errors
/// [`PairError`] when the radio fails or nobody comes within `within`.
pub async fn find(transport: &dyn Transport, wanted: Option<NukiId>, within: Duration) -> Result<Candidate, PairError> {
    let mut sightings = transport.scan().await?;
    let mut heard_outside_pairing = None;
    let search = async {
        while let Some(sighting) = sightings.recv().await {
            match sighting.advertisement {
                Advertisement::Pairing(mode, nuki_id) if wanted.is_none_or(|wanted| wanted == nuki_id) => {
                    return Some(Candidate { nuki_id, address: sighting.address, mode, rssi: sighting.rssi });
                }
                Advertisement::Beacon(beacon) if wanted == Some(beacon.nuki_id) => {
                    heard_outside_pairing = Some(beacon.nuki_id);
                }
                _ => {}
            }
        }
        None
    };
    match timeout(within, search).await {
        Ok(Some(candidate)) => Ok(candidate),
        Ok(None) | Err(_) => Err(heard_outside_pairing.map_or(PairError::NobodyThere, PairError::NotInPairingMode)),
    }
}

/// Who asks, and with what.
#[derive(Debug)]
pub struct PairRequest {
    /// The role wanted; the 5th generation gives app whatever is asked.
    pub id_type: IdType,
    /// The number of this installation.
    pub app_id: u32,
    /// Name shown in the lock's user list.
    pub name: String,
    /// The security PIN.
    pub pin: Option<Pin>,
    /// Fresh randomness.
    pub seed: [u8; 32],
}

/// Pairs with the lock at `address`.
///
/// # Errors
/// [`PairError`] when the radio or the exchange fails.
pub async fn pair(
    transport: &dyn Transport,
    clock: Clock,
    address: Address,
    request: PairRequest,
) -> Result<(Authorization, Generation), PairError> {
    let mut link = transport.connect(address, Purpose::Pairing).await?;
    let generation = link.generation;
    let applicant = Applicant { id_type: request.id_type, app_id: request.app_id, name: request.name };
    let config = PairingConfig { generation, applicant, pin: request.pin, seed: request.seed };
    let result = converse(&mut link, Pairing::new(config, clock.monotonic()), clock).await;
    let ended = link.writer.disconnect().await;
    let authorization = result?;
    if let Err(error) = ended {
        // The authorization counts; the lock drops idle links by itself.
        tracing::debug!(%error, "disconnecting after pairing failed");
    }
    Ok((authorization, generation))
}

async fn converse(link: &mut Link, mut pairing: Pairing, clock: Clock) -> Result<Authorization, PairError> {
    loop {
        while let Some(output) = pairing.poll() {
            match output {
                Output::Write(characteristic, value) => link.writer.write(characteristic, value).await?,
                Output::Finished(result) => return Ok(*result?),
            }
        }
        let deadline = clock.instant(pairing.next_timeout().unwrap_or_default());
        tokio::select! {
            indication = link.indications.recv() => match indication {
                Some(indication) => pairing.handle_received(&indication.value),
                None => pairing.handle_link_lost(),
            },
            () = tokio::time::sleep_until(deadline) => pairing.handle_timeout(clock.monotonic()),
        }
    }
}
