// Fails the build when what every visitor loads first grows too big, or when the editor slips into it.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Compressed bytes of the page, its script and its style: React is 60 KB of them; twice that is the ceiling. */
const SHELL_BYTES_MAX = 120 * 1024;
/** Compressed bytes of everything: 1.5 MB when this was written, with Monaco's three workers. */
const ALL_BYTES_MAX = 2 * 1024 * 1024;

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const sent = (file) => statSync(existsSync(`${file}.br`) ? `${file}.br` : file).size;

const page = readFileSync(join(dist, "index.html"), "utf8");
const first = [...page.matchAll(/(?:src|href)="\.\/([^"]+\.(?:js|css))"/g)].map((match) => join(dist, match[1]));
const shell = [join(dist, "index.html"), ...first].reduce((sum, file) => sum + sent(file), 0);
const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const all = files
  .filter((entry) => !entry.name.endsWith(".br"))
  .reduce((sum, entry) => sum + sent(join(entry.parentPath, entry.name)), 0);

const faults = [];
if (first.length < 2) faults.push("index.html names no script and style: the budget would measure nothing");
if (shell > SHELL_BYTES_MAX) faults.push(`the shell has ${shell} bytes of ${SHELL_BYTES_MAX}; load more of it lazily`);
if (all > ALL_BYTES_MAX) faults.push(`the page has ${all} bytes of ${ALL_BYTES_MAX} in all`);
for (const file of first.filter((name) => name.endsWith(".js"))) {
  if (/monaco-editor|getMonaco/.test(readFileSync(file, "utf8"))) faults.push(`${file} contains the editor`);
}
for (const entry of files.filter((file) => /\.(js|css|html)$/.test(file.name))) {
  const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
  if (/@import\s+url\(\s*["']?https?:|<script[^>]+src="https?:|url\(\s*["']?https?:/.test(text)) {
    faults.push(`${entry.name} loads something from another origin`);
  }
}
for (const fault of faults) console.error(`budget: ${fault}`);
if (faults.length) process.exit(1);
const kb = (bytes) => `${Math.round(bytes / 1024)} KB`;
console.log(`web page: ${kb(shell)} to show the first line, ${kb(all)} in all (brotli)`);
