//! Fetches on fields: one request per row of the field's own type. Knows what goes with them, and
//! in which order they run.

use super::{
    Builder,
    fetches::{WAYS, argument_span},
    plan::Shape,
    texts::place,
};
use crate::{
    catalog::{Catalog, EntityId, Fetch, FetchId, FieldFetch, FieldId, FieldKind, Leaf, Missing, Source, When},
    definition::{Directive, Fault, FieldDefinition, Span, Spanned, did_you_mean},
    value::Scalar,
};

/// What the path of a field's requests may hold.
const FIELD_VARIABLES: &[&str] = &["page", "offset", "cursor", "env", "this"];

impl Builder<'_> {
    pub(super) fn field_fetches(&mut self, sources: &[Option<Source>], catalog: &mut Catalog) {
        let mut spans: Vec<(FetchId, Span)> = Vec::new();
        for parent in self.plan.entity_ids() {
            let declared = self.plan.entity(parent).definition;
            for (at, field) in declared.fields.iter().enumerate() {
                let id = FieldId(at as u32);
                let Some(directive) = field.directive("fetch") else {
                    continue;
                };
                if let Some(fetch) = self.field_fetch(parent, id, field, directive, sources, catalog) {
                    let fetch_id = FetchId(catalog.fetches.len() as u32);
                    catalog.fetches.push(fetch);
                    spans.push((fetch_id, directive.span.clone()));
                    let entity = catalog.entities.get_mut(parent.index());
                    if let Some(field) = entity.and_then(|entity| entity.fields.get_mut(at)) {
                        field.fetch = Some(fetch_id);
                    }
                }
            }
        }
        self.order(&spans, catalog);
    }

    fn field_fetch(
        &mut self,
        parent: EntityId,
        id: FieldId,
        field: &FieldDefinition,
        directive: &Directive,
        sources: &[Option<Source>],
        catalog: &Catalog,
    ) -> Option<Fetch> {
        // Only rows with a key came this far without a fault; what else it may be is refused where
        // it is built.
        let (Shape::Links(target) | Shape::Reference(target)) = self.plan.shape(field) else {
            return None;
        };
        let before = self.faults.len();
        self.only_on_types(field, directive);
        self.check_target(target, directive, catalog);
        self.check_parent(parent, field, directive);
        let fetch = self.fetch(target, directive, sources, FIELD_VARIABLES)?;
        let this = self.this(parent, directive, &fetch)?;
        let links = catalog.entity(parent).field(id);
        let one = matches!(links.kind, FieldKind::Reference { .. });
        let whole = (one || matches!(links.kind, FieldKind::Links { .. })) && self.faults.len() == before;
        let each = FieldFetch {
            parent,
            field: id,
            one,
            when: match directive.text("when").map(|when| when.value) {
                Some("NEW") => When::New,
                Some("ALWAYS") => When::Always,
                _ => When::Changed,
            },
            this,
            after: Vec::new(),
        };
        whole.then_some(Fetch {
            field_fetch: Some(each),
            ..fetch
        })
    }

    fn only_on_types(&mut self, field: &FieldDefinition, directive: &Directive) {
        for name in ["missing", "maxMissing"] {
            let Some(literal) = directive.argument(name) else {
                continue;
            };
            let at = argument_span(directive, name, literal);
            let fault = Fault::at(at, format!("`{name}` is for a @fetch on a type"));
            self.fault(fault.hint(format!(
                "leave it out: the links in `{}` always follow the newest answer, and rows of `{}` stay",
                field.name.value, field.ty.name
            )));
            return;
        }
    }

    /// Rows must have one place that says whether they are there.
    fn check_target(&mut self, target: EntityId, directive: &Directive, catalog: &Catalog) {
        let name = self.plan.name(target);
        let at = directive.span.clone();
        if let Some(owner) = &self.plan.entity(target).owner {
            let owner = self.plan.name(owner.entity);
            let message = format!("rows of `{name}` are nested in `{owner}`, which fills them");
            self.fault(Fault::at(at, message).hint("fetch rows of a type of their own"));
            return;
        }
        let own = catalog.entity(target).fetch.map(|fetch| catalog.fetch(fetch).missing);
        if own == Some(Missing::Delete) {
            let message = format!(
                "the @fetch of `{name}` deletes the rows that it does not list, and so those that come from here"
            );
            self.fault(Fault::at(at, message).hint(format!(
                "write `missing: KEEP` there, or leave @fetch out here and link to `{name}` with @ref or @inverse"
            )));
        }
    }

    fn check_parent(&mut self, parent: EntityId, field: &FieldDefinition, directive: &Directive) {
        let root = self.root(parent);
        let own = self.plan.entity(root).definition;
        let fills = |other: &FieldDefinition| other.has("fetch") && other.ty.name == own.name.value;
        let types = &self.definition.types;
        if own.directive("fetch").is_some() || types.iter().flat_map(|declared| &declared.fields).any(fills) {
            return;
        }
        let message = format!(
            "nothing fills `{}`, so there is no row to fetch its `{}` for",
            own.name.value, field.name.value
        );
        self.fault(Fault::at(directive.span.clone(), message).hint(format!("give `{}` a @fetch", own.name.value)));
    }

    /// The entity whose records bring the rows of this one.
    fn root(&self, entity: EntityId) -> EntityId {
        let mut root = entity;
        // Owners that own each other are an own fault.
        for _ in self.plan.entity_ids() {
            match &self.plan.entity(root).owner {
                Some(owner) => root = owner.entity,
                None => break,
            }
        }
        root
    }

    /// The fields in `{$this.…}` of the path and the body, and then those of the filters; without
    /// any in the request, all rows would get the same answer.
    fn this(&mut self, parent: EntityId, directive: &Directive, fetch: &Fetch) -> Option<Vec<FieldId>> {
        let path = WAYS.iter().find_map(|(name, _)| directive.text(name))?;
        if fetch.this_names().is_empty() {
            let fault = Fault::at(path.span, "the same request for every row");
            self.fault(fault.hint("name the row in the path, for example by `{$this.id}`"));
            return None;
        }
        let mut fields = Vec::new();
        let before = self.faults.len();
        self.this_fields(parent, &path, fetch.path.this_names(), &mut fields);
        if let (Some(body), Some(given)) = (&fetch.body, directive.argument("body")) {
            let names: Vec<String> = body.this_names().into_iter().map(str::to_owned).collect();
            let whole = Spanned {
                value: "",
                span: given.span.clone(),
            };
            self.this_fields(parent, &whole, &names, &mut fields);
        }
        if let Some(rows) = directive.text("rows") {
            self.this_fields(parent, &rows, fetch.rows.this_names(), &mut fields);
        }
        let keep = directive.text("keep").or_else(|| directive.text("rows"));
        for filter in &fetch.keep {
            if let Some(text) = &keep {
                self.this_fields(parent, text, filter.this_names(), &mut fields);
            }
        }
        (self.faults.len() == before).then_some(fields)
    }

    fn this_fields(&mut self, parent: EntityId, text: &Spanned<&str>, names: &[String], fields: &mut Vec<FieldId>) {
        for name in names {
            match self.this_field(parent, name) {
                Ok(field) if fields.contains(&field) => {}
                Ok(field) => fields.push(field),
                Err((message, hint)) => {
                    let at = text.value.find(&format!("$this.{name}"));
                    let span = place(&self.definition.text, text, at);
                    self.fault(Fault::at(span, message).hint(hint));
                }
            }
        }
    }

    fn this_field(&self, parent: EntityId, name: &str) -> Result<FieldId, (String, String)> {
        let declared = self.plan.entity(parent).definition;
        let type_name = &declared.name.value;
        let Some(at) = declared.fields.iter().position(|field| field.name.value == name) else {
            let near = did_you_mean(name, declared.fields.iter().map(|field| field.name.value.as_str()));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("name a scalar or enum of `{type_name}`"),
            };
            return Err((format!("`{type_name}` has no field `{name}`"), hint));
        };
        let field = &declared.fields[at];
        let json = matches!(
            self.plan.meaning(&field.ty.name),
            Some(super::plan::Meaning::Leaf(Leaf::Scalar(Scalar::Json)))
        );
        match self.plan.shape(field) {
            _ if field.has("rollup") => Err((
                format!("`{type_name}.{name}` is computed, and its change asks for no request"),
                format!("name a scalar or enum that records of `{type_name}` say"),
            )),
            Shape::Leaf if field.ty.list.is_none() && !json => Ok(FieldId(at as u32)),
            _ => Err((
                format!("`{type_name}.{name}` is no single value that a request could name"),
                format!("name a scalar or enum of `{type_name}`"),
            )),
        }
    }

    /// What each run follows; a chain without a schedule that leads back to itself would never end.
    fn order(&mut self, spans: &[(FetchId, Span)], catalog: &mut Catalog) {
        for (id, _) in spans {
            let after = self.fillers(*id, catalog);
            if let Some(each) = catalog
                .fetches
                .get_mut(id.index())
                .and_then(|fetch| fetch.field_fetch.as_mut())
            {
                each.after = after;
            }
        }
        for (id, span) in spans {
            if runs_after_itself(*id, catalog) {
                let name = catalog.fetch_name(*id);
                let fault = Fault::at(
                    span.clone(),
                    format!("`{name}` would run after itself, again and again"),
                );
                self.fault(fault.hint("give it `every` or `cron`: what one run brings, the next one asks about"));
            }
        }
    }

    fn fillers(&self, id: FetchId, catalog: &Catalog) -> Vec<FetchId> {
        let Some(each) = &catalog.fetch(id).field_fetch else {
            return Vec::new();
        };
        let root = self.root(each.parent);
        catalog
            .fetch_ids()
            .filter(|other| catalog.fetch(*other).entity == root)
            .collect()
    }
}

/// Whether a fetch without a schedule follows itself, through others without one.
fn runs_after_itself(id: FetchId, catalog: &Catalog) -> bool {
    let after = |id: FetchId| {
        let fetch = catalog.fetch(id);
        let each = fetch.field_fetch.as_ref().filter(|_| fetch.schedule.is_none());
        each.map(|each| each.after.clone()).unwrap_or_default()
    };
    let mut open = after(id);
    let mut seen = Vec::new();
    while let Some(next) = open.pop() {
        if next == id {
            return true;
        }
        if !seen.contains(&next) {
            seen.push(next);
            open.extend(after(next));
        }
    }
    false
}
