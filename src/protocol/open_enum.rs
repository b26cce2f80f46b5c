//! Enumerations that newer firmware may extend.

/// Declares a byte-sized enumeration that keeps codes it does not know.
///
/// Every type has `from_code`, `code` and `name`; an unknown code survives the
/// round trip and prints as `unknown(0x2a)`, so that nothing from newer
/// firmware is ever lost.
macro_rules! open_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal => $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $name {
            $($(#[$vmeta])* $variant,)*
            /// A code that this version does not know, kept as it came.
            Unknown(u8),
        }

        impl $name {
            /// Every code this version has a name for, in order of declaration.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)*];

            /// The value with this wire code; never fails.
            #[must_use]
            pub const fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }

            /// The wire code.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// The stable lower-case name used in the database and the API; `None` for an unknown code.
            #[must_use]
            pub const fn known_name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    Self::Unknown(_) => None,
                }
            }

            /// The name as it is written, of an unknown code too.
            #[must_use]
            pub fn name(self) -> std::borrow::Cow<'static, str> {
                self.known_name().map_or_else(|| self.to_string().into(), Into::into)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.known_name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "unknown(0x{:02x})", self.code()),
                }
            }
        }

        impl From<u8> for $name {
            fn from(code: u8) -> Self {
                Self::from_code(code)
            }
        }
    };
}
pub(crate) use open_enum;
