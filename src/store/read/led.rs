//! Reads for which there is one way, whatever their values are: an index leads to the first rows of
//! each of their lists, and to all that is asked of these. Knows orders, conditions and indexes;
//! no statement.
//!
//! A server takes longer to plan such a read than to run it. So it plans it once, by indexes alone
//! ([`Plans::Led`]). Another read is planned for its values: what is best for rare ones is bad
//! for others.
//!
//! [`Plans::Led`]: crate::store::db::postgres::connect::Plans

use crate::{
    catalog::{Compare, EntityId},
    layout::ColumnKind,
    query::{Filter, Operand, Order, Read, RootValue, Select, is_plain},
};

use super::compiler::Compiler;

impl Compiler<'_> {
    /// How many rows each list of a read wants, if all of them are led; none otherwise.
    pub(super) fn led_read(&self, read: &Read) -> Option<Vec<Operand>> {
        let mut wanted = Vec::new();
        for root in &read.roots {
            match &root.value {
                RootValue::Json(_) => {}
                RootValue::One(select) if is_by_key(select) => {}
                RootValue::Many(select) if self.is_led(select) => wanted.push(select.first.clone()?),
                _ => return None,
            }
        }
        Some(wanted)
    }

    fn is_led(&self, select: &Select) -> bool {
        let is_ordered = match &*select.order {
            // By their key, which has an index.
            [] => select.filter.is_none(),
            [order] => self.has_order(select.entity, order) && self.begins_in_order(select.filter.as_ref(), order),
            _ => false,
        };
        is_ordered && select.offset.is_none() && is_plain(&select.output)
    }

    /// Whether an index has the rows in this order.
    fn has_order(&self, entity: EntityId, order: &Order) -> bool {
        let tables = self.layout.entity(entity);
        let columns = tables.columns_of(order.field);
        let kinds = columns.iter().filter_map(|at| tables.table.columns.get(*at));
        let is_scalar = kinds
            .into_iter()
            .all(|column| matches!(column.kind, ColumnKind::Scalar(_)));
        // Of its own field, in no other form: an index has values as they are.
        let is_found = order.own().is_some_and(|field| self.is_found_by(entity, field));
        is_found && is_scalar && !self.nulls_elsewhere(entity, order)
    }

    /// Whether the rows that meet a condition are a part of the order, without others between:
    /// those above or below some value. Of equal ones there may be few or nearly all.
    fn begins_in_order(&self, filter: Option<&Filter>, order: &Order) -> bool {
        match filter {
            None => true,
            Some(Filter::And(all)) => all.iter().all(|filter| self.begins_in_order(Some(filter), order)),
            Some(Filter::Compare { field, compare, .. }) => *field == order.field && *compare != Compare::Eq,
            Some(_) => false,
        }
    }
}

fn is_by_key(select: &Select) -> bool {
    matches!(select.filter, Some(Filter::Key { .. })) && is_plain(&select.output)
}
