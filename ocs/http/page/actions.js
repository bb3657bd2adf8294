// What an operator does for an account: a row of buttons, each with its form, one open at a time.

import { newKey, send } from "./api.js";
import { find } from "./find.js";
import { el, nothing } from "./parts.js";

const RANKS = ["read", "operate", "admin"];
const TWICE = 600; // milliseconds within which a second click is the other half of a double click
const UNKNOWN = "Whether it was done is not known. Press the button again: it is done once, however often it is sent.";

// The kinds of problem whose title and detail are the server's words rather than an operator's.
const PLAIN = {
  "insufficient-funds": "There is not enough money for it.",
  "loan-outstanding": "A loan is still to be repaid.",
  "not-needed": "Enough money is left: a loan is for when it runs out.",
  "too-many-transfers": "No more transfers today: the plan allows no further one.",
  "outcome-unknown": UNKNOWN,
};

let role = "read";
let offers = [];

export function allow(given, known) {
  role = given;
  offers = known;
}

export const allowed = (needed) => RANKS.indexOf(role) >= RANKS.indexOf(needed);

const AMOUNT = { name: "amount", required: "", inputmode: "decimal", size: "8", autocomplete: "off", pattern: "[0-9]{1,10}([.][0-9]{1,6})?", title: "an amount such as 1.50" };
const SIGNED = { ...AMOUNT, inputmode: "text", pattern: `-?${AMOUNT.pattern}`, title: "an amount such as 1.50 or -1.50" };
const TIME = { type: "datetime-local", step: "any", max: "9999-12-31T00:00" };
const WORDS = { maxlength: "256", autocomplete: "off" };
const input = (attributes) => el("input", attributes);
const reference = () => ["Reference", input({ name: "reference", ...WORDS })];

const STATES = {
  "pre-active": "it is not in use yet",
  active: "it gets what its plan sells",
  grace: "it gets what is free",
  suspended: "it gets nothing",
  closed: "it gets nothing",
};

function known({ currency }, loans) {
  const repaid = ({ repaid }) => (Number(repaid) ? ` ${repaid} ${currency} of it repaid the loan.` : "");
  return [
    { title: "Top up", needs: "operate", path: "/topups", fields: [["Amount", input(AMOUNT)], reference()],
      say: (done) => `Topped up by ${done.amount} ${currency}.${repaid(done)}` },
    { title: "Redeem voucher", needs: "operate", path: "/vouchers",
      fields: [["Code", input({ name: "code", required: "", maxlength: "64", size: "24", autocomplete: "off", autocapitalize: "characters", spellcheck: "false" })]],
      say: (done) => `Redeemed: ${done.offer ? `bundle ${done.offer}` : `${done.amount} ${currency}`}.${repaid(done)}` },
    loans.offer && { title: "Take loan", needs: "operate", path: "/loans", note: lending(loans.offer, currency), fields: [reference()],
      say: (done) => `Lent: ${done.money.available} ${currency} are available now.` },
    { title: "Transfer", needs: "operate", path: "/transfers", read: receiver,
      fields: [["To number, address or account", input({ name: "to", required: "", autocomplete: "off", spellcheck: "false", autocapitalize: "off" })], ["Amount", input(AMOUNT)], reference()],
      say: (done) => `Sent ${done.amount} ${currency} to ${done.to}${Number(done.fee) ? ` for a fee of ${done.fee} ${currency}` : ""}.` },
    offers.length && { title: "Give bundle", needs: "operate", path: "/buckets",
      fields: [["Bundle", el("select", { name: "offer" }, offers.map((one) => el("option", { value: one.name }, `${one.name} (${one.text})`)))]],
      say: (done) => `Gave ${done.bucket.offer}.` },
    { title: "Change state", needs: "operate", method: "PATCH", path: "",
      fields: [["State", el("select", { name: "status" }, Object.entries(STATES).map(([state, means]) => el("option", { value: state }, `${state}: ${means}`)))]],
      say: (done) => `The account is ${done.status}: ${STATES[done.status]}.` },
    { title: "Change validity", needs: "operate", method: "PATCH", path: "", read: ends,
      note: "Left empty: valid for ever, never closed. An account in grace that is valid again is active again.",
      fields: [["Valid until", input({ name: "valid_until", ...TIME })], ["Grace until", input({ name: "grace_until", ...TIME })]],
      say: (done) => `The account is ${done.status}, ${lasts(done)}.` },
    { title: "Adjust", needs: "admin", path: "/adjustments", fields: [["By, with sign", input(SIGNED)], ["Reason", input({ name: "reason", required: "", ...WORDS })]],
      say: (done) => `Adjusted by ${done.amount} ${currency}.` },
  ].filter((action) => action && allowed(action.needs));
}

