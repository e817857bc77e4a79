//! Fields that lead over any number of steps (`@closure`). Knows which links can be followed so; no
//! row.

use super::{Builder, plan::Shape};
use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    definition::{Directive, Fault, FieldDefinition},
};

/// Steps that `maxDepth` may allow: each is a round of the database, whatever it finds.
const DEPTH_MAX: u32 = 1_000;

impl Builder<'_> {
    /// The closure of a link, if that is one of the same type.
    pub(super) fn closure(&mut self, entity: EntityId, target: EntityId, field: &FieldDefinition) -> Option<FieldKind> {
        let directive = field.directive("closure").filter(|directive| !directive.broken)?;
        let named = directive.text("of")?;
        let declared = self.plan.entity(entity).definition;
        let here = &declared.name.value;
        if target != entity {
            let message = format!("a closure stays in its type, and `{}` is not `{here}`", field.ty.name);
            let hint = format!("write `[{here}!]!`, and name a link of `{here}` to `{here}`");
            self.fault(Fault::at(field.ty.span.clone(), message).hint(hint));
            return None;
        }
        let at = self.field_of(declared, named.value, &named.span)?;
        let (message, hint) = match self.plan.shape(declared.fields.get(at)?) {
            Shape::Broken => return None,
            Shape::Reference(to) | Shape::Links(to) | Shape::Inverse(to) if to == entity => {
                let max_depth = self.max_depth(directive)?;
                return Some(FieldKind::Closure {
                    entity,
                    of: FieldId(at as u32),
                    max_depth,
                });
            }
            Shape::Closure(_) => (
                format!("`{here}.{}` is a closure itself", named.value),
                "name the link that it is of".to_owned(),
            ),
            Shape::Reference(_) | Shape::Links(_) | Shape::Inverse(_) | Shape::Nested(_) => (
                format!("`{here}.{}` does not lead to `{here}`", named.value),
                format!("name a link of `{here}` to its own type"),
            ),
            Shape::Leaf | Shape::Value => (
                format!("`{here}.{}` leads to no rows", named.value),
                format!("name a link of `{here}` to its own type"),
            ),
        };
        self.fault(Fault::at(named.span, message).hint(hint));
        None
    }

    /// None inside where nothing is said, none at all where that is a fault.
    fn max_depth(&mut self, directive: &Directive) -> Option<Option<u32>> {
        let Some(literal) = directive.argument("maxDepth") else {
            return Some(None);
        };
        let given = literal.as_int().and_then(|given| u32::try_from(given).ok());
        let given = given.filter(|given| (1..=DEPTH_MAX).contains(given));
        if given.is_none() {
            let fault = Fault::at(literal.span.clone(), format!("`maxDepth` is 1 to {DEPTH_MAX}"));
            self.fault(fault.hint("leave it out to have all rows, however far away; circles end by themselves"));
        }
        given.map(Some)
    }
}
