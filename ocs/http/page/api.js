// Talking to the API: calls, and streams of server-sent events that carry a token (an EventSource could not).

const AGAIN = 2000; // milliseconds before a broken stream is opened again

export class ApiError extends Error {
  constructor(status, problem) {
    super([problem.title, problem.detail].filter(Boolean).join(": ") || `status ${status}`);
    this.status = status;
    this.kind = problem.type?.split(":").at(-1); // as in urn:ocs:problem:insufficient-funds
    this.detail = problem.detail;
    this.field = problem.errors?.[0].pointer?.replace("#/", "");
  }
}

function headers(more = {}) {
  const token = sessionStorage.getItem("token");
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function checked(answer) {
  if (answer.ok) return answer;
  throw new ApiError(answer.status, await answer.json().catch(() => ({})));
}

export async function get(path) {
  return (await checked(await fetch(path, { headers: headers() }))).json();
}

export async function send(method, path, body, key) {
  const more = { "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }) };
  return (await checked(await fetch(path, { method, headers: headers(more), body: JSON.stringify(body) }))).json();
}

// A name for one change, the same however often it is sent.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (octet) => octet.toString(16).padStart(2, "0")).join("");
}

// A page that is left may be kept for the way back, its streams open: they would use up the few connections that a browser
// makes to one server. So they end with it, and a page one comes back to begins anew.
window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });

// Calls on[name](data) for each event until the returned function is called; on.error(error) whenever it breaks off.
export function stream(path, on) {
  const ending = new AbortController();
  window.addEventListener("pagehide", () => ending.abort(), { signal: ending.signal });
  (async () => {
    while (!ending.signal.aborted) {
      try {
        const answer = await checked(await fetch(path, { headers: headers(), signal: ending.signal }));
        await read(answer.body.pipeThrough(new TextDecoderStream()), on);
        on.error?.(new ApiError(0, { title: "The stream has ended" }));
      } catch (error) {
        if (ending.signal.aborted) return;
        on.error?.(error);
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  })();
  return () => ending.abort();
}

async function read(text, on) {
  let rest = "";
  for await (const piece of text) {
    const events = (rest + piece).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const fields = new Map(event.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
      if (fields.has("data")) on[fields.get("event")]?.(JSON.parse(fields.get("data")));
    }
  }
}
