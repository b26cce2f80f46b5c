//! What only the owner and a webhook's receiver know: where it is and by what it knows us.

use std::fmt;

use url::Url;
use zeroize::Zeroizing;

use super::{Secrets, SecretsError, random_text};

/// Characters of a signing secret that we make: as many as 256 bits need.
const SECRET_LEN: usize = 43;
/// Characters of one that an owner wrote into the file: hard to guess, and no more than SHA-256 takes in one block.
pub(super) const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 20..=64;
/// Longest URL, in bytes.
const MAX_URL: usize = 2048;

/// Where a webhook goes. URLs of receivers hold tokens, so printing it prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Zeroizing<String>);

/// Why a text is no webhook's URL. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhookUrl {
    /// Over 2048 bytes.
    #[error("the URL is longer than {MAX_URL} bytes")]
    TooLong,
    /// Spaces, line breaks and the like.
    #[error("the URL has spaces or control characters in it")]
    Spaces,
    /// No URL at all.
    #[error("the URL cannot be read: {0}")]
    Unreadable(url::ParseError),
    /// Another scheme.
    #[error("the URL begins neither with https:// nor with http://")]
    Scheme,
}

impl WebhookUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadWebhookUrl`].
    pub fn parse(text: &str) -> Result<Self, BadWebhookUrl> {
        if text.len() > MAX_URL {
            return Err(BadWebhookUrl::TooLong);
        }
        // `Url` would drop some of them silently.
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(BadWebhookUrl::Spaces);
        }
        let url = Url::parse(text).map_err(BadWebhookUrl::Unreadable)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BadWebhookUrl::Scheme);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for the request and for the secret store only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What travels is readable by everybody on the way.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"))
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl(..)")
    }
}

/// The secrets of one webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret {
    /// Number of the webhook in the database.
    pub number: i64,
    /// Where it goes.
    pub url: WebhookUrl,
    /// The key of its signatures: these bytes as they stand.
    pub secret: Zeroizing<String>,
}

impl WebhookSecret {
    /// With a new signing secret.
    ///
    /// # Errors
    /// [`SecretsError::Random`].
    pub fn new(number: i64, url: WebhookUrl) -> Result<Self, SecretsError> {
        Ok(Self { number, url, secret: random_text(SECRET_LEN)? })
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecret").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Secrets {
    /// The secrets of every webhook.
    #[must_use]
    pub fn webhooks(&self) -> &[WebhookSecret] {
        &self.webhooks
    }

    /// Adds a webhook's secrets, or replaces them. Not stored before [`save`](Self::save).
    pub fn put_webhook(&mut self, secret: WebhookSecret) {
        self.webhooks.retain(|other| other.number != secret.number);
        self.webhooks.push(secret);
    }

    /// Forgets the secrets of all webhooks but these; `true` if there were any. Not stored before [`save`](Self::save).
    pub fn keep_webhooks(&mut self, numbers: &[i64]) -> bool {
        let before = self.webhooks.len();
        self.webhooks.retain(|webhook| numbers.contains(&webhook.number));
        self.webhooks.len() < before
    }
}
