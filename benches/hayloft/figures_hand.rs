//! Typical reads in GraphQL, and the best statements by hand that give the same JSON, on both databases. Knows no measuring.

use crate::data;

/// What is asked, and how it is said by hand.
pub struct Work {
    pub name: &'static str,
    pub query: &'static str,
    /// On SQLite and on PostgreSQL, each in one or several forms.
    pub by_hand: [&'static [&'static str]; 2],
    /// At most so many times the handwritten statement.
    pub most: [f64; 2],
}

const DEEP: &str =
    "{ items(first: 20) { id requiredFor { quantity quest { id title items { quantity item { id name price } } } } } }";

pub const WORK: [Work; 6] = [
    Work {
        name: "Q1: 100 items, the quests that need each",
        query: data::NESTED,
        by_hand: [
            &[r#"
                SELECT json_object('items',json_group_array(json_object('id',id,'name',name,'price',price,'requiredFor',
                json(n)))) FROM (SELECT id,name,price,(SELECT json_group_array(json_object('quantity',n.quantity,
                'quest',json_object('id',q.id,'title',q.title))) FROM quest_item n JOIN quest q ON q.id=n.quest_id
                WHERE n.item_id=i.id) AS n FROM item i ORDER BY id LIMIT 100)"#],
            &[
                r#"
                SELECT json_build_object('items',coalesce(json_agg(json_build_object('id',i.id,'name',i.name,'price',
                i.price,'requiredFor',n.list) ORDER BY i.id),'[]'))::text FROM (SELECT id,name,price FROM item ORDER BY
                id LIMIT 100) i CROSS JOIN LATERAL (SELECT coalesce(json_agg(json_build_object('quantity',n.quantity,
                'quest',json_build_object('id',q.id,'title',q.title)) ORDER BY n.quest_id),'[]') AS list FROM
                quest_item n JOIN quest q ON q.id=n.quest_id WHERE n.item_id=i.id) n"#,
                r#"
                WITH i AS (SELECT id,name,price FROM item ORDER BY id LIMIT 100), n AS (SELECT n.item_id,
                json_agg(json_build_object('quantity',n.quantity,'quest',json_build_object('id',q.id,'title',q.title))
                ORDER BY n.quest_id) AS list FROM i JOIN quest_item n ON n.item_id=i.id JOIN quest q ON q.id=n.quest_id
                GROUP BY n.item_id) SELECT json_build_object('items',json_agg(json_build_object('id',i.id,'name',i.name,
                'price',i.price,'requiredFor',coalesce(n.list,'[]')) ORDER BY i.id))::text FROM i LEFT JOIN n ON
                n.item_id=i.id"#,
            ],
        ],
        most: [1.1, 1.0],
    },
    Work {
        name: "Q2: 20 items, their quests, what these need",
        query: DEEP,
        by_hand: [
            &[r#"
                SELECT json_object('items',json_group_array(json_object('id',id,'requiredFor',json(n)))) FROM (SELECT
                id,(SELECT json_group_array(json_object('quantity',n.quantity,'quest',json_object('id',q.id,'title',
                q.title,'items',json((SELECT json_group_array(json_object('quantity',m.quantity,'item',json_object('id',
                j.id,'name',j.name,'price',j.price)) ORDER BY m._position) FROM quest_item m JOIN item j ON
                j.id=m.item_id WHERE m.quest_id=q.id))))) FROM quest_item n JOIN quest q ON q.id=n.quest_id WHERE
                n.item_id=i.id) AS n FROM item i ORDER BY id LIMIT 20)"#],
            &[
                r#"
                SELECT json_build_object('items',coalesce(json_agg(json_build_object('id',i.id,'requiredFor',n.list)
                ORDER BY i.id),'[]'))::text FROM (SELECT id FROM item ORDER BY id LIMIT 20) i CROSS JOIN LATERAL
                (SELECT coalesce(json_agg(json_build_object('quantity',n.quantity,'quest',json_build_object('id',q.id,
                'title',q.title,'items',m.list)) ORDER BY n.quest_id),'[]') AS list FROM quest_item n JOIN quest q ON
                q.id=n.quest_id CROSS JOIN LATERAL (SELECT json_agg(json_build_object('quantity',m.quantity,'item',
                json_build_object('id',j.id,'name',j.name,'price',j.price)) ORDER BY m._position) AS list FROM
                quest_item m JOIN item j ON j.id=m.item_id WHERE m.quest_id=q.id) m WHERE n.item_id=i.id) n"#,
                r#"
                WITH i AS (SELECT id FROM item ORDER BY id LIMIT 20), n AS (SELECT n.item_id,n.quest_id,n.quantity FROM
                i JOIN quest_item n ON n.item_id=i.id), m AS (SELECT m.quest_id,json_agg(json_build_object('quantity',
                m.quantity,'item',json_build_object('id',j.id,'name',j.name,'price',j.price)) ORDER BY m._position) AS
                list FROM (SELECT DISTINCT quest_id FROM n) q JOIN quest_item m ON m.quest_id=q.quest_id JOIN item j ON
                j.id=m.item_id GROUP BY m.quest_id), l AS (SELECT n.item_id,json_agg(json_build_object('quantity',
                n.quantity,'quest',json_build_object('id',q.id,'title',q.title,'items',m.list)) ORDER BY n.quest_id) AS
                list FROM n JOIN quest q ON q.id=n.quest_id JOIN m ON m.quest_id=n.quest_id GROUP BY n.item_id) SELECT
                json_build_object('items',json_agg(json_build_object('id',i.id,'requiredFor',coalesce(l.list,'[]'))
                ORDER BY i.id))::text FROM i LEFT JOIN l ON l.item_id=i.id"#,
            ],
        ],
        most: [1.1, 1.0],
    },
    Work {
        name: "Q3: filter, order, 20 of 100,000",
        query: "{ items(where: {price: {gt: 500}}, orderBy: [{price: ASC}], first: 20) { id name price } }",
        by_hand: [
            &[r#"
                SELECT json_object('items',json_group_array(json_object('id',id,'name',name,'price',price))) FROM
                (SELECT id,name,price FROM item WHERE price>500 ORDER BY price,id LIMIT 20)"#],
            &[r#"
                SELECT json_build_object('items',coalesce(json_agg(json_build_object('id',id,'name',name,'price',
                price)),'[]'))::text FROM (SELECT id,name,price FROM item WHERE price>500 ORDER BY price,id LIMIT 20) i"#],
        ],
        most: [1.1, 1.1],
    },
    Work {
        name: "Q4: one row by its key",
        query: r#"{ item(id: "r0050000") { id name price } }"#,
        by_hand: [
            &[r#"
                SELECT json_object('item',json_object('id',id,'name',name,'price',price)) FROM item WHERE id='r0050000'"#],
            &[r#"
                SELECT json_build_object('item',json_build_object('id',id,'name',name,'price',price))::text FROM item
                WHERE id='r0050000'"#],
        ],
        most: [1.1, 1.0],
    },
    Work {
        name: "Q5: 5,000 rows of 8 columns",
        query: data::FLAT,
        by_hand: [
            &[r#"
                SELECT json_object('items',json_group_array(json_object('id',id,'name',name,'price',price,'rarity',
                rarity,'weight',weight,'stock',stock,'active',json(iif(active,'true','false')),'updated',
                replace(updated,'.000000Z','Z')))) FROM (SELECT id,name,price,rarity,weight,stock,active,updated FROM
                item ORDER BY id LIMIT 5000)"#],
            &[r#"
                SELECT json_build_object('items',coalesce(json_agg(json_build_object('id',id,'name',name,'price',price,
                'rarity',rarity,'weight',weight,'stock',stock,'active',active,'updated',replace(updated,'.000000Z',
                'Z'))),'[]'))::text FROM (SELECT id,name,price,rarity,weight,stock,active,updated FROM item ORDER BY id
                LIMIT 5000) i"#],
        ],
        most: [1.1, 1.1],
    },
    Work {
        name: "Q6: 100,000 rows in groups",
        query: "{ itemsGrouped(by: [{rarity: VALUE}]) { keys { rarity } count aggregate { min { weight } max { price } } } }",
        by_hand: [
            &[r#"
                SELECT json_object('itemsGrouped',json_group_array(json_object('keys',json_object('rarity',rarity),
                'count',n,'aggregate',json_object('min',json_object('weight',w),'max',json_object('price',p))))) FROM
                (SELECT rarity,count(*) AS n,min(weight) AS w,max(price) AS p FROM item GROUP BY rarity ORDER BY rarity)"#],
            &[r#"
                SELECT json_build_object('itemsGrouped',json_agg(json_build_object('keys',json_build_object('rarity',
                rarity),'count',n,'aggregate',json_build_object('min',json_build_object('weight',w),'max',
                json_build_object('price',p))) ORDER BY rarity))::text FROM (SELECT rarity,count(*) AS n,min(weight) AS
                w,max(price) AS p FROM item GROUP BY rarity) g"#],
        ],
        most: [1.1, 1.1],
    },
];
