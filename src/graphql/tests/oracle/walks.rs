//! Walks through all rows of a type, page by page, while others write: rows that stay come once
//! each, in their order. Knows connections and loads; what the order is says the naive evaluator.

use std::collections::BTreeSet;

use rand::{Rng as _, rngs::StdRng};
use serde_json::{Value as Json, json};

use super::{
    Farm,
    ask::{Ask, Order, Root, Rows, Way},
    json_of,
    naive::Naive,
    names, request,
    text::Text,
    world::{Leaf, World},
};

/// By each leaf of each type, with nulls at either end, from either end. Gives what is wrong, or how
/// many walks there were.
pub(super) async fn beside_commits(farm: &Farm, world: &World, random: &mut StdRng) -> Result<usize, String> {
    let mut walks = 0;
    for (of, declared) in world.loaded_types() {
        for leaf in &declared.leaves {
            // What is computed of other rows moves with them.
            if declared.rollups.iter().any(|rolled| rolled.leaf.name == leaf.name) {
                continue;
            }
            for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
                let way = Way {
                    descending,
                    nulls_first,
                };
                let order = Order::Leaf(Vec::new(), leaf.clone(), way);
                for from_end in [false, true] {
                    walk(farm, world, (of, &order, leaf), from_end, random).await?;
                    walks += 1;
                }
            }
        }
    }
    Ok(walks)
}

async fn walk(
    farm: &Farm,
    world: &World,
    (of, order, leaf): (usize, &Order, &Leaf),
    from_end: bool,
    random: &mut StdRng,
) -> Result<(), String> {
    let [_, _, connection, _] = names(farm, world, of);
    let (end, place, cursor, more) = match from_end {
        false => ("first", "after", "endCursor", "hasNextPage"),
        true => ("last", "before", "startCursor", "hasPreviousPage"),
    };
    let size = random.random_range(1..3);
    let by = Text::new(world, false).order(of, order);
    let query = format!(
        "query($at: String) {{ all: {connection}(orderBy: [{by}], {end}: {size}, {place}: $at) {{ nodes {{ id }} pageInfo {{ {cursor} {more} }} }} }}"
    );
    let stay: BTreeSet<usize> = (0..world.rows[of].len()).filter(|_| random.random_bool(0.6)).collect();
    let (mut found, mut at): (Vec<Json>, Json) = (Vec::new(), Json::Null);
    loop {
        write(farm, world, (of, leaf), &stay, random).await;
        let got = json_of(&farm.api.execute(request(&query, json!({ "at": at }))).await);
        let page = &got["data"]["all"];
        let Some(nodes) = page["nodes"].as_array() else {
            return Err(format!("{}\n{query}\n{got}", world.definition()));
        };
        let ids = nodes.iter().map(|node| node["id"].clone());
        match from_end {
            false => found.extend(ids),
            true => found.splice(..0, ids).for_each(drop),
        }
        if page["pageInfo"][more] != json!(true) {
            break;
        }
        at = page["pageInfo"][cursor].clone();
    }
    let rows = Rows {
        order: vec![order.clone()],
        ..Rows::default()
    };
    let all = Naive(world).root(&Root::Many(of, rows, vec![Ask::Leaf("id".to_owned())]));
    let stays = |id: &Json| stay.iter().any(|row| world.rows[of][*row].leaves["id"] == *id);
    let all = all.as_array().cloned().unwrap_or_default().into_iter();
    let want: Vec<Json> = all.map(|row| row["k0"].clone()).filter(stays).collect();
    let met: Vec<Json> = found.iter().filter(|id| stays(id)).cloned().collect();
    let once: BTreeSet<String> = found.iter().map(Json::to_string).collect();
    match met == want && once.len() == found.len() {
        true => Ok(()),
        false => Err(format!(
            "{}\n{query}\nstay {want:?}\nfound {found:?}\n{:?}",
            world.definition(),
            world.rows[of]
        )),
    }
}

/// A commit in which some rows come and others go, and all may have other values than those that
/// they are ordered by.
async fn write(farm: &Farm, world: &World, (of, leaf): (usize, &Leaf), stay: &BTreeSet<usize>, random: &mut StdRng) {
    let mut moved = world.clone();
    let others: Vec<Leaf> = moved.types[of].leaves.clone();
    let free = ["t", "i", "f", "b", "n"];
    for row in &mut moved.rows[of] {
        for other in &others {
            let is_free = free.contains(&other.name.as_str()) && other.name != leaf.name;
            if is_free && random.random_bool(0.5) {
                row.leaves.insert(other.name.clone(), other.kind.value(random));
            }
        }
    }
    let there: BTreeSet<usize> = (0..world.rows[of].len())
        .filter(|row| stay.contains(row) || random.random_bool(0.5))
        .collect();
    let rows = moved.load_those(&farm.api.0.catalog, of, |row| there.contains(&row));
    farm.replace(&world.types[of].name, rows).await;
}
