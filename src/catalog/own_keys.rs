//! What to write where the keys of a field's records begin anew in each row that is asked about.
//! Knows names; runs nothing.

use super::{Catalog, Fetch, FieldId, names::snake_case};

impl Catalog {
    /// `rows` that puts a part of that row's key before the key of each record; none for what has
    /// no such row, or whose records name it in their key.
    pub(crate) fn rows_of_own_keys(&self, fetch: &Fetch) -> Option<String> {
        let parent = fetch.field_fetch.as_ref()?.parent;
        let target = self.entity(fetch.entity);
        let leads_back = |key: &FieldId| target.field(*key).kind.target() == Some(parent);
        if target.key.iter().any(leads_back) {
            return None;
        }
        let (key, this) = (target.key.first()?, *fetch.this_names().first()?);
        let key = &target.field(*key).name;
        // As a record is looked at by default.
        let given = match snake_case(key) {
            snake if snake == *key => format!(".{key}"),
            snake => format!(".{key} // .{snake}"),
        };
        Some(format!(
            "rows: \".[] | .{key} = \\\"\\\\($this.{this})/\\\\({given})\\\"\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::testing::catalog;

    #[test]
    fn the_key_is_called_by_its_name() {
        let catalog = catalog(
            "type Item @f { sku: ID! @id
               steps: [Step!]! @fetch(source: \"s\", GET: \"/i/{$this.sku}/steps\", rows: \".[]\")
             }
             type Step { stepId: ID! @id }",
        );
        let hints: Vec<_> = catalog
            .fetches
            .iter()
            .map(|fetch| catalog.rows_of_own_keys(fetch))
            .collect();
        let hint = r#"rows: ".[] | .stepId = \"\\($this.sku)/\\(.stepId // .step_id)\"""#;
        assert!(hints.contains(&Some(hint.to_owned())), "{hints:?}");
        assert!(hints.contains(&None), "{hints:?}");
    }

    #[test]
    fn a_key_that_leads_back_begins_nowhere_anew() {
        let catalog = catalog(
            "type Item @f { sku: ID! @id
               steps: [Step!]! @fetch(source: \"s\", GET: \"/i/{$this.sku}/steps\", rows: \".[]\")
             }
             type Step { item: Item @id number: Int! @id }",
        );
        let mut hints = catalog.fetches.iter().map(|fetch| catalog.rows_of_own_keys(fetch));
        assert!(hints.all(|hint| hint.is_none()));
    }
}
