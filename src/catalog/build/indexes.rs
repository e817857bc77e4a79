//! Indexes of several fields: `@index(fields:)` on a type. Knows what a database can order by, and
//! which indexes there are anyway; no table.

use super::{
    Builder,
    plan::{Meaning, Shape},
};
use crate::{
    catalog::{EntityId, FieldId, FieldsIndex, IndexedField, Leaf},
    definition::{Directive, Fault, FieldDefinition, Spanned, TypeDefinition, did_you_mean},
    value::Scalar,
};

impl Builder<'_> {
    /// The indexes of several fields of a type; those with a fault are reported and left out.
    pub(super) fn indexes(&mut self, id: EntityId) -> Vec<FieldsIndex> {
        let declared = self.plan.entity(id).definition;
        let mut indexes: Vec<FieldsIndex> = Vec::new();
        let all = declared.directives.iter();
        for directive in all.filter(|directive| directive.name == "index" && !directive.broken) {
            let Some(index) = self.fields_index(id, directive) else {
                continue;
            };
            match self.is_of_no_use(id, &index, &indexes) {
                Some((message, hint)) => self.fault(Fault::at(directive.span.clone(), message).hint(hint)),
                None => indexes.push(index),
            }
        }
        indexes
    }

    fn fields_index(&mut self, id: EntityId, directive: &Directive) -> Option<FieldsIndex> {
        let Some(names) = directive.argument("fields") else {
            let fault = Fault::at(directive.span.clone(), "`@index` on a type needs `fields`");
            self.fault(fault.hint("write `@index(fields: [\"seller\", \"price DESC\"])`, or put `@index` on a field"));
            return None;
        };
        let mut fields: Vec<IndexedField> = Vec::new();
        let mut whole = true;
        for name in names.items().iter().filter_map(|name| name.as_text()) {
            match self.indexed_field(id, &name, &fields) {
                Ok(field) => fields.push(field),
                Err(fault) => {
                    whole = false;
                    self.faults.extend(fault.map(|fault| *fault));
                }
            }
        }
        whole.then_some(FieldsIndex { fields })
    }

    /// The error is none where a fault of the field is known already.
    fn indexed_field(
        &self,
        id: EntityId,
        name: &Spanned<&str>,
        before: &[IndexedField],
    ) -> Result<IndexedField, Option<Box<Fault>>> {
        let declared = self.plan.entity(id).definition;
        let fault = |message: String| Fault::at(name.span.clone(), message);
        let mut words = name.value.split_whitespace();
        let (word, direction, rest) = (words.next().unwrap_or_default(), words.next(), words.next());
        let descending = match (direction, rest) {
            (None | Some("ASC"), None) if !word.is_empty() => false,
            (Some("DESC"), None) => true,
            _ => {
                let fault = fault(format!("`{}` is no field with a direction", name.value));
                let hint = "write a field's name, alone or followed by `ASC` or `DESC`";
                return Err(Some(Box::new(fault.hint(hint))));
            }
        };
        let fields = declared.fields.iter();
        let Some(at) = fields.clone().position(|field| field.name.value == word) else {
            let fault = fault(format!("`{}` has no field `{word}`", declared.name.value));
            let near = did_you_mean(word, fields.map(|field| field.name.value.as_str()));
            return Err(Some(Box::new(match near {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault,
            })));
        };
        let field = FieldId(at as u32);
        if before.iter().any(|other| other.field == field) {
            let fault = fault(format!("`{word}` stands twice in one index"));
            return Err(Some(Box::new(fault.hint("leave one of them out"))));
        }
        match self.is_ordered(declared, at) {
            None => Err(None),
            Some(true) => Ok(IndexedField { field, descending }),
            Some(false) => {
                let fault = fault(format!("`{word}` cannot be part of an index of several fields"));
                Err(Some(Box::new(
                    fault.hint("it is for single scalars, enums and links to one row"),
                )))
            }
        }
    }

    /// Whether a database can order by a field; none where its fault is known.
    fn is_ordered(&self, declared: &TypeDefinition, at: usize) -> Option<bool> {
        let field = declared.fields.get(at)?;
        let meaning = self.plan.meaning(&field.ty.name);
        match self.plan.shape(field) {
            Shape::Broken => None,
            Shape::Leaf => {
                Some(field.ty.list.is_none() && !matches!(meaning, Some(Meaning::Leaf(Leaf::Scalar(Scalar::Json)))))
            }
            shape => Some(matches!(shape, Shape::Reference(_))),
        }
    }

    /// Why an index would do nothing that another one does not, and what to do.
    fn is_of_no_use(
        &self,
        id: EntityId,
        index: &FieldsIndex,
        others: &[FieldsIndex],
    ) -> Option<(String, &'static str)> {
        let entity = self.plan.entity(id);
        // That a type needs a key is told anyway.
        if entity.key.is_empty() {
            return None;
        }
        let fields: Vec<FieldId> = index.fields.iter().map(|field| field.field).collect();
        if fields.len() < 2 {
            let hint = "put `@index` on the field; keys, unique fields and links are indexed anyway";
            return Some(("an index on a type is of several fields".to_owned(), hint));
        }
        let one_way = index.fields.windows(2).all(|pair| match pair {
            [one, other] => one.descending == other.descending,
            _ => true,
        });
        if one_way && entity.key.starts_with(&fields) {
            let message = format!("the key of `{}` is this index already", entity.definition.name.value);
            return Some((message, "leave it out"));
        }
        if !entity.positional && fields.starts_with(&entity.key) && fields.len() > entity.key.len() {
            let message = format!("no two rows of `{}` have the same key", entity.definition.name.value);
            return Some((
                message,
                "what follows the whole key in an index orders nothing: leave it out",
            ));
        }
        others
            .contains(index)
            .then(|| ("this index is there already".to_owned(), "leave one of them out"))
    }

    /// On a field there is nothing to name, nor to repeat.
    pub(super) fn refuse_fields_of_index(&mut self, field: &FieldDefinition) {
        let mut all = field.directives.iter().filter(|directive| directive.name == "index");
        let first = all.next();
        let named = first.and_then(|directive| {
            let (name, _) = directive.arguments.iter().find(|(name, _)| name.value == "fields")?;
            Some(name.span.clone())
        });
        if let Some(span) = named {
            let fault = Fault::at(span, "`fields` is for an `@index` on a type");
            self.fault(fault.hint("write `@index`, or move it to the type"));
        }
        if let Some(other) = all.next() {
            let message = format!("`{}` is indexed twice", field.name.value);
            self.fault(Fault::at(other.span.clone(), message).hint("leave one of them out"));
        }
    }
}
