// The dashboard: keeps the stream of events, and hands each to the part that shows it.

import { allow } from "./actions.js";
import { get, stream } from "./api.js";
import { refresh, search } from "./account.js";
import { drawOverview, drawRefusal, forgetRefusals } from "./live.js";
import { drawTariffs, startPricing } from "./tariffs.js";

const TURN = 5000; // milliseconds between two looks at a subscriber to whom nothing seems to happen

const $ = (id) => document.getElementById(id);

function state(text, kind) {
  $("state").textContent = text;
  $("state").className = `badge ${kind}`;
}

function seen(overview) {
  const balanced = !overview.books || overview.books.balanced;
  if (!overview.ready) state(`not ready: ${overview.reasons.join(", ")}`, "warn");
  else if (!balanced) state("books do not close", "bad");
  else state("ready", "ok");
  drawOverview(overview, search);
}

function broken(error) {
  $("login").hidden = error.status !== 401;
  state(error.status === 401 ? "token wanted" : "no connection", "bad");
  forgetRefusals(); // the stream begins with the last ones
}

async function begin() {
  try {
    const { name, role } = await get("/v1/caller");
    $("login").hidden = true;
    $("role").textContent = name ? `${name}, ${role}` : "";
    allow(role, await drawTariffs());
  } catch (error) {
    broken(error);
    if (error.status !== 401) setTimeout(begin, TURN);
    return;
  }
  stream("/v1/events", { overview: seen, refused: (word) => drawRefusal(word, search), error: broken });
  if (window.location.hash.length > 1) await search(decodeURIComponent(window.location.hash.slice(1)));
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search($("who").value.trim());
});
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
  begin();
});
setInterval(refresh, TURN);
startPricing();
begin();
