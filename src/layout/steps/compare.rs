//! Pairs the types of two layouts, then their links and indexes, and passes on what one change
//! means for others. Knows layouts; the columns of one type are compared in `fields`.

use std::collections::BTreeSet;

use super::{
    fields::{self, Columns},
    pairs::{Comparison, Pair, all_of, field_name, field_refill, refill},
    past,
    step::{Change, Condition, Loss, Origin, Refill, Reshape, Steps, Touch, shown},
};
use crate::{
    catalog::{EntityId, snake_case},
    layout::{Column, EntityTables, JoinTable, Layout, Table},
};

/// Compares two layouts.
pub(super) fn run(stored: &Layout, new: &Layout) -> Steps {
    Comparison::new(stored, new).run()
}

impl Comparison<'_> {
    fn run(mut self) -> Steps {
        for (entity, (tables, pair)) in (0..)
            .map(EntityId)
            .zip(self.new.entities.iter().zip(self.pairs.clone()))
        {
            match pair.and_then(|stored| Some((stored, self.stored.entities.get(stored)?))) {
                Some((stored, old)) => self.kept(entity, stored, Pair { old, new: tables }),
                None => self.created(entity, tables),
            }
        }
        for (stored, old) in self.stored.entities.iter().enumerate() {
            if !self.pairs.contains(&Some(stored)) {
                self.out.removed.push(stored);
                // What is computed can be computed again.
                let touch = (!old.is_of_groups()).then(|| all_of(&old.table.name, Loss::Row));
                self.tell(Change::RemovedType, shown(old), None, touch, None);
                past::removed(&mut self, old);
            }
        }
        self.out
    }

    fn created(&mut self, entity: EntityId, tables: &EntityTables) {
        self.out.created.push(entity);
        // The rows of a nested type come with those of its owner, which may be there already.
        let owner = tables.owner.and_then(|owner| *self.pairs.get(owner.index())?);
        let refill = owner.and_then(|owner| {
            let owner = self.stored.entities.get(owner)?;
            Some(Refill {
                fetches: tables.filled_by.clone(),
                apart: false,
                field: tables.name.clone(),
                table: owner.table.name.clone(),
            })
        });
        let change = if tables.is_of_groups() {
            Change::NewRollup
        } else {
            Change::NewType
        };
        self.tell(change, &tables.name, None, None, refill);
    }

    fn kept(&mut self, entity: EntityId, stored: usize, pair: Pair<'_>) {
        let other_name = match pair.old.name.is_empty() {
            true => ![&pair.new.table.name, &snake_case(&pair.new.name)].contains(&&pair.old.table.name),
            false => pair.old.name != pair.new.name,
        };
        if other_name {
            let from = shown(pair.old).to_owned();
            self.tell(Change::RenamedType { from }, &pair.new.name, None, None, None);
        }
        let columns = Columns::pair(&pair);
        let emptied = self.is_new_key(&pair, &columns);
        if emptied {
            let touch = all_of(&pair.old.table.name, Loss::Row);
            let refill = Some(refill(&pair, None));
            self.tell(Change::NewKey, &pair.new.name, None, Some(touch), refill);
        }
        let origins = fields::compare(self, &pair, columns, emptied);
        let joins = self.joins(&pair, emptied);
        if !emptied && is_respelled(&pair, &origins, &joins) {
            self.tell(Change::Respelled, &pair.new.name, None, None, None);
        }
        if !emptied {
            self.indexes(&pair, &origins);
            self.searched(&pair, &origins);
        }
        let past = past::compare(self, &pair, (&origins, &joins), emptied);
        self.out.kept.push(Reshape {
            stored,
            entity,
            origins: match emptied {
                true => vec![Origin::Nothing; pair.new.table.columns.len()],
                false => origins,
            },
            joins,
            emptied,
            past,
        });
    }

    /// Whether rows are told apart by something else than before.
    fn is_new_key(&self, pair: &Pair<'_>, columns: &Columns) -> bool {
        let (old, new) = (pair.old, pair.new);
        let origins: Vec<Option<usize>> = new.table.key.iter().map(|at| columns.of(*at)).collect();
        let stored: Vec<Option<usize>> = old.table.key.iter().copied().map(Some).collect();
        let fits = |at: &usize| {
            let column = new.table.columns.get(*at);
            let from = columns.of(*at).and_then(|from| old.table.columns.get(from));
            column
                .zip(from)
                .is_some_and(|(column, from)| fields::keeps(self, from, column))
        };
        old.positional != new.positional
            || old.positioned != new.positioned
            || origins != stored
            || !new.table.key.iter().all(fits)
    }

    fn joins(&mut self, pair: &Pair<'_>, emptied: bool) -> Vec<Option<usize>> {
        let mut used = BTreeSet::new();
        let mut out = Vec::with_capacity(pair.new.joins.len());
        for join in &pair.new.joins {
            let field = field_name(pair.new, join.field);
            let names = std::iter::once(&join.name).chain(&join.before);
            let found = names
                .into_iter()
                .find_map(|name| pair.old.joins.iter().position(|old| old.name == *name));
            let found = found.filter(|at| used.insert(*at));
            let old = found.and_then(|at| Some((at, pair.old.joins.get(at)?)));
            let Some((at, old)) = old else {
                let refill = Some(field_refill(pair, &field, join.fetched));
                self.tell(Change::NewLinks, &pair.new.name, Some(&field), None, refill);
                out.push(None);
                continue;
            };
            let from = field_name(pair.old, old.field);
            if !emptied && !self.same_links(old, join) {
                let touch = all_of(&old.name, Loss::Links);
                let refill = Some(field_refill(pair, &field, join.fetched));
                self.tell(Change::EmptiedLinks, &pair.new.name, Some(&field), Some(touch), refill);
                out.push(None);
                continue;
            }
            if old.name != join.name && from != field {
                self.tell(Change::RenamedLinks { from }, &pair.new.name, Some(&field), None, None);
            }
            out.push((!emptied).then_some(at));
        }
        for (at, old) in pair.old.joins.iter().enumerate() {
            if !used.contains(&at) {
                let touch = (!emptied).then(|| all_of(&old.name, Loss::Links));
                let field = field_name(pair.old, old.field);
                self.tell(Change::RemovedLinks, &pair.new.name, Some(&field), touch, None);
            }
        }
        out
    }

    /// Whether stored links mean the same rows, whatever they are called now.
    fn same_links(&self, old: &JoinTable, new: &JoinTable) -> bool {
        let pairs = |old: &[Column], new: &[Column]| {
            old.len() == new.len()
                && old.iter().zip(new).all(|(old, new)| {
                    let named = new.name == old.name || new.before.contains(&old.name);
                    named && fields::keeps(self, old, new)
                })
        };
        pairs(&old.owner, &new.owner) && pairs(&old.targets, &new.targets) && old.fetched == new.fetched
    }

    /// Indexes of several fields: those of columns that stay as they are, stay.
    fn several(&mut self, pair: &Pair<'_>, origins: &[Origin]) {
        let came = |at: usize| match origins.get(at) {
            Some(Origin::Stored(from)) => Some(*from),
            _ => None,
        };
        let (old, new) = (several_of(pair.old, Some), several_of(pair.new, came));
        let is_in =
            |all: &[Several], one: &Several| all.iter().any(|(columns, ways, _)| (columns, ways) == (&one.0, &one.1));
        for one in new.iter().filter(|one| !is_in(&old, one)) {
            self.tell(Change::NewIndex, &pair.new.name, Some(&one.2), None, None);
        }
        for one in old.iter().filter(|one| !is_in(&new, one)) {
            self.tell(Change::RemovedIndex, &pair.new.name, Some(&one.2), None, None);
        }
    }

    /// Fields whose words are searched. Also a new one is told: who does not know of it writes no
    /// words.
    fn searched(&mut self, pair: &Pair<'_>, origins: &[Origin]) {
        let (old, new) = (&pair.old.table, &pair.new.table);
        let came: Vec<Option<usize>> = new
            .searched()
            .iter()
            .map(|at| match origins.get(*at) {
                Some(Origin::Stored(from)) => Some(*from),
                _ => None,
            })
            .collect();
        for (at, from) in new.searched().iter().zip(&came) {
            let Some(column) = new.columns.get(*at) else {
                continue;
            };
            let before = from.filter(|from| old.searched().contains(from));
            let before = before.and_then(|from| old.columns.get(from));
            let language = column.language;
            let change = match before {
                None => Change::Searched { language },
                Some(before) if before.language != language => Change::SearchedIn { language },
                Some(_) => continue,
            };
            let name = field_name(pair.new, column.field);
            self.tell(change, &pair.new.name, Some(&name), None, None);
        }
        for at in old.searched().iter().filter(|at| !came.contains(&Some(**at))) {
            // That the field is gone says enough.
            let stays = new
                .columns
                .iter()
                .zip(origins)
                .find(|(_, origin)| **origin == Origin::Stored(*at));
            if let Some((column, _)) = stays {
                let name = field_name(pair.new, column.field);
                self.tell(Change::NotSearched, &pair.new.name, Some(&name), None, None);
            }
        }
    }

    /// Indexes and unique values over columns that stay; the others come and go with their fields.
    fn indexes(&mut self, pair: &Pair<'_>, origins: &[Origin]) {
        let came = |set: &Vec<usize>| -> Option<Vec<usize>> {
            let from = set.iter().map(|at| match origins.get(*at) {
                Some(Origin::Stored(from)) => Some(*from),
                _ => None,
            });
            from.collect()
        };
        let (old, new) = (&pair.old.table, &pair.new.table);
        let unique: Vec<Vec<usize>> = new.unique().filter_map(came).collect();
        let plain: Vec<Vec<usize>> = new.plain().filter_map(came).collect();
        let was_unique: Vec<Vec<usize>> = old.unique().cloned().collect();
        let was_plain: Vec<Vec<usize>> = old.plain().cloned().collect();
        let stored_name = |set: &[usize]| -> Vec<String> {
            let columns = set.iter().filter_map(|at| old.columns.get(*at));
            columns.map(|column| column.name.clone()).collect()
        };
        let field = |set: &[usize]| {
            let at = new
                .columns
                .iter()
                .zip(origins)
                .find(|(_, origin)| set.first().is_some_and(|first| **origin == Origin::Stored(*first)));
            at.map(|(column, _)| field_name(pair.new, column.field))
        };
        for set in unique.iter().filter(|set| !was_unique.contains(set)) {
            let touch = Touch {
                table: old.name.clone(),
                when: Condition::Repeated(stored_name(set)),
                loss: Loss::Row,
            };
            let name = field(set);
            let refill = Some(refill(pair, name.as_deref()));
            self.tell(Change::Unique, &pair.new.name, name.as_deref(), Some(touch), refill);
        }
        for set in was_unique.iter().filter(|set| !unique.contains(set)) {
            if let Some(name) = field(set) {
                self.tell(Change::NotUnique, &pair.new.name, Some(&name), None, None);
            }
        }
        // Where a field becomes or ceases to be unique, that says enough.
        let leads = |sets: &[Vec<usize>], set: &[usize]| sets.iter().any(|other| other.first() == set.first());
        for set in plain
            .iter()
            .filter(|set| !was_plain.contains(set) && !leads(&was_unique, set))
        {
            self.tell(Change::NewIndex, &pair.new.name, field(set).as_deref(), None, None);
        }
        for set in was_plain
            .iter()
            .filter(|set| !plain.contains(set) && !leads(&unique, set))
        {
            if let Some(name) = field(set) {
                self.tell(Change::RemovedIndex, &pair.new.name, Some(&name), None, None);
            }
        }
        self.several(pair, origins);
        let lists = |table: &Table| table.lists().map(|list| vec![list.column]).collect::<Vec<_>>();
        let listed: Vec<Vec<usize>> = lists(new).iter().filter_map(came).collect();
        for set in listed.iter().filter(|set| !lists(old).contains(set)) {
            self.tell(Change::NewIndex, &pair.new.name, field(set).as_deref(), None, None);
        }
        for set in lists(old).iter().filter(|set| !listed.contains(set)) {
            if let Some(name) = field(set) {
                self.tell(Change::RemovedListIndex, &pair.new.name, Some(&name), None, None);
            }
        }
    }
}

