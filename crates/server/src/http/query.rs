//! Reading paths and queries.

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use tapeline_core::codec::Codec;
use tapeline_core::name::{NameError, StreamName};

use super::problem::Problem;

/// A stream's name as a path spells it.
pub(super) fn stream(encoded: &str) -> Result<StreamName, Problem> {
    let name = percent_decode_str(encoded).decode_utf8();
    let name = name.map_err(|_| Problem::bad_request("the stream's name is not UTF-8"))?;
    StreamName::new(name).map_err(|error| Problem::bad_request(error.to_string()))
}

/// What a query says.
pub(super) struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    pub(super) fn new(query: &'q str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).collect())
    }

    /// Checks that it names each of these at most once, and nothing else: what is misspelt would be answered as if nobody
    /// had said it.
    pub(super) fn check(&self, known: &[&str]) -> Result<(), Problem> {
        for (place, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&&**name) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Problem::bad_request(format!("there is no parameter {name} here; there is {known}")));
            }
            if self.0[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_request(format!("{name} is given twice: say it once")));
            }
        }
        Ok(())
    }

    /// A number, where it is given.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let number = |text: &str| text.parse().map_err(|_| Problem::bad_request(format!("{name}={text} is no number")));
        self.text(name).map(number).transpose()
    }

    /// A name, where it is given.
    pub(super) fn name<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, NameError>,
    ) -> Result<Option<T>, Problem> {
        let read = |text| read(text).map_err(|error| Problem::bad_request(format!("{name}: {error}")));
        self.text(name).map(read).transpose()
    }

    /// The subprotocol that it names.
    pub(super) fn protocol(&self) -> Result<Codec, Problem> {
        let named = Codec::ALL.into_iter().find(|codec| self.text("protocol") == Some(codec.subprotocol()));
        named.ok_or_else(|| Problem::bad_request("say protocol=tapeline.v1.cbor or protocol=tapeline.v1.json"))
    }

    /// A text, where it is given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_ref())
    }
}
