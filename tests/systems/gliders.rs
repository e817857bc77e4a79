//! A portal of gliders: which missions ended lately and where, what the fleet has done, and where everything is.

use serde_json::{Value, json};

use super::{Example, the_page_tells_the_truth};
use crate::harness::{Db, Program, on_both};

on_both!(
    missions_totals_and_positions,
    only_missions_that_changed_are_asked_about_again,
);

const GLIDERS: Example = Example {
    name: "gliders",
    variable: "ERDDAP_URL",
    below: "/erddap",
};

fn list<'v>(value: &'v Value, member: &str) -> &'v Vec<Value> {
    value[member].as_array().expect("a list")
}

/// A number of tenths as a `Decimal` is served.
fn tenths(number: u64) -> Value {
    match number % 10 {
        0 => json!((number / 10).to_string()),
        tenth => json!(format!("{}.{tenth}", number / 10)),
    }
}

/// The totals of some missions: dives, hours, kilometres.
fn totals<'m>(missions: impl Iterator<Item = &'m Value>) -> Value {
    let dives: Vec<&Value> = missions.flat_map(|mission| list(mission, "dives")).collect();
    let sum = |member: &str| -> u64 { dives.iter().filter_map(|dive| dive[member].as_u64()).sum() };
    json!({ "dives": dives.len(), "hours": tenths(sum("hourTenths")), "kilometres": tenths(sum("kilometreTenths")) })
}

/// `NORTH_ATLANTIC` of `North Atlantic`.
fn basin(mission: &Value) -> String {
    let name = mission["basin"].as_str().expect("a basin");
    name.to_uppercase().replace(' ', "_")
}

