//! Where in a row something of a search stands: which search that is, and what is wanted of the
//! places. Knows the arguments; finds no word.

use apollo_compiler::executable::Field;

use super::{Planner, connection::sets, found::FoundBy, input::Input, internal, params::ParamKind, select::first};
use crate::{
    catalog::{EntityId, Leaf},
    graphql::{ApiError, input_path::InputPath, schema::matches},
    query::{AFTER, BEFORE, MatchValue, Matches, Member, Operand, PartValue, Select, WORDS},
    value::{Scalar, Value},
};

impl<'a> Planner<'a> {
    /// What the rows of a field are found by.
    pub(super) fn found_by(&self, field: &'a Field, select: &Select) -> FoundBy {
        let search = select.filter.as_ref().and_then(|filter| filter.searched());
        match search {
            Some(search) => FoundBy::Search(search.clone()),
            None if field.specified_argument_by_name("search").is_some() => FoundBy::Null,
            None => FoundBy::NoSearch,
        }
    }

    /// What is selected of rows that are found so.
    pub(super) fn among<T>(
        &mut self,
        found: FoundBy,
        below: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let outside = std::mem::replace(&mut self.found, found);
        let selected = below(self);
        self.found = outside;
        selected
    }

    pub(super) fn matches(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Matches, ApiError> {
        let own = self.catalog.entity(entity);
        let search = match self.found.clone() {
            FoundBy::Search(search) => Some(search),
            FoundBy::Null => None,
            FoundBy::NoSearch => {
                let message = format!(
                    "nothing is searched for here: the list or connection whose row this is has no argument `search`, \
                     and that of rows further above is about those alone; add `search` to the field that gives the `{}`, \
                     or leave `{}` out",
                    own.name,
                    matches::FIELD
                );
                return Err(ApiError::input(at, message));
            }
        };
        let field = first(fields)?;
        let words = self.or_given(ParamKind::Words, Value::Int(WORDS), (field, "words"), at)?;
        let mut output = Vec::new();
        for (key, fields) in self.collect(matches::TYPE, &sets(fields)) {
            let at = at.below(key);
            let field = first(&fields)?;
            let value = match field.name.as_str() {
                "__typename" => MatchValue::Constant(matches::TYPE.to_owned()),
                "field" => MatchValue::Field,
                "text" => MatchValue::Text,
                "html" => MatchValue::Html {
                    before: self.mark(BEFORE, (field, "before"), &at)?,
                    after: self.mark(AFTER, (field, "after"), &at)?,
                },
                "parts" => MatchValue::Parts(self.match_parts(&fields)?),
                _ => return Err(internal("a member of a match that is not there")),
            };
            let key = key.to_owned();
            output.push(Member { key, value });
        }
        Ok(Matches {
            fields: own.field_ids().filter(|id| own.field(*id).searched).collect(),
            search,
            words,
            output,
        })
    }

    fn match_parts(&self, fields: &[&'a Field]) -> Result<Vec<Member<PartValue>>, ApiError> {
        let members = self.collect(matches::PART, &sets(fields)).into_iter();
        let members = members.map(|(key, fields)| {
            let value = match first(&fields)?.name.as_str() {
                "__typename" => PartValue::Constant(matches::PART.to_owned()),
                "text" => PartValue::Text,
                "found" => PartValue::Found,
                _ => return Err(internal("a member of a part that is not there")),
            };
            let key = key.to_owned();
            Ok(Member { key, value })
        });
        members.collect()
    }

    fn mark(&mut self, default: &str, of: (&'a Field, &str), at: &InputPath) -> Result<Operand, ApiError> {
        self.or_given(ParamKind::Mark, Value::Text(default.to_owned()), of, at)
    }

    /// The value of an argument, or of none its default.
    fn or_given(
        &mut self,
        kind: ParamKind,
        default: Value,
        (field, name): (&'a Field, &str),
        at: &InputPath,
    ) -> Result<Operand, ApiError> {
        let input: Option<Input<'a>> = self.argument(field, name).filter(|input| !input.is_null());
        if input.is_none() {
            return Ok(Operand::Value(default));
        }
        let scalar = match kind {
            ParamKind::Words => Scalar::Int,
            _ => Scalar::String,
        };
        self.operand_as(kind, Leaf::Scalar(scalar), input, &at.then(name))
    }
}
