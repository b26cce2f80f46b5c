//! The description of `/v1` in OpenAPI 3.1, made from the code and frozen in `tests/golden/openapi.json`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, Paths, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};

use super::super::error::{Refusal, json};
use super::PREFIX;
use super::problem::{Problem, either};
use crate::access::Scope;

/// What stands before the paths. `info.version` is the API's, not the program's.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Keyturner",
        version = "1",
        description = "Who opened the door: the event log of the locks, the people in it, live events and health.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "history", description = "What happened"),
        (name = "users", description = "People, keys and keypad codes"),
        (name = "gateway", description = "The gateway and its locks"),
        (name = "session", description = "Logging in by a browser"),
    ),
    security(("bearer" = []), ("token" = []), ("hashed" = []), ("encrypted" = [])),
    components(schemas(Problem)),
    modifiers(&Credentials),
)]
struct Head;

/// The ways to show a credential, by their names below.
const SCHEMES: [&str; 5] = ["bearer", "token", "hashed", "encrypted", SESSION];
/// What a browser has after logging in.
const SESSION: &str = "session";

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, api: &mut OpenApi) {
        let components = api.components.get_or_insert_default();
        let in_query =
            |name: &str, text: &str| SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(name, text)));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The token")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::with_description(
            "keyturner",
            "A browser's session. Over TLS its name is __Host-keyturner. It has not the scope admin, and what changes \
             something needs the headers Origin and Keyturner-Page",
        );
        components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("token", in_query("token", "The token in plain"));
        components.add_security_scheme("hashed", in_query("hash", "With ts and rnr, as the Bridge API has it"));
        components.add_security_scheme("encrypted", in_query("ctoken", "With nonce, as the Bridge API has it"));
    }
}

/// The description without paths.
pub(super) fn head() -> OpenApi {
    let mut head = Head::openapi();
    head.servers = Some(vec![utoipa::openapi::Server::new(PREFIX)]);
    head.paths = Paths::new();
    head
}

/// Says of every operation which scope its token needs: one of these, or none.
pub(super) fn need(api: &mut OpenApi, scopes: &[Scope]) {
    let names: Vec<Option<&str>> =
        if scopes.is_empty() { vec![None] } else { scopes.iter().map(|scope| Some(scope.name())).collect() };
    let wanted = if scopes.is_empty() { String::new() } else { format!(" {}", either(scopes)) };
    for item in api.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            // No session has the scope for settings.
            let schemes = SCHEMES.into_iter().filter(|scheme| scopes != [Scope::Admin] || *scheme != SESSION);
            let requirements =
                schemes.flat_map(|scheme| names.iter().map(move |name| SecurityRequirement::new(scheme, *name)));
            operation.security.get_or_insert_with(|| requirements.collect());
            for parameter in operation.parameters.iter_mut().flatten() {
                // utoipa forgets it where a schema is given.
                if let RefOr::T(parameter) = parameter
                    && parameter.parameter_in == ParameterIn::Path
                {
                    parameter.required = Required::True;
                }
            }
            let answers = [
                ("401", "No valid credential".to_owned()),
                ("403", format!("The token does not have the scope{wanted}")),
                ("429", "Too many wrong credentials came from this address; Retry-After says how long".to_owned()),
            ];
            // Said before anything knows that `/v1` is asked.
            let plain = || ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
            let too_long = ResponseBuilder::new().description("The URL is longer than 2048 characters");
            operation
                .responses
                .responses
                .insert("414".to_owned(), too_long.content("text/plain", plain()).build().into());
            for (status, text) in answers {
                let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                let answer = ResponseBuilder::new().description(text).content("application/json", problem).build();
                // An operation that asks for more says so in its own words.
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| answer.into());
            }
            if let Some(RefOr::T(forbidden)) = operation.responses.responses.get_mut("403") {
                forbidden.content.insert("text/plain".to_owned(), RefOr::T(plain()));
                forbidden.description.push_str("; or, in plain text, a browser asks for another site or name");
            }
        }
    }
}

/// Serves the description as it stands in the golden file; for whoever has a credential, like all else.
pub(super) fn serve<S: Clone + Send + Sync + 'static>(api: &OpenApi) -> MethodRouter<S> {
    // OpenAPI's registry of formats has uint32; utoipa writes it another way, which no client knows.
    let text = api.to_pretty_json().ok().map(|text| text.replace("\"format\": \"u-int", "\"format\": \"uint"));
    get(async move || answer(text))
}

fn answer(text: Option<String>) -> Response {
    match text {
        Some(text) => json(StatusCode::OK, text),
        None => Refusal::Internal.into_response(),
    }
}
