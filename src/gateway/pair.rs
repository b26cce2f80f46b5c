//! Pairing over a real or simulated radio: the IO around [`Pairing`].

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::protocol::IdType;
use crate::protocol::beacon::{Advertisement, Beacon, Family, NukiId, PairingMode, device_name};
use crate::protocol::crypto::Pin;
use crate::protocol::gatt::Generation;
use crate::protocol::pairing::Applicant;
use crate::session::pairing::{Authorization, Output, Pairing, PairingConfig, PairingError};
use crate::transport::{Address, Link, Purpose, Transport, TransportError, TransportErrorKind};

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

/// A lock that is heard and does not wait to be paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bystander {
    /// Its number.
    pub nuki_id: NukiId,
    /// Lock or Opener.
    pub family: Family,
    /// Signal strength, dBm.
    pub rssi: Option<i16>,
}

impl Candidate {
    /// Lock or Opener.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.mode {
            PairingMode::Opener | PairingMode::UninitialisedOpener => Family::Opener,
            PairingMode::Lock | PairingMode::Lock5thGen | PairingMode::UninitialisedLock => Family::Lock,
        }
    }

    /// The name that it advertises.
    #[must_use]
    pub fn name(&self) -> String {
        device_name(self.family(), self.nuki_id)
    }
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
    /// It failed when the lock had given an authorization already, which it may have kept.
    #[error("{why}, and whether the lock has kept the authorization is not known")]
    Unconfirmed {
        /// What the lock gave us.
        given: Box<Authorization>,
        /// From the GATT table.
        generation: Generation,
        /// What went wrong.
        why: Box<PairError>,
    },
    /// The radio stopped listening.
    #[error("the radio stopped listening")]
    Deaf,
    /// Nobody advertised anything in time.
    #[error("no lock was heard at all")]
    NobodyThere,
    /// Locks are there, and none is in pairing mode.
    #[error("no lock is in pairing mode; heard: {}", list(.0))]
    NobodyWaits(Vec<Bystander>),
    /// The one asked for is there, but not in pairing mode.
    #[error("lock {0:08X} is heard, but it is not in pairing mode")]
    NotInPairingMode(NukiId),
    /// The one asked for is not there.
    #[error("lock {wanted:08X} was not heard{}", others(.waiting))]
    NotThere {
        /// Whom we were looking for.
        wanted: NukiId,
        /// Others that are in pairing mode.
        waiting: Vec<NukiId>,
    },
}

