/** The examples for the definition that Hayloft ships with. Knows the farm's types; knows no editor. */

import { typeNamed } from "./outline";
import type { Outline } from "./outline";
import type { Tab } from "./tabs";

/** The fields that the examples below use: a schema with all of them is the farm, or close enough to it. */
const NEEDED: Record<string, string[]> = {
  Query: ["items", "item"],
  Subscription: ["items"],
  Item: ["id", "name", "image", "price", "rarity", "seller", "tags", "requiredFor"],
  Quest: ["title", "giver"],
  QuestItem: ["quantity", "quest"],
  Npc: ["name", "home"],
  Tag: ["name"],
};

export function isFarm(outline: Outline): boolean {
  return Object.entries(NEEDED).every(([type, fields]) => {
    const served = new Set(typeNamed(outline, type)?.fields?.map((field) => field.name));
    return fields.every((field) => served.has(field));
  });
}

/** One tab for each thing worth seeing first: links, filters, live answers, keys. */
export function farmTabs(sampleId = "1"): Tab[] {
  return [
    { query: ITEMS },
    { query: BARGAINS },
    { query: PRICES },
    { query: BY_KEY, variables: JSON.stringify({ id: sampleId }, null, 2) },
  ];
}

const ITEMS = `# What a player can own, and the quests that need it.
# The answer is one SQL statement, so one snapshot.
# Ctrl-Enter runs it, Ctrl-Space completes.
query Items {
  items {
    name
    image
    price
    requiredFor {
      quantity
      quest {
        title
      }
    }
  }
}
`;

const BARGAINS = `# Filters reach through links: rare things that some
# quest asks for in twos or more, the dearest first.
query Bargains {
  items(
    where: {
      rarity: { in: [RARE, EPIC] }
      price: { isNull: false }
      requiredFor: { some: { quantity: { gte: 2 } } }
    }
    orderBy: [{ price: DESC }]
    first: 20
  ) {
    name
    rarity
    price
    seller {
      name
      home
    }
    tags {
      name
    }
  }
}
`;

const PRICES = `# A live query: the answer comes again whenever a
# harvest changes it. Run it, and watch the prices.
subscription Prices {
  items(orderBy: [{ price: DESC }], first: 10) {
    id
    name
    price
  }
}
`;

const BY_KEY = `# One row by its key; the key is in the variables.
query ByKey($id: ID!) {
  item(id: $id) {
    name
    price
    requiredFor {
      quantity
      quest {
        title
        giver {
          name
        }
      }
    }
  }
}
`;
