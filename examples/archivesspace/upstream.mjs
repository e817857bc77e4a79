// A stand-in of an archive's server in the shape of ArchivesSpace: repositories, resources and archival
// objects with links to agents and subjects, which `resolve[]` embeds; a session by login; what was
// modified since a moment, lists and sets of ids, and a feed of what was deleted. What it does not
// know of a request it leaves out in silence, as the real one does. HTTP is in ../stand-in.mjs.
//
//   node upstream.mjs --port 4040
//   node upstream.mjs --scale 10000 --latency 50 --session 500
//
// A session ends after `--session` requests; user and password are admin and secret.

import { Random, json, options, serve } from "../stand-in.mjs";

const PAGE_DEFAULT = 10;
const PAGE_MAX = 250;
const SUBJECTS = ["Agriculture", "Astronomy", "Canals", "Gardens", "Lighthouses", "Railways", "Theatre", "Weather"];
const FAMILY = ["Adler", "Brunel", "Curie", "Darwin", "Euler", "Franklin", "Gauss", "Herschel", "Jacquard", "Lovelace"];
const GIVEN = ["Ada", "Caroline", "Emilie", "Isambard", "Joseph", "Marie", "Rosalind", "Sophie"];
const KINDS = ["Accounts", "Correspondence", "Diaries", "Drawings", "Letters", "Minutes", "Photographs"];
const LEVELS = ["collection", "fonds", "recordgrp"];
const ROLES = ["creator", "source", "subject"];

const given = options({ port: 4040, scale: 200, session: 1_000, now: Date.now() });
const random = new Random(given.seed);
// Times are told in whole seconds, and asked for as seconds since 1970.
let clock = Math.floor(given.now / 1000) - 86_400;
const time = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** Everything by its address. */
const records = new Map();
const deleted = [];

function put(record) {
  records.set(record.uri, record);
  return record;
}

const subjects = SUBJECTS.map((title, at) => put({ uri: `/subjects/${at + 1}`, jsonmodel_type: "subject", title, at: clock }));
const agents = Array.from({ length: Math.max(5, Math.ceil(given.scale / 4)) }, (_, at) =>
  put({
    uri: `/agents/people/${at + 1}`,
    jsonmodel_type: "agent_person",
    title: `${random.pick(FAMILY)}, ${random.pick(GIVEN)} (${at + 1})`,
    is_published: random.chance(0.9),
    at: clock,
  }),
);
const repositories = [2, 3].map((id) =>
  put({ uri: `/repositories/${id}`, jsonmodel_type: "repository", repo_code: `REPO${id}`, name: `Archive ${id}`, at: clock }),
);

function describe(repository, kind, id) {
  const linked = new Set();
  while (linked.size < 3) linked.add(random.pick(agents).uri);
  return put({
    uri: `${repository.uri}/${kind}/${id}`,
    jsonmodel_type: kind.slice(0, -1),
    title: `${random.pick(KINDS)} of ${random.pick(FAMILY)} ${id}`,
    level: random.pick(LEVELS),
    publish: random.chance(0.9),
    dates: [{ expression: `${random.between(1700, 1950)}`, date_type: "single", label: "creation" }],
    extents: [{ number: String(random.between(1, 40)), extent_type: "linear_feet", portion: "whole" }],
    linked_agents: [...linked].map((ref) => ({ ref, role: random.pick(ROLES), relator: random.chance(0.3) ? "aut" : null })),
    subjects: [...new Set([random.pick(subjects).uri, random.pick(subjects).uri])].map((ref) => ({ ref })),
    repository: { ref: repository.uri },
    at: clock,
  });
}

for (let id = 1; id <= given.scale; id += 1) {
  clock += 1;
  const repository = repositories[id % repositories.length];
  const resource = describe(repository, "resources", id);
  for (let part = 0; part < 2; part += 1) {
    const object = describe(repository, "archival_objects", 2 * id + part - 1);
    Object.assign(object, { level: "file", resource: { ref: resource.uri } });
  }
}

