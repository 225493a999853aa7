//! The values of fields: JSON's, plus 64-bit integers and bytes, in one canonical form.
//!
//! Two values are the same value exactly when they are equal here: an integral number that fits 64 bits is
//! [`Value::Int`] whatever it was written as, `-0` is `0`, and what no two peers would agree on (NaN, infinities)
//! cannot be made. JSON, CBOR and JavaScript therefore give the same digest.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::name::ObjectId;
use crate::short_text::SmolStr;
use crate::text::Text;

/// One value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// Any integral number from -2^63 to 2^63 - 1.
    Int(i64),
    /// Any other finite number.
    Float(Float),
    /// Unicode text.
    Text(Text),
    /// Opaque bytes.
    Bytes(Arc<[u8]>),
    /// Values in order.
    List(Arc<[Value]>),
    /// Values by name.
    Map(Entries),
}

/// Values by name, sorted by name, each name once. A slice rather than a tree: many small maps must not take many times
/// the memory of the bytes they came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Entries(Arc<[(SmolStr, Value)]>);

impl Entries {
    /// Sorts entries by name.
    ///
    /// # Errors
    /// The name that stands there twice.
    pub fn new(mut entries: Vec<(SmolStr, Value)>) -> Result<Self, SmolStr> {
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        match entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(twice) => Err(twice[0].0.clone()),
            None => Ok(Self(entries.into())),
        }
    }

    /// What stands under a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self.0.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        Some(&self.0[place].1)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&SmolStr, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A finite number that is not an integer of 64 bits. Made by [`Value::number`] alone, so it is always canonical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Float(f64);

impl Eq for Float {}

impl Hash for Float {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Neither 0 nor -0 is one of them: what is equal has the same bits.
        self.0.to_bits().hash(state);
    }
}

impl Float {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A number that is none in any JSON: NaN or an infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("NaN and infinities cannot travel; send null or leave the field out")]
pub struct NotANumber;

impl Value {
    /// The canonical value of a number.
    ///
    /// # Errors
    /// Where it is NaN or infinite.
    pub fn number(number: f64) -> Result<Self, NotANumber> {
        // 2^63 itself does not fit; -2^63 does.
        const END: f64 = 9_223_372_036_854_775_808.0;
        if !number.is_finite() {
            return Err(NotANumber);
        }
        if number.fract() == 0.0 && (-END..END).contains(&number) {
            return Ok(Self::Int(number as i64));
        }
        Ok(Self::Float(Float(number)))
    }

    /// A text value.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// The text, where the value is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, where the value is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The truth value, where the value is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The objects that it refers to: a text is the id of one, a list has those of several.
    pub fn ids(&self) -> impl Iterator<Item = ObjectId> {
        let values = if let Self::List(items) = self { items } else { std::slice::from_ref(self) };
        values.iter().filter_map(|id| ObjectId::new(id.as_text()?).ok())
    }

    /// The sum of two numbers, canonical.
    ///
    /// # Errors
    /// Where one of them is no number, or the sum does not fit.
    pub fn sum(&self, other: &Self) -> Result<Self, SumError> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.checked_add(*b).map(Self::Int).ok_or(SumError::Overflow),
            (a, b) => {
                let sum = a.as_float().ok_or(SumError::NotANumber)? + b.as_float().ok_or(SumError::NotANumber)?;
                Self::number(sum).map_err(|NotANumber| SumError::Overflow)
            }
        }
    }

    /// Whether lists and maps nest at most `levels` deep.
    pub fn nests_within(&self, levels: usize) -> bool {
        let Some(below) = levels.checked_sub(1) else { return !matches!(self, Self::List(_) | Self::Map(_)) };
        match self {
            Self::List(items) => items.iter().all(|item| item.nests_within(below)),
            Self::Map(entries) => entries.iter().all(|(_, value)| value.nests_within(below)),
            _ => true,
        }
    }

    /// Roughly how many bytes it takes, encoded.
    pub(crate) fn estimated_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => 9,
            Self::Text(text) => 5 + text.len(),
            Self::Bytes(bytes) => 5 + bytes.len(),
            Self::List(items) => 5 + items.iter().map(Self::estimated_bytes).sum::<usize>(),
            Self::Map(entries) => {
                5 + entries.iter().map(|(name, value)| 5 + name.len() + value.estimated_bytes()).sum::<usize>()
            }
        }
    }

    fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(*int as f64),
            Self::Float(float) => Some(float.get()),
            _ => None,
        }
    }
}

/// Why two values have no sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SumError {
    /// One of them is no number.
    #[error("only numbers can be incremented; set the field to a number first")]
    NotANumber,
    /// The sum does not fit.
    #[error("the sum does not fit a 64-bit number")]
    Overflow,
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<i32> for Value {
    fn from(int: i32) -> Self {
        Self::Int(int.into())
    }
}

impl From<u32> for Value {
    fn from(int: u32) -> Self {
        Self::Int(int.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integral_numbers_are_integers() {
        assert_eq!(Value::number(1.0), Ok(Value::Int(1)));
        assert_eq!(Value::number(-0.0), Ok(Value::Int(0)));
        assert_eq!(Value::number(1e17), Ok(Value::Int(100_000_000_000_000_000)));
        assert_eq!(Value::number(-9_223_372_036_854_775_808.0), Ok(Value::Int(i64::MIN)));
        assert!(matches!(Value::number(9_223_372_036_854_775_808.0), Ok(Value::Float(_))));
        assert!(matches!(Value::number(0.5), Ok(Value::Float(_))));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Value::number(number), Err(NotANumber));
        }
    }

    #[test]
    fn sums_are_canonical_and_checked() {
        let half = Value::number(0.5).unwrap();
        assert_eq!(half.sum(&half), Ok(Value::Int(1)));
        assert_eq!(Value::Int(i64::MAX).sum(&Value::Int(1)), Err(SumError::Overflow));
        assert_eq!(Value::from("x").sum(&Value::Int(1)), Err(SumError::NotANumber));
    }
}
