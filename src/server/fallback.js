const at = (id) => document.getElementById(id);

async function status() {
  const answer = await fetch("/readyz").then((response) => response.json());
  at("status").textContent = answer.status === "ok" ? "It is ready." : `It is not ready: ${answer.status}.`;
}

async function run(event) {
  event?.preventDefault();
  at("answer").textContent = "…";
  try {
    const body = JSON.stringify({ query: at("query").value, variables: JSON.parse(at("variables").value || "{}") });
    const headers = { "content-type": "application/json", accept: "application/json" };
    const response = await fetch("/graphql", { method: "POST", headers, body });
    at("answer").textContent = JSON.stringify(await response.json(), null, 2);
  } catch (fault) {
    at("answer").textContent = String(fault);
  }
}

at("form").addEventListener("submit", run);
at("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(event);
});
status().catch((fault) => (at("status").textContent = `The server does not answer: ${fault}.`));
