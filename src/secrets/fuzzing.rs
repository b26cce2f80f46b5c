//! The file of secrets and webhooks' URLs; called by [`fuzzing`](crate::fuzzing).

use serde_json::Value;
use url::Url;

use super::format::{self, Content};
use super::{BadWebhookUrl, WebhookUrl, is_client_name};

/// The fields whose values must be in no error.
const SECRET: [&str; 6] = ["token", "shared_key", "uuid", "pin", "url", "secret"];

/// The content of `secrets.json`, or of the credential that holds it.
pub fn secrets(data: &[u8]) {
    match format::parse(data) {
        Ok(content) => {
            let written = render(&content);
            assert!(written.is_some(), "what was read can be written");
            let Some(written) = written else { return };
            let again = format::parse(written.as_bytes()).ok().and_then(|again| render(&again));
            assert_eq!(again.as_deref(), Some(written.as_str()), "and is read as the same");
            assert!(content.tokens.iter().all(|token| is_client_name(&token.name)), "a name is one");
        }
        Err(said) => {
            assert!(!said.is_empty(), "what is wrong is said");
            let Ok(document) = serde_json::from_slice::<Value>(data) else { return };
            let (mut values, mut names) = (Vec::new(), Vec::new());
            gather(&document, &mut values, &mut names);
            for value in values {
                // Shorter ones stand in our own words by chance; a field's name may be said.
                let is_telling = value.len() >= 20 && !value.contains(' ');
                let is_name = names.iter().any(|name| name.contains(value));
                assert!(!is_telling || is_name || !said.contains(value), "an error repeats a secret");
            }
        }
    }
}

fn render(content: &Content) -> Option<String> {
    let Content { bridge, app_id, locks, webhooks, tokens } = content;
    format::render(bridge, *app_id, locks, webhooks, tokens).ok().map(|text| text.to_string())
}

/// Values of secret fields, and what is said in errors all the same: names of fields and of tokens.
fn gather<'v>(value: &'v Value, values: &mut Vec<&'v str>, names: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, values, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                names.push(name);
                match value {
                    Value::String(text) if SECRET.contains(&name.as_str()) => values.push(text),
                    Value::String(text) if name == "name" => names.push(text),
                    other => gather(other, values, names),
                }
            }
        }
        _ => {}
    }
}

/// A webhook's URL.
pub fn webhook(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    match WebhookUrl::parse(text) {
        Ok(url) => {
            assert_eq!(url.expose(), text, "it is kept as it was given");
            assert!(!text.chars().any(|c| c.is_control() || c.is_whitespace()), "it ends no line of a request");
            let read = Url::parse(text);
            assert!(read.as_ref().is_ok_and(Url::has_host), "it says where to go");
            let scheme = read.map(|url| url.scheme().to_owned()).unwrap_or_default();
            assert_eq!(url.is_plain(), scheme == "http", "who could read along is known");
            assert_eq!(format!("{url:?}"), "WebhookUrl(..)", "printing it prints nothing of it");
        }
        Err(error) => {
            // The words that it is said in are no secret, and a fuzzer finds them.
            let said = error.to_string();
            let ours =
                [BadWebhookUrl::TooLong, BadWebhookUrl::Spaces, BadWebhookUrl::Scheme].map(|own| own.to_string());
            let is_ours = ours.iter().any(|words| words.contains(text));
            assert!(text.len() < 20 || is_ours || !said.contains(text), "an error repeats nothing of it");
        }
    }
}
