import { expect, test } from "vitest";

import { addresses } from "./address";

test.each([
  ["http://127.0.0.1:4000/", "http://127.0.0.1:4000/graphql", "ws://127.0.0.1:4000/graphql"],
  ["https://data.example/hay/", "https://data.example/hay/graphql", "wss://data.example/hay/graphql"],
  ["http://localhost:4000/?query=x#y", "http://localhost:4000/graphql", "ws://localhost:4000/graphql"],
])("%s", (base, http, socket) => {
  expect(addresses(base)).toEqual({ http, socket, health: http.replace(/graphql$/, "healthz") });
});