/// An index of several fields as a person knows it: `npc, reward DESC`; one over the other's
/// columns, as far as they stay.
type Several = (Vec<Option<usize>>, Vec<bool>, String);

/// The stored columns that the indexes of several fields are of; `place` gives them.
fn several_of(tables: &EntityTables, place: impl Fn(usize) -> Option<usize>) -> Vec<Several> {
    let several = tables.table.several();
    let of = several.map(|index| {
        let columns = index.columns.iter().map(|at| place(*at)).collect();
        let descending = index.columns.iter().map(|at| index.descending.contains(at)).collect();
        (columns, descending, tables.words_of(index))
    });
    of.collect()
}

/// Whether a table or a column that stays had the plain form of its name.
fn is_respelled(pair: &Pair<'_>, origins: &[Origin], joins: &[Option<usize>]) -> bool {
    let differs = |old: &str, new: &str| new.strip_prefix('$') == Some(old);
    let columns = pair.new.table.columns.iter().zip(origins);
    let mut columns = columns.filter_map(|(column, origin)| match origin {
        Origin::Stored(from) => Some((pair.old.table.columns.get(*from)?, column)),
        Origin::Nothing => None,
    });
    let joins = pair.new.joins.iter().zip(joins);
    let mut joins = joins.filter_map(|(join, from)| Some((pair.old.joins.get((*from)?)?, join)));
    differs(&pair.old.table.name, &pair.new.table.name)
        || columns.any(|(old, new)| differs(&old.name, &new.name))
        || joins.any(|(old, new)| differs(&old.name, &new.name))
}
