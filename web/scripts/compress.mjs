// Writes `file.br` beside each text file of the build, so that the server never compresses one twice.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const TEXT = /\.(js|css|html|svg|json|md|ttf)$/;

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXT.test(entry.name)) continue;
  const file = join(entry.parentPath, entry.name);
  const raw = readFileSync(file);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
  };
  const packed = brotliCompressSync(raw, { params });
  // A file that does not shrink is served as it is.
  if (packed.length < raw.length) writeFileSync(`${file}.br`, packed);
}
