//! Secrets out of what the store keeps of a harvest, and back into what is used of that. Knows
//! groups, answers and states.

use super::Secrets;
use crate::store::{Checkpoint, Group, Parent, ParentAnswer, ParentOutcome, Refused, RequestState};

impl Secrets {
    /// Takes secrets out of what is kept beside the rows of a group.
    pub(in crate::harvest) fn mask_group(&self, group: &mut Group) {
        if self.is_empty() {
            return;
        }
        group.refused.iter_mut().for_each(|refused| self.mask_refused(refused));
        group.request = group.request.take().map(|state| self.keep_state(state));
        // Without one, a run that is interrupted begins anew, or a little earlier.
        group.checkpoint = group.checkpoint.take().and_then(|checkpoint| {
            let next = self.keep(&checkpoint.next)?;
            Some(Checkpoint { next, ..checkpoint })
        });
    }

    /// The same of an answer to one row's request.
    pub(in crate::harvest) fn mask_answer(&self, answer: &mut ParentAnswer) {
        if self.is_empty() {
            return;
        }
        match &mut answer.outcome {
            ParentOutcome::Same(state) => *state = self.keep_state(state.clone()),
            ParentOutcome::Read { refused, state, .. } => {
                refused.iter_mut().for_each(|refused| self.mask_refused(refused));
                *state = state.take().map(|state| self.keep_state(state));
            }
            ParentOutcome::Failed { error, refused, .. } => {
                *error = self.mask(error);
                refused.iter_mut().for_each(|refused| self.mask_refused(refused));
            }
        }
    }

    fn mask_refused(&self, refused: &mut Refused) {
        refused.reason = self.mask(&refused.reason);
        refused.record = self.mask(&refused.record);
        refused.key = refused.key.as_deref().map(|key| self.mask(key));
    }

    /// A page of which something could not be given back is read in full the next time.
    fn keep_state(&self, state: RequestState) -> RequestState {
        let keep = |text: &Option<String>| match text {
            Some(text) => self.keep(text).map(Some),
            None => Some(None),
        };
        let kept = (keep(&state.etag), keep(&state.last_modified), self.keep(&state.page));
        let (Some(etag), Some(last_modified), Some(page)) = kept else {
            return RequestState {
                etag: None,
                last_modified: None,
                body_hash: None,
                page: String::new(),
                ..state
            };
        };
        RequestState {
            etag,
            last_modified,
            page,
            ..state
        }
    }

    /// What is remembered of a page, as it was.
    pub(in crate::harvest) fn recall(&self, mut state: RequestState) -> RequestState {
        for text in [&mut state.etag, &mut state.last_modified].into_iter().flatten() {
            *text = self.reveal(text);
        }
        state.page = self.reveal(&state.page);
        state
    }

    /// Rows whose requests are claimed, with what is remembered of their answers.
    pub(in crate::harvest) fn recall_all(&self, parents: &mut [Parent]) {
        for parent in parents {
            parent.before = parent.before.take().map(|before| self.recall(before));
        }
    }
}
