// The catalogue in force, and what something would cost.

import { get, send } from "./api.js";
import { el, nothing, quantity, table } from "./parts.js";

const $ = (id) => document.getElementById(id);
const SIZES = { data: ["MB", 1e6], voice: ["seconds", 1], sms: ["messages", 1], mms: ["messages", 1], other: ["units", 1] };

export async function drawTariffs() {
  const { version, plans, offers } = await get("/v1/tariffs");
  $("catalogue").textContent = `Catalogue ${version}`;
  $("plans").replaceChildren(...plans.map(drawPlan), el("h3", {}, "Bundles"), drawOffers(offers));
  $("price-plan").replaceChildren(...plans.map((plan) => el("option", { value: plan.name }, plan.name)));
  return offers;
}

function drawPlan(plan) {
  const rows = plan.lines.map((line) => [
    line.service + (line.incoming ? ", incoming" : ""), line.conditions || "anything else", line.price,
    line.offers.join(", ") || "money only", `${line.rate} (${line.source})`,
  ]);
  const heads = [["Service", ""], ["Where", ""], ["Price", ""], ["Pays first", ""], ["Rate", ""]];
  return el("div", {}, el("h3", {}, plan.name, " ", el("small", {}, plan.currency)),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `Plan ${plan.name}` }, table(el("table"), heads, rows, "No lines.")));
}

function drawOffers(offers) {
  const days = (validity) => (validity ? `${Math.round(validity / 86400)} days` : "no fixed end");
  const rows = offers.map((offer) => [offer.name, offer.text, offer.renews || days(offer.validity), offer.conditions || "every use of its rates"]);
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Bundles" },
    table(el("table"), [["Bundle", ""], ["Holds", ""], ["Valid", ""], ["Pays for", ""]], rows, "No bundles."));
}

function asked() {
  const kind = $("price-kind").value;
  const called = $("price-called").value.trim();
  const group = $("price-group").value;
  return {
    service: { kind, ...(called && { called }) },
    units: Math.round(Number($("price-units").value) * SIZES[kind][1]),
    ...(group !== "" && { rating_group: Number(group) }),
    ...($("price-account").value.trim() ? { account: $("price-account").value.trim() } : { plan: $("price-plan").value }),
  };
}

function answer(price) {
  const items = price.items.map((item) => el("li", {}, `${quantity(item.unit, item.units, price.currency)}: ${item.price} ${price.currency}`,
    item.granted === null ? "" : `; granted ${quantity(item.unit, item.granted, price.currency)} for ${item.cost} ${price.currency}`));
  const good = price.result === "ok";
  return [el("p", { class: "figure" }, `${price.price} ${price.currency} `, el("small", { class: good ? "ok" : "warn" }, price.result)),
    el("ul", {}, items), el("ol", { class: "reasons" }, price.reasons.map((reason) => el("li", {}, reason)))];
}

export function startPricing() {
  const measure = () => { $("price-measure").textContent = SIZES[$("price-kind").value][0]; };
  $("price-kind").addEventListener("change", measure);
  measure();
  $("price").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      $("price-answer").replaceChildren(...answer(await send("POST", "/v1/price", asked())));
    } catch (error) {
      $("price-answer").replaceChildren(nothing(error.message));
    }
  });
}
