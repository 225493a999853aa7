//! Reads CBOR, and no more of it than the protocol has: tags and indefinite lengths are refused wherever they stand.
//!
//! Nothing here recurses, and nothing allocates on the word of a length: one that is longer than the input is refused.

use std::fmt::Display;

use super::{CodecError, major};
use crate::codec::LARGEST_COUNT;
use crate::name::{Collection, FieldName, NameError};
use crate::names::Names;
use crate::short_text::SmolStr;

/// A place in CBOR that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'b> {
    input: &'b [u8],
    position: usize,
    names: Option<&'b Names>,
}

/// The next thing in the input. Of arrays and maps it is the head alone; their items come next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'b str),
    Bytes(&'b [u8]),
    Array(usize),
    Map(usize),
}

/// Why CBOR cannot be read, and where.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{why} at byte {at}")]
struct Misread {
    at: usize,
    why: Why,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Why {
    #[error("the input ends too early")]
    Ended,
    #[error("{what}, where {wanted} is expected", what = describe(*found))]
    Unexpected { found: u8, wanted: &'static str },
    #[error("an indefinite length; write definite ones")]
    Indefinite,
    #[error("a tag; no value has one")]
    Tag,
    #[error("a number that does not fit: {0}")]
    DoesNotFit(&'static str),
    #[error("a text that is not UTF-8")]
    NotUtf8,
    #[error("a byte that begins nothing")]
    Reserved,
}

fn describe(initial: u8) -> &'static str {
    match initial & major::MASK {
        major::UNSIGNED | major::NEGATIVE => "an integer",
        major::BYTES => "bytes",
        major::TEXT => "text",
        major::ARRAY => "an array",
        major::MAP => "a map",
        _ => match initial {
            major::NULL => "null",
            major::TRUE | major::FALSE => "a truth value",
            major::FLOAT_16 | major::FLOAT_32 | major::FLOAT_64 => "a float",
            _ => "a simple value without meaning",
        },
    }
}

#[cold]
fn misread(at: usize, why: Why) -> Box<CodecError> {
    CodecError::Cbor(Misread { at, why }.to_string()).into()
}

/// The error of bytes that are something else than was to be read.
#[cold]
pub(crate) fn wrong(why: &str) -> Box<CodecError> {
    CodecError::Cbor(why.into()).into()
}

/// The error of a number or a word that stands for nothing known.
#[cold]
pub(crate) fn unknown(what: &'static str, found: &dyn Display) -> Box<CodecError> {
    CodecError::Unknown { what, found: found.to_string() }.into()
}

/// The error of a part that is not there.
#[cold]
pub(crate) fn missing(what: &'static str, part: &'static str) -> Box<CodecError> {
    CodecError::Missing { what, part }.into()
}

impl<'b> Reader<'b> {
    pub(crate) const fn new(input: &'b [u8]) -> Self {
        Self { input, position: 0, names: None }
    }

    /// Reads names and short values that these know already without making them anew.
    pub(crate) const fn knowing(input: &'b [u8], names: &'b Names) -> Self {
        Self { input, position: 0, names: Some(names) }
    }

    /// All of the input.
    pub(crate) const fn input(&self) -> &'b [u8] {
        self.input
    }

    /// How much of the input was read.
    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    /// Goes on elsewhere.
    pub(crate) fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    /// The same place in the input up to `end`.
    pub(crate) fn until(self, end: usize) -> Self {
        Self { input: self.input.get(..end).unwrap_or(self.input), ..self }
    }

    /// What of the input is left.
    pub(crate) fn rest(&self) -> &'b [u8] {
        self.input.get(self.position..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, Box<CodecError>> {
        self.expect(major::UNSIGNED, "an unsigned integer")
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Box<CodecError>> {
        let at = self.position;
        u32::try_from(self.u64()?).map_err(|_| misread(at, Why::DoesNotFit("the most is 4294967295")))
    }

    /// Reads a number that counts something: at most 2^53, so that every JSON carries it.
    #[inline]
    pub(crate) fn count(&mut self) -> Result<u64, Box<CodecError>> {
        let at = self.position;
        let count = self.u64()?;
        match count <= LARGEST_COUNT {
            true => Ok(count),
            false => Err(misread(at, Why::DoesNotFit("counts go up to 2^53"))),
        }
    }

    pub(crate) fn str(&mut self) -> Result<&'b str, Box<CodecError>> {
        let at = self.position;
        utf8(self.text()?, at)
    }

    /// Reads the name of a field.
    pub(crate) fn field_name(&mut self) -> Result<FieldName, Box<CodecError>> {
        self.name(|text| FieldName::new(text).map(|name| name.0)).map(FieldName)
    }

    /// Reads the name of a collection.
    pub(crate) fn collection(&mut self) -> Result<Collection, Box<CodecError>> {
        self.name(|text| Collection::new(text).map(|name| name.0)).map(Collection)
    }

    /// Reads a name, which `check` makes where it is not known.
    fn name(&mut self, check: fn(&str) -> Result<SmolStr, NameError>) -> Result<SmolStr, Box<CodecError>> {
        let (at, text) = (self.position, self.text()?);
        if let Some(known) = self.names.and_then(|names| names.find(text)) {
            return Ok(known);
        }
        let name = check(utf8(text, at)?)?;
        if let Some(names) = self.names {
            names.keep(&name);
        }
        Ok(name)
    }

    /// A text that was read, the same one as before where it comes again.
    pub(crate) fn shared(&self, text: &str) -> SmolStr {
        self.names.map_or_else(|| SmolStr::new(text), |names| names.shared(text))
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], Box<CodecError>> {
        let len = self.expect(major::BYTES, "a byte string")?;
        self.take(len)
    }

    /// Reads the head of an array: how many items come next.
    #[inline]
    pub(crate) fn array(&mut self) -> Result<usize, Box<CodecError>> {
        let len = self.expect(major::ARRAY, "an array")?;
        self.within(len, 1)
    }

    /// Reads the head of a map: how many keys, each with its value, come next.
    #[inline]
    pub(crate) fn map(&mut self) -> Result<usize, Box<CodecError>> {
        let len = self.expect(major::MAP, "a map")?;
        self.within(len, 2)
    }

    /// Whether text comes next.
    pub(crate) fn is_text(&self) -> bool {
        self.rest().first().is_some_and(|initial| initial & major::MASK == major::TEXT)
    }

    /// Whether null comes next.
    pub(crate) fn is_null(&self) -> bool {
        self.rest().first() == Some(&major::NULL)
    }

    /// Reads whatever comes next.
    #[inline]
    pub(crate) fn item(&mut self) -> Result<Item<'b>, Box<CodecError>> {
        let at = self.position;
        let (initial, argument) = self.head()?;
        let fits = |number| i64::try_from(number).map_err(|_| misread(at, Why::DoesNotFit("integers have 64 bits")));
        Ok(match initial & major::MASK {
            major::UNSIGNED => Item::Int(fits(argument)?),
            major::NEGATIVE => Item::Int(!fits(argument)?),
            major::BYTES => Item::Bytes(self.take(argument)?),
            major::TEXT => Item::Text(utf8(self.take(argument)?, at)?),
            major::ARRAY => Item::Array(self.within(argument, 1)?),
            major::MAP => Item::Map(self.within(argument, 2)?),
            _ => match initial {
                major::NULL => Item::Null,
                major::TRUE => Item::Bool(true),
                major::FALSE => Item::Bool(false),
                major::FLOAT_16 => Item::Float(half(argument as u16)),
                major::FLOAT_32 => Item::Float(f32::from_bits(argument as u32).into()),
                major::FLOAT_64 => Item::Float(f64::from_bits(argument)),
                found => return Err(misread(at, Why::Unexpected { found, wanted: "a value" })),
            },
        })
    }

    /// Reads over whatever comes next, with all that is in it.
    pub(crate) fn skip(&mut self) -> Result<(), Box<CodecError>> {
        let mut left = 1u64;
        while left > 0 {
            left -= 1;
            let (initial, argument) = self.head()?;
            // The sum cannot overflow: no count is larger than the input behind it.
            left += match initial & major::MASK {
                major::BYTES | major::TEXT => self.take(argument).map(|_| 0)?,
                major::ARRAY => self.within(argument, 1)? as u64,
                major::MAP => self.within(argument, 2)? as u64 * 2,
                _ => 0,
            };
        }
        Ok(())
    }

    /// Reads the head of an item of one kind. Most arguments are small, and stand in the initial byte.
    #[inline]
    fn expect(&mut self, major: u8, wanted: &'static str) -> Result<u64, Box<CodecError>> {
        match self.input.get(self.position) {
            Some(&initial) if initial.wrapping_sub(major) < 24 => {
                self.position += 1;
                Ok((initial - major).into())
            }
            Some(&initial) if initial & major::MASK == major => self.long_argument(initial),
            _ => Err(self.unexpected(wanted)),
        }
    }

    #[cold]
    fn unexpected(&mut self, wanted: &'static str) -> Box<CodecError> {
        let at = self.position;
        match self.head() {
            Ok((found, _)) => misread(at, Why::Unexpected { found, wanted }),
            Err(error) => error,
        }
    }

    /// Reads an initial byte and its argument.
    #[inline]
    fn head(&mut self) -> Result<(u8, u64), Box<CodecError>> {
        let initial = *self.input.get(self.position).ok_or_else(|| self.ended())?;
        let small = initial & !major::MASK;
        if small < 24 && initial & major::MASK != major::TAG {
            self.position += 1;
            return Ok((initial, small.into()));
        }
        Ok((initial, self.long_argument(initial)?))
    }

    /// Reads the argument after an initial byte, and past both.
    #[inline(never)]
    fn long_argument(&mut self, initial: u8) -> Result<u64, Box<CodecError>> {
        let at = self.position;
        let size = match initial & !major::MASK {
            // Of all others, the argument stands in the initial byte.
            0..=23 => return Err(misread(at, Why::Tag)),
            small @ 24..=27 => 1 << (small - 24),
            31 => return Err(misread(at, Why::Indefinite)),
            _ => return Err(misread(at, Why::Reserved)),
        };
        let rest = self.input.get(at + 1..).unwrap_or_default();
        let argument = match rest.first_chunk() {
            Some(eight) => u64::from_be_bytes(*eight) >> (64 - 8 * size),
            None => {
                let bytes = rest.get(..size).ok_or_else(|| self.ended())?;
                bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
        };
        if initial & major::MASK == major::TAG {
            return Err(misread(at, Why::Tag));
        }
        self.position = at + 1 + size;
        Ok(argument)
    }

    #[inline]
    fn take(&mut self, len: u64) -> Result<&'b [u8], Box<CodecError>> {
        let bytes = usize::try_from(len).ok().and_then(|len| self.rest().get(..len)).ok_or_else(|| self.ended())?;
        self.position += bytes.len();
        Ok(bytes)
    }

    /// Reads text that may not be UTF-8.
    #[inline]
    fn text(&mut self) -> Result<&'b [u8], Box<CodecError>> {
        let len = self.expect(major::TEXT, "text")?;
        self.take(len)
    }

