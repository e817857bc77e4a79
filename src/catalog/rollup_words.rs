//! Rollups in words, by which they are told from other ones. Knows names.

use super::{
    condition::Condition,
    function::Function,
    ids::{EntityId, FieldId},
    model::{Catalog, Entity, FieldKind, Leaf},
    rollup::{Groups, Rolled, Rollup},
};
use crate::value::Scalar;

impl Catalog {
    /// What a rollup is computed by, as one text: another text, other values.
    pub fn rollup_words(&self, parent: EntityId, rollup: &Rollup) -> String {
        let words = self.words_of(parent, rollup);
        match rollup.filter.as_ref().and_then(Condition::version) {
            Some(version) => format!("{words}, {version}"),
            None => words,
        }
    }

    /// Groups that were computed now and then are not what commits can go on from. The count says
    /// so for all of them; how often is the same to the rows.
    fn at_times(&self, parent: EntityId, field: FieldId) -> &'static str {
        let groups = self.entity(parent).groups.as_ref();
        match groups.is_some_and(|groups| groups.count == field && groups.every.is_some()) {
            true => ", at times",
            false => "",
        }
    }

    fn words_of(&self, parent: EntityId, rollup: &Rollup) -> String {
        let target = self.entity(rollup.target);
        let own = self.entity(parent);
        let kind = match (rollup.of, &own.groups) {
            (Some(of), _) => &own.field(of).kind,
            (None, Some(groups)) => return format!("{} of {}", rollup.text, self.groups_words(groups)),
            (None, None) => return rollup.text.clone(),
        };
        let way = match kind {
            FieldKind::Inverse { field, .. } => format!("by {}", target.field(*field).name),
            FieldKind::Nested { .. } => "nested".to_owned(),
            FieldKind::Links { by, .. } => {
                let names: Vec<&str> = by.iter().map(|field| target.field(*field).name.as_str()).collect();
                format!("links by {}", names.join(", "))
            }
            _ => String::new(),
        };
        format!("{} of {} {way}", rollup.text, target.name)
    }

    /// Which groups rows stand for, as one text: `Sale by shop, address.city`.
    pub fn groups_words(&self, groups: &Groups) -> String {
        let by: Vec<&str> = groups.by.iter().map(|by| by.of.as_str()).collect();
        format!("{} by {}", self.entity(groups.of).name, by.join(", "))
    }

    /// What the column of a field is computed by, as one text; none where records bring it. The key
    /// of a group says what its other columns do.
    pub fn computed_words(&self, id: EntityId, field: FieldId) -> Option<String> {
        let entity = self.entity(id);
        if let Some(rollup) = &entity.field(field).rollup {
            return Some(self.rollup_words(id, rollup) + self.at_times(id, field));
        }
        let groups = entity.groups.as_ref()?;
        let by = groups.by.iter().find(|by| by.own == field);
        Some(match by {
            Some(by) => format!("{} of {}", by.of, self.groups_words(groups)),
            None => "group".to_owned(),
        })
    }

    /// Whether a rollup of rows of a type can only be computed of all of them: what is stored does
    /// not tell what one more row makes of it.
    pub(crate) fn is_computed_whole(&self, of: EntityId, what: Rolled) -> bool {
        let is_exact = |field: FieldId| match &self.entity(of).field(field).kind {
            FieldKind::Leaf { leaf, .. } => {
                matches!(leaf, Leaf::Scalar(Scalar::Int | Scalar::BigInt | Scalar::Decimal))
            }
            _ => false,
        };
        match what {
            Rolled::Of(Function::Avg | Function::CountDistinct, _) => true,
            Rolled::Of(Function::Sum, field) => !is_exact(field),
            _ => false,
        }
    }

    /// The values that tell groups apart: the fields that keep them, and those, or parts of those,
    /// of the rows.
    pub(crate) fn grouped_by(&self, groups: &Groups) -> Vec<(FieldId, FieldId)> {
        let source: &Entity = self.entity(groups.of);
        let by = groups.by.iter();
        let found = by.filter_map(|by| {
            let of = source.field_named(&by.of).or_else(|| source.part_named(&by.of))?;
            Some((by.own, of))
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::{EntityId, testing::catalog};

    /// Of a rollup with this condition, and of one in groups.
    fn words(condition: &str) -> Vec<String> {
        let text = r#"
            type Shop @f { id: ID! sales: [Sale!]! @inverse(field: "shop") n: Int! @rollup(of: "sales", fn: COUNT, where: W) }
            type Sale @f { id: ID! shop: Shop note: String }
            type Total @rollup(of: "Sale") { id: ID! n: Int! @rollup(fn: COUNT, where: W) }
        "#;
        let catalog = catalog(&text.replace('W', condition));
        let of = |at: u32| {
            let entity = catalog.entity(EntityId(at));
            let rollup = entity.field_named("n").and_then(|id| entity.field(id).rollup.as_ref());
            catalog.rollup_words(EntityId(at), rollup.expect("a rollup"))
        };
        vec![of(0), of(2)]
    }

    #[test]
    fn patterns_beyond_ascii_say_which_letters_are_one() {
        for condition in [
            r#"{note: {ilike: "%Ä%"}}"#,
            r#"{or: [{note: {eq: "a"}}, {not: {note: {ilike: "a_ж"}}}]}"#,
        ] {
            for words in words(condition) {
                assert!(words.contains(", folded 1 by Unicode "), "{words}");
            }
        }
        for condition in [
            r#"{note: {ilike: "%A%"}}"#,
            r#"{note: {like: "%Ä%"}}"#,
            r#"{note: {eq: "Ä"}}"#,
        ] {
            for words in words(condition) {
                assert!(!words.contains("folded"), "{words}");
            }
        }
    }
}
