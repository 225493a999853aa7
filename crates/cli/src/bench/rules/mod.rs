//! What rules cost: the server decides of each write, and of each event who may read of it.

mod append;
mod change;
mod entitled;
mod guarded;

use super::Size;
use super::figures::Figures;
use crate::failure::Failure;

/// Measures it.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    if against.is_some() {
        return figures.miss("rules.append.of_without", "it needs servers of its own, with rules and without");
    }
    append::run(size, figures).await?;
    entitled::run(size, figures).await?;
    change::run(size, figures).await
}
