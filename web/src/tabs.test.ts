import { readFileSync } from "node:fs";

import { buildSchema, graphqlSync, parse, validate } from "graphql";
import type { GraphQLSchema } from "graphql";
import { describe, expect, test } from "vitest";

import { isFarm } from "./farm";
import { OUTLINE_QUERY } from "./outline";
import type { Outline } from "./outline";
import { exampleTabs } from "./tabs";

/** What a server with that schema would tell the page. */
function outlineOf(schema: GraphQLSchema): Outline {
  const { data, errors } = graphqlSync({ schema, source: OUTLINE_QUERY });
  if (errors) throw errors[0];
  return (data as unknown as { __schema: Outline }).__schema;
}

const farm = readFileSync("e2e/farm.graphql", "utf8");
const countries = `
  type Query {
    node(id: ID!): Country
    named(name: String!): [Country!]!
    countries(first: Int): [Country!]!
  }
  type Subscription { countries(first: Int): [Country!]! }
  type Country { code: ID! area: Float near(metres: Int!): Int borders(first: Int): [Country!]! names: [String!]! }
`;

const SCHEMAS: Record<string, string> = {
  farm,
  countries,
  "no subscriptions": "type Query { things: [Thing!]! } type Thing { id: ID! part: Part } type Part { of: Thing }",
  "only objects inside": "type Query { things: [Thing!]! } type Thing { part: Part } type Part { whole: Thing }",
  "no lists": "type Query { now: String }",
};

describe.each(Object.entries(SCHEMAS))("%s", (name, sdl) => {
  const schema = buildSchema(sdl);
  const tabs = exampleTabs(outlineOf(schema), "7");

  test("has a tab", () => expect(tabs.length).toBeGreaterThan(0));

  if (name === "no lists") return;
  test.each(tabs.map((tab) => [tab.query] as const))("every example is valid: %#", (query) => {
    expect(validate(schema, parse(query)).map((fault) => fault.message)).toEqual([]);
  });
});

test("the farm is told by its types, and its example by key uses the sample", () => {
  const outline = outlineOf(buildSchema(farm));
  expect(isFarm(outline)).toBe(true);
  const tabs = exampleTabs(outline, "sickle");
  expect(tabs).toHaveLength(4);
  expect(tabs[0]?.query).toMatch(/name\s+image\s+price\s+requiredFor \{\s+quantity\s+quest \{\s+title/);
  expect(JSON.parse(tabs[3]?.variables ?? "")).toEqual({ id: "sickle" });
});

test("a farm without one of the fields gets made examples", () => {
  const outline = outlineOf(buildSchema(farm.replace("  image: URL\n", "")));
  expect(isFarm(outline)).toBe(false);
  expect(exampleTabs(outline)[0]?.query).toContain("query Items {\n  items(first: 10) {");
});

test("made examples show leaves, one link, and the live form", () => {
  const [list, live, ...more] = exampleTabs(outlineOf(buildSchema(countries)));
  expect(more).toEqual([]);
  expect(list?.query).toContain(
    "query Countries {\n  countries(first: 10) {\n    code\n    area\n    names\n    borders {\n      code\n      area\n      names\n    }\n  }\n}\n",
  );
  expect(live?.query).toContain("subscription LiveCountries {\n  countries(first: 10) {\n    code\n");
});