/** A record as it is sent; `resolve` names the links beside which the whole record is put. */
function shown({ at, ...record }, resolve) {
  const whole = { ...record, lock_version: 1, create_time: time(at), system_mtime: time(at), user_mtime: time(at) };
  for (const name of resolve) {
    const with_ = (link) => ({ ...link, _resolved: shown(records.get(link.ref), []) });
    if (Array.isArray(whole[name])) whole[name] = whole[name].map(with_);
    else if (whole[name]?.ref) whole[name] = with_(whole[name]);
  }
  return whole;
}

const number = (query, name, usual) => (/^\d+$/.test(query.get(name) ?? "") ? Number(query.get(name)) : usual);

function page(found, query, show) {
  const size = Math.min(PAGE_MAX, number(query, "page_size", PAGE_DEFAULT) || PAGE_DEFAULT);
  const at = Math.max(1, number(query, "page", 1));
  const last = Math.max(1, Math.ceil(found.length / size));
  const results = found.slice((at - 1) * size, at * size).map(show);
  return json({ first_page: 1, last_page: last, this_page: at, total: found.length, results });
}

/** A list of one kind, asked for by page, by ids, or for the ids alone. */
function list(found, query) {
  const since = number(query, "modified_since", 0);
  const resolve = query.getAll("resolve[]");
  const idOf = (record) => Number(record.uri.split("/").at(-1));
  const modified = found.filter((record) => record.at >= since);
  if (query.has("all_ids")) return json(modified.map(idOf));
  if (query.has("id_set")) {
    const ids = new Set(query.get("id_set").split(",").map(Number));
    return json(found.filter((record) => ids.has(idOf(record))).map((record) => shown(record, resolve)));
  }
  if (query.has("page")) return page(modified, query, (record) => shown(record, resolve));
  return json({ error: { page: ["Parameter required but no value provided"] } }, 400);
}

/** Sessions, each with the requests that it is still good for. */
const sessions = new Map();
let logins = 0;

function login() {
  logins += 1;
  const session = `session-${given.seed}-${logins}`;
  sessions.set(session, given.session);
  return json({ session, user: { username: "admin" } });
}

function isKnown(session) {
  const left = sessions.get(session) ?? 0;
  sessions.set(session, left - 1);
  return left > 0;
}

function answer({ method, path, query, headers, body }) {
  if (path === "/users/admin/login") {
    const right = method === "POST" && new URLSearchParams(body).get("password") === "secret";
    return right ? login() : json({ error: "Login failed" }, 403);
  }
  if (!isKnown(headers["x-archivesspace-session"])) {
    return json({ code: "SESSION_EXPIRED", error: "No session found for " + (headers["x-archivesspace-session"] ?? "nobody") }, 412);
  }
  const below = (prefix) => [...records.values()].filter((record) => record.uri.startsWith(prefix));
  if (path === "/repositories") return json(repositories.map((repository) => shown(repository, [])));
  if (path === "/subjects" || path === "/agents/people") return list(below(`${path}/`), query);
  if (path === "/delete-feed") {
    const since = number(query, "modified_since", 0);
    return page(deleted.filter((entry) => entry.at >= since), query, (entry) => entry.uri);
  }
  if (/^\/repositories\/\d+\/(resources|archival_objects)$/.test(path)) return list(below(`${path}/`), query);
  const record = records.get(path);
  return record ? json(shown(record, query.getAll("resolve[]"))) : json({ error: "RecordNotFound" }, 404);
}

/** A resource is renamed, an agent too, and another resource is deleted with its parts. */
function step() {
  clock = Math.max(clock + 1, Math.floor(Date.now() / 1000));
  const resources = [...records.values()].filter((record) => record.jsonmodel_type === "resource");
  const [renamed, gone] = [resources[0], resources.at(-1)];
  const agent = agents[0];
  for (const record of [renamed, agent]) Object.assign(record, { title: `${record.title} (revised)`, at: clock });
  const parts = [...records.values()].filter((record) => record.resource?.ref === gone.uri);
  for (const record of [gone, ...parts]) {
    records.delete(record.uri);
    deleted.push({ uri: record.uri, at: clock });
  }
  return { renamed: renamed.uri, agent: agent.uri, deleted: [gone, ...parts].map((record) => record.uri) };
}

serve(given, {
  answer,
  step,
  truth: () => ({ records: [...records.values()].map((record) => shown(record, [])), deleted, logins }),
});
