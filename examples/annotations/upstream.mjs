// A stand-in of an app in which people annotate the URLs of public agencies: a page of the agencies, as
// HTML, and what the app pushes, as lines of JSON: URLs, and the annotations that people make of them.
// Knows that data; HTTP is in ../stand-in.mjs.
//
//   node upstream.mjs --port 4050
//   node upstream.mjs --scale 1000000
//
// Who plays the app reads the lines and pushes them:
//
//   curl -s http://127.0.0.1:4050/pushed/urls.ndjson | curl -T - http://127.0.0.1:4000/push/Url

import { Random, options, serve, text } from "../stand-in.mjs";

const AGENCIES = ["Archives", "Census", "Forests", "Harbours", "Mines", "Parks", "Patents", "Roads", "Waters", "Weather"];
const FLAGS = ["BROKEN", "MOVED", "PRIVATE", "WRONG_AGENCY"];
const PEOPLE = ["ada", "bram", "cleo", "dara", "edda", "finn"];
const BEGIN = Date.UTC(2026, 10, 1);

const given = options({ port: 4050, scale: 1_000 });
const random = new Random(given.seed);

const agencies = AGENCIES.map((name) => ({ id: name.toLowerCase(), name: `Agency of ${name}`, home: `https://${name.toLowerCase()}.example/` }));
const urls = [];
const annotations = [];

function annotate(url) {
  const at = annotations.length;
  annotations.push({
    id: `a${at + 1}`,
    url_id: url.id,
    by: random.pick(PEOPLE),
    flag: random.chance(0.2) ? random.pick(FLAGS) : null,
    note: random.chance(0.5) ? `Seen by ${random.pick(PEOPLE)}.` : null,
    at: new Date(BEGIN + at * 1000).toISOString(),
  });
}

while (urls.length < given.scale) {
  const agency = random.pick(agencies);
  const url = { id: `u${urls.length + 1}`, url: `${agency.home}documents/${urls.length + 1}.pdf`, agency_id: agency.id };
  urls.push(url);
  // Some have none, and those come first when people ask for the next one.
  const times = random.chance(0.3) ? 0 : random.between(1, 5);
  for (let time = 0; time < times; time += 1) annotate(url);
}

const lines = (rows) => text(rows.map((row) => `${JSON.stringify(row)}\n`).join(""), "application/x-ndjson");

function page() {
  const rows = agencies.map(({ id, name, home }) => `<tr id="${id}"><td>${name}</td><td><a href="${home}">${home}</a></td></tr>`);
  return text(
    `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Agencies</title></head>
<body>
<table id="agencies">
<thead><tr><th>Agency</th><th>Home page</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
</body>
</html>
`,
    "text/html",
  );
}

/** `after` leaves out what was pushed before: as many lines as it says. */
function answer({ path, query }) {
  const after = Math.max(0, Number(query.get("after") ?? 0) || 0);
  switch (path) {
    case "/agencies":
      return page();
    case "/pushed/urls.ndjson":
      return lines(urls.slice(after));
    case "/pushed/annotations.ndjson":
      return lines(annotations.slice(after));
    default:
      return undefined;
  }
}

/** Somebody annotates a URL that nobody has annotated yet, or else any. */
function step() {
  const known = new Set(annotations.map((annotation) => annotation.url_id));
  const url = urls.find((url) => !known.has(url.id)) ?? random.pick(urls);
  annotate(url);
  return annotations.at(-1);
}

serve(given, { answer, step, truth: () => ({ agencies, urls, annotations }) });
