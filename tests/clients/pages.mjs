// Apollo Client's own helper for connections against a running server: `node pages.mjs BASE`. Ends with 1 and what differs when a row
// is missing, comes twice, or stands in another place than in the list.
import assert from "node:assert/strict";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";

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

/** All rows, page by page, as the helper puts them together. */
async function walk(size, start, more, end) {
  const query = gql(`query Things($size: Int!, $cursor: String) {
    thingsConnection(${ORDER}, ${size}: $size, ${start}: $cursor) {
      totalCount edges { cursor node { id price } } pageInfo { ${more} ${end} }
    }
  }`);
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
  return edges.map(({ node: { id, price } }) => ({ id, price }));
}

const { data } = await client().query({ query: gql(`{ things(${ORDER}) { id price } }`) });
const all = data.things.map(({ id, price }) => ({ id, price }));
assert.equal(all.length, 1000);
assert.deepEqual(await walk("first", "after", "hasNextPage", "endCursor"), all, "forwards");
assert.deepEqual(await walk("last", "before", "hasPreviousPage", "startCursor"), all, "backwards");
console.log(`pages: ${all.length} rows, forwards and backwards`);
