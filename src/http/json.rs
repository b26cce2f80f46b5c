//! JSON as the hardware bridge prints it: one line, a blank after `:` and `,`, ASCII only, never `null`.
//!
//! FHEM matches the raw text, so the blanks are part of the contract; hence a
//! writer of our own. A value that is not known is not written.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Most objects fit, so that they need not grow.
const ROOM: usize = 512;

/// Characters of a name that clients are shown.
const NAME_LENGTH: usize = 64;

/// An object under construction, behind whatever stands before it; keys come out in the order they were added.
#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self::behind(String::with_capacity(ROOM))
    }

    fn behind(mut text: String) -> Self {
        text.push('{');
        Self(text)
    }

    pub(super) fn int(mut self, key: &'static str, value: impl Into<i64>) -> Self {
        self.key(key);
        self.0.push_str(itoa::Buffer::new().format(value.into()));
        self
    }

    pub(super) fn bool(mut self, key: &'static str, value: bool) -> Self {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    pub(super) fn text(mut self, key: &'static str, value: &str) -> Self {
        self.key(key);
        push_text(&mut self.0, value);
        self
    }

    pub(super) fn object(mut self, key: &'static str, write: impl FnOnce(Self) -> Self) -> Self {
        self.key(key);
        Self(write(Self::behind(self.0)).finish())
    }

    pub(super) fn array<T>(
        mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(Self, T) -> Self,
    ) -> Self {
        self.key(key);
        Self(push_array(self.0, items, write))
    }

    pub(super) fn int_if(self, key: &'static str, value: Option<impl Into<i64>>) -> Self {
        match value {
            Some(value) => self.int(key, value),
            None => self,
        }
    }

    pub(super) fn bool_if(self, key: &'static str, value: Option<bool>) -> Self {
        match value {
            Some(value) => self.bool(key, value),
            None => self,
        }
    }

    pub(super) fn text_if(self, key: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn key(&mut self, key: &'static str) {
        // No value ends like that.
        if !self.0.ends_with('{') {
            self.0.push_str(", ");
        }
        // Ours, and plain text.
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\": ");
    }
}

/// An array with an object for each item.
pub(super) fn array<T>(items: impl IntoIterator<Item = T>, write: impl FnMut(Object, T) -> Object) -> String {
    let items = items.into_iter();
    push_array(String::with_capacity(ROOM.saturating_mul(items.size_hint().0.max(1))), items, write)
}

fn push_array<T>(
    mut text: String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(Object, T) -> Object,
) -> String {
    text.push('[');
    for (number, item) in items.into_iter().enumerate() {
        if number > 0 {
            text.push_str(", ");
        }
        text = write(Object::behind(text), item).finish();
    }
    text.push(']');
    text
}

fn push_text(out: &mut String, text: &str) {
    let is_special = |byte: u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
    out.push('"');
    let mut left = text;
    // Every byte of a character that is not ASCII is special, so it is cut in front of the first.
    while let Some(at) = left.bytes().position(is_special) {
        let (plain, rest) = left.split_at(at);
        out.push_str(plain);
        let mut chars = rest.chars();
        match chars.next() {
            Some(quoted @ ('"' | '\\')) => out.extend(['\\', quoted]),
            Some(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            None => {}
        }
        left = chars.as_str();
    }
    out.push_str(left);
    out.push('"');
}

/// A name made safe for clients that read raw text or cut at brackets (FHEM): no control characters, no brackets, 64 characters.
pub(super) fn tame(text: &str) -> Cow<'_, str> {
    let is_wild = |c: char| c.is_control() || matches!(c, '[' | ']' | '{' | '}');
    // Each character has a byte at least.
    if text.len() <= NAME_LENGTH && !text.contains(is_wild) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if is_wild(c) { ' ' } else { c }).take(NAME_LENGTH).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn blanks_stand_where_the_hardware_puts_them() {
        let state = |object: Object| object.int("mode", 2).bool("batteryCritical", false);
        let id = |object: Object, id| object.int("id", id);
        let line = Object::new().text("name", "Front").object("state", state).array("list", [0; 0], id).finish();
        assert_eq!(line, r#"{"name": "Front", "state": {"mode": 2, "batteryCritical": false}, "list": []}"#);
        assert_eq!(array([0, 1], id), r#"[{"id": 0}, {"id": 1}]"#);
    }

    #[test]
    fn text_is_ascii_and_reads_back_as_it_was() {
        let text = "Tür ‘n’ \u{1F511} \"\\\n\u{7f}";
        let line = Object::new().text("t", text).finish();
        assert!(line.is_ascii() && !line.contains('\n'), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["t"], text);
    }

    #[test]
    fn tame_text_has_no_brackets_and_at_most_64_characters() {
        assert_eq!(tame("a[b]{c}\u{7}d"), "a b  c  d");
        assert_eq!(tame(&"ü".repeat(100)).chars().count(), 64);
    }
}
