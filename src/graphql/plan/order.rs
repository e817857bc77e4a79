//! `orderBy`. Knows how a chain of to-one fields ends in a leaf.

use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    query::{Direction, Nulls, Order},
};

use super::{Planner, input::Input, internal};
use crate::graphql::{ApiError, input_path::InputPath};

/// Orders in one list, and to-one fields in one order: each is a join, and nobody sorts by more.
const ORDERS_MAX: usize = 10;
const PATH_MAX: usize = 5;

impl<'a> Planner<'a> {
    pub(super) fn order(
        &mut self,
        entity: EntityId,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Vec<Order>, ApiError> {
        let items = self.items(&input);
        if items.len() > ORDERS_MAX {
            let message = format!("{} orders, at most {ORDERS_MAX} are allowed", items.len());
            return Err(ApiError::input(place, message));
        }
        let items = items.iter().enumerate();
        items
            .map(|(at, item)| match item {
                Some(item) => self.one_order(entity, item, &place.item(at)),
                None => Err(ApiError::input(place.item(at), "its variable was not given")),
            })
            .collect()
    }

    pub(super) fn one_order(&self, entity: EntityId, input: &Input<'a>, place: &InputPath) -> Result<Order, ApiError> {
        let mut entity = entity;
        let mut input = input.clone();
        let mut path = Vec::new();
        // The value whose members are looked at, or the field whose rows are counted.
        let mut within = None;
        while path.len() <= PATH_MAX {
            let (name, value) = self.only_member(&input, place)?;
            let id = self.part(entity, within, name);
            let id = id.ok_or_else(|| internal("an order by a field that the catalog does not have"))?;
            let kind = &self.catalog.entity(entity).field(id).kind;
            match (kind, kind.target()) {
                (FieldKind::Leaf { .. }, _) => {
                    let (direction, nulls) = sort(&value).ok_or_else(|| internal("an unknown sort direction"))?;
                    return Ok(Order {
                        path,
                        field: id,
                        direction,
                        nulls,
                    });
                }
                (kind, Some(target)) if !kind.is_to_many() => {
                    (entity, within) = (target, None);
                    path.push(id);
                }
                _ => within = Some(id),
            }
            input = value;
        }
        let message = format!("an order may follow at most {PATH_MAX} links");
        Err(ApiError::input(place, message))
    }
}

impl Planner<'_> {
    /// What stands in a row under a name, or in what one of its fields holds.
    pub(super) fn part(&self, entity: EntityId, within: Option<FieldId>, name: &str) -> Option<FieldId> {
        let entity = self.catalog.entity(entity);
        match within {
            Some(field) => entity.part_named(&format!("{}.{name}", entity.field(field).name)),
            None => entity.shown_named(name),
        }
    }
}

/// A direction and the place of nulls.
pub(super) fn sort(input: &Input) -> Option<(Direction, Nulls)> {
    match input.as_enum()? {
        "ASC" | "ASC_NULLS_LAST" => Some((Direction::Ascending, Nulls::Last)),
        "DESC" | "DESC_NULLS_LAST" => Some((Direction::Descending, Nulls::Last)),
        "ASC_NULLS_FIRST" => Some((Direction::Ascending, Nulls::First)),
        "DESC_NULLS_FIRST" => Some((Direction::Descending, Nulls::First)),
        _ => None,
    }
}
