//! Auth files: who may connect.

use std::path::Path;

use tapeline_server::auth::{AuthFileError, Authenticator};

use crate::failure::Failure;

/// Reads an auth file.
pub(super) fn read(path: &Path) -> Result<Authenticator, Failure> {
    Authenticator::open(path).map_err(|error| match error {
        AuthFileError::File(error) => Failure::of_file(path, error),
        AuthFileError::Revoked { .. } => Failure::failed(error),
    })
}
