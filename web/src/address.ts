/** Where the API is. Knows URLs; knows no network. */

export interface Addresses {
  /** GraphQL over HTTP. */
  http: string;
  /** The same path as a WebSocket (graphql-transport-ws). */
  socket: string;
  health: string;
}

/** All addresses, from the page's base: they stay on its origin and below its path. */
export function addresses(base: string): Addresses {
  const http = new URL("graphql", base);
  const socket = new URL(http);
  socket.protocol = http.protocol === "https:" ? "wss:" : "ws:";
  return { http: http.href, socket: socket.href, health: new URL("healthz", base).href };
}