    /// Checks that `count` things of at least `size` bytes can be in the rest of the input.
    #[inline]
    fn within(&self, count: u64, size: usize) -> Result<usize, Box<CodecError>> {
        match usize::try_from(count) {
            Ok(count) if count <= self.rest().len() / size => Ok(count),
            _ => Err(self.ended()),
        }
    }

    #[cold]
    fn ended(&self) -> Box<CodecError> {
        misread(self.input.len(), Why::Ended)
    }
}

fn utf8(text: &[u8], at: usize) -> Result<&str, Box<CodecError>> {
    std::str::from_utf8(text).map_err(|_| misread(at, Why::NotUtf8))
}

/// The number in a 16-bit float: a sign, 5 bits of exponent, 10 bits of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Reads null where it stands there.
pub(crate) fn read_null(reader: &mut Reader<'_>) -> Result<bool, Box<CodecError>> {
    let null = reader.is_null();
    if null {
        reader.skip()?;
    }
    Ok(null)
}

/// Reads the head of an array.
pub(crate) fn array_len(reader: &mut Reader<'_>) -> Result<usize, Box<CodecError>> {
    reader.array()
}

/// Reads the head of an array of exactly `len` items.
pub(crate) fn read_tuple(reader: &mut Reader<'_>, len: usize, what: &'static str) -> Result<(), Box<CodecError>> {
    match reader.array()? == len {
        true => Ok(()),
        false => Err(wrong(&format!("{what} has {len} items"))),
    }
}

