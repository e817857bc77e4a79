// A stand-in of a server of ocean glider data in the shape of ERDDAP: CSV with a row of units below
// the names, tables as JSON, and metadata of each data set. Knows missions; HTTP is in ../stand-in.mjs.
//
//   node upstream.mjs --port 4020
//   node upstream.mjs --scale 2000 --latency 50 --faults 0.01
//
// All times are told from the moment at which it was started, or from `--now` (milliseconds).

import { Random, json, options, serve, text } from "../stand-in.mjs";

const HOUR = 3_600_000;
const BASINS = [
  { name: "North Atlantic", latitude: 55, longitude: -25 },
  { name: "South Atlantic", latitude: -35, longitude: -10 },
  { name: "North Pacific", latitude: 45, longitude: -150 },
  { name: "Mediterranean Sea", latitude: 38, longitude: 18 },
  { name: "Southern Ocean", latitude: -60, longitude: 20 },
];
const MODELS = ["Seaglider M1", "Seaglider M6", "Slocum G2", "Slocum G3", "Spray"];
const INSTITUTES = ["Institute of Marine Research", "National Oceanography Centre", "Polar & Ocean Institute"];
const PROJECTS = ["heat content", "overturning", "shelf exchange", "spring bloom"];

const given = options({ port: 4020, scale: 60, now: Date.now() });
const random = new Random(given.seed);
// Whole minutes, as such servers tell them.
const now = Math.floor(given.now / 60_000) * 60_000;
const time = (at) => new Date(at).toISOString().replace(".000Z", "Z");
const degrees = (number) => number.toFixed(4);

const gliders = [];
const missions = [];

for (let at = 0; at < Math.max(3, Math.ceil(given.scale / 5)); at += 1) {
  gliders.push({ id: `sg${501 + at}`, model: random.pick(MODELS), institute: random.pick(INSTITUTES), built: 2008 + random.below(16) });
}

/** A dive that begins so many hours after the one before. */
function dive(mission, begins, hours) {
  const before = mission.dives.at(-1) ?? mission.basin;
  mission.dives.push({
    number: mission.dives.length + 1,
    time: begins,
    latitude: before.latitude + random.between(-50, 50) / 1000,
    longitude: before.longitude + random.between(-80, 80) / 1000,
    // Now and then the pressure sensor says nothing.
    depth: random.chance(0.05) ? undefined : random.between(150, 1000),
    seconds: hours * 3600,
    metres: Math.round(hours * random.between(700, 1100)),
  });
}

while (missions.length < given.scale) {
  const at = missions.length;
  const glider = gliders[at % gliders.length];
  // A tenth is under way. The others ended some hours ago, each half an hour away from a full hour,
  // so that "the last 24 hours" is the same set while a test takes its time.
  const isActive = at % 10 === 0;
  const end = isActive ? undefined : now - ((at * 37) % 96) * HOUR - HOUR / 2;
  const count = random.between(10, 30);
  const lengths = Array.from({ length: count }, () => random.between(20, 60) / 10);
  const hours = lengths.reduce((sum, length) => sum + length, 0);
  const start = (end ?? now - HOUR / 2) - Math.round(hours * 60) * 60_000;
  const mission = {
    id: `${glider.id}_m${String(Math.floor(at / gliders.length) + 1).padStart(2, "0")}`,
    glider: glider.id,
    basin: random.pick(BASINS),
    project: random.pick(PROJECTS),
    institute: glider.institute,
    start,
    end,
    dives: [],
  };
  let begins = start;
  for (const length of lengths) {
    dive(mission, begins, length);
    begins += Math.round(length * 60) * 60_000;
  }
  missions.push(mission);
}

/** A table as such servers write it: names, units, rows. */
function csv(columns, rows) {
  const cell = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const line = (cells) => cells.map((value) => cell(String(value ?? "NaN"))).join(",");
  const lines = [columns.map(([name]) => name), columns.map(([, unit]) => unit), ...rows];
  return text(`${lines.map(line).join("\n")}\n`, "text/csv");
}

