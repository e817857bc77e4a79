// Types from a running server by two generators, and a program that uses them: `node generate.mjs BASE FOLDER`.
//
// Writes into FOLDER; ends with 1 when a generator fails or the program does not type-check.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "@graphql-codegen/cli";

const [, , base, folder] = process.argv;
if (!base || !folder) {
  console.error("usage: node generate.mjs BASE FOLDER");
  process.exit(2);
}
const here = dirname(fileURLToPath(import.meta.url));
const url = new URL("/graphql", base).href;
const bin = (name) => join(here, "node_modules", ".bin", name);
const run = (name, ...args) => {
  try {
    execFileSync(bin(name), args, { cwd: folder, encoding: "utf8", stdio: "pipe" });
    return "";
  } catch (error) {
    return `${error.stdout}${error.stderr}`;
  }
};
const must = (name, ...args) => assert.equal(run(name, ...args), "", `${name} ${args[0]}`);

mkdirSync(folder, { recursive: true });
symlinkSync(join(here, "node_modules"), join(folder, "node_modules"));
for (const file of ["codegen.ts", "tada.ts"]) cpSync(join(here, file), join(folder, file));

// graphql-codegen, asking for isOneOf, of which it makes a union.
const output = join(folder, "generated/");
await generate(
  {
    schema: [{ [url]: { oneOf: true } }],
    documents: [join(folder, "codegen.ts")],
    silent: true,
    generates: { [output]: { preset: "client", config: { useTypeImports: true }, presetConfig: { fragmentMasking: false } } },
    config: { scalars: { BigInt: "string", Decimal: "string" } },
  },
  true,
);

// gql.tada reads the printed schema, which has @oneOf too.
must("gql.tada", "generate-schema", url, "--output", join(folder, "schema.graphql"));
const plugin = { name: "gql.tada/ts-plugin", schema: "./schema.graphql", tadaOutputLocation: "./tada-env.d.ts" };
const options = {
  target: "es2022",
  module: "es2022",
  moduleResolution: "bundler",
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  plugins: [plugin],
};
writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts", "generated/*.ts"] }));
must("gql.tada", "generate-output");
must("tsc", "--project", folder, "--pretty", "false");

// The check can fail: a field that is not there, and an operand of a wrong type.
writeFileSync(join(folder, "wrong.ts"), `import { items, order } from "./codegen.js";\nitems.at(0)?.nope;\norder({ id: "ASC", name: "ASC" });\n`);
const told = run("tsc", "--project", folder, "--pretty", "false");
assert.match(told, /wrong\.ts\(2,.*nope/);
assert.match(told, /wrong\.ts\(3,/);
console.log("generated types check");
