// The status page: reads the overview every two seconds, and the subscriber that was searched for.

import { bucket, el, pairs, quantity, rate, sparkline, table, until, when } from "./parts.js";

const EVERY = 2000;
const POINTS = 60;
const NEWEST = 20;
const PAGE = 1000;
const MOST_PAGES = 10;

const $ = (id) => document.getElementById(id);
const history = new Map(); // door -> [{all, refused}], requests per second
let last = null;
let shown = null; // id of the account on display
let ledger = { id: null, entries: [], after: "" };
let busy = false;

class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
  }
}

async function get(path) {
  const token = sessionStorage.getItem("token");
  const answer = await fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  const body = await answer.json();
  if (!answer.ok) throw new ApiError(answer.status, body);
  return body;
}

function state(text, kind) {
  $("state").textContent = text;
  $("state").className = `badge ${kind}`;
}

async function tick() {
  if (!busy && !document.hidden) {
    busy = true;
    try {
      const overview = await get("/v1/overview");
      $("login").hidden = true;
      draw(overview);
      last = overview;
      if (shown) await drawAccount(await get(`/v1/accounts/${encodeURIComponent(shown)}`));
    } catch (error) {
      if (error.status === 401) $("login").hidden = false;
      state(error.status === 401 ? "token wanted" : "no connection", "bad");
    }
    busy = false;
  }
  setTimeout(tick, EVERY);
}

function draw(overview) {
  const balanced = !overview.books || overview.books.balanced;
  $("version").textContent = overview.version;
  if (!overview.ready) state("not ready", "warn");
  else if (!balanced) state("books do not close", "bad");
  else state("ready", "ok");
  const doors = Object.entries(overview.doors);
  $("doors").replaceChildren(...(doors.length ? doors.map(([name, door]) => drawDoor(name, door, overview)) : [nothing("No traffic yet.")]));
  drawMoney(overview);
  const rows = overview.peers.map((peer) => [
    peer.name,
    peer.door,
    el("span", { class: /^(open|okay|active|up|allowed|r-open|i-open)$/i.test(peer.state) ? "ok" : "warn" }, peer.state),
    peer.address,
    Object.entries(peer.counters).map(([name, count]) => `${count.toLocaleString("en")} ${name.replaceAll("_", " ")}`).join(", "),
  ]);
  table($("peers"), [["Peer", ""], ["Door", ""], ["State", ""], ["Address", ""], ["Counters", ""]], rows, "No peer is connected.");
}

const nothing = (text) => el("p", { class: "note" }, text);

function sum(counts, but = "") {
  return Object.entries(counts).reduce((all, [name, count]) => (name === but ? all : all + count), 0);
}

function drawDoor(name, door, overview) {
  const before = last?.doors[name];
  const points = history.get(name) ?? [];
  if (before) {
    const seconds = Math.max(0.1, (new Date(overview.at) - new Date(last.at)) / 1000);
    const all = Math.max(0, (sum(door.requests) - sum(before.requests)) / seconds);
    const refused = Math.max(0, (sum(door.requests, "ok") - sum(before.requests, "ok")) / seconds);
    points.push({ all, refused });
    if (points.length > POINTS) points.shift();
    history.set(name, points);
  }
  const now = points.at(-1) ?? { all: 0, refused: 0 };
  const codes = Object.entries(door.codes).sort((a, b) => b[1] - a[1]).slice(0, 8);
  return el("article", { class: "card" },
    el("header", {}, el("h3", {}, name), el("span", { class: now.refused ? "warn" : "ok" }, `${rate(now.refused)} refused/s`)),
    el("p", { class: "figure" }, rate(now.all), " ", el("small", {}, "requests/s")),
    sparkline(points, `${name}: ${rate(now.all)} requests per second, ${rate(now.refused)} refused`),
    pairs([
      ["open sessions", door.sessions.toLocaleString("en")],
      ["in flight", door.in_flight.toLocaleString("en")],
      ["answered", sum(door.requests).toLocaleString("en")],
      ["duplicates absorbed", door.duplicates.toLocaleString("en")],
      ["sessions lapsed", door.lapsed.toLocaleString("en")],
    ]),
    el("div", { class: "codes" }, codes.map(([code, count]) => el("span", {}, `${code}: ${count.toLocaleString("en")}`))));
}

function drawMoney(overview) {
  const books = overview.books;
  if (!books) return $("money").replaceChildren(nothing("The books are being summed."));
  const cards = Object.entries(books.currencies).map(([currency, one]) =>
    el("article", { class: "card" },
      el("header", {}, el("h3", {}, currency), el("span", { class: books.balanced ? "ok" : "bad" }, books.balanced ? "books close" : "books do not close")),
      el("p", { class: "figure" }, one.available, " ", el("small", {}, "available")),
      pairs([["reserved", one.reserved], ["credited", one.credited], ["debited", one.debited],
        ["overrun", el("span", { class: Number(one.overrun) ? "warn" : "" }, one.overrun)]])));
  const store = el("article", { class: "card" }, el("header", {}, el("h3", {}, "Store")), pairs([
    ["accounts", books.accounts.toLocaleString("en")],
    ["entries waiting for the journal", overview.outbox_entries.toLocaleString("en")],
    ["summed at", when(books.at)],
  ]));
  return $("money").replaceChildren(...cards, store);
}

