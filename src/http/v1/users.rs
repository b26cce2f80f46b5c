//! `/v1/users`.

use serde::Serialize;

use super::super::bridge::wire::auth_type;
use super::super::doors::{Doors, Records};
use super::super::query::Params;
use super::{AppState, Problem, nuki_id};
use crate::protocol::IdType;
use crate::store::{UserKind, UserRow};

/// A person, key or code; the Web API's names where it has them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    nuki_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_id: Option<u16>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    auth_type: Option<u8>,
    name: String,
    enabled: bool,
    /// Since when the lock is known to have it under this name.
    valid_from: String,
    /// When it was gone or renamed; absent for what is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        let (auth_id, id_type, code_id) = match row.kind {
            UserKind::Authorization { auth_id, id_type, .. } => (Some(auth_id), Some(id_type), None),
            UserKind::KeypadCode { code_id } => (None, None, Some(code_id)),
        };
        Self {
            nuki_id: row.nuki_id,
            auth_id,
            code_id,
            auth_type: auth_type(id_type.map(IdType::code), code_id.is_some()),
            name: row.name,
            enabled: row.enabled,
            valid_from: row.valid_from.rfc3339(),
            valid_until: row.valid_until.map(|until| until.rfc3339()),
        }
    }
}

/// Of one lock or of all.
pub(super) async fn users<D: Doors, R: Records>(
    app: &AppState<D, R>,
    params: &Params,
) -> Result<Vec<impl Serialize + use<D, R>>, Problem> {
    let nuki_id = nuki_id(&app.gateway, params)?;
    Ok(app.store.users(nuki_id).await?.into_iter().map(User::from).collect())
}
