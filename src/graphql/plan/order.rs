//! `orderBy`. Knows how a chain of to-one fields ends in a leaf.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    query::{Direction, Form, Nulls, Order},
    value::{JsonPath, Scalar},
};

use super::{
    Planner,
    input::Input,
    internal,
    json::{PATH, json_path},
};
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
                (FieldKind::Leaf { leaf, .. }, _) => {
                    let (form, direction, nulls) = match leaf {
                        Leaf::Scalar(Scalar::Json) => json_order(self, &value, &place.then(name))?,
                        leaf => leaf_order(*leaf, name, &value, place)?,
                    };
                    return Ok(Order {
                        path,
                        field: id,
                        form,
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

/// A direction, the place of nulls, and whether the case of letters counts.
struct Sorting {
    direction: Direction,
    nulls: Nulls,
    ignores_case: bool,
}

/// What stands behind the direction where case does not count.
const IGNORE_CASE: &str = "_IGNORE_CASE";

fn sort(input: &Input) -> Option<Sorting> {
    let name = input.as_enum()?;
    let (direction, rest) = match (name.strip_prefix("ASC"), name.strip_prefix("DESC")) {
        (Some(rest), _) => (Direction::Ascending, rest),
        (None, rest) => (Direction::Descending, rest?),
    };
    let (ignores_case, rest) = match rest.strip_prefix(IGNORE_CASE) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let nulls = match rest {
        "" | "_NULLS_LAST" => Nulls::Last,
        "_NULLS_FIRST" => Nulls::First,
        _ => return None,
    };
    Some(Sorting {
        direction,
        nulls,
        ignores_case,
    })
}

/// A direction where the case of letters counts, or there is none.
pub(super) fn plain_sort(input: &Input, place: &InputPath) -> Result<(Direction, Nulls), ApiError> {
    let sorting = sort(input).ok_or_else(|| internal("an unknown sort direction"))?;
    match sorting.ignores_case {
        false => Ok((sorting.direction, sorting.nulls)),
        true => Err(ApiError::input(
            place,
            "only fields of texts, of rows or of rows behind links, can be ordered without regard to case; leave \
             `_IGNORE_CASE` out",
        )),
    }
}

/// `{path: "a.b", sort: DESC}`.
fn json_order(planner: &Planner, input: &Input, place: &InputPath) -> Result<(Form, Direction, Nulls), ApiError> {
    let mut path = JsonPath::default();
    let mut sorted = None;
    for (name, value) in planner.members(input).iter().filter(|(_, value)| !value.is_null()) {
        let place = place.then(name);
        match *name {
            PATH => path = json_path(value, &place)?,
            _ => sorted = Some(plain_sort(value, &place)?),
        }
    }
    let (direction, nulls) = sorted.ok_or_else(|| ApiError::input(place.then("sort"), "a direction must be given"))?;
    Ok((Form::Json(path), direction, nulls))
}

fn leaf_order(leaf: Leaf, name: &str, input: &Input, place: &InputPath) -> Result<(Form, Direction, Nulls), ApiError> {
    let has_case = matches!(leaf, Leaf::Scalar(scalar) if scalar.is_textual());
    let sorting = sort(input).ok_or_else(|| internal("an unknown sort direction"))?;
    if !sorting.ignores_case || !has_case {
        let (direction, nulls) = plain_sort(input, &place.then(name))?;
        return Ok((Form::Value, direction, nulls));
    }
    Ok((Form::WithoutCase, sorting.direction, sorting.nulls))
}
