/** The page: a header, and below it the editor as soon as the API has said what it serves. */

import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import type { ReactNode } from "react";

import type { Addresses } from "./address";
import { start } from "./api";
import type { Start } from "./api";
import { Header } from "./Header";
import { exampleTabs } from "./tabs";

// The editor is most of the page's weight; the header must not wait for it.
const Ide = lazy(() => import("./Ide"));

type State = { start: Start } | { fault: string } | "asking";

export function App({ at }: { at: Addresses }) {
  const [state, setState] = useState<State>("asking");
  const look = useCallback(() => {
    setState("asking");
    start(at).then(
      (found) => setState({ start: found }),
      (fault: unknown) => setState({ fault: fault instanceof Error ? fault.message : String(fault) }),
    );
  }, [at]);
  useEffect(look, [look]);
  return (
    <>
      <Header at={at} />
      <main>{body(state, at, look)}</main>
    </>
  );
}

function body(state: State, at: Addresses, again: () => void): ReactNode {
  const loading = <p className="note">Loading the editor…</p>;
  if (state === "asking") return loading;
  if ("fault" in state) {
    return (
      <div className="note" role="alert">
        <p>The API at {at.http} did not say what it serves: {state.fault}</p>
        <button type="button" onClick={again}>
          Ask again
        </button>
      </div>
    );
  }
  const { outline, sampleId } = state.start;
  return (
    <Suspense fallback={loading}>
      <Ide at={at} tabs={exampleTabs(outline, sampleId)} definition={signature(outline)} />
    </Suspense>
  );
}

/** Tells definitions apart, so that the tabs kept from one do not open over another. */
function signature(outline: Start["outline"]): string {
  return outline.types
    .filter((type) => type.kind === "OBJECT" && !type.name.startsWith("__"))
    .map((type) => type.name)
    .sort()
    .join(",");
}
