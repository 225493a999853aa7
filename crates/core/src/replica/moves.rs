//! What others do to texts as they are shown, for those who keep places in them: cursors, what can be undone, and what tabs
//! type before they have heard of it.

use crate::limits;
use crate::mirror::Commit;
use crate::name::{FieldName, Key};
use crate::numbers::{EditId, TabId};
use crate::splice::Splices;

/// What others, or a tab, have done to a text as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Of which object.
    pub key: Key,
    /// In which field.
    pub field: FieldName,
    /// What was done.
    pub splices: Splices,
    /// The edit of which tab it is, where it is one.
    pub by: Option<(TabId, EditId)>,
    /// Its number among all that was done to texts.
    pub(crate) number: u64,
}

/// What is yet to be told.
#[derive(Debug, Default)]
pub(super) struct Moves {
    untold: Vec<Moved>,
    /// How many there were so far.
    pub(super) count: u64,
    /// The latest of them, as they were done.
    latest: Vec<Moved>,
    /// The tabs that type.
    typists: Vec<Typist>,
}

/// A tab that types.
#[derive(Debug)]
struct Typist {
    tab: TabId,
    /// What it may not have heard of, as that is on top of what the tab has typed meanwhile.
    unheard: Vec<Moved>,
}

impl Moves {
    pub(super) fn push(&mut self, key: &Key, field: &FieldName, splices: &Splices, by: Option<(TabId, EditId)>) {
        if splices.is_empty() {
            return;
        }
        self.count += 1;
        let moved = Moved { key: key.clone(), field: field.clone(), splices: splices.clone(), by, number: self.count };
        for Typist { tab, unheard } in &mut self.typists {
            if by.is_none_or(|(by, _)| by != *tab) {
                remember(unheard, moved.clone());
            }
        }
        remember(&mut self.latest, moved.clone());
        if self.untold.len() >= limits::TEXT_MOVES {
            self.untold.clear();
        }
        self.untold.push(moved);
    }

    pub(super) fn take(&mut self) -> Vec<Moved> {
        std::mem::take(&mut self.untold)
    }

    /// Moves what a tab has typed past what it had not heard of.
    pub(super) fn move_past(&mut self, tab: TabId, commit: &mut Commit) {
        if commit.typed.is_empty() {
            return;
        }
        let place = self.typists.iter().position(|typist| typist.tab == tab);
        let mut typist = match place {
            Some(place) => self.typists.remove(place),
            None => Typist { tab, unheard: self.latest.clone() },
        };
        typist.unheard.retain(|moved| moved.number > commit.heard);
        typist.unheard.iter_mut().for_each(|moved| commit.move_past(moved));
        self.typists.push(typist);
        if self.typists.len() > limits::TABS {
            self.typists.remove(0);
        }
    }
}

/// The oldest goes where there are too many: a tab has most likely heard of it.
fn remember(moves: &mut Vec<Moved>, moved: Moved) {
    if moves.len() >= limits::UNHEARD_MOVES {
        moves.remove(0);
    }
    moves.push(moved);
}
