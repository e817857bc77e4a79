// Uses the page as a person would, in a real browser: `node e2e/run.mjs BASE OUTDIR`.
//
// BASE is the address of a running hayloft that serves the farm (or the word `mock`); a picture is left in OUTDIR. Ends
// with 0 when everything held, else with 1 and one line for each thing that did not. CHROMIUM names another browser.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { chromium } from "playwright-core";

/** For each single step: a loaded machine takes seconds to start Monaco, never this long. */
const STEP_MS_MAX = 180_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const [, , target, out] = process.argv;
if (!target || !out) {
  console.error("usage: node e2e/run.mjs BASE OUTDIR");
  process.exit(2);
}

/** What the page must never do, collected while it runs. */
function watch(page, origin) {
  const seen = { faults: [], answers: [], pushes: [] };
  page.on("console", (message) => {
    if (message.type() === "error") seen.faults.push(`console error: ${message.text()}`);
  });
  page.on("pageerror", (fault) => seen.faults.push(`uncaught: ${fault.message}`));
  page.on("requestfailed", (request) => seen.faults.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", async (response) => {
    if (response.status() >= 400) seen.faults.push(`status ${response.status()}: ${response.url()}`);
    if (new URL(response.url()).pathname !== "/graphql") return;
    const sent = response.request().postDataJSON();
    seen.answers.push({ operation: sent?.operationName ?? "", body: await response.json().catch(() => null) });
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== new URL(origin).host) seen.faults.push(`socket left the origin: ${socket.url()}`);
    socket.on("framereceived", ({ payload }) => {
      const message = JSON.parse(String(payload));
      if (message.type === "next") seen.pushes.push(message.payload);
    });
  });
  return seen;
}

/** Lets nothing out: a request to another origin is noted and cut. */
async function confine(context, origin, seen) {
  await context.route("**/*", (route) => {
    const url = route.request().url();
    if (/^(data|blob):/.test(url) || new URL(url).origin === origin) return route.continue();
    seen.faults.push(`request left the origin: ${url}`);
    return route.abort();
  });
}

const shown = (page) => page.locator(".graphiql-response .view-lines").innerText();

async function openTab(page, name) {
  await page.locator(".graphiql-tab-button", { hasText: new RegExp(`^${name}$`) }).click();
}

async function execute(page) {
  await page.locator(".graphiql-execute-button").click();
}

/** Waits until `look` gives something, asking the page again and again. */
async function until(what, look) {
  const end = Date.now() + STEP_MS_MAX;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${STEP_MS_MAX / 1000} s in vain: ${what}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

async function items(page, seen) {
  await openTab(page, "Items");
  await execute(page);
  const answer = await until("an answer to the first tab", () => seen.answers.find((one) => one.operation === "Items"));
  const rows = answer.body?.data?.items ?? [];
  if (!rows.length) throw new Error(`the first tab gave no rows: ${JSON.stringify(answer.body).slice(0, 300)}`);
  if (!rows.some((row) => row.requiredFor.some((line) => line.quest.title))) throw new Error("no item is needed by a quest");
  await until("the first row to be shown", async () => (await shown(page)).replace(/\u00a0/g, " ").includes(rows[0].name));
  return rows.length;
}

async function answered(page, seen, tab) {
  await openTab(page, tab);
  await execute(page);
  const answer = await until(`an answer to ${tab}`, () => seen.answers.find((one) => one.operation === tab));
  if (!answer.body?.data || answer.body.errors) throw new Error(`${tab}: ${JSON.stringify(answer.body).slice(0, 300)}`);
  return answer.body.data;
}

/** The prices that can be read on the page; the editor draws its lines in no certain order. */
async function shownPrices(page) {
  const text = (await shown(page)).replace(/\u00a0/g, " ");
  return [...text.matchAll(/"price": (null|[\d.]+)/g)].map((match) => match[1]);
}

/** The prices on the page, once they are those of some answer that was pushed. */
async function pushedPrices(page, seen) {
  const found = await shownPrices(page);
  const from = seen.pushes.some((push) => {
    if (!push.data || push.errors) throw new Error(`a live answer failed: ${JSON.stringify(push).slice(0, 300)}`);
    const pushed = push.data.items.map((item) => String(item.price));
    return found.every((price) => pushed.includes(price));
  });
  return from && found.length > 2 && found;
}

async function prices(page, seen) {
  await openTab(page, "Prices");
  await execute(page);
  const first = await until("the first live answer", () => pushedPrices(page, seen));
  await until("the prices on the page to move", async () => {
    const found = await pushedPrices(page, seen);
    return found && seen.pushes.length > 1 && found.some((price) => !first.includes(price));
  });
  await execute(page);
}

async function run(base) {
  const { origin } = new URL(base);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  let page;
  let seen = { faults: [] };
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
    context.setDefaultTimeout(STEP_MS_MAX);
    // Violations are kept by the page itself, because the console only sometimes tells of those in workers.
    await context.addInitScript(() => {
      window.__violations = [];
      document.addEventListener("securitypolicyviolation", (event) => {
        window.__violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
      });
    });
    page = await context.newPage();
    seen = watch(page, origin);
    await confine(context, origin, seen);
    await page.goto(base);
    await page.getByRole("status").filter({ hasText: /^healthy$/ }).waitFor();
    await page.locator(".graphiql-query-editor .view-lines").waitFor();
    const rows = await items(page, seen);
    await page.screenshot({ path: join(out, "graphiql.png") });
    await answered(page, seen, "Bargains");
    const byKey = await answered(page, seen, "ByKey");
    if (!byKey.item) throw new Error("the example by key found no item");
    await prices(page, seen);
    await page.screenshot({ path: join(out, "live.png") });
    seen.faults.push(...(await page.evaluate(() => window.__violations)).map((text) => `policy: ${text}`));
    return { rows, pushes: seen.pushes.length, faults: seen.faults };
  } catch (fault) {
    await page?.screenshot({ path: join(out, "failed.png") }).catch(() => {});
    fault.message = [fault.message, ...seen.faults].join("\n  ");
    throw fault;
  } finally {
    await browser.close();
  }
}

mkdirSync(out, { recursive: true });
const mock = target === "mock" ? await (await import("./mock.mjs")).startMock() : undefined;
try {
  const { rows, pushes, faults } = await run(mock?.base ?? target);
  for (const fault of faults) console.error(`browser: ${fault}`);
  if (faults.length) process.exitCode = 1;
  else console.log(`browser: ${rows} rows in the first tab, ${pushes} live answers, nothing left the origin`);
} catch (fault) {
  console.error(`browser: ${fault.message}`);
  process.exitCode = 1;
} finally {
  mock?.close();
}
