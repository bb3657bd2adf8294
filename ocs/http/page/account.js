// One subscriber: found by any identity, shown live, and helped.

import { actions, allowed, lasts, settle } from "./actions.js";
import { get, send, stream } from "./api.js";
import { find } from "./find.js";
import { bucket, el, meter, nothing, quantity, table, until, when } from "./parts.js";

const NEWEST = 20;
const PAGE = 1000;
const MOST_PAGES = 10;
const SOON = 300; // milliseconds that a change waits for others before the account is read again

const $ = (id) => document.getElementById(id);
const path = (id, more = "") => `/v1/accounts/${encodeURIComponent(id)}${more}`;
let shown = null; // id of the account on display
let ledger = { id: null, entries: [], after: "" };
let leave = () => {};
let waiting = 0;

export async function search(text) {
  $("who").value = text;
  window.history.replaceState(null, "", `#${encodeURIComponent(text)}`);
  close();
  try {
    const account = await find(text);
    const loans = await get(path(account.id, "/loans"));
    shown = account.id;
    frame(account, loans);
    await draw(account);
    leave = stream(`/v1/trace?account=${encodeURIComponent(account.id)}`, { handled: heard });
  } catch (error) {
    $("account").replaceChildren(el("p", { class: "panel", role: "alert" }, error.status === 404 ? `Nobody is known as “${text}”.` : error.message));
  }
  $("account").hidden = false;
}

export function close() {
  leave();
  leave = () => {};
  shown = null;
  $("account").hidden = true;
}

function heard(word) {
  const said = el("li", { class: word.refused ? "refused" : "" }, when(word.at), el("span", { class: "what", title: word.session }, word.explanation));
  $("requests").prepend(said);
  $("requests-none").hidden = true;
  while ($("requests").children.length > NEWEST) $("requests").lastChild.remove();
  refreshSoon();
}

function refreshSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, SOON);
}

export async function refresh() {
  const id = shown;
  if (id === null) return;
  const account = await get(path(id)).catch(() => null);
  if (account && shown === id) await draw(account);
}

// What stays while figures change: the frame, the forms, and whatever is being typed into them.
function frame(account, loans) {
  const part = (id, title) => [el("h3", {}, title), el("div", { id })];
  const shut = el("button", { class: "plain", type: "button" }, "Close");
  shut.addEventListener("click", () => { close(); $("who").focus(); });
  $("account").replaceChildren(el("div", { class: "panel" },
    el("header", {}, el("div", { id: "account-head" }), shut),
    el("div", { id: "account-figures", class: "figures" }),
    el("div", { class: "forms" }, actions(account, loans, refresh)),
    el("p", { id: "done", role: "status" }),
    ...part("account-buckets", "Buckets"), el("div", { id: "account-subscriptions" }), el("div", { id: "account-meters" }), ...part("account-sessions", "Open sessions"),
    el("div", { class: "pair even" },
      list("Requests as they come", "requests", nothing("Waiting for the next request over either door.", "requests-none")),
      list("Last entries in the ledger", "entries"))));
}

function list(title, id, ...before) {
  return el("section", { "aria-label": title }, el("h3", {}, title),
    el("div", { class: "tall", tabindex: "0", role: "group", "aria-label": title }, before, el("ol", { id, class: "entries" })));
}

async function tried(work) {
  try {
    tell(await work(), "ok");
    await refresh();
  } catch (error) {
    tell(error.message, "bad");
  }
}

function tell(text, kind) {
  $("done").textContent = text;
  $("done").className = kind;
}

// Only what is new is read again; the ledger is long.
async function newest(id) {
  if (ledger.id !== id) ledger = { id, entries: [], after: "" };
  const mine = ledger;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const found = await get(path(id, `/entries?limit=${PAGE}&after=${mine.after}`));
    if (!found.entries.length || found.entries.at(-1).id === mine.after) break;
    mine.after = found.entries.at(-1).id;
    mine.entries = [...mine.entries, ...found.entries].slice(-NEWEST);
    if (found.next === null) break;
  }
  return [...mine.entries].reverse();
}

