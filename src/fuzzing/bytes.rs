//! Decisions made of bytes.

/// What is left of them. Behind their end everything is 0.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// One of several.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let number = usize::from(self.byte());
        of.get(number.checked_rem(of.len())?).copied()
    }

    /// A length, then so many bytes, or as many as there are.
    pub(super) fn some(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (front, rest) = self.0.split_at(length);
        self.0 = rest;
        front
    }
}
