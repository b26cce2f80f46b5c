//! JSON as the hardware bridge prints it: one line, a blank after `:` and `,`, ASCII only, never `null`.
//!
//! FHEM matches the raw text, so the blanks are part of the contract; hence a
//! writer of our own. A value that is not known is not written.

use std::fmt::Write as _;

/// Most objects fit, so that they need not grow.
const ROOM: usize = 512;

/// An object under construction; keys come out in the order they were added.
#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        let mut text = String::with_capacity(ROOM);
        text.push('{');
        Self(text)
    }

    pub(super) fn int(mut self, key: &'static str, value: impl Into<i64>) -> Self {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{}", value.into());
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

    pub(super) fn object(mut self, key: &'static str, value: Self) -> Self {
        self.key(key);
        self.0.push_str(&value.finish());
        self
    }

    pub(super) fn array(mut self, key: &'static str, items: impl IntoIterator<Item = Self>) -> Self {
        self.key(key);
        self.0.push_str(&array(items));
        self
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
        if self.0.len() > 1 {
            self.0.push_str(", ");
        }
        // Ours, and plain text.
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\": ");
    }
}

/// An array of objects.
pub(super) fn array(items: impl IntoIterator<Item = Object>) -> String {
    let mut text = String::with_capacity(ROOM);
    text.push('[');
    for item in items {
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(&item.finish());
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
pub(super) fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '[' | ']' | '{' | '}') { ' ' } else { c }).take(64).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn blanks_stand_where_the_hardware_puts_them() {
        let inner = Object::new().int("mode", 2).bool("batteryCritical", false);
        let line = Object::new().text("name", "Front").object("state", inner).array("list", []).finish();
        assert_eq!(line, r#"{"name": "Front", "state": {"mode": 2, "batteryCritical": false}, "list": []}"#);
        assert_eq!(array([Object::new().int("id", 0), Object::new().int("id", 1)]), r#"[{"id": 0}, {"id": 1}]"#);
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