function lending({ amount, fee, when_below: below }, currency) {
  return `${amount} ${currency}${Number(fee) ? ` for a fee of ${fee} ${currency}` : ""}${below === null ? "" : `, while less than ${below} ${currency} is available`}.`;
}

// In words: the end of the validity, and of the grace.
export function lasts({ valid_until: end, grace_until: grace }) {
  if (end === null) return "valid for ever";
  return `valid until ${clock(end)}, ${grace === null ? "never closed" : `closed after ${clock(grace)}`}`;
}

const clock = (text) => new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

// Times are those of the operator's clock.
const ends = (fields) => Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, text === "" ? null : new Date(text).toISOString()]));

function local(text) {
  if (text === null) return "";
  const date = new Date(text);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

// What the forms begin with is what holds now; what is being typed stays.
export function settle(within, account) {
  for (const name of ["valid_until", "grace_until"]) {
    const field = within.querySelector(`[name=${name}]`);
    if (field) field.defaultValue = local(account[name]);
  }
  for (const option of within.querySelectorAll("[name=status] option")) option.toggleAttribute("selected", option.value === account.status);
}

async function receiver(fields) {
  return { ...fields, to: (await find(fields.to.trim())).id };
}

// ``changed`` is awaited after each thing that was done.
export function actions(account, loans, changed) {
  const offered = known(account, loans);
  if (!offered.length) return [nothing("Your token may look and not change.")];
  const forms = offered.map((action, place) => form(action, `action-${place}`, account.id, changed));
  const buttons = offered.map((action, place) => el("button", { class: "plain", type: "button", "aria-controls": `action-${place}` }, action.title));
  const open = (chosen) => forms.forEach((one, place) => {
    one.hidden = place !== chosen;
    buttons[place].setAttribute("aria-expanded", place === chosen);
  });
  buttons.forEach((button, place) => {
    button.addEventListener("click", () => {
      open(forms[place].hidden ? place : -1);
      forms[place].querySelector("input, select")?.focus();
    });
    forms[place].addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      open(-1);
      button.focus();
    });
  });
  open(0);
  return [el("div", { class: "actions", role: "group", "aria-label": "Actions" }, buttons), ...forms];
}

// The key stays until the change is known to be done: sent twice, it is done once.
function form(action, id, account, changed) {
  let key = newKey();
  const said = el("p", { id: `${id}-said`, class: "said", role: "status" });
  const made = el("form", { id, "aria-label": action.title },
    el("div", { class: "fields" }, action.fields.map(([label, field]) => el("label", {}, label, field)), el("button", {}, action.title)),
    action.note && nothing(action.note), said);
  const busy = (is) => made.setAttribute("aria-busy", is);
  const tell = (text, kind) => { said.textContent = text; said.className = `said ${kind}`; };
  made.addEventListener("input", () => {
    key = newKey();
    tell("", "");
    blame(made);
  });
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (made.ariaBusy === "true") return;
    busy(true);
    try {
      const fields = Object.fromEntries(new FormData(made));
      const done = await send(action.method ?? "POST", `/v1/accounts/${encodeURIComponent(account)}${action.path}`, action.read ? await action.read(fields) : fields, key);
      key = newKey();
      made.reset();
      tell(action.say(done), "ok");
      blame(made);
      setTimeout(busy, TWICE, false);
    } catch (error) {
      busy(false);
      tell(plain(error), "bad");
      blame(made, error.field, said.id);
      return;
    }
    await changed();
  });
  return made;
}

function plain(error) {
  if (error.status === undefined) return `The server cannot be reached. ${UNKNOWN}`;
  return PLAIN[error.kind] ?? (error.kind === "invalid-request" && error.detail ? error.detail : error.message);
}

// Mark the field that is at fault, if any, and go to it.
function blame(made, name, because) {
  for (const field of made.elements) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
  const field = name && made.elements.namedItem(name);
  if (!field) return;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", because);
  field.focus();
}
