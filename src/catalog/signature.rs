//! What an answer was read by: the requests, filters and types that a `@fetch` on a field depends
//! on, as one short text. Knows the catalog; compares nothing.

use xxhash_rust::xxh3::Xxh3;

use super::{
    Advance, Catalog, EntityId, FetchId, FieldKind, Leaf, Paging, Repeats, Selection, Table, ValueFieldKind, ValueId,
    jq::Filter,
};
use crate::value::Scalar;

impl Catalog {
    /// Whether several fetches bring rows of a type: then a record writes what it has, and leaves
    /// what the others have brought.
    pub fn is_shared(&self, entity: EntityId) -> bool {
        self.fetch_ids()
            .filter(|id| self.fetch(*id).entity == entity)
            .nth(1)
            .is_some()
    }

    /// Changes when the same answer would be read otherwise, and only then: a definition may grow
    /// elsewhere.
    pub fn signature(&self, id: FetchId) -> String {
        let fetch = self.fetch(id);
        let source = self.source(fetch.source);
        let mut signature = Signature {
            catalog: self,
            hash: Xxh3::new(),
            entities: Vec::new(),
            values: Vec::new(),
        };
        let method = format!("{:?} {:?}", fetch.method, fetch.format);
        for text in [&source.url, &fetch.path].map(|template| template.text()) {
            signature.text(text);
        }
        source.headers.iter().for_each(|(name, value)| {
            signature.text(name);
            signature.text(value.text());
        });
        if let Some(auth) = &source.auth {
            signature.text(&format!("{:?}", std::mem::discriminant(auth)));
            auth.templates().into_iter().for_each(|(name, template)| {
                signature.text(name);
                signature.text(template.text());
            });
        }
        signature.text(&method);
        fetch.body.iter().for_each(|body| signature.text(body.text()));
        if fetch.table != Table::default() {
            signature.text(&format!("{:?}", fetch.table));
        }
        if let Some(css) = &fetch.css {
            signature.text(&format!("{css:?}"));
        }
        fetch.charset.iter().for_each(|charset| signature.text(charset));
        signature.text(fetch.rows.text());
        fetch.keep.iter().for_each(|keep| signature.text(keep.text()));
        signature.paging(&fetch.paging);
        if fetch.repeats != Repeats::Last {
            signature.text(&format!("{:?}", fetch.repeats));
        }
        if fetch.field_fetch.as_ref().is_some_and(|each| !each.one) {
            signature.text("with repeats");
        }
        signature.entity(fetch.entity);
        if self.is_shared(fetch.entity) {
            signature.text("parts");
        }
        format!("{:016x}", signature.hash.digest())
    }
}

struct Signature<'c> {
    catalog: &'c Catalog,
    hash: Xxh3,
    /// Those that are in it already.
    entities: Vec<EntityId>,
    values: Vec<ValueId>,
}

impl Signature<'_> {
    fn text(&mut self, text: &str) {
        self.hash.update(&(text.len() as u64).to_le_bytes());
        self.hash.update(text.as_bytes());
    }

    fn paging(&mut self, paging: &Paging) {
        let filter = |filter: &Option<Filter>| filter.as_ref().map_or(String::new(), |filter| filter.text().to_owned());
        let advance = match &paging.advance {
            Advance::Single => "single".to_owned(),
            Advance::Page => "page".to_owned(),
            Advance::Offset => "offset".to_owned(),
            Advance::Cursor(next) => format!("cursor {}", next.text()),
            Advance::NextUrl(next) => format!("next {}", next.text()),
            Advance::LinkHeader => "link".to_owned(),
        };
        for text in [
            advance,
            filter(&paging.last),
            filter(&paging.total),
            format!("{:?} {:?}", paging.size, paging.end),
        ] {
            self.text(&text);
        }
    }

    fn entity(&mut self, id: EntityId) {
        if self.entities.contains(&id) {
            return;
        }
        self.entities.push(id);
        // Its name is nobody's who answers.
        let entity = self.catalog.entity(id);
        self.text("type");
        for (at, field) in entity.field_ids().map(|at| (at, entity.field(at))) {
            if !field.is_recorded() || matches!(field.kind, FieldKind::Inverse { .. }) {
                continue;
            }
            let key = entity.key.contains(&at);
            // Rows with a repeated value are refused.
            self.text(&format!("{} {} {key} {}", field.name, field.required, field.unique));
            self.selection(&field.selection);
            match &field.kind {
                FieldKind::Leaf { leaf, list: None } => self.leaf(*leaf, "None"),
                FieldKind::Leaf { leaf, list } => self.inner_leaf(*leaf, &format!("{list:?}")),
                FieldKind::Value { value, list } => {
                    self.text(&format!("{list:?}"));
                    self.value(*value);
                }
                FieldKind::Reference { target, by } | FieldKind::Links { target, by } => {
                    // Earlier versions left repeated ones out.
                    if matches!(field.kind, FieldKind::Links { .. }) {
                        self.text("with repeats");
                    }
                    for leaf in self.catalog.leaves_of(*target, by) {
                        self.leaf(leaf, "key");
                    }
                }
                FieldKind::Nested { child } => self.entity(*child),
                FieldKind::Inverse { .. } | FieldKind::Closure { .. } => {}
            }
        }
    }

    /// A leaf inside a document, whose text is stored as it is served.
    fn inner_leaf(&mut self, leaf: Leaf, list: &str) {
        if let Leaf::Scalar(Scalar::Float | Scalar::Duration | Scalar::Json) = leaf {
            // Earlier versions wrote them in other forms.
            self.text("in one form");
        }
        self.leaf(leaf, list);
    }

    fn value(&mut self, id: ValueId) {
        if self.values.contains(&id) {
            return;
        }
        self.values.push(id);
        let value = self.catalog.value(id);
        for field in &value.fields {
            self.text(&format!("{} {}", field.name, field.required));
            self.selection(&field.selection);
            match &field.kind {
                ValueFieldKind::Leaf { leaf, list } => self.inner_leaf(*leaf, &format!("{list:?}")),
                ValueFieldKind::Value { value, list } => {
                    self.text(&format!("{list:?}"));
                    self.value(*value);
                }
            }
        }
    }

    fn leaf(&mut self, leaf: Leaf, list: &str) {
        self.text(list);
        match leaf {
            // What earlier versions read from the same answer in another way: a whole number of
            // another spelling.
            Leaf::Scalar(Scalar::Id) => self.text("ID of digits"),
            Leaf::Scalar(scalar) => self.text(scalar.name()),
            Leaf::Enum(id) => {
                for value in &self.catalog.enumeration(id).values {
                    self.text(&value.name);
                    value.aliases.iter().for_each(|alias| self.text(alias));
                }
            }
        }
    }

    fn selection(&mut self, selection: &Selection) {
        match selection {
            Selection::Names(names) => names.iter().for_each(|name| self.text(name)),
            Selection::Jq(filter) => {
                if filter.gives_several() {
                    // Earlier versions took some outputs for the list itself.
                    self.text("item by item");
                }
                self.text(filter.text());
            }
        }
    }
}
