// What goes on in the whole server: doors, latency, money, low balances, store, peers, refusals.

import { bar, codes, el, nothing, pairs, percentile, rate, seconds, sparkline, table, when } from "./parts.js";

const POINTS = 60;
const WINDOW = 30; // overviews: a minute
const REFUSALS = 30;

const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const overviews = [];
const history = new Map(); // door -> [{all, refused}], requests a second
let refusals = [];

function sum(counts, but = "") {
  return Object.entries(counts).reduce((all, [name, count]) => (name === but ? all : all + count), 0);
}

export function drawOverview(overview, find) {
  const last = overviews.at(-1);
  overviews.push(overview);
  if (overviews.length > WINDOW) overviews.shift();
  $("version").textContent = overview.version;
  const doors = Object.entries(overview.doors);
  $("doors").replaceChildren(...(doors.length ? doors.map(([name, door]) => drawDoor(name, door, overview, last)) : [nothing("No traffic yet.")]));
  $("money").replaceChildren(...drawBooks(overview.books), drawStore(overview));
  drawLow(overview, find);
  drawPeers(overview.peers);
  drawTrunks(overview.trunks);
}

function drawDoor(name, door, overview, last) {
  const before = last?.doors[name];
  const points = history.get(name) ?? [];
  if (before) {
    const passed = Math.max(0.1, (new Date(overview.at) - new Date(last.at)) / 1000);
    const all = Math.max(0, (sum(door.requests) - sum(before.requests)) / passed);
    const refused = Math.max(0, (sum(door.requests, "ok") - sum(before.requests, "ok")) / passed);
    points.push({ all, refused });
    if (points.length > POINTS) points.shift();
    history.set(name, points);
  }
  const now = points.at(-1) ?? { all: 0, refused: 0 };
  const begun = overviews[0].doors[name]?.durations ?? [];
  const latency = [0.5, 0.95, 0.99].map((share) => seconds(percentile(begun, door.durations, share)));
  return el("article", { class: "card" },
    el("header", {}, el("h3", {}, name), el("span", { class: now.refused ? "warn" : "ok" }, `${rate(now.refused)} not granted/s`)),
    el("p", { class: "figure" }, rate(now.all), " ", el("small", {}, "requests/s")),
    sparkline(points, `${name}: ${rate(now.all)} requests per second, ${rate(now.refused)} not granted`),
    pairs([
      ["latency p50, p95, p99", latency.join(", ")],
      ["open sessions", number(door.sessions)],
      ["in flight", number(door.in_flight)],
      ...Object.entries(door.requests).map(([result, count]) => [`answered: ${result}`, number(count)]),
      ["duplicates absorbed", number(door.duplicates)],
      ["sessions lapsed", el("span", { class: door.lapsed ? "warn" : "" }, number(door.lapsed))],
    ]),
    codes("answers", door.codes), codes("faults", door.faults));
}

function drawBooks(books) {
  if (!books) return [nothing("The books are being summed.")];
  return Object.entries(books.currencies).map(([currency, one]) =>
    el("article", { class: "card" },
      el("header", {}, el("h3", {}, currency), el("span", { class: books.balanced ? "ok" : "bad" }, books.balanced ? "books close" : "books do not close")),
      el("p", { class: "figure" }, one.available, " ", el("small", {}, "available")),
      bar(`${one.available} available, ${one.reserved} reserved, ${one.debited} spent of ${one.credited} ${currency}`, one.credited, one.available, one.reserved),
      pairs([["reserved", one.reserved], ["credited", one.credited], ["debited", one.debited],
        ["overrun", el("span", { class: Number(one.overrun) ? "warn" : "" }, one.overrun)]])));
}

function drawStore(overview) {
  const begun = overviews[0].store.durations;
  const latency = [0.5, 0.99].map((share) => seconds(percentile(begun, overview.store.durations, share))).join(", ");
  const errors = sum(overview.store.errors);
  const lag = (value) => el("span", { class: value > 60 ? "warn" : "" }, seconds(value));
  return el("article", { class: "card" }, el("header", {}, el("h3", {}, "Store and journal"),
    el("span", { class: errors ? "warn" : "ok" }, errors ? `${number(errors)} errors` : "no errors")), pairs([
    ["round trip p50, p99", latency],
    ["entries waiting for the journal", number(overview.outbox_entries)],
    ["journal behind by", lag(overview.journal_lag)],
    ["lapses behind by", lag(overview.reaper_lag)],
    ["accounts", overview.books ? number(overview.books.accounts) : "not yet known"],
    ["books summed at", overview.books ? when(overview.books.at) : "not yet"],
  ]), codes("errors", overview.store.errors));
}

function drawLow(overview, find) {
  const rows = overview.low.map((one) => [finder(one.account, find), `${one.available} ${one.currency}`, `${one.reserved} ${one.currency}`]);
  table($("low"), [["Account", "id"], ["Available", "number"], ["Reserved", "number"]], rows, "Nobody runs low.");
  const more = overview.low_accounts - overview.low.length;
  $("low-more").textContent = more > 0 ? `and ${number(more)} more` : "";
}

function drawPeers(peers) {
  const rows = peers.map((peer) => [
    peer.name, peer.door,
    el("span", { class: /^(open|okay|active|up|allowed|r-open|i-open)$/i.test(peer.state) ? "ok" : "warn" }, peer.state),
    peer.address,
    Object.entries(peer.counters).map(([name, count]) => `${number(count)} ${name.replaceAll("_", " ")}`).join(", "),
  ]);
  table($("peers"), [["Peer", ""], ["Door", ""], ["State", ""], ["Address", ""], ["Counters", ""]], rows, "No peer is connected.");
}

function drawTrunks(trunks) {
  $("trunks").hidden = !trunks.length;
  $("trunks").replaceChildren(...trunks.map(({ name, channels, limit }) => {
    const said = `${number(channels)} ${limit ? `of ${number(limit)} channels` : "channels"} in use`;
    return el("div", { class: "bucket" }, el("p", {}, el("strong", {}, name), el("span", { class: limit && channels >= limit ? "warn" : "names" }, said)),
      limit ? bar(`${name}: ${said}`, limit, limit - channels, channels) : null);
  }));
}

function finder(who, find) {
  const button = el("button", { class: "link", type: "button", "data-key": `find ${who}` }, who);
  button.addEventListener("click", () => find(who));
  return button;
}

export function forgetRefusals() {
  refusals = [];
}

export function drawRefusal(one, find) {
  refusals = [one, ...refusals].slice(0, REFUSALS);
  const who = (word) => word.account || word.identities[0] || "";
  $("refusals").replaceChildren(...refusals.map((word) => el("li", {}, when(word.at),
    el("span", { class: "what" }, word.explanation), who(word) ? finder(who(word), find) : "")));
}
