//! Answers that say that there is no such page. Knows statuses and positions; asks nobody.

use super::{error::PageFault, page::Position};
use crate::catalog::Fetch;

/// Statuses that often say that a page lies past the last one.
const PAST: [u16; 5] = [400, 404, 410, 416, 422];

/// Whether a status says that there is no such page; a `probe` need not be there. Of the first page
/// none does.
pub(super) fn is_past(fetch: &Fetch, position: &Position, status: u16, probe: bool) -> bool {
    let probed = probe && (status == 204 || PAST.contains(&status));
    is_counted(position) && (probed || fetch.paging.end.contains(&status))
}

/// Names the way out where a fault may only mean that the pages are over.
pub(super) fn beyond(position: &Position, fault: PageFault) -> PageFault {
    match fault {
        PageFault::Status { status, .. } if is_counted(position) && PAST.contains(&status) => PageFault::Beyond {
            fault: Box::new(fault),
            status,
        },
        fault => fault,
    }
}

/// A page by its number or offset, after the first.
fn is_counted(position: &Position) -> bool {
    matches!(position, Position::Page(2..) | Position::Offset(1..))
}
