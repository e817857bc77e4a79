import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/**
 * GraphiQL's style sheet carries 35 fonts as data URIs, 380 KB of them after compression. The page uses the system's text
 * fonts, and the icon font comes a second time with Monaco's own style sheet, as a file.
 */
function withoutFonts(): Plugin {
  return {
    name: "without-fonts",
    enforce: "pre",
    transform(code, id) {
      if (!/\/graphiql\/.*\.css/.test(id)) return null;
      return { code: code.replace(/@font-face\s*\{[^}]*\}/g, ""), map: null };
    },
  };
}

export default defineConfig({
  // Addresses are relative to the `<base>` of index.html, so that a server may mount the page below another path.
  base: "./",
  plugins: [withoutFonts(), react()],
  build: {
    target: "es2022",
    // The licences of what the bundle contains, beside it.
    license: { fileName: "third-party.md" },
    // Monaco is one big lazy chunk by nature; `scripts/budget.mjs` watches the part that everybody loads.
    chunkSizeWarningLimit: 6000,
    rolldownOptions: {
      // Marks for a compiler that has already run over GraphiQL; losing them changes nothing.
      onLog(level, log, report) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
    },
  },
  server: {
    // `npm run dev` beside a running hayloft.
    proxy: {
      "/graphql": { target: "http://127.0.0.1:4000", ws: true },
      "/healthz": "http://127.0.0.1:4000",
    },
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.ts"] },
});
