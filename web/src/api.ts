/** The page's own requests. Knows the addresses and the answers' form; draws nothing. */

import type { Addresses } from "./address";
import { isFarm } from "./farm";
import { OUTLINE_QUERY } from "./outline";
import type { Outline } from "./outline";

/** A server that does not answer within this is reported as not answering. */
const ANSWER_MS_MAX = 10_000;

export type Health = "asking" | "healthy" | "failing" | "unreachable";

export async function health(at: Addresses): Promise<Health> {
  try {
    const response = await fetch(at.health, { signal: AbortSignal.timeout(ANSWER_MS_MAX), cache: "no-store" });
    return response.ok ? "healthy" : "failing";
  } catch {
    return "unreachable";
  }
}

export interface Start {
  outline: Outline;
  /** The key of some item, if this is the farm and it has been harvested. */
  sampleId?: string;
}

/** What the examples are made from. */
export async function start(at: Addresses): Promise<Start> {
  const { __schema: outline } = await ask<{ __schema: Outline }>(at, OUTLINE_QUERY);
  if (!isFarm(outline)) return { outline };
  // The examples work without a sample too, so a refusal here is no reason to show nothing.
  const sample = await ask<{ items: { id: string }[] }>(at, "{ items(first: 1) { id } }").catch(() => undefined);
  return { outline, sampleId: sample?.items[0]?.id };
}

async function ask<T>(at: Addresses, query: string): Promise<T> {
  const response = await fetch(at.http, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json, application/json;q=0.9" },
    body: JSON.stringify({ query }),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const answer = (await response.json()) as { data?: T | null; errors?: { message: string }[] };
  const fault = answer.errors?.[0]?.message;
  if (fault) throw new Error(fault);
  if (!answer.data) throw new Error(`the answer (status ${response.status}) has no data`);
  return answer.data;
}
