//! Which events a receiver gets, as options and in words.

use clap::Args;

use crate::attribution::EventKind;
use crate::cli::pair::parse_nuki_id;
use crate::protocol::beacon::NukiId;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;
use crate::store::WebhookFilter;

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only events of this lock (8 hex digits); may be given several times
    #[arg(long = "lock", value_name = "HEX", value_parser = parse_nuki_id)]
    locks: Vec<NukiId>,
    /// Only events of this user, by its authId in /v1/users; may be given several times
    #[arg(long = "user", value_name = "AUTH-ID")]
    users: Vec<AuthId>,
    /// Only events of this keypad code, by its codeId; with --user, events of either
    #[arg(long = "code", value_name = "CODE-ID")]
    codes: Vec<CodeId>,
    /// Only events of this kind, such as keypad_action; may be given several times
    #[arg(long = "kind", value_name = "KIND", value_parser = parse_kind)]
    kinds: Vec<String>,
    /// Only what did not succeed
    #[arg(long)]
    refused_only: bool,
}

impl From<FilterArgs> for WebhookFilter {
    fn from(args: FilterArgs) -> Self {
        Self {
            nuki_ids: args.locks,
            auth_ids: args.users,
            code_ids: args.codes,
            kinds: args.kinds,
            refused_only: args.refused_only,
        }
    }
}

fn parse_kind(text: &str) -> Result<String, String> {
    if EventKind::NAMES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("there is no such kind of event; the kinds are {}", EventKind::NAMES.join(", ")))
}

/// A filter as people say it.
pub(super) fn words(filter: &WebhookFilter) -> String {
    let mut parts = Vec::new();
    if filter.refused_only {
        parts.push("refused only".to_owned());
    }
    if !filter.kinds.is_empty() {
        parts.push(format!("of kind {}", filter.kinds.join(" or ")));
    }
    if !filter.nuki_ids.is_empty() {
        parts.push(format!("at lock {}", joined(&filter.nuki_ids, |id| format!("{id:08X}"))));
    }
    let users = filter.auth_ids.iter().map(|id| format!("user {id}"));
    let codes = filter.code_ids.iter().map(|id| format!("code {id}"));
    let people: Vec<String> = users.chain(codes).collect();
    if !people.is_empty() {
        parts.push(format!("by {}", people.join(" or ")));
    }
    if parts.is_empty() { "every event".to_owned() } else { format!("events {}", parts.join(", ")) }
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(" or ")
}
