//! The declared indexes of each stream: rows that sort its objects by fields, in step with the objects.
//!
//! The row of a stream says which indexes it has, and how far each is. What the flusher writes of objects it writes of
//! their indexes in the same batch, so that a reader who sees the one sees the other. A stream that is new has all that
//! are declared; of one that was there before, each is built behind it, some objects at a time. An index that is no
//! longer declared is not kept up, and its rows go.

mod build;
mod check;
mod list;
mod pinned;
mod read;
mod write;

pub(super) use build::Building;
pub(super) use check::check_indexes;
pub(super) use list::Indexes;
pub(super) use pinned::PinnedIndexes;
pub(super) use read::read_rows;
pub(super) use write::put_rows;
