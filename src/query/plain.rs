//! Whether all that is asked of a row is there at once. Knows what is selected; neither rows nor
//! databases.

use super::{
    read::{Output, OutputValue},
    visit::{Visitor, visit_outputs},
};

/// Whether no list below a row is looked through for what fits, or put in an order.
pub(crate) fn is_plain(outputs: &[Output]) -> bool {
    let mut search = Search::default();
    visit_outputs(outputs, &mut search);
    !search.0
}

/// Looks for lists that are searched.
#[derive(Default)]
struct Search(bool);

impl Visitor for Search {
    fn output(&mut self, output: &Output) {
        self.0 |= match &output.value {
            OutputValue::Many { select, .. } => {
                select.filter.is_some() || !select.order.is_empty() || select.offset.is_some()
            }
            OutputValue::Connection { .. } => true,
            _ => false,
        };
    }
}