const MISSIONS = [
  ["mission_id", ""],
  ["glider_id", ""],
  ["basin", ""],
  ["start_time", "UTC"],
  ["end_time", "UTC"],
  ["last_dive", "1"],
  ["latitude", "degrees_north"],
  ["longitude", "degrees_east"],
];

const DIVES = [
  ["mission_id", ""],
  ["glider_id", ""],
  ["basin", ""],
  ["dive", "1"],
  ["time", "UTC"],
  ["latitude", "degrees_north"],
  ["longitude", "degrees_east"],
  ["depth", "m"],
  ["duration", "s"],
  ["distance", "m"],
];

const positionOf = (mission) => mission.dives.at(-1);

function missionRow(mission) {
  const { latitude, longitude, number } = positionOf(mission);
  const end = mission.end === undefined ? "" : time(mission.end);
  return [mission.id, mission.glider, mission.basin.name, time(mission.start), end, number, degrees(latitude), degrees(longitude)];
}

function diveRow(mission, dive) {
  const { number, latitude, longitude, depth, seconds, metres } = dive;
  const place = [degrees(latitude), degrees(longitude)];
  return [mission.id, mission.glider, mission.basin.name, number, time(dive.time), ...place, depth, Math.round(seconds), metres];
}

/** The metadata of a data set, which such a server gives as a table, too. */
function info(mission) {
  const attribute = (name, value) => ["attribute", "NC_GLOBAL", name, "String", value];
  return json({
    table: {
      columnNames: ["Row Type", "Variable Name", "Attribute Name", "Data Type", "Value"],
      columnTypes: ["String", "String", "String", "String", "String"],
      rows: [
        attribute("title", `${mission.project}, ${mission.basin.name}, ${mission.glider}`),
        attribute("institution", mission.institute),
        attribute("project", mission.project),
        attribute("summary", `Profiles of a glider in the ${mission.basin.name} for the project "${mission.project}".`),
        ["variable", "depth", "", "float", ""],
        ["attribute", "depth", "units", "String", "m"],
      ],
    },
  });
}

function answer({ path }) {
  if (path === "/erddap/tabledap/missions.csv") return csv(MISSIONS, missions.map(missionRow));
  if (path === "/erddap/tabledap/gliders.json") {
    const rows = gliders.map(({ id, model, institute, built }) => [id, model, institute, built]);
    const columnNames = ["glider_id", "model", "institution", "built"];
    return json({ table: { columnNames, columnTypes: ["String", "String", "String", "int"], rows } });
  }
  const [, id] = path.match(/^\/erddap\/(?:tabledap|info)\/(\w+)(?:\.csv|\/index\.json)$/) ?? [];
  const mission = missions.find((mission) => mission.id === id);
  if (!mission) return undefined;
  return path.endsWith(".csv") ? csv(DIVES, mission.dives.map((dive) => diveRow(mission, dive))) : info(mission);
}

/** The first mission that is under way dives once more, and the next one ends. */
function step() {
  const [diving, ending] = missions.filter((mission) => mission.end === undefined);
  if (diving) dive(diving, now, 2.5);
  if (ending) ending.end = now;
  return { diving: diving?.id, ended: ending?.id };
}

serve(given, {
  answer,
  step,
  truth: () => ({
    gliders,
    missions: missions.map((mission) => ({
      id: mission.id,
      glider: mission.glider,
      basin: mission.basin.name,
      endedHoursAgo: mission.end === undefined ? null : (now - mission.end) / HOUR,
      latitude: Number(degrees(positionOf(mission).latitude)),
      longitude: Number(degrees(positionOf(mission).longitude)),
      dives: mission.dives.map((dive) => ({
        number: dive.number,
        depth: dive.depth ?? null,
        // Whole numbers of tenths, so that nobody has to add fractions.
        hourTenths: Math.round(Math.round(dive.seconds) / 360),
        kilometreTenths: Math.round(dive.metres / 100),
      })),
    })),
  }),
});