let drawing = Promise.resolve();
const draw = (account) => { drawing = drawing.then(() => drawNow(account)).catch((error) => tell(error.message, "bad")); return drawing; };

async function drawNow(account) {
  const [entries, { loan }, { subscriptions }] = await Promise.all([newest(account.id), get(path(account.id, "/loans")), get(path(account.id, "/subscriptions"))]);
  if (shown !== account.id) return;
  const { currency, money } = account;
  const kind = { active: "ok", "pre-active": "", grace: "warn", suspended: "warn", closed: "bad" }[account.status] ?? "";
  $("account-head").replaceChildren(el("h2", {}, account.id, " ", el("span", { class: `badge ${kind}` }, account.status)),
    el("p", { class: "names" }, [account.plan, account.parent ? `${account.billing} under ${account.parent}` : "", account.cap ? `cap ${account.cap} a month` : "", account.valid_until ? lasts(account) : "", ...account.identities.map((one) => `${one.type} ${one.value}`)].filter(Boolean).join(" · ")));
  settle($("account"), account);
  const figures = [["available", money.available], ["reserved", money.reserved], ["balance", money.balance], ["credit limit", account.credit_limit]];
  if (loan) figures.push(["loan to repay", loan.outstanding]);
  if (Number(money.overrun)) figures.push(["overrun", money.overrun]);
  $("account-figures").replaceChildren(...figures.map(([name, value]) => el("p", {}, el("span", {}, name), `${value} ${currency}`)));
  $("account-buckets").replaceChildren(...(account.buckets.length ? account.buckets.map((one) => bucket(one, currency)) : [nothing("None.")]));
  $("account-meters").replaceChildren(...(account.meters.length ? [el("h3", {}, "This period"), ...account.meters.map((one) => meter(one, currency))] : []));
  drawSubscriptions(subscriptions);
  drawSessions(account);
  $("entries").replaceChildren(...entries.map((entry) => el("li", {}, when(entry.at),
    el("span", { class: "what", title: entry.session }, entry.explanation), el("span", { class: "after", title: "money left after it" }, after(entry, currency)))));
}

function drawSubscriptions(subscriptions) {
  const rows = subscriptions.map((one) => [one.offer, one.state === "waiting" ? "waits for money" : one.state, one.price ?? "", when(one.renews_at)]);
  const heads = [["Offer", "id"], ["State", ""], ["Price", "number"], ["Renews", "number"]];
  const shown = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Subscriptions" }, table(el("table"), heads, rows, "None."));
  $("account-subscriptions").replaceChildren(...(rows.length ? [el("h3", {}, "Subscriptions"), shown] : []));
}

function drawSessions({ sessions, currency }) {
  const focused = document.activeElement?.dataset.key;
  const about = (key) => (/^[0-9]/.test(key) ? `rating group ${key}` : key);
  const held = (one) => el("div", {}, `${about(one.key)}: ${quantity(one.unit, one.granted, currency)} for ${one.cost}${one.used ? `, used ${quantity(one.unit, one.used, currency)} for ${one.spent}` : ""}`);
  const rows = sessions.map((session) => [session.id, session.door, session.holdings.map(held), session.reserved, session.spent, until(session.deadline), abortion(session)]);
  const heads = [["Session", "id"], ["Door", ""], ["Held", ""], ["Reserved", "number"], ["Spent", "number"], ["Lapses in", "number"], ["Action", ""]];
  $("account-sessions").replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Open sessions" }, table(el("table"), heads, rows, "None open.")));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function abortion(session) {
  if (!allowed("operate")) return "";
  const button = el("button", { class: "plain", type: "button", "data-key": `abort ${session.id}`, "aria-label": `Abort session ${session.id}` }, "Abort");
  button.addEventListener("click", () => tried(async () => {
    const done = await send("POST", `/v1/sessions/${encodeURIComponent(session.id)}/abort`, {});
    return `Session ${done.id} is ${done.state === "open" ? "told to end" : done.state}.`;
  }));
  return button;
}

function after(entry, currency) {
  const money = entry.lines.find((line) => line.bucket === "money");
  return money ? `${money.after} ${currency}` : "";
}
