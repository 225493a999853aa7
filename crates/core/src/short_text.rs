//! Short texts that are cheap to copy: names, and the values of fields.
//!
//! Where a program is downloaded, every place that moves or copies a text counts: there one is a shared slice, two
//! words, instead of three words of text in place.

#[cfg(not(target_family = "wasm"))]
pub use smol_str::{SmolStr, SmolStrBuilder};

#[cfg(target_family = "wasm")]
pub use shared::{SmolStr, SmolStrBuilder};

#[cfg(target_family = "wasm")]
mod shared {
    use std::borrow::Borrow;
    use std::fmt;
    use std::ops::Deref;
    use std::sync::Arc;

    /// A text that many share.
    #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct SmolStr(Arc<str>);

    impl SmolStr {
        /// A copy of a text.
        pub fn new(text: impl AsRef<str>) -> Self {
            Self::of(text.as_ref())
        }

        /// The text.
        pub fn as_str(&self) -> &str {
            &self.0
        }

        // Not generic, so that it is there once.
        #[inline(never)]
        fn of(text: &str) -> Self {
            Self(text.into())
        }
    }

    impl Deref for SmolStr {
        type Target = str;

        fn deref(&self) -> &str {
            &self.0
        }
    }

    impl AsRef<str> for SmolStr {
        fn as_ref(&self) -> &str {
            &self.0
        }
    }

    impl Borrow<str> for SmolStr {
        fn borrow(&self) -> &str {
            &self.0
        }
    }

    impl PartialEq<str> for SmolStr {
        fn eq(&self, other: &str) -> bool {
            self.as_str() == other
        }
    }

    impl PartialEq<&str> for SmolStr {
        fn eq(&self, other: &&str) -> bool {
            self.as_str() == *other
        }
    }

    impl From<&str> for SmolStr {
        fn from(text: &str) -> Self {
            Self::of(text)
        }
    }

    impl From<String> for SmolStr {
        fn from(text: String) -> Self {
            Self::of(&text)
        }
    }

    impl From<SmolStr> for String {
        fn from(text: SmolStr) -> Self {
            text.as_str().into()
        }
    }

    impl FromIterator<char> for SmolStr {
        fn from_iter<I: IntoIterator<Item = char>>(chars: I) -> Self {
            String::from_iter(chars).into()
        }
    }

    impl fmt::Debug for SmolStr {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Debug::fmt(self.as_str(), f)
        }
    }

    impl fmt::Display for SmolStr {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self)
        }
    }

    /// A text in the making.
    #[derive(Default)]
    pub struct SmolStrBuilder(String);

    impl SmolStrBuilder {
        /// Nothing yet.
        pub fn new() -> Self {
            Self::default()
        }

        /// Puts a text behind.
        pub fn push_str(&mut self, text: &str) {
            self.0.push_str(text);
        }

        /// The whole.
        pub fn finish(self) -> SmolStr {
            self.0.into()
        }
    }
}
