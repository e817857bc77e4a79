// The public audit of GraphQL over HTTP against a running server: `node e2e/audit.mjs BASE`.
//
// BASE is the address of a running hayloft. Ends with 0 when every audit held, recommendations included, else with 1 and
// one line for each that did not.
import { auditServer } from "graphql-http";

const [, , base] = process.argv;
if (!base) {
  console.error("usage: node e2e/audit.mjs BASE");
  process.exit(2);
}

const results = await auditServer({ url: new URL("/graphql", base).href });
const failed = results.filter((result) => result.status === "error" || result.status === "warn");
for (const { id, name, reason } of failed) console.error(`audit ${id}: ${name}: ${reason}`);
const noticed = results.filter((result) => result.status === "notice");
for (const { id, name, reason } of noticed) console.log(`audit ${id} (a notice): ${name}: ${reason}`);
if (!results.length || failed.length) process.exitCode = 1;
else console.log(`audit: ${results.length} audits, ${noticed.length} notices`);