/// Reads a map with integer keys, handing each key to `entry`, which reads the value or answers `false` to skip it.
pub(crate) fn read_map<'b>(
    reader: &mut Reader<'b>,
    mut entry: impl FnMut(u64, &mut Reader<'b>) -> Result<bool, Box<CodecError>>,
) -> Result<(), Box<CodecError>> {
    let mut seen = 0u64;
    for _ in 0..reader.map()? {
        let key = reader.u64()?;
        // All keys with a meaning are small. What stands there twice without one does no harm.
        let bit = 1u64.checked_shl(key.try_into().unwrap_or(u32::MAX)).unwrap_or(0);
        if seen & bit != 0 {
            return Err(wrong(&format!("the key {key} stands in a map twice")));
        }
        seen |= bit;
        if !entry(key, reader)? {
            reader.skip()?;
        }
    }
    Ok(())
}

/// Reads an array, handing each item to `item`.
pub(crate) fn read_array<'b, T>(
    reader: &mut Reader<'b>,
    what: &'static str,
    most: usize,
    mut item: impl FnMut(&mut Reader<'b>) -> Result<T, Box<CodecError>>,
) -> Result<Vec<T>, Box<CodecError>> {
    let len = reader.array()?;
    CodecError::check_count(what, len, most)?;
    // Items are larger in memory than on the wire: room for many is made as they come.
    let mut items = Vec::with_capacity(len.min(1_024));
    for _ in 0..len {
        items.push(item(reader)?);
    }
    Ok(items)
}

/// Fails where anything is left.
pub(crate) fn check_end(reader: &Reader<'_>, what: &'static str) -> Result<(), Box<CodecError>> {
    match reader.rest().is_empty() {
        true => Ok(()),
        false => Err(CodecError::Trailing(what).into()),
    }
}

/// The byte strings of a run of them, up to what is none.
pub(crate) fn byte_strings(input: &[u8]) -> impl Iterator<Item = Result<&[u8], Box<CodecError>>> {
    let mut reader = Reader::new(input);
    std::iter::from_fn(move || if reader.rest().is_empty() { None } else { Some(reader.bytes()) })
}
