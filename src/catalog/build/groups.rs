//! Types whose rows are groups of another type's rows (`@rollup` on a type). Knows what tells
//! groups apart and which fields keep it; what is computed of a group is in `rollups`.

use super::{
    Builder, intervals,
    plan::{Meaning, Shape},
    totals::hidden,
};
use crate::{
    catalog::{
        Catalog, EntityId, Field, FieldId, FieldKind, GroupBy, Groups, Leaf, Rolled, Rollup, Schedule, ValueFieldKind,
    },
    definition::{Directive, Fault, FieldDefinition, Literal, Spanned, TypeDefinition, did_you_mean},
    value::Scalar,
};

/// The name of the count that no definition declares; fields' own names have no `_` in front.
const HIDDEN_COUNT: &str = "_rows";
/// Values that tell the groups of one type apart: each is a column, and a part of the key.
const BY_MAX: usize = 16;
/// What a field that keeps a value of its group cannot have: the value comes of the rows.
const OTHERS: [&str; 8] = [
    "select", "ref", "inverse", "nested", "fetch", "rollup", "unique", "search",
];

/// What a value in the rows is.
struct Found {
    kind: FieldKind,
    /// The name of its type.
    name: String,
    required: bool,
}

impl Builder<'_> {
    /// Reads which types are of groups, once the kinds of all fields are known.
    pub(super) fn groups(&mut self, catalog: &mut Catalog) {
        for id in self.plan.entity_ids() {
            let declared = self.plan.entity(id).definition;
            let Some(directive) = declared.directive("rollup").filter(|directive| !directive.broken) else {
                continue;
            };
            let faults = self.faults.len();
            self.nothing_else_fills(id, directive);
            self.has_plain_key(id, directive);
            let of = self.grouped_type(directive);
            let by = of.and_then(|of| self.told_apart_by(id, of, directive, catalog));
            let every = self.computed_every(directive);
            let (Some(of), Some(by), true) = (of, by, faults == self.faults.len()) else {
                continue;
            };
            if let Some(entity) = catalog.entities.get_mut(id.index()) {
                for (own, found) in by.iter().map(|(by, found)| (by.own, found)) {
                    if let Some(field) = entity.fields.get_mut(own.index()) {
                        field.kind = found.kind.clone();
                    }
                }
                let count = FieldId(entity.fields.len() as u32);
                entity.fields.push(hidden_count(of));
                let by = by.into_iter().map(|(by, _)| by).collect();
                entity.groups = Some(Groups {
                    of,
                    by,
                    count,
                    totals: Vec::new(),
                    every,
                });
            }
        }
    }

    /// A fault stands in the list of faults, and then there is none.
    fn computed_every(&mut self, directive: &Directive) -> Option<Schedule> {
        let every = directive.text("every")?;
        match intervals::interval(every.value) {
            Ok(interval) => Some(Schedule::Every(interval)),
            Err(message) => {
                self.fault(Fault::at(every.span, message));
                None
            }
        }
    }

    /// What is said of a type is not said of a field.
    pub(super) fn no_groups_of_fields(&mut self, directive: &Directive) {
        if let Some((every, _)) = directive.arguments.iter().find(|(name, _)| name.value == "every") {
            let fault = Fault::at(every.span.clone(), "`every` is for a `@rollup` on a type");
            self.fault(
                fault.hint("leave it out: a field is right after every commit; only groups are computed now and then"),
            );
        }
        if let Some((by, _)) = directive.arguments.iter().find(|(name, _)| name.value == "by") {
            let fault = Fault::at(by.span.clone(), "`by` is for a `@rollup` on a type");
            self.fault(fault.hint("leave it out: the rows behind a field are one group for each row that has them"));
        }
    }

    fn nothing_else_fills(&mut self, id: EntityId, directive: &Directive) {
        let planned = self.plan.entity(id);
        let owner = planned.owner.as_ref().map(|owner| self.plan.name(owner.entity));
        let declared = planned.definition;
        if let Some(fetch) = declared.directive("fetch") {
            let fault = Fault::at(fetch.span.clone(), "`@rollup` and `@fetch` exclude each other");
            self.fault(fault.hint("the rows are computed of those of another type: no request brings them"));
        }
        if let Some(owner) = owner {
            let name = &declared.name.value;
            let message = format!("`{name}` is nested in `{owner}`, which fills it");
            let fault = Fault::at(directive.span.clone(), message);
            self.fault(fault.hint("make a type of its own for the groups"));
        }
        for (word, _) in &directive.arguments {
            if ["fn", "field", "where"].contains(&word.value.as_str()) {
                let message = format!("`{}` is for a `@rollup` on a field", word.value);
                let hint = "give each field of the type that is computed a `@rollup` of its own";
                self.fault(Fault::at(word.span.clone(), message).hint(hint));
            }
        }
    }

    /// A group is told by the values that it is of, which may be null: they are made one text.
    fn has_plain_key(&mut self, id: EntityId, directive: &Directive) {
        let planned = self.plan.entity(id);
        let fields = planned.key.iter();
        let fields = fields.filter_map(|field| planned.definition.fields.get(field.index()));
        let fields: Vec<&FieldDefinition> = fields.collect();
        let is_plain = match fields.as_slice() {
            [field] => {
                field.name.value == "id" && field.ty.name == "ID" && field.ty.list.is_none() && !field.has("rollup")
            }
            // A type without any key is reported.
            _ => fields.is_empty(),
        };
        if !is_plain {
            let message = format!(
                "the key of `{}` is made of what its groups are told apart by",
                planned.definition.name.value
            );
            let fault = Fault::at(directive.span.clone(), message);
            self.fault(fault.hint("let it be one field alone, `id: ID!`"));
        }
    }

    /// The type whose rows are grouped.
    fn grouped_type(&mut self, directive: &Directive) -> Option<EntityId> {
        let Some(of) = directive.text("of") else {
            let fault = Fault::at(directive.span.clone(), "`@rollup` on a type needs `of`");
            self.fault(fault.hint("name the type whose rows are grouped"));
            return None;
        };
        let fault = |message: String| Fault::at(of.span.clone(), message);
        match self.plan.meaning(of.value) {
            Some(Meaning::Entity(source)) if self.plan.entity(source).definition.directive("rollup").is_some() => {
                let fault = fault(format!("the rows of `{}` are computed themselves", of.value));
                self.fault(
                    fault.hint("a rollup is of what records say; name the type that those rows are computed of"),
                );
                None
            }
            Some(Meaning::Entity(source)) => Some(source),
            Some(_) => {
                let fault = fault(format!("`{}` has no rows", of.value));
                self.fault(fault.hint("name a type with a key"));
                None
            }
            None => {
                let names = self
                    .plan
                    .entities
                    .iter()
                    .map(|entity| entity.definition.name.value.as_str());
                let near = did_you_mean(of.value, names).map(|near| format!("did you mean `{near}`?"));
                let fault = fault(format!("there is no type `{}`", of.value));
                self.fault(fault.hint(near.unwrap_or_else(|| "name the type whose rows are grouped".to_owned())));
                None
            }
        }
    }

    /// The values that tell groups apart, and that each field is one of these or computed.
    fn told_apart_by(
        &mut self,
        id: EntityId,
        of: EntityId,
        directive: &Directive,
        catalog: &Catalog,
    ) -> Option<Vec<(GroupBy, Found)>> {
        let declared = self.plan.entity(id).definition;
        let key = self.plan.entity(id).key.clone();
        let named = directive.argument("by").map(Literal::items).unwrap_or_default();
        if let Some(beyond) = named.get(BY_MAX) {
            let fault = Fault::at(
                beyond.span.clone(),
                format!("groups are told apart by at most {BY_MAX} values"),
            );
            self.fault(fault.hint("leave out what follows from others"));
            return None;
        }
        let mut all: Vec<(GroupBy, Found)> = Vec::new();
        let mut whole = true;
        for named in named.iter().filter_map(Literal::as_text) {
            match self.told_apart(declared, of, &named, catalog) {
                Some((by, _)) if all.iter().any(|(known, _)| known.own == by.own) => {
                    whole = false;
                    let fault = Fault::at(named.span, "one field cannot keep two values");
                    self.fault(fault.hint("name each once; `town: address.city` keeps a member in another field"));
                }
                Some((by, _)) if key.contains(&by.own) => {
                    whole = false;
                    let message = format!("`{}.id` is made of all values of a group", declared.name.value);
                    let hint = format!(
                        "keep it in another field: `of: {}`",
                        named.value.rsplit(':').next().unwrap_or_default().trim()
                    );
                    self.fault(Fault::at(named.span, message).hint(hint));
                }
                Some(found) => all.push(found),
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        for (at, field) in declared.fields.iter().enumerate().filter(|(_, field)| !field.broken) {
            let at = FieldId(at as u32);
            let is_kept = all.iter().any(|(by, _)| by.own == at);
            if !is_kept && !key.contains(&at) && !field.has("rollup") {
                let message = format!("`{}.{}` is not computed", declared.name.value, field.name.value);
                let fault = Fault::at(field.name.span.clone(), message);
                self.fault(fault.hint("name it in `by`, or give it `@rollup(fn: …)`"));
            }
        }
        Some(all)
    }

    fn told_apart(
        &mut self,
        declared: &TypeDefinition,
        of: EntityId,
        named: &Spanned<&str>,
        catalog: &Catalog,
    ) -> Option<(GroupBy, Found)> {
        let (own, way) = match named.value.split_once(':') {
            Some((own, way)) => (own.trim(), way.trim()),
            None => (
                named.value.rsplit('.').next().unwrap_or_default().trim(),
                named.value.trim(),
            ),
        };
        let found = self.value_of_rows(of, way, named, catalog)?;
        let wanted = format!("{}{}", found.name, if found.required { "!" } else { "" });
        let Some(at) = declared.fields.iter().position(|field| field.name.value == own) else {
            let message = format!("`{}` has no field `{own}`, which would keep this", declared.name.value);
            self.fault(Fault::at(named.span.clone(), message).hint(format!("write `{own}: {wanted}`")));
            return None;
        };
        let field = declared.fields.get(at)?;
        if field.broken {
            return None;
        }
        if let Some(other) = OTHERS
            .iter()
            .find_map(|name| field.directive(name))
            .or(field.directive("id"))
        {
            let message = format!("`@{}` cannot stand on what groups are told apart by", other.name);
            self.fault(Fault::at(other.span.clone(), message).hint("leave it out: the value comes of the rows"));
            return None;
        }
        if let Some(private) = field.directive("private") {
            let message = format!("`{own}` is a part of the key and cannot be private");
            let hint = "cursors and links show the key; leave @private out, or do not name it in `by`";
            self.fault(Fault::at(private.span.clone(), message).hint(hint));
            return None;
        }
        if self.is_hidden(of, way) {
            let message = format!(
                "`{}.{way}` is private, and the key of a group shows it",
                self.plan.name(of)
            );
            let hint = "leave it out of `by`, or @private out of what it shows";
            self.fault(Fault::at(named.span.clone(), message).hint(hint));
            return None;
        }
        if field.ty.name != found.name || field.ty.list.is_some() || field.ty.required != found.required {
            let message = format!("`{}.{way}` is `{wanted}`", self.plan.name(of));
            self.fault(Fault::at(field.ty.span.clone(), message).hint(format!("write `{own}: {wanted}`")));
            return None;
        }
        self.refuse_long_in_index(declared, field);
        let by = GroupBy {
            own: FieldId(at as u32),
            of: way.to_owned(),
        };
        Some((by, found))
    }

    /// Whether a value in the rows is not to be served: their field is private, or what a link is
    /// held by.
    fn is_hidden(&self, of: EntityId, way: &str) -> bool {
        let name = way.split('.').next().unwrap_or_default();
        let Some(field) = self.plan.entity(of).definition.field(name) else {
            return false;
        };
        let by = field.directive("ref").and_then(|directive| directive.text("by"));
        let held = match (self.plan.shape(field), by) {
            (Shape::Reference(target), Some(by)) => self.plan.entity(target).definition.field(by.value),
            _ => None,
        };
        field.has("private") || held.is_some_and(|held| held.has("private"))
    }

    /// A value in the rows: one of their fields, or a member of a value.
    fn value_of_rows(&mut self, of: EntityId, way: &str, named: &Spanned<&str>, catalog: &Catalog) -> Option<Found> {
        let source = self.plan.entity(of).definition;
        let mut names = way.split('.');
        let at = self.field_of(source, names.next().unwrap_or_default(), &named.span)?;
        let declared = source.fields.get(at)?;
        let held = catalog.entity(of).fields.get(at)?;
        if self.plan.shape(declared) == Shape::Broken {
            return None;
        }
        let shown = format!("`{}.{way}`", source.name.value);
        let mut found = Found {
            kind: held.kind.clone(),
            name: declared.ty.name.clone(),
            required: declared.ty.required && !matches!(held.kind, FieldKind::Reference { .. }),
        };
        for name in names {
            let FieldKind::Value { value, list: None } = found.kind else {
                let (message, hint) = match found.kind {
                    FieldKind::Leaf { .. } | FieldKind::Value { .. } => ("no single value", "name a member of a value"),
                    _ => (
                        "of other rows, whose changes no rollup follows",
                        "name a value of the rows themselves",
                    ),
                };
                let fault = Fault::at(named.span.clone(), format!("{shown} is {message}"));
                self.fault(fault.hint(hint));
                return None;
            };
            let value = catalog.value(value);
            let Some(member) = value.fields.iter().find(|member| member.name == name) else {
                let fault = Fault::at(named.span.clone(), format!("`{}` has no member `{name}`", value.name));
                let near = did_you_mean(name, value.fields.iter().map(|member| member.name.as_str()));
                self.fault(fault.hint(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("name a member of `{}`", value.name),
                }));
                return None;
            };
            let kind = match &member.kind {
                ValueFieldKind::Leaf { leaf, list } => FieldKind::Leaf {
                    leaf: *leaf,
                    list: *list,
                },
                ValueFieldKind::Value { value, list } => FieldKind::Value {
                    value: *value,
                    list: *list,
                },
            };
            found = Found {
                name: named_kind(&kind, catalog),
                kind,
                required: found.required && member.required,
            };
        }
        let (message, hint) = match &found.kind {
            _ if declared.has("rollup") => ("is a rollup itself", "groups are of what records say"),
            FieldKind::Leaf {
                leaf: Leaf::Scalar(Scalar::Json | Scalar::Float),
                list: None,
            } => (
                "is no value that tells groups apart",
                "name what can be equal: any scalar but `Float` and `JSON`, or an enum",
            ),
            FieldKind::Leaf { list: None, .. } | FieldKind::Reference { .. } => return Some(found),
            FieldKind::Value { list: None, .. } => ("is a value object", "name one of its members"),
            _ => ("is no single value", "name a scalar, an enum or a link to one row"),
        };
        self.fault(Fault::at(named.span.clone(), format!("{shown} {message}")).hint(hint));
        None
    }
}

/// The name of the type of a value.
fn named_kind(kind: &FieldKind, catalog: &Catalog) -> String {
    match kind {
        FieldKind::Leaf {
            leaf: Leaf::Scalar(scalar),
            ..
        } => scalar.name().to_owned(),
        FieldKind::Leaf {
            leaf: Leaf::Enum(id), ..
        } => catalog.enumeration(*id).name.clone(),
        FieldKind::Value { value, .. } => catalog.value(*value).name.clone(),
        _ => String::new(),
    }
}

/// A group is there as long as it has rows.
fn hidden_count(of: EntityId) -> Field {
    let rollup = Rollup {
        of: None,
        target: of,
        what: Rolled::Count,
        filter: None,
        text: "COUNT()".to_owned(),
    };
    hidden(HIDDEN_COUNT.to_owned(), Scalar::BigInt, true, rollup)
}
