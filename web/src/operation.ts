/** Which operation of a document is meant. Knows GraphQL documents; knows no editor. */

import { Kind, parse } from "graphql";
import type { DocumentNode } from "graphql";

export interface Meant {
  operationName?: string;
  document?: DocumentNode;
}

/**
 * The editor takes note of a document's operations a moment after it changed: run at once after a change of tabs, it
 * would name the operation of the tab before, and mistake a subscription for a query. The text itself is always right.
 */
export function meantOperation(query: string, operationName: string | undefined): Meant {
  let document: DocumentNode;
  try {
    document = parse(query);
  } catch {
    // The server explains what is wrong with it.
    return { operationName };
  }
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const named = operations.some((operation) => operation.name?.value === operationName);
  return { operationName: named ? operationName : operations[0]?.name?.value, document };
}
