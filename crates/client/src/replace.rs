//! Giving a collection the objects it should have, by the edits that this takes and no others.

use tapeline_core::difference::{Difference, Others, Rows};
use tapeline_core::name::ObjectId;
use tapeline_core::replica::Replica;
use tapeline_core::value::Value;

use crate::batch::named;
use crate::error::EditError;
use crate::{Collection, Receipt, text};

impl Collection {
    /// Makes the collection consist of these objects: new ones are inserted, those that differ get the fields in which
    /// they do, all others are deleted. Fields that are not named become null, and null counts as absent. Long texts
    /// are edited where they differ, so that what others type there at the same time stays. One edit: all of it
    /// takes effect, or nothing. `None`: all is so already.
    ///
    /// ```no_run
    /// # fn example(tasks: tapeline_client::Collection) -> Result<(), Box<dyn std::error::Error>> {
    /// use tapeline_client::ObjectId;
    ///
    /// let rows = [("t1", "Buy milk"), ("t2", "Bread")];
    /// let rows = rows.map(|(id, title)| (ObjectId::new(id).unwrap(), [("title", title.into())]));
    /// tasks.replace(rows.clone())?;
    /// assert!(tasks.replace(rows)?.is_none());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Where an id stands there twice or a field is not right, or it is too much for one edit: see
    /// [`replace_in_parts`](Self::replace_in_parts). Nothing has changed then.
    pub fn replace(
        &self,
        rows: impl IntoIterator<Item = (ObjectId, impl IntoIterator<Item = (impl AsRef<str>, Value)>)>,
    ) -> Result<Option<Receipt>, EditError> {
        let rows = read(rows)?;
        let plan = |replica: &Replica| {
            let difference = self.difference(replica, rows, Others::Delete)?;
            Ok(if difference.is_empty() { Vec::new() } else { vec![difference.ops] })
        };
        Ok(self.stream().edits(plan)?.pop())
    }

    /// Like [`replace`](Self::replace), in as few edits as hold it.
    ///
    /// # Errors
    /// Where an id stands there twice, a field is not right or takes more than an edit may have: nothing has changed
    /// then. Or where the outbox is full: some edits may have been made then, and the same again goes on from there.
    pub fn replace_in_parts(
        &self,
        rows: impl IntoIterator<Item = (ObjectId, impl IntoIterator<Item = (impl AsRef<str>, Value)>)>,
        others: Others,
    ) -> Result<Vec<Receipt>, EditError> {
        let rows = read(rows)?;
        self.stream().edits(|replica| Ok(self.difference(replica, rows, others)?.into_events()?))
    }

    /// What a replacement would do now. Nothing is edited.
    ///
    /// # Errors
    /// Where an id stands there twice or a field is not right.
    pub fn plan_replace(
        &self,
        rows: impl IntoIterator<Item = (ObjectId, impl IntoIterator<Item = (impl AsRef<str>, Value)>)>,
        others: Others,
    ) -> Result<Difference, EditError> {
        let rows = read(rows)?;
        self.stream().look(|replica| self.difference(replica, rows, others))
    }

    fn difference(&self, replica: &Replica, rows: Rows, others: Others) -> Result<Difference, EditError> {
        let there = replica.collection(self.name()).map(|(id, object)| (id, &**object));
        Ok(Difference::new(self.name(), there, rows, others, &text::edit)?)
    }
}

fn read(
    rows: impl IntoIterator<Item = (ObjectId, impl IntoIterator<Item = (impl AsRef<str>, Value)>)>,
) -> Result<Rows, EditError> {
    rows.into_iter().map(|(id, fields)| Ok((id, named(fields, |value| value)?))).collect()
}
