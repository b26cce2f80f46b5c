//! Which of BlueZ's objects are the characteristics that we use.
//!
//! The tree of all objects is the one place that lists them, and it holds every device that BlueZ knows. So what was
//! found is remembered, and at the next connection only asked whether it is still that (`docs/adr/0058`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bluer::Device;
use bluer::gatt::remote;
use futures::future::try_join_all;

use super::errors::Stage;
use super::{limited, limits};
use crate::protocol::gatt::{Characteristic, Generation, Uuid};
use crate::transport::{Address, Purpose, TransportError, TransportErrorKind as Kind};

/// A characteristic of ours and its object in BlueZ.
pub(super) type Found = (Characteristic, remote::Characteristic);

/// What we use of a device's table.
pub(super) struct Table {
    pub(super) generation: Generation,
    pub(super) characteristics: Vec<Found>,
    /// The service that the generation comes from.
    pairing: remote::Service,
}

/// Where it stood at the last connection: BlueZ's numbers, which are the attributes' handles.
#[derive(Debug, Clone)]
struct Handles {
    generation: Generation,
    pairing: u16,
    /// Service and characteristic.
    characteristics: Vec<(Characteristic, u16, u16)>,
}

/// The tables of the devices that we connect to.
#[derive(Debug, Default)]
pub(super) struct Tables(Mutex<HashMap<(Address, Purpose), Handles>>);

impl Tables {
    /// The table of a device whose services are resolved as it was, if BlueZ still has each UUID where it was. An error
    /// is no: whoever looks at the whole tree then finds out.
    pub(super) async fn known(&self, device: &Device, purpose: Purpose) -> Option<Table> {
        let handles = self.remembered().get(&(device.address().into(), purpose)).cloned()?;
        handles.still_stand(device).await.unwrap_or(None)
    }

    /// Looks for it in the tree, and remembers it.
    pub(super) async fn find(&self, device: &Device, purpose: Purpose) -> Result<Table, TransportError> {
        let services = limited(Stage::Link, "reading the service table", limits::SERVICES, device.services()).await?;
        let table = find(&services, purpose).await?;
        let handles = Handles {
            generation: table.generation,
            pairing: table.pairing.id(),
            characteristics: table.characteristics.iter().map(|(what, at)| (*what, at.service_id(), at.id())).collect(),
        };
        self.remembered().insert((device.address().into(), purpose), handles);
        Ok(table)
    }

