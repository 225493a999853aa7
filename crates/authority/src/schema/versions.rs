//! The versions in a schema file: its own, and the oldest that apps may be written for.

use tapeline_core::numbers::SchemaVersion;
use tapeline_core::versions::Versions;
use toml::de::DeTable;

use crate::toml_file::{Read, Value, Wrong};

/// Reads `version` and `oldest`.
pub(super) fn read(root: &DeTable<'_>) -> Read<Versions> {
    let own = root.get("version").map(read_version).transpose()?;
    let oldest = root.get("oldest").map(read_version).transpose()?;
    if let (Some(value), Some(oldest)) = (root.get("oldest"), oldest)
        && own.is_none_or(|own| own < oldest)
    {
        return Err(Wrong::at(value, "the oldest version that is served is one up to the schema's own `version`"));
    }
    Ok(Versions { own, oldest })
}

fn read_version(value: &Value<'_>) -> Read<SchemaVersion> {
    let number = value.get_ref().as_integer();
    let number = number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
    let version = number.filter(|number| *number > 0).map(SchemaVersion);
    version.ok_or_else(|| Wrong::at(value, "a version is a whole number from 1 on"))
}
