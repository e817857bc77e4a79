/** Which example operations the editor opens with. Knows the outline of a schema; knows no editor. */

import { farmTabs, isFarm } from "./farm";
import { isLeaf, needsArguments, typeNamed, unwrap } from "./outline";
import type { Outline, OutlineField, OutlineType } from "./outline";

export interface Tab {
  query: string;
  variables?: string;
}

/** Leaves shown of a row, and of a row linked from it: enough to see what it is without scrolling. */
const LEAVES_MAX = 6;
const LINKED_LEAVES_MAX = 3;

const NOTHING: Tab = { query: "# This API serves no lists yet.\n# Add a type with @fetch to the definition and harvest it.\n" };

/**
 * The examples for a schema: written ones for the farm, made ones for everything else.
 *
 * `sampleId` is the key of some item, for the farm's example by key.
 */
export function exampleTabs(outline: Outline, sampleId?: string): Tab[] {
  if (isFarm(outline)) return farmTabs(sampleId);
  const list = firstList(outline);
  if (!list) return [NOTHING];
  const tabs = [{ query: listQuery(outline, list) }];
  if (isLive(outline, list)) tabs.push({ query: liveQuery(outline, list) });
  return tabs;
}

/** The first field of the query type that gives rows without being asked for a key. */
function firstList(outline: Outline): OutlineField | undefined {
  const fields = typeNamed(outline, outline.queryType.name)?.fields ?? [];
  return fields.find((field) => {
    const { kind, list } = unwrap(field.type);
    return list && kind === "OBJECT" && !needsArguments(field);
  });
}

function isLive(outline: Outline, list: OutlineField): boolean {
  const fields = typeNamed(outline, outline.subscriptionType?.name)?.fields ?? [];
  return fields.some((field) => field.name === list.name);
}

function listQuery(outline: Outline, list: OutlineField): string {
  const row = typeNamed(outline, unwrap(list.type).name);
  const lines = [...leaves(row, LEAVES_MAX), ...linked(outline, row)];
  return [
    "# The first rows, and what they are linked with.",
    "# Ctrl-Space completes, Ctrl-Enter runs.",
    `query ${capitalised(list.name)} {`,
    `  ${list.name}${page(list)} {`,
    ...(lines.length ? lines : ["__typename"]).map((line) => `    ${line}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

function liveQuery(outline: Outline, list: OutlineField): string {
  const lines = leaves(typeNamed(outline, unwrap(list.type).name), LEAVES_MAX);
  return [
    "# The same rows, live: the answer comes again",
    "# whenever a harvest changes it.",
    `subscription Live${capitalised(list.name)} {`,
    `  ${list.name}${page(list)} {`,
    ...(lines.length ? lines : ["__typename"]).map((line) => `    ${line}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

function leaves(type: OutlineType | undefined, max: number): string[] {
  const fields = type?.fields ?? [];
  return fields
    .filter((field) => isLeaf(field) && !needsArguments(field))
    .slice(0, max)
    .map((field) => field.name);
}

/** The first link of a type with the leaves found there, one line for each. */
function linked(outline: Outline, type: OutlineType | undefined): string[] {
  const links = (type?.fields ?? []).filter((field) => unwrap(field.type).kind === "OBJECT" && !needsArguments(field));
  for (const link of links) {
    const inner = leaves(typeNamed(outline, unwrap(link.type).name), LINKED_LEAVES_MAX);
    if (inner.length) return [`${link.name} {`, ...inner.map((line) => `  ${line}`), "}"];
  }
  return [];
}

function page(list: OutlineField): string {
  return list.args.some((argument) => argument.name === "first") ? "(first: 10)" : "";
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
