// A stand-in of a game: its API in JSON, a wiki that its players write in HTML, and the table of its
// market in CSV. Knows the game's world; HTTP is in ../stand-in.mjs.
//
//   node upstream.mjs --port 4030 --tick 2000
//   node upstream.mjs --scale 3000 --latency 50 --faults 0.01
//
// With `--tick` the world moves every so many milliseconds.

import { Random, json, options, serve, text } from "../stand-in.mjs";

const ITEMS_A_PAGE = 50;
const NPCS_A_PAGE = 25;
const DAYS = 7;
const MATERIALS = ["Amber", "Bronze", "Cedar", "Copper", "Flint", "Ivory", "Jade", "Linen", "Moss", "Oak", "Pearl", "Silver", "Wool"];
const THINGS = ["Anvil", "Basket", "Bell", "Boots", "Bucket", "Comb", "Flute", "Kettle", "Lantern", "Plough", "Ring", "Spade", "Yoke"];
const PEOPLE = ["Ada", "Bram", "Cleo", "Dara", "Edda", "Finn", "Greta", "Hugo", "Ines", "Jory", "Kaya", "Lars", "Mina", "Nils"];
const TRADES = ["Beekeeper", "Carter", "Dyer", "Farrier", "Herder", "Miller", "Shepherd", "Thatcher"];
const VILLAGES = ["Appledown", "Brackenford", "Coldwell", "Eastmere", "Hollowhill", "Millbrook"];
const DEEDS = ["Mend", "Find", "Carry", "Polish", "Return", "Hide", "Paint", "Guard", "Sharpen", "Bury"];
const TAGS = ["autumn", "broken", "carved", "festival", "gift", "harvest", "heirloom", "kitchen", "market", "music", "tool", "winter"];
const TITLES = ["Friend of the Barn", "Keeper of Bees", "Early Riser", "Warden of the Hedge"];

const given = options({ port: 4030, scale: 320, tick: 0 });
const random = new Random(given.seed);
const cents = (number) => Math.round(number * 100) / 100;

const tags = TAGS.map((name, at) => ({ id: at + 1, name }));
const npcs = Array.from({ length: Math.min(112, Math.max(14, Math.ceil(given.scale / 7))) }, (_, at) => {
  const [person, trade] = [PEOPLE[at % PEOPLE.length], TRADES[Math.floor(at / PEOPLE.length) % TRADES.length]];
  return { id: at + 1, slug: `${person}-${trade}`.toLowerCase(), name: `${person} the ${trade}`, home: random.pick(VILLAGES) };
});

/** An item as the API has it, with what the wiki and the market say of it. */
const items = Array.from({ length: given.scale }, (_, at) => {
  const name = `${MATERIALS[Math.floor(at / THINGS.length) % MATERIALS.length]} ${THINGS[at % THINGS.length]}`;
  const price = cents(1 + random.next() * 400);
  return {
    record: {
      id: at + 1,
      fullName: name,
      image: `https://pictures.example/items/${at + 1}.svg`,
      price,
      rarity: random.pick(["common", "c", "rare", "epic"]),
      seller_id: random.chance(0.9) ? random.pick(npcs).id : null,
      tag_ids: tags.filter(() => random.chance(0.15)).map((tag) => tag.id),
    },
    lore: `Found in ${random.pick(VILLAGES)} & once owned by ${random.pick(npcs).name}.`,
    categories: TAGS.filter(() => random.chance(0.2)),
    foundAt: random.pick(VILLAGES),
    days: Array.from({ length: DAYS }, (_, day) => ({
      day: `2026-11-${String(15 + day).padStart(2, "0")}`,
      // On some days nobody asked for it, and the table has a stroke.
      price: random.chance(0.1) ? null : cents(price * (0.8 + random.next() * 0.4)),
      sold: random.below(20),
    })),
  };
});

const quests = new Map();
let questCount = 0;

