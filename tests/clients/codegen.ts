// Uses what graphql-codegen makes of the demo's schema.
import { graphql } from "./generated/index.js";
import type { ItemsOfCodegenQuery, ItemOrder } from "./generated/graphql.js";

export const document = graphql(`
  query ItemsOfCodegen($where: ItemWhere, $order: [ItemOrder!]) {
    items(where: $where, orderBy: $order, first: 3) {
      id
      name
      price
      seller {
        name
      }
      requiredFor {
        quantity
        quest {
          title
        }
      }
    }
  }
`);

export const items: ItemsOfCodegenQuery["items"] = [];
export const title: string | undefined = items.at(0)?.requiredFor.at(0)?.quest.title;

/** One member of an order, and no two. */
export const order = (order: ItemOrder): ItemOrder => order;
