/** The editor. The one file that knows GraphiQL; loaded only when it is to be shown. */

import "./workers";
import "graphiql/style.css";

import { createGraphiQLFetcher, createLocalStorage } from "@graphiql/toolkit";
import type { Fetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { createClient } from "graphql-ws";
import { useMemo } from "react";

import type { Addresses } from "./address";
import { meantOperation } from "./operation";
import type { Tab } from "./tabs";

interface Props {
  at: Addresses;
  tabs: Tab[];
  /** Names the definition: its tabs and history are kept apart from those of another one at the same address. */
  definition: string;
}

export default function Ide({ at, tabs, definition }: Props) {
  const fetcher = useMemo(() => {
    // Opened by the first subscription; it comes back by itself when the server restarts.
    const wsClient = createClient({ url: at.socket, lazy: true, retryAttempts: 20 });
    const send = createGraphiQLFetcher({ url: at.http, wsClient, enableIncrementalDelivery: false });
    const fetcher: Fetcher = (params, options) => {
      const { operationName, document } = meantOperation(params.query, params.operationName ?? undefined);
      return send({ ...params, operationName }, { ...options, documentAST: document ?? options?.documentAST });
    };
    return fetcher;
  }, [at]);
  const storage = useMemo(() => createLocalStorage({ namespace: `hayloft:${definition}` }), [definition]);
  return (
    <GraphiQL fetcher={fetcher} storage={storage} defaultTabs={tabs} shouldPersistHeaders={false}>
      <GraphiQL.Logo>
        <span />
      </GraphiQL.Logo>
    </GraphiQL>
  );
}