/// Some missions by their keys, in the order of these.
fn ids<'m>(missions: impl Iterator<Item = &'m Value>) -> Value {
    let mut ids: Vec<&str> = missions.filter_map(|mission| mission["id"].as_str()).collect();
    ids.sort_unstable();
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

const TOTALS: &str = "{ fleetTotals { dives hours kilometres } \
    basinTotals(orderBy: [{basin: ASC}]) { basin dives hours kilometres } \
    gliders(orderBy: [{id: ASC}]) { id missions { id } totals { dives hours kilometres } } }";

/// The basins as the definition declares them.
const BASINS: [&str; 5] = [
    "NORTH_ATLANTIC",
    "SOUTH_ATLANTIC",
    "NORTH_PACIFIC",
    "MEDITERRANEAN_SEA",
    "SOUTHERN_OCEAN",
];

fn expected_totals(truth: &Value) -> Value {
    let missions = list(truth, "missions");
    let basins = BASINS.iter().map(|name| {
        let mut row = totals(missions.iter().filter(|mission| basin(mission) == *name));
        row["basin"] = json!(name);
        row
    });
    let gliders = list(truth, "gliders").iter().map(|glider| {
        let own = || missions.iter().filter(|mission| mission["glider"] == glider["id"]);
        json!({ "id": glider["id"], "missions": ids(own()), "totals": [totals(own())] })
    });
    json!({
        "fleetTotals": [totals(missions.iter())],
        "basinTotals": basins.collect::<Vec<_>>(),
        "gliders": gliders.collect::<Vec<_>>(),
    })
}

async fn missions_totals_and_positions(db: Db) {
    let system = GLIDERS.start(db, &["--faults", "0.02"]).await;
    let told = system.harvest().await;
    let truth = system.upstream.truth().await;
    let program = system.serve().await;
    assert_eq!(program.query(TOTALS).await, expected_totals(&truth), "{told}");
    each_mission(&program, &truth).await;
    missions_of_the_last_day(&program, &truth).await;
    what_is_on_a_map(&program, &truth).await;
    the_page_tells_the_truth("gliders", &program).await;
}

/// Its own rollups, its dives with their null depths, and its metadata.
async fn each_mission(program: &Program, truth: &Value) {
    let query = "{ missions(orderBy: [{id: ASC}]) { id diveCount hours kilometres position { latitude longitude } \
                 dives(orderBy: [{number: ASC}]) { number depth } info { id institution } } }";
    let mut missions: Vec<&Value> = list(truth, "missions").iter().collect();
    missions.sort_by_key(|mission| mission["id"].as_str());
    let institution = |mission: &Value| {
        let mut gliders = list(truth, "gliders").iter();
        let glider = gliders.find(|glider| glider["id"] == mission["glider"]);
        glider.expect("its glider")["institute"].clone()
    };
    let want = missions.into_iter().map(|mission| {
        let sums = totals(std::iter::once(mission));
        let dives = list(mission, "dives").iter();
        let dives = dives.map(|dive| json!({ "number": dive["number"], "depth": dive["depth"] }));
        json!({
            "id": mission["id"], "diveCount": sums["dives"], "hours": sums["hours"], "kilometres": sums["kilometres"],
            "position": { "latitude": mission["latitude"], "longitude": mission["longitude"] },
            "dives": dives.collect::<Vec<_>>(),
            "info": { "id": mission["id"], "institution": institution(mission) },
        })
    });
    let want = json!({ "missions": want.collect::<Vec<_>>() });
    assert_eq!(program.query(query).await, want);
}

async fn missions_of_the_last_day(program: &Program, truth: &Value) {
    let lately = |mission: &&Value| mission["endedHoursAgo"].as_f64().is_some_and(|hours| hours < 24.0);
    let mut found = 0;
    for name in BASINS {
        let query = format!(
            "{{ missions(where: {{basin: {{eq: {name}}}, endedAt: {{since: \"24h\"}}}}, orderBy: [{{id: ASC}}]) {{ id }} }}"
        );
        let there = list(truth, "missions").iter().filter(|mission| basin(mission) == name);
        let want = ids(there.filter(lately));
        found += want.as_array().map_or(0, Vec::len);
        assert_eq!(program.query(&query).await["missions"], want, "{name}");
    }
    assert!(found > 0, "none ended lately");
}

/// What lies in a box, whose edges two missions make.
async fn what_is_on_a_map(program: &Program, truth: &Value) {
    let missions = || list(truth, "missions").iter();
    let number = |mission: &Value, member: &str| mission[member].as_f64().expect("degrees");
    let first = missions().find(|mission| basin(mission) == "NORTH_ATLANTIC");
    let first = first.expect("a mission in the North Atlantic");
    let (south, west) = (number(first, "latitude"), number(first, "longitude"));
    let (north, east) = (south + 2.0, west + 3.0);
    let inside = |mission: &&Value| {
        (south..=north).contains(&number(mission, "latitude")) && (west..=east).contains(&number(mission, "longitude"))
    };
    let query = format!(
        "{{ missions(where: {{position: {{latitude: {{gte: {south}, lte: {north}}}, longitude: {{gte: {west}, lte: {east}}}}}}}, \
         orderBy: [{{id: ASC}}]) {{ id }} }}"
    );
    let want = ids(missions().filter(inside));
    assert_eq!(program.query(&query).await["missions"], want, "{query}");
    assert_ne!(want, json!([]));
}

async fn only_missions_that_changed_are_asked_about_again(db: Db) {
    let system = GLIDERS.start(db, &[]).await;
    system.harvest().await;
    let first = system.upstream.asked().await;
    // The missions, the gliders, and of each mission its dives and its metadata.
    assert_eq!(first.requests, 2 + 2 * 60);
    system.harvest().await;
    let unchanged = system.upstream.asked().await;
    assert_eq!(
        [unchanged.requests - first.requests, unchanged.unchanged],
        [2, 2],
        "two tables, of which nothing changed"
    );
    let step = system.upstream.step().await;
    let told = system.harvest().await;
    let changed = system.upstream.asked().await;
    assert_eq!(
        changed.requests - unchanged.requests,
        4,
        "the same, and the dives of the two missions that moved: {step}: {told}"
    );
    let truth = system.upstream.truth().await;
    let program = system.serve().await;
    assert_eq!(program.query(TOTALS).await, expected_totals(&truth), "{step}: {told}");
    missions_of_the_last_day(&program, &truth).await;
}
