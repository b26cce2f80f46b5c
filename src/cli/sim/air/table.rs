//! The lock's GATT table as an application of BlueZ, and what centrals ask of it.

use bluer::gatt::local::{
    Application, Characteristic as Entry, CharacteristicNotifier, CharacteristicNotify, CharacteristicNotifyMethod,
    CharacteristicWrite, CharacteristicWriteMethod, CharacteristicWriteRequest, ReqError, Service,
};
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};

use crate::protocol::gatt::{Characteristic, Generation, Uuid};
use crate::transport::Address;

/// What a central wants.
pub(super) enum Request {
    /// Indications. BlueZ does not say who; only one central is let in at a time.
    Subscribe(Characteristic, CharacteristicNotifier),
    /// A whole value was written: BlueZ puts prepared writes together.
    Write(Written),
}

/// A write, which the central holds for refused if nobody answers.
pub(super) struct Written {
    pub(super) central: Address,
    /// ATT MTU of its link; BlueZ negotiates it.
    pub(super) mtu: u16,
    pub(super) characteristic: Characteristic,
    pub(super) value: Vec<u8>,
    pub(super) accepted: oneshot::Sender<()>,
}

/// The table of this generation. Requests arrive in the order of the link.
pub(super) fn application(generation: Generation, requests: &mpsc::Sender<Request>) -> Application {
    let service = |(uuid, characteristics): (Uuid, Vec<Characteristic>)| Service {
        uuid: bluer::Uuid::from_u128(uuid.0),
        primary: true,
        characteristics: characteristics.into_iter().map(|c| entry(generation, c, requests)).collect(),
        ..Service::default()
    };
    Application { services: generation.table().into_iter().map(service).collect(), ..Application::default() }
}

fn entry(generation: Generation, characteristic: Characteristic, requests: &mpsc::Sender<Request>) -> Entry {
    let (writes, subscriptions) = (requests.clone(), requests.clone());
    let write = move |value, request| written(writes.clone(), characteristic, value, request).boxed();
    let subscribe = move |notifier| {
        let subscriptions = subscriptions.clone();
        async move {
            // Without a receiver the table is being withdrawn.
            let _ = subscriptions.send(Request::Subscribe(characteristic, notifier)).await;
        }
        .boxed()
    };
    Entry {
        uuid: bluer::Uuid::from_u128(generation.uuid(characteristic).0),
        write: Some(CharacteristicWrite {
            write: true,
            method: CharacteristicWriteMethod::Fun(Box::new(write)),
            ..CharacteristicWrite::default()
        }),
        notify: Some(CharacteristicNotify {
            indicate: true,
            method: CharacteristicNotifyMethod::Fun(Box::new(subscribe)),
            ..CharacteristicNotify::default()
        }),
        ..Entry::default()
    }
}

async fn written(
    requests: mpsc::Sender<Request>,
    characteristic: Characteristic,
    value: Vec<u8>,
    request: CharacteristicWriteRequest,
) -> Result<(), ReqError> {
    if request.prepare_authorize {
        // BlueZ asks whether a long write may begin; these are no data.
        return Ok(());
    }
    if request.offset != 0 {
        return Err(ReqError::InvalidOffset);
    }
    let (accepted, answer) = oneshot::channel();
    let central = request.device_address.into();
    let written = Written { central, mtu: request.mtu, characteristic, value, accepted };
    requests.send(Request::Write(written)).await.map_err(|_| ReqError::Failed)?;
    answer.await.map_err(|_| ReqError::NotPermitted)
}