// The search takes an identity of any type, with or without "type:" before it, or an account's id.
function candidates(text) {
  if (/^(e164|imsi|sip|nai|private):/.test(text)) {
    const [type, value] = [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)];
    return [`${type}:${type === "e164" ? value.replace(/^\+/, "") : value}`];
  }
  const digits = text.replace(/[\s+()-]/g, "");
  if (/^\d+$/.test(digits)) return [`e164:${digits}`, `imsi:${digits}`, `private:${text}`];
  return text.includes("@") ? [`sip:${text}`, `nai:${text}`, `private:${text}`] : [`private:${text}`];
}

async function find(text) {
  for (const identity of candidates(text)) {
    const { accounts } = await get(`/v1/accounts?identity=${encodeURIComponent(identity)}`);
    if (accounts.length) return accounts[0];
  }
  return get(`/v1/accounts/${encodeURIComponent(text)}`);
}

// Only what is new is read again; the ledger is long.
async function newest(id) {
  if (ledger.id !== id) ledger = { id, entries: [], after: "" };
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const found = await get(`/v1/accounts/${encodeURIComponent(id)}/entries?limit=${PAGE}&after=${ledger.after}`);
    if (ledger.id !== id || !found.entries.length) break;
    ledger.after = found.entries.at(-1).id;
    ledger.entries = [...ledger.entries, ...found.entries].slice(-NEWEST);
    if (found.next === null) break;
  }
  return [...ledger.entries].reverse();
}

async function drawAccount(account) {
  const { currency, money } = account;
  const entries = await newest(account.id);
  if (shown !== account.id) return;
  const figures = [["available", money.available], ["reserved", money.reserved], ["balance", money.balance], ["credit limit", account.credit_limit]];
  if (Number(money.overrun)) figures.push(["overrun", money.overrun]);
  const sessions = table(el("table"), [["Session", "id"], ["Door", ""], ["Held", ""], ["Reserved", "number"], ["Spent", "number"], ["Lapses in", "number"]],
    account.sessions.map((session) => [
      session.id, session.door,
      session.holdings.map((held) => el("div", {}, `${held.key}: ${quantity(held.unit, held.granted, currency)}, used ${quantity(held.unit, held.used, currency)}`)),
      session.reserved, session.spent, until(session.deadline),
    ]), "None open.");
  const kind = { active: "ok", suspended: "warn", closed: "bad" }[account.status];
  $("account").replaceChildren(el("div", { class: "panel" },
    el("header", {},
      el("div", {}, el("h3", {}, account.id, " ", el("span", { class: `badge ${kind}` }, account.status)),
        el("p", { class: "names" }, [account.plan, ...account.identities.map((one) => `${one.type} ${one.value}`)].join(" · "))),
      close()),
    el("div", { class: "figures" }, figures.map(([name, value]) => el("p", {}, el("span", {}, name), `${value} ${currency}`))),
    el("h4", {}, "Buckets"), account.buckets.length ? account.buckets.map((one) => bucket(one, currency)) : nothing("None."),
    el("h4", {}, "Open sessions"), el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Open sessions" }, sessions),
    el("h4", {}, "Last entries"), el("ol", { class: "entries" }, entries.map((entry) => el("li", {}, when(entry.at),
      el("span", { class: "what", title: entry.session }, entry.explanation), el("span", { class: "after", title: "money left after it" }, after(entry, currency)))))));
  $("account").hidden = false;
}

function after(entry, currency) {
  const money = entry.lines.find((line) => line.bucket === "money");
  return money ? `${money.after} ${currency}` : "";
}

function close() {
  const button = el("button", { class: "plain", type: "button" }, "Close");
  button.addEventListener("click", () => {
    shown = null;
    $("account").hidden = true;
    $("who").focus();
  });
  return button;
}

async function search(text) {
  try {
    const account = await find(text);
    shown = account.id;
    await drawAccount(account);
  } catch (error) {
    shown = null;
    $("account").replaceChildren(el("p", { class: "panel" }, error.status === 404 ? `Nobody is known as “${text}”.` : error.message));
    $("account").hidden = false;
  }
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("who").value.trim();
  window.history.replaceState(null, "", `#${encodeURIComponent(text)}`);
  search(text);
});
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
});
if (window.location.hash.length > 1) {
  $("who").value = decodeURIComponent(window.location.hash.slice(1));
  search($("who").value.trim());
}
tick();