    /// Makes the next connection look again.
    pub(super) fn forget(&self, address: Address) {
        self.remembered().retain(|(known, _), _| *known != address);
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(Address, Purpose), Handles>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handles {
    /// One way to BlueZ and back.
    async fn still_stand(&self, device: &Device) -> Result<Option<Table>, TransportError> {
        let what = "looking at the service table";
        let service = async |id| limited(Stage::Link, what, limits::CALL, device.service(id)).await;
        let pairing = service(self.pairing).await?;
        let mut characteristics = Vec::new();
        for (characteristic, service_id, id) in &self.characteristics {
            let service = service(*service_id).await?;
            let remote = limited(Stage::Link, what, limits::CALL, service.characteristic(*id)).await?;
            characteristics.push((*characteristic, remote));
        }
        let (telling, places) = tokio::try_join!(
            limited(Stage::Link, what, limits::CALL, pairing.uuid()),
            uuids(what, characteristics.iter().map(|(_, remote)| remote.uuid())),
        )?;
        let is_generation = Generation::from_pairing_service(Uuid(telling.as_u128())) == Some(self.generation);
        let are_there = characteristics.iter().map(|(what, _)| self.generation.uuid(*what)).eq(places);
        let table = Table { generation: self.generation, characteristics, pairing };
        Ok((is_generation && are_there).then_some(table))
    }
}

/// The generation, from the pairing service that the table has; and the characteristics that `purpose` needs.
async fn find(services: &[remote::Service], purpose: Purpose) -> Result<Table, TransportError> {
    let uuids = uuids("reading the service table", services.iter().map(remote::Service::uuid)).await?;
    let table: Vec<_> = uuids.into_iter().zip(services).collect();
    let missing = |detail| TransportError::new(Kind::MissingCharacteristic, detail);
    let (generation, pairing) = pairing(table.iter().copied())
        .ok_or_else(|| missing(format!("none of its {} services is for pairing", table.len())))?;
    // The second value: whether we cannot do without. The plain characteristic
    // of daily operation only brings refusals.
    let wanted: &[(Characteristic, bool)] = match purpose {
        Purpose::Pairing => &[(Characteristic::PairingGdio, true)],
        Purpose::Daily => &[(Characteristic::KeyturnerUsdio, true), (Characteristic::KeyturnerGdio, false)],
    };
    let mut found = Vec::new();
    let mut read: Option<(Uuid, Vec<(Uuid, remote::Characteristic)>)> = None;
    for (characteristic, needed) in wanted {
        let service = generation.service(*characteristic);
        if read.as_ref().is_none_or(|(uuid, _)| *uuid != service) {
            read = Some((service, characteristics(&table, service).await?));
        }
        let uuid = generation.uuid(*characteristic);
        let remote = read.iter().flat_map(|(_, all)| all).find(|(other, _)| *other == uuid);
        match remote {
            Some((_, remote)) => found.push((*characteristic, remote.clone())),
            None if *needed => return Err(missing(format!("it has no {uuid}"))),
            None => {}
        }
    }
    Ok(Table { generation, characteristics: found, pairing: pairing.clone() })
}

async fn characteristics(
    table: &[(Uuid, &remote::Service)],
    wanted: Uuid,
) -> Result<Vec<(Uuid, remote::Characteristic)>, TransportError> {
    let what = "reading the characteristics";
    let mut all = Vec::new();
    for (_, service) in table.iter().filter(|(uuid, _)| *uuid == wanted) {
        let found = limited(Stage::Link, what, limits::CALL, service.characteristics()).await?;
        let uuids = uuids(what, found.iter().map(remote::Characteristic::uuid)).await?;
        all.extend(uuids.into_iter().zip(found));
    }
    Ok(all)
}

/// What these are, asked all at once: each way to BlueZ and back costs more than its answer.
async fn uuids(
    what: &str,
    questions: impl Iterator<Item = impl Future<Output = bluer::Result<bluer::Uuid>>>,
) -> Result<Vec<Uuid>, TransportError> {
    let answers = try_join_all(questions.map(|question| limited(Stage::Link, what, limits::CALL, question))).await?;
    Ok(answers.into_iter().map(|uuid| Uuid(uuid.as_u128())).collect())
}

/// The service that tells the generation. Should a table ever hold several, the newest generation is meant: only its
/// devices know of it.
fn pairing<T>(table: impl Iterator<Item = (Uuid, T)>) -> Option<(Generation, T)> {
    table
        .filter_map(|(uuid, service)| Some((Generation::from_pairing_service(uuid)?, service)))
        .max_by_key(|(generation, _)| *generation == Generation::Gen5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::gatt::{lock, opener};

    #[test]
    fn the_generation_comes_from_the_pairing_service() {
        let of =
            |services: &[Uuid]| pairing(services.iter().map(|uuid| (*uuid, ()))).map(|(generation, ())| generation);
        assert_eq!(of(&[Uuid(1), lock::KEYTURNER_SERVICE, lock::PAIRING_SERVICE]), Some(Generation::Gen1To4));
        assert_eq!(of(&[lock::PAIRING_SERVICE_5TH_GEN, lock::KEYTURNER_SERVICE]), Some(Generation::Gen5));
        assert_eq!(of(&[lock::PAIRING_SERVICE_5TH_GEN, lock::PAIRING_SERVICE]), Some(Generation::Gen5));
        assert_eq!(of(&[opener::PAIRING_SERVICE]), Some(Generation::Opener));
        assert_eq!(of(&[lock::KEYTURNER_SERVICE]), None);
    }
}
