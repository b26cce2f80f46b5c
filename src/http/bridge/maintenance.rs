//! `/unpair`, `/fwupdate`, `/reboot`, `/factoryReset`: what a hardware bridge does to itself, as far as a daemon can and may.
//!
//! A client that is refused gets `{"success": false}` with status 200: an empty
//! answer makes homebridge-nuki ask three times, an error makes others.

use super::super::AppState;
use super::super::doors::Doors;
use super::super::error::Refusal;
use super::super::query::Params;
use super::settings::Maintenance;
use super::{find, success};
use crate::store::CALLBACK_SLOTS;

/// Whether the owner lets clients do this.
fn may(app: &AppState, what: Maintenance) -> bool {
    let may = app.bridge.settings.get().allow.contains(&what);
    if !may {
        tracing::warn!(?what, "a client asked for this, and the configuration does not allow it ([bridge] allow)");
    }
    may
}

/// Forgets a lock: its key first, so that no restart brings it back. What it did stays in the event log, and the
/// authorization stays in the lock, whose owner removes it there.
pub(super) async fn unpair(app: &AppState, doors: &dyn Doors, params: &Params) -> Result<String, Refusal> {
    let nuki_id = find(doors, params)?.nuki_id;
    if !may(app, Maintenance::Unpair) {
        return Ok(success(false));
    }
    app.bridge.host.forget_key(nuki_id).map_err(|error| {
        tracing::error!(nuki_id, %error, "a lock could not be forgotten");
        Refusal::Internal
    })?;
    match doors.forget(nuki_id).await {
        Ok(()) => {
            tracing::warn!(nuki_id, "a client has unpaired this lock; its key is gone");
            Ok(success(true))
        }
        Err(error) => {
            tracing::error!(nuki_id, %error, "the key of this lock is gone, and it is served until the next start");
            Err(Refusal::QueryUnavailable)
        }
    }
}

/// Nothing here can be updated: locks take their firmware from the vendor's app, and we come as a package.
pub(super) fn update(params: &Params) -> Result<String, Refusal> {
    match params.filled("scope") {
        None | Some("0" | "1" | "2") => Ok(success(false)),
        Some(_) => Err(Refusal::BadRequest),
    }
}

/// Starts the gateway anew, in order, and not the machine.
pub(super) fn reboot(app: &AppState) -> String {
    let may = may(app, Maintenance::Reboot);
    if may {
        tracing::warn!("a client starts the gateway anew");
        app.bridge.host.restart();
    }
    success(may)
}

/// What clients have set at the bridge is as on the first day. Keys of locks, tokens and the event log are the owner's,
/// and no request takes them away.
pub(super) async fn factory_reset(app: &AppState) -> Result<String, Refusal> {
    if !may(app, Maintenance::FactoryReset) {
        return Ok(success(false));
    }
    for slot in 0..CALLBACK_SLOTS {
        app.store.remove_callback(slot).await?;
    }
    app.delivery.callbacks_changed();
    app.store.set_auth_enabled(false).await?;
    app.bridge.window.enable(false);
    app.diagnostics.clear();
    tracing::warn!("a client has reset the bridge: callbacks, /configAuth and /log are as on the first day");
    Ok(success(true))
}
