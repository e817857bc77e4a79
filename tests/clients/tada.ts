// Uses what gql.tada makes of the demo's schema.
import { initGraphQLTada, type ResultOf, type VariablesOf } from "gql.tada";
import type { introspection } from "./tada-env.js";

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { Decimal: string } }>();

export const document = graphql(`
  query ItemsOfTada($where: ItemWhere) {
    items(where: $where, orderBy: [{ name: ASC }], first: 3) {
      id
      name
      tags {
        id
      }
    }
  }
`);

export const variables: VariablesOf<typeof document> = { where: { name: { startsWith: "A" } } };
export const name = (result: ResultOf<typeof document>): string | undefined => result.items.at(0)?.name;