fn list(heard: &[Bystander]) -> String {
    let name = |other: &Bystander| device_name(other.family, other.nuki_id);
    heard.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn others(waiting: &[NukiId]) -> String {
    if waiting.is_empty() {
        return String::new();
    }
    let numbers: Vec<_> = waiting.iter().map(|id| format!("{id:08X}")).collect();
    format!("; in pairing mode: {}", numbers.join(", "))
}

/// Waits until a lock in pairing mode is heard: `wanted`, or the first one.
///
/// # Errors
/// [`PairError`] when the radio fails or nobody comes within `within`.
pub async fn find(transport: &dyn Transport, wanted: Option<NukiId>, within: Duration) -> Result<Candidate, PairError> {
    let found = listen(transport, wanted, within, Duration::ZERO, |_| {}).await?;
    found.first().copied().ok_or(PairError::NobodyThere)
}

/// So many are remembered of each kind. A house has a handful; anyone can pretend to be more.
const REMEMBERED: usize = 32;

/// Listens for locks in pairing mode: for `wanted`, or for all that come within `others_within` of the first one. `tell`
/// hears of each. What is found is never empty.
///
/// # Errors
/// [`PairError`] when the radio fails or nobody comes within `within`.
pub async fn listen(
    transport: &dyn Transport,
    wanted: Option<NukiId>,
    within: Duration,
    others_within: Duration,
    mut tell: impl FnMut(&Candidate),
) -> Result<Vec<Candidate>, PairError> {
    let mut sightings = transport.scan().await?;
    let (mut waiting, mut bystanders): (Vec<Candidate>, Vec<Bystander>) = (Vec::new(), Vec::new());
    let mut until = Instant::now() + within;
    let is_wanted = |nuki_id: NukiId| wanted.is_none_or(|wanted| wanted == nuki_id);
    // Asked each time, since a flood of sightings leaves no time limit a chance.
    while Instant::now() < until {
        let sighting = match timeout_at(until, sightings.recv()).await {
            Ok(Some(sighting)) => sighting,
            Ok(None) if waiting.iter().any(|candidate| is_wanted(candidate.nuki_id)) => break,
            Ok(None) => return Err(PairError::Deaf),
            Err(_) => break,
        };
        let rssi = sighting.rssi;
        match sighting.advertisement {
            Advertisement::Pairing(mode, nuki_id) => {
                let candidate = Candidate { nuki_id, address: sighting.address, mode, rssi };
                let has_room = waiting.len() < REMEMBERED || wanted == Some(nuki_id);
                if !has_room || waiting.iter().any(|other| other.nuki_id == nuki_id) {
                    continue;
                }
                let is_first = !waiting.iter().any(|other| is_wanted(other.nuki_id));
                waiting.push(candidate);
                if is_wanted(nuki_id) {
                    tell(&candidate);
                    if wanted.is_some() {
                        break;
                    }
                    if is_first {
                        until = until.min(Instant::now() + others_within);
                    }
                }
            }
            Advertisement::Beacon(Beacon { nuki_id, family, .. }) => {
                let has_room = bystanders.len() < REMEMBERED || wanted == Some(nuki_id);
                if has_room && bystanders.iter().all(|other| other.nuki_id != nuki_id) {
                    bystanders.push(Bystander { nuki_id, family, rssi });
                }
            }
        }
    }
    let found: Vec<Candidate> = waiting.iter().copied().filter(|candidate| is_wanted(candidate.nuki_id)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(match wanted {
        Some(wanted) if bystanders.iter().any(|other| other.nuki_id == wanted) => PairError::NotInPairingMode(wanted),
        Some(wanted) => PairError::NotThere { wanted, waiting: waiting.iter().map(|other| other.nuki_id).collect() },
        None if bystanders.is_empty() => PairError::NobodyThere,
        None => PairError::NobodyWaits(bystanders),
    })
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

/// So often is a lock asked whose link breaks before it knows who asks.
const ATTEMPTS: u32 = 3;

/// Pairs with the lock at `address`. A link that breaks before the lock was told who asks has changed nothing there, so
/// it is made anew; later than that nothing is repeated, since a lock counts PINs and may have kept what it was sent.
///
/// # Errors
/// [`PairError`] when the radio or the exchange fails.
pub async fn pair(
    transport: &dyn Transport,
    clock: Clock,
    address: Address,
    request: PairRequest,
) -> Result<(Authorization, Generation), PairError> {
    let mut seeds = ChaCha20Rng::from_seed(request.seed);
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        // No two links see the same key.
        let mut seed = [0; 32];
        seeds.fill_bytes(&mut seed);
        match attempt(transport, clock, address, &request, seed).await {
            Err(Failure { error, has_applied: false }) if left > 0 && may_pass(&error) => {
                tracing::info!(%address, %error, "pairing once more");
            }
            result => return result.map_err(|failure| failure.error),
        }
    }
}

/// Why an attempt failed.
struct Failure {
    error: PairError,
    /// Whether the lock was told who asks.
    has_applied: bool,
}

/// Whether another link may fare better.
const fn may_pass(error: &PairError) -> bool {
    use TransportErrorKind::{Busy, ConnectFailed, LinkLost, Timeout};
    match error {
        PairError::Transport(error) => matches!(error.kind, Busy | ConnectFailed | LinkLost | Timeout),
        PairError::Pairing(error) => matches!(error, PairingError::LinkLost),
        _ => false,
    }
}

async fn attempt(
    transport: &dyn Transport,
    clock: Clock,
    address: Address,
    request: &PairRequest,
    seed: [u8; 32],
) -> Result<(Authorization, Generation), Failure> {
    let early = |error: TransportError| Failure { error: error.into(), has_applied: false };
    let mut link = transport.connect(address, Purpose::Pairing).await.map_err(early)?;
    let generation = link.generation;
    let applicant = Applicant { id_type: request.id_type, app_id: request.app_id, name: request.name.clone() };
    let config = PairingConfig { generation, applicant, pin: request.pin, seed };
    let mut pairing = Pairing::new(config, clock.monotonic());
    let result = converse(&mut link, &mut pairing, clock).await;
    let ended = link.writer.disconnect().await;
    let authorization = result.map_err(|why| {
        let error = match pairing.given() {
            Some(given) => PairError::Unconfirmed { given: Box::new(given.clone()), generation, why: Box::new(why) },
            None => why,
        };
        Failure { error, has_applied: pairing.has_applied() }
    })?;
    if let Err(error) = ended {
        // The authorization counts; the lock drops idle links by itself.
        tracing::debug!(%error, "disconnecting after pairing failed");
    }
    Ok((authorization, generation))
}

async fn converse(link: &mut Link, pairing: &mut Pairing, clock: Clock) -> Result<Authorization, PairError> {
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
