//! What the sequencer needs of the disk, loaded where it does not know it.

use tapeline_core::name::Key;
use tapeline_core::numbers::ClientId;
use tapeline_core::object::Entry;
use tapeline_core::sequencer::{Need, Sequencer};

use crate::disk::Disk;

pub(super) fn load_keys<'a>(sequencer: &mut Sequencer, disk: &Disk, keys: impl IntoIterator<Item = &'a Key>) {
    for key in keys {
        if !sequencer.knows_key(key) {
            sequencer.load_entry(key.clone(), disk.entry(key));
        }
    }
}

/// `looks`: whether it looks for holders at all; sabotage does not.
pub(super) fn load_needed(sequencer: &mut Sequencer, disk: &Disk, need: Need, looks: bool) {
    match need {
        Need::Entry(key) => load_keys(sequencer, disk, [&key]),
        Need::Holders(look) => {
            let holds =
                |entry: &Entry| entry.live().is_some_and(|object| look.index.held(object).contains(&look.value));
            for (key, entry) in disk.entries().filter(|_| looks) {
                if key.collection == look.index.collection && holds(&entry) {
                    sequencer.load_entry(key, Some(entry));
                }
            }
            sequencer.holds_all(look);
        }
    }
}

pub(super) fn load_clients(sequencer: &mut Sequencer, disk: &Disk, clients: impl IntoIterator<Item = ClientId>) {
    for client in clients {
        if !sequencer.knows_client(client) {
            sequencer.load_client(client, disk.client(client));
        }
    }
}
