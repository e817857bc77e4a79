//! What is taken of web pages by CSS. Knows selectors and where they may stand; reads no page.

use scraper::Selector;

use super::Builder;
use crate::{
    catalog::{Css, CssField, EntityId, Format},
    definition::{Directive, Fault, FieldDefinition, Spanned},
};

impl Builder<'_> {
    /// What a fetch takes by CSS; the outer `None` is a fault.
    pub(super) fn css(&mut self, entity: EntityId, directive: &Directive, format: Format) -> Option<Option<Css>> {
        let declared = self.plan.entity(entity).definition;
        let fields: Vec<&FieldDefinition> = declared.fields.iter().filter(|field| css_of(field).is_some()).collect();
        let before = self.faults.len();
        if !format.is_web_page() {
            for field in fields {
                let message = format!(
                    "`{}` is taken by CSS, but a `@fetch` of `{}` reads {}",
                    field.name.value,
                    declared.name.value,
                    format.name()
                );
                let at = css_of(field).map_or(field.name.span.clone(), |css| css.span);
                self.fault(Fault::at(at, message).hint("write @select(jq:), or `format: HTML` in the @fetch"));
            }
            return (self.faults.len() == before).then_some(None);
        }
        let rows = match directive.text("rows") {
            Some(rows) => {
                self.check_selector(&rows);
                rows.value.to_owned()
            }
            None if format == Format::HtmlTable => "table".to_owned(),
            None => {
                let fault = Fault::at(
                    directive.span.clone(),
                    "`format: HTML` needs `rows`, which finds the records",
                );
                self.fault(fault.hint("write a CSS selector, such as `rows: \"div.item\"`"));
                return None;
            }
        };
        let fields = fields.into_iter().filter_map(field_of).collect();
        (self.faults.len() == before).then_some(Some(Css { rows, fields }))
    }

    /// The name under which a record has what is taken by CSS.
    pub(super) fn css_key(&mut self, field: &FieldDefinition) -> Option<String> {
        let select = field.directive("select")?;
        if let Some(css) = select.text("css") {
            self.check_selector(&css);
            if let Some(jq) = select.text("jq") {
                let fault = Fault::at(jq.span, "`css` and `jq` exclude each other");
                self.fault(fault.hint("keep one of them"));
            }
            return field_of(field).map(|field| field.key);
        }
        if let Some(attr) = select.text("attr") {
            let fault = Fault::at(attr.span, "`attr` is an attribute of what `css` finds");
            self.fault(fault.hint("write `css`, too; of the record itself it is `@select(jq: \".\\\"@name\\\"\")`"));
        } else if select.text("jq").is_none() && !select.broken {
            let fault = Fault::at(select.span.clone(), "`@select` needs `jq` or `css`");
            self.fault(fault.hint("say how the value is taken, such as `jq: \".name\"`"));
        }
        None
    }

    /// Refuses CSS where a record is no element of a page.
    pub(super) fn no_css(&mut self, field: &FieldDefinition, what: &str) {
        if let Some(css) = css_of(field) {
            let fault = Fault::at(
                css.span,
                format!("{what} is a part of a record, in which there is no element to look in"),
            );
            self.fault(fault.hint("take the value in the type that has a @fetch"));
        }
    }

    /// The same for the rows of a type that is nested in another.
    pub(super) fn no_css_in_nested(&mut self, id: EntityId) {
        let planned = self.plan.entity(id);
        let (declared, nested) = (planned.definition, planned.owner.is_some());
        for field in declared.fields.iter().filter(|_| nested) {
            self.no_css(field, "a nested row");
        }
    }

    fn check_selector(&mut self, css: &Spanned<&str>) {
        if Selector::parse(css.value).is_err() {
            let fault = Fault::at(css.span.clone(), format!("`{}` is no CSS selector", css.value));
            self.fault(fault.hint("such as `table#prices` or `td:nth-child(2) a`"));
        }
    }
}

fn css_of(field: &FieldDefinition) -> Option<Spanned<&str>> {
    field.directive("select")?.text("css")
}

fn field_of(field: &FieldDefinition) -> Option<CssField> {
    let css = css_of(field)?.value;
    let attr = field
        .directive("select")?
        .text("attr")
        .map(|attr| attr.value.to_ascii_lowercase());
    let many = field.ty.list.is_some();
    let of = attr.as_ref().map_or(String::new(), |attr| format!(" @{attr}"));
    let all = if many { " …" } else { "" };
    Some(CssField {
        key: format!("css {css}{of}{all}"),
        css: css.to_owned(),
        attr,
        many,
    })
}
