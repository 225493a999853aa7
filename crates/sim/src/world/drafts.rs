//! Drafts in the world: objects that nobody else may hear of before they are published. A draft is the marker under which
//! it is published.

use tapeline_core::name::Key;
use tapeline_core::numbers::EditId;
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::replica::{Keeping, NewEdit};
use tapeline_core::value::Value;

use super::World;
use crate::device::{Device, Draft};
use crate::workload::{self, Marker};

impl World {
    /// Makes a draft, or goes on with one.
    pub(super) fn draft_at(&mut self, device: usize) -> Result<(), String> {
        let drafts: Vec<Key> = self.devices[device].drafts.keys().cloned().collect();
        let chosen = self.random.choice(&drafts).cloned();
        self.marker += 1;
        let (what, said) = (self.random.u8(0..4), self.marker);
        match chosen {
            None => self.make_draft(device, said),
            Some(_) if what == 0 => self.make_draft(device, said),
            Some(key) if what == 1 => self.publish(device, &key),
            Some(key) if what == 2 && self.random.bool() => self.change_draft(device, &key, None),
            Some(key) => self.change_draft(device, &key, Some(said)),
        }
    }

    fn make_draft(&mut self, device: usize, marker: Marker) -> Result<(), String> {
        let (clock, key) = (self.devices[device].clock(self.now), workload::marker_key(marker));
        let Some(replica) = &mut self.devices[device].replica else { return Ok(()) };
        let op = Op { key: key.clone(), seen: None, action: Action::Insert(fields(Value::Int(marker))) };
        let edit = replica.edit(clock, NewEdit::draft(vec![op])).map_err(|error| format!("no draft: {error}"))?;
        self.trace.note(format!("d{device}"), || format!("drafts e{edit} #{marker}"));
        self.devices[device].drafts.insert(key, Draft { said: marker, marker, edit });
        Ok(())
    }

    /// Edits a draft, or drops it.
    fn change_draft(&mut self, device: usize, key: &Key, says: Option<Marker>) -> Result<(), String> {
        let clock = self.devices[device].clock(self.now);
        let Device { replica: Some(replica), drafts, .. } = &mut self.devices[device] else { return Ok(()) };
        let action = says.map_or(Action::Delete, |says| Action::Update(fields(Edit::Set(Value::Int(says)))));
        let edit = replica.edit(clock, vec![Op { key: key.clone(), seen: None, action }]);
        let edit = edit.map_err(|error| format!("cannot edit a draft: {error}"))?;
        self.trace.note(format!("d{device}"), || format!("drafts e{edit} {key} {says:?}"));
        match (says, drafts.get_mut(key)) {
            (Some(said), Some(draft)) => (draft.said, draft.edit) = (said, edit),
            _ => drop(drafts.remove(key)),
        }
        Ok(())
    }

    fn publish(&mut self, device: usize, key: &Key) -> Result<(), String> {
        let clock = self.devices[device].clock(self.now);
        let Device { replica: Some(replica), drafts, .. } = &mut self.devices[device] else { return Ok(()) };
        let edit = replica.publish(clock, key).map_err(|error| format!("cannot publish: {error}"))?;
        let Some(draft) = drafts.remove(key) else { return Ok(()) };
        self.trace.note(format!("d{device}"), || format!("publishes e{edit} #{}", draft.marker));
        self.checks.accepted(device, edit, draft.marker);
        Ok(())
    }

    /// A device starts again: what was stored of its drafts is there, and of what was not, what there is.
    pub(super) fn find_drafts(&mut self, device: usize, stored: EditId) -> Result<(), String> {
        let most = self.marker;
        if self.devices[device].keeping == Keeping::Memory {
            self.devices[device].drafts.clear();
            return Ok(());
        }
        let Device { replica: Some(replica), drafts, .. } = &mut self.devices[device] else { return Ok(()) };
        let said = |key: &Key| replica.get(key).and_then(|object| object.get("said")?.as_int());
        let gone = drafts.iter().find(|(key, draft)| draft.edit <= stored && said(key) != Some(draft.said));
        if let Some((key, draft)) = gone {
            return Err(format!("d{device}: the draft {key} was stored as {draft:?} and is {:?}", said(key)));
        }
        let on_its_way = |key: &Key| replica.outbox().any(|(_, body)| body.ops.iter().any(|op| op.key == *key));
        let found = (1..=most).map(|marker| (marker, workload::marker_key(marker)));
        *drafts = found
            .filter(|(_, key)| !on_its_way(key) && replica.get_before(EditId(0), key).is_none())
            .filter_map(|(marker, key)| Some((key.clone(), Draft { said: said(&key)?, marker, edit: EditId(0) })))
            .collect();
        if replica.drafts() != drafts.len() {
            return Err(format!("d{device}: {} drafts came back, of which {} are", replica.drafts(), drafts.len()));
        }
        Ok(())
    }
}

fn fields<T>(said: T) -> FieldMap<T> {
    FieldMap::new(vec![("said".parse().expect("a name"), said)]).expect("one")
}
