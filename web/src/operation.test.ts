import { expect, test } from "vitest";

import { meantOperation } from "./operation";

test.each([
  ["query A { x }", "A", "A"],
  ["query A { x }", "B", "A"],
  ["query A { x } query B { x }", "B", "B"],
  ["query A { x } query B { x }", "C", "A"],
  ["query A { x }", undefined, "A"],
  ["{ x }", "A", undefined],
  ["{ x }", undefined, undefined],
  ["fragment F on T { x }", "A", undefined],
])("%s run as %s is %s", (query, name, meant) => {
  expect(meantOperation(query, name)).toMatchObject({ operationName: meant, document: {} });
});

test("a broken document is passed on as it is", () => {
  expect(meantOperation("{ x", "A")).toEqual({ operationName: "A" });
});
