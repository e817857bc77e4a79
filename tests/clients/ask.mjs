// Two clients against a running server: `node ask.mjs BASE`. Ends with 1 and what differs when an answer is not as it should be.
//
// Apollo Client sends hashes instead of queries (APQ) and pages through all items; urql does the same with queries by GET.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";

const [, , base] = process.argv;
if (!base) {
  console.error("usage: node ask.mjs BASE");
  process.exit(2);
}
const url = new URL("/graphql", base).href;
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

const ITEMS = `query Items($first: Int!, $offset: Int!) {
  items(orderBy: [{ name: ASC }], first: $first, offset: $offset) { id name seller { id name } }
}`;
const PAGE = 37;

/** A fetch that notes what was asked. */
function noting(asked) {
  return (input, init) => {
    asked.push({ method: init?.method ?? "GET", url: String(input), body: init?.body ? String(init.body) : "" });
    return fetch(input, init);
  };
}

/** All items, page by page, each once and in order. */
async function all(page) {
  const items = [];
  for (let offset = 0; ; offset += PAGE) {
    const rows = await page({ first: PAGE, offset });
    items.push(...rows);
    if (rows.length < PAGE) break;
  }
  assert.equal(new Set(items.map((item) => item.id)).size, items.length, "no item twice");
  return items;
}

function apollo(asked) {
  const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
  const link = persisted.concat(new HttpLink({ uri: url, fetch: noting(asked) }));
  return new ApolloClient({ cache: new InMemoryCache(), link });
}

async function withApollo() {
  const query = gql(ITEMS);
  const run = (client) => (variables) => client.query({ query, variables }).then(({ data }) => data.items);
  const asked = [];
  const items = await all(run(apollo(asked)));
  // The first hash is not known, so the query follows it; from then on hashes do.
  assert.deepEqual(asked.slice(0, 3).map(({ method }) => method), ["GET", "POST", "GET"]);
  assert.equal(asked.filter(({ method }) => method === "POST").length, 1);
  const again = [];
  assert.deepEqual(await all(run(apollo(again))), items, "another client finds the query");
  assert.ok(again.every(({ method, url }) => method === "GET" && !url.includes("query=query")), JSON.stringify(again));
  return items;
}

async function withUrql() {
  const asked = [];
  const client = new Client({ url, exchanges: [fetchExchange], preferGetMethod: "force", fetch: noting(asked) });
  const items = await all(async (variables) => {
    const { data, error } = await client.query(ITEMS, variables).toPromise();
    if (error) throw error;
    return data.items;
  });
  assert.ok(asked.every(({ method }) => method === "GET"), JSON.stringify(asked[0]));
  const { error } = await client.query("{ itmes { id } }", {}).toPromise();
  assert.match(error?.graphQLErrors[0]?.message ?? "", /itmes/);
  return items;
}

const plain = (items) => items.map(({ id, name, seller }) => ({ id, name, seller: seller && { id: seller.id, name: seller.name } }));
const [first, second] = [await withApollo(), await withUrql()].map(plain);
assert.ok(first.length > PAGE, `${first.length} items are no more than a page`);
assert.deepEqual(second, first, "both clients get the same");
console.log(`clients: ${first.length} items, page by page`);
