//! Checked little-endian reading and writing.

/// The payload ended before a field that every firmware sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {actual} bytes are too few, at least {expected} are needed")]
pub struct TooShort {
    /// Which message or block was read.
    pub what: &'static str,
    /// Bytes needed at least.
    pub expected: usize,
    /// Bytes there.
    pub actual: usize,
}

/// A cursor over received bytes. Every method answers `None` past the end, and
/// keeps doing so: half a field must not be read as the field behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// A reader over at least `expected` bytes; surplus bytes are newer firmware's business.
    pub(crate) fn at_least(what: &'static str, bytes: &'a [u8], expected: usize) -> Result<Self, TooShort> {
        if bytes.len() < expected {
            return Err(TooShort { what, expected, actual: bytes.len() });
        }
        Ok(Self::new(bytes))
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let Some((head, tail)) = self.rest.split_first_chunk::<N>() else {
            self.rest = &[];
            return None;
        };
        self.rest = tail;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    pub(crate) fn i8(&mut self) -> Option<i8> {
        self.array::<1>().map(i8::from_le_bytes)
    }

    /// Any non-zero byte is true.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.u8().map(|b| b != 0)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn f32(&mut self) -> Option<f32> {
        self.array().map(f32::from_le_bytes)
    }

    /// A name in a fixed field: UTF-8 up to the first zero byte, trailing blanks cut.
    pub(crate) fn text<const N: usize>(&mut self) -> Option<String> {
        self.array::<N>().map(|field| text(&field))
    }
}

/// Decodes a fixed name field: what follows the first zero byte is garbage on
/// some devices, trailing blanks pad others, and broken UTF-8 is replaced.
pub(crate) fn text(field: &[u8]) -> String {
    let used = field.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(used).trim_end().to_owned()
}

/// Puts a name into a fixed field, cut on a character boundary, padded with zeros.
pub(crate) fn fixed_text<const N: usize>(name: &str) -> [u8; N] {
    let mut field = [0; N];
    let mut end = name.len().min(N);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    field.iter_mut().zip(name.bytes().take(end)).for_each(|(slot, byte)| *slot = byte);
    field
}

/// The fields at the end of a message, up to the first that is absent: older firmware ends there.
pub(super) fn up_to_absent(fields: impl IntoIterator<Item = Option<Vec<u8>>>) -> impl Iterator<Item = u8> {
    fields.into_iter().map_while(core::convert::identity).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_the_first_zero_and_loses_padding() {
        assert_eq!(text(b"Anna  \0garbage"), "Anna");
        assert_eq!(text(b"\0\0"), "");
        assert_eq!(text(b"full"), "full");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(fixed_text::<4>("abü!"), [b'a', b'b', 0xC3, 0xBC]);
        assert_eq!(fixed_text::<4>("abcü"), [b'a', b'b', b'c', 0]);
    }

    #[test]
    fn nothing_is_read_behind_half_a_field() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Some(0x0201));
        assert_eq!(reader.u16(), None);
        assert_eq!(reader.u8(), None);
        assert_eq!(reader.rest(), &[] as &[u8]);
    }
}
