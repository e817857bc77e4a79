// Apollo Client's own helper for connections, and urql's client, against a running server: `node pages.mjs BASE`. Ends with 1 and what
// differs when a row is missing, comes twice, or stands in another place than in the list.
import assert from "node:assert/strict";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";
import { Client, cacheExchange, fetchExchange } from "@urql/core";

const [, , base] = process.argv;
if (!base) {
  console.error("usage: node pages.mjs BASE");
  process.exit(2);
}
const uri = new URL("/graphql", base).href;
// Many rows with one price, and many without any.
const ORDER = "orderBy: [{ price: DESC_NULLS_FIRST }, { name: ASC }]";
const PAGE = 64;

function client() {
  const policies = { Query: { fields: { thingsConnection: relayStylePagination(["orderBy"]) } } };
  return new ApolloClient({ cache: new InMemoryCache({ typePolicies: policies }), link: new HttpLink({ uri }) });
}

const page = (size, start, more, end) => `query Things($size: Int!, $cursor: String) {
    thingsConnection(${ORDER}, ${size}: $size, ${start}: $cursor) {
      totalCount edges { cursor node { id price } } pageInfo { ${more} ${end} }
    }
  }`;
const plain = (edges) => edges.map(({ node: { id, price } }) => ({ id, price }));

/** All rows, page by page, as the helper puts them together. */
async function walk(size, start, more, end) {
  const query = gql(page(size, start, more, end));
  const asked = { query, variables: { size: PAGE } };
  const apollo = client();
  let { data } = await apollo.query(asked);
  const pages = apollo.watchQuery(asked);
  const heard = pages.subscribe(({ error }) => assert.equal(error, undefined));
  for (let count = 1; data.thingsConnection.pageInfo[more]; count++) {
    assert.ok(count * PAGE < data.thingsConnection.totalCount, "pages end");
    await pages.fetchMore({ variables: { size: PAGE, cursor: data.thingsConnection.pageInfo[end] } });
    data = apollo.readQuery(asked);
  }
  heard.unsubscribe();
  const { edges, totalCount } = data.thingsConnection;
  assert.equal(edges.length, totalCount);
  return plain(edges);
}

/** The same by urql, with its cache, one page after the other by the cursor at its end. */
async function walkWithUrql(size, start, more, end) {
  const urql = new Client({ url: uri, exchanges: [cacheExchange, fetchExchange] });
  const pages = [];
  for (let cursor = null; ; ) {
    const { data, error } = await urql.query(page(size, start, more, end), { size: PAGE, cursor }).toPromise();
    if (error) throw error;
    const { edges, pageInfo, totalCount } = data.thingsConnection;
    pages.push(plain(edges));
    assert.ok(pages.length * PAGE < totalCount + PAGE, "pages end");
    if (!pageInfo[more]) break;
    cursor = pageInfo[end];
  }
  return (size === "last" ? pages.reverse() : pages).flat();
}

const { data } = await client().query({ query: gql(`{ things(${ORDER}) { id price } }`) });
const all = data.things.map(({ id, price }) => ({ id, price }));
assert.equal(all.length, 1000);
for (const by of [walk, walkWithUrql]) {
  assert.deepEqual(await by("first", "after", "hasNextPage", "endCursor"), all, `${by.name} forwards`);
  assert.deepEqual(await by("last", "before", "hasPreviousPage", "startCursor"), all, `${by.name} backwards`);
}
console.log(`pages: ${all.length} rows, forwards and backwards`);
