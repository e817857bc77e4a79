// What the stand-in upstreams of the examples share: options, a seeded generator, and a server with
// latency, faults and ETags. Knows HTTP; knows nothing of what is served.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

/**
 * The options of the command line, all of them numbers: those of every stand-in, and those that are
 * named here with what they are when they are left out.
 *
 * - `port`: 0 takes a free one
 * - `latency`: milliseconds before each answer
 * - `faults`: the part of the requests that are spoiled, 0 to 1
 * - `scale`: how much there is
 * - `seed`: another one makes other data
 */
export function options(own) {
  const given = { port: 0, latency: 0, faults: 0, scale: 100, seed: 7, ...own };
  const words = process.argv.slice(2);
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at].replace(/^--/, "");
    const value = Number(words[at + 1] ?? NaN);
    if (!words[at].startsWith("--") || !Object.hasOwn(given, name) || !Number.isFinite(value)) {
      const known = Object.entries(given).map(([name, value]) => `[--${name} ${value}]`);
      console.error(`${words.slice(at, at + 2).join(" ")}: not understood\nusage: node upstream.mjs ${known.join(" ")}`);
      process.exit(2);
    }
    given[name] = value;
  }
  return given;
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from 0 to below this. */
  below(end) {
    return Math.floor(this.next() * end);
  }

  /** A whole number from the first to the last, both included. */
  between(first, last) {
    return first + this.below(last - first + 1);
  }

  chance(part) {
    return this.next() < part;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

/** An answer of JSON. */
export function json(value, status = 200) {
  return { status, type: "application/json", body: JSON.stringify(value) };
}

/** An answer of another media type. */
export function text(body, type, status = 200) {
  return { status, type: `${type}; charset=utf-8`, body };
}

/**
 * Serves a world, and prints its address as soon as it can be asked.
 *
 * `answer({method, path, query, origin, headers, body})` gives an answer, or nothing where there is
 * none; the path is as it was sent, with its percent signs, and the body is a text. Beside the world stand, without latency and faults, for tests:
 *
 * - `GET /stand-in/truth`: what the world holds, by `truth()`
 * - `GET /stand-in/asked?below=/wiki/`: how many requests came, how many of them were told that nothing
 *   changed, and how many were spoiled; how many were for addresses that begin so, and how many at most
 *   for the same
 * - `POST /stand-in/step`: moves the world one step, by `step()`, and gives what that says
 */
export function serve(given, { answer, truth, step }) {
  const asked = { requests: 0, unchanged: 0, spoiled: 0 };
  const addresses = new Map();
  const dice = new Random(given.seed + 1);
  const spoiledLast = new Set();
  const told = (query) => {
    const begin = query.get("below") ?? "/";
    const counts = [...addresses].filter(([address]) => address.startsWith(begin)).map(([, count]) => count);
    const sums = counts.reduce(({ below, most }, count) => ({ below: below + count, most: Math.max(most, count) }), { below: 0, most: 0 });
    return { ...asked, ...sums };
  };
  const own = {
    "GET /stand-in/truth": () => truth(),
    "GET /stand-in/asked": told,
    "POST /stand-in/step": () => step(),
  };

  // The same address is never spoiled twice in a row, so whoever tries again gets on.
  const spoils = (address) => {
    if (spoiledLast.delete(address) || !dice.chance(given.faults)) return false;
    spoiledLast.add(address);
    asked.spoiled += 1;
    return true;
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://stand-in");
    const test = own[`${request.method} ${url.pathname}`];
    const body = await bodyOf(request);
    if (body === undefined) return;
    if (test) return send(response, json(test(url.searchParams) ?? {}));
    asked.requests += 1;
    addresses.set(request.url, (addresses.get(request.url) ?? 0) + 1);
    setTimeout(() => {
      const origin = `http://${request.headers.host}`;
      const { method, headers } = request;
      const found = answer({ method, path: url.pathname, query: url.searchParams, origin, headers, body });
      const whole = found ?? json({ error: "Not Found", path: url.pathname }, 404);
      if (spoils(request.url)) return spoil(response, whole, dice);
      if (send(response, whole, request.headers["if-none-match"]) === 304) asked.unchanged += 1;
    }, given.latency);
  });
  // A connection that is closed just when it is used again would be a fault that nobody asked for.
  server.keepAliveTimeout = 0;
  server.listen(given.port, "127.0.0.1", () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
  return server;
}

/** What a request sends, as a text; nothing when it broke off, so that there is nobody to answer. */
async function bodyOf(request) {
  try {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    return Buffer.concat(pieces).toString("utf8");
  } catch {
    return undefined;
  }
}

/** Sends an answer with its ETag, or says that nothing changed. Gives the status. */
function send(response, { status, type, body }, known) {
  const etag = `"${createHash("sha1").update(body).digest("hex").slice(0, 16)}"`;
  if (status === 200 && known === etag) {
    response.writeHead(304, { etag }).end();
    return 304;
  }
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), etag }).end(body);
  return status;
}

/** One of the ways in which upstreams fail for a moment. */
function spoil(response, { type, body }, dice) {
  const ways = [
    () => send(response, json({ error: "Internal Server Error", message: "connection pool exhausted" }, 500)),
    () => response.writeHead(503, { "retry-after": "1" }).end("try again in a second"),
    () => {
      // More is promised than comes.
      const bytes = Buffer.from(body);
      response.writeHead(200, { "content-type": type, "content-length": bytes.length + 1 });
      response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
    },
  ];
  dice.pick(ways)();
}
