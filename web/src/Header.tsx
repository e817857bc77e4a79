/** The line above the editor: the product's name, the API's address, whether it is well. */

import { useEffect, useState } from "react";

import type { Addresses } from "./address";
import { health } from "./api";
import type { Health } from "./api";

/** Often enough to notice a restart, seldom enough to cost nothing. */
const HEALTH_EVERY_MS = 10_000;

const WORDS: Record<Health, string> = {
  asking: "asking…",
  healthy: "healthy",
  failing: "not ready",
  unreachable: "not answering",
};

export function Header({ at }: { at: Addresses }) {
  const state = useHealth(at);
  return (
    <header className="top">
      <h1>
        <img src="./favicon.svg" alt="" width="20" height="20" /> Hayloft
      </h1>
      <p className="endpoint">
        <span>GraphQL at </span>
        <code>{at.http}</code>
      </p>
      <p className={`health ${state}`} role="status">
        {WORDS[state]}
      </p>
    </header>
  );
}

function useHealth(at: Addresses): Health {
  const [state, setState] = useState<Health>("asking");
  useEffect(() => {
    let mounted = true;
    const look = async () => {
      if (document.hidden) return;
      const now = await health(at);
      if (mounted) setState(now);
    };
    void look();
    const timer = setInterval(look, HEALTH_EVERY_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      mounted = false;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [at]);
  return state;
}
