// A stand-in for hayloft, for developing the page and its test: the built page under the real Content-Security-Policy, and
// a small farm whose prices move. Test only.
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { buildSchema, graphql } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const CSP =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; worker-src 'self'; connect-src 'self'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".ttf": "font/ttf" };
const dist = fileURLToPath(new URL("../dist", import.meta.url));

const QUESTS = [
  { id: "1", title: "Mend the barn", giver: { id: "1", name: "Ada", home: "Mill" } },
  { id: "2", title: "Feed the geese", giver: null },
];
const ITEMS = Array.from({ length: 40 }, (_, at) => ({
  id: String(at + 1),
  name: `Thing ${at + 1}`,
  image: `http://127.0.0.1:9/images/${at + 1}.png`,
  price: 100 + at * 7,
  rarity: ["COMMON", "RARE", "EPIC"][at % 3],
  seller: { id: "1", name: "Ada", home: "Mill" },
  tags: [{ id: "1", name: "tool" }],
  requiredFor: QUESTS.slice(at % 3).map((quest) => ({ quest, quantity: 1 + (at % 4) })),
}));

function items({ first, orderBy }) {
  const rows = orderBy?.length ? [...ITEMS].sort((a, b) => b.price - a.price) : ITEMS;
  return rows.slice(0, first ?? rows.length);
}

async function* live(args) {
  for (;;) {
    yield { items: items(args) };
    await new Promise((wake) => setTimeout(wake, 500));
    for (const item of ITEMS) item.price = Math.round(item.price * (90 + Math.random() * 20)) / 100;
  }
}

const schema = buildSchema(readFileSync(new URL("farm.graphql", import.meta.url), "utf8"));
schema.getSubscriptionType().getFields().items.subscribe = (_root, args) => live(args);
const rootValue = { items, item: ({ id }) => ITEMS.find((item) => item.id === id) };

/** Starts the stand-in on a free port (or the given one) and gives its address and a way to end it. */
export async function startMock(port = 0) {
  const server = createServer((request, response) => {
    answer(request, response).catch((fault) => response.writeHead(500).end(String(fault)));
  });
  const sockets = new WebSocketServer({ server, path: "/graphql" });
  useServer({ schema, roots: { query: rootValue } }, sockets);
  await new Promise((listening) => server.listen(port, "127.0.0.1", listening));
  const close = () => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
    server.closeAllConnections();
  };
  return { base: `http://127.0.0.1:${server.address().port}/`, close };
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/healthz") return response.writeHead(200).end("ok");
  if (pathname === "/graphql") {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { query, variables, operationName } = JSON.parse(Buffer.concat(chunks).toString());
    const result = await graphql({ schema, rootValue, source: query, variableValues: variables, operationName });
    return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  }
  const file = join(dist, normalize(pathname === "/" ? "/index.html" : pathname));
  if (!file.startsWith(dist) || !statSync(file, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end();
  const headers = { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": CSP };
  return response.writeHead(200, headers).end(readFileSync(file));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { base } = await startMock(Number(process.argv[2] ?? 4000));
  console.log(base);
}