function addQuest() {
  questCount += 1;
  const needs = new Map();
  for (let at = random.between(1, 4); at > 0; at -= 1) needs.set(random.pick(items).record.id, random.between(1, 12));
  const npc = random.pick(npcs);
  quests.set(questCount, {
    id: questCount,
    title: `${random.pick(DEEDS)} the ${items[[...needs.keys()][0] - 1].record.fullName}`,
    reward: { gold: random.between(5, 500), title: random.chance(0.3) ? random.pick(TITLES) : null },
    npc: { slug: npc.slug, name: npc.name },
    items: [...needs].map(([item, quantity]) => ({ item, quantity })),
  });
}

while (quests.size < Math.max(3, Math.floor(given.scale * 0.28))) addQuest();

const escaped = (words) => words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** A page of the wiki, as people read it. */
function wiki({ record, lore, categories, foundAt }) {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escaped(record.fullName)} — Farm Wiki</title></head>
<body>
<nav><a href="/wiki">Home</a> <a href="/wiki/items">Items</a></nav>
<article data-item="${record.id}">
<h1>${escaped(record.fullName)}</h1>
<table class="infobox"><tr><th>Found at</th><td><a href="/wiki/places/${foundAt}">${foundAt}</a></td></tr></table>
<p class="lore">${escaped(lore)}</p>
<ul class="categories">${categories.map((name) => `<li>${name}</li>`).join("")}</ul>
</article>
<footer>Written by players.</footer>
</body>
</html>
`;
}

/** The market's table, as its spreadsheet writes it: semicolons, and commas in numbers. */
function market() {
  const number = (value) => (value === null ? "-" : value.toFixed(2).replace(".", ","));
  const lines = items.flatMap(({ record, days }) =>
    days.map(({ day, price, sold }) => `${record.id};"${record.fullName}";${day};${number(price)};${sold}`),
  );
  return text(`item;name;day;price (gold);sold\r\n${lines.join("\r\n")}\r\n`, "text/csv");
}

function answer({ path, query }) {
  const number = (name, usual) => Math.max(0, Math.floor(Number(query.get(name) ?? usual)) || 0);
  switch (path) {
    case "/items": {
      const page = Math.max(1, number("page", 1));
      const here = items.slice((page - 1) * ITEMS_A_PAGE, page * ITEMS_A_PAGE);
      return json({ items: here.map((item) => item.record), page, pages: Math.max(1, Math.ceil(items.length / ITEMS_A_PAGE)) });
    }
    case "/quests": {
      const offset = number("offset", 0);
      return json({ quests: [...quests.values()].slice(offset, offset + ITEMS_A_PAGE), total: quests.size });
    }
    case "/npcs": {
      const after = Number(query.get("cursor")?.replace("after-", "") ?? 0) || 0;
      const here = npcs.filter((npc) => npc.id > after).slice(0, NPCS_A_PAGE);
      const last = here.at(-1)?.id ?? 0;
      return json({ npcs: here, next: last > 0 && last < npcs.length ? `after-${last}` : null });
    }
    case "/tags":
      return json(tags);
    case "/market.csv":
      return market();
    default: {
      const [, id] = path.match(/^\/wiki\/items\/(\d+)$/) ?? [];
      const item = items[Number(id) - 1];
      return item ? text(wiki(item), "text/html") : undefined;
    }
  }
}

/** About a tenth of the prices move; a quest ends, another one begins; somebody edits the wiki. */
function step() {
  for (const { record } of items) {
    if (random.chance(0.1)) record.price = cents(Math.min(5000, Math.max(0.5, record.price * (0.9 + random.next() * 0.2))));
  }
  const [ended] = quests.keys();
  quests.delete(ended);
  addQuest();
  const edited = random.pick(items);
  edited.lore += " Some say it sings.";
  return { ended: String(ended), begun: String(questCount), edited: String(edited.record.id) };
}

if (given.tick > 0) setInterval(step, given.tick);

serve(given, {
  answer,
  step,
  truth: () => ({ items, quests: [...quests.values()], npcs, tags }),
});
