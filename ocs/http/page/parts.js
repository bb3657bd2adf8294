// Small parts of the page: elements, figures, sparklines, bars. No state.

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function table(node, heads, rows, empty) {
  if (!rows.length) {
    node.replaceChildren(el("tbody", {}, el("tr", {}, el("td", {}, empty))));
    return node;
  }
  const head = heads.map(([text, kind]) => el("th", { scope: "col", class: kind }, text));
  const body = rows.map((row) => el("tr", {}, row.map((cell, i) => el("td", { class: heads[i][1] }, cell))));
  node.replaceChildren(el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
  return node;
}

export const pairs = (rows) => el("dl", {}, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

export const nothing = (text, id) => el("p", { class: "note", id }, text);

// How often what happened, most often first.
export function codes(name, counts) {
  const sorted = Object.entries(counts).filter(([, count]) => count).sort((a, b) => b[1] - a[1]).slice(0, 8);
  if (!sorted.length) return null;
  return el("p", { class: "codes" }, el("span", { class: "name" }, name), sorted.map(([code, count]) => el("span", {}, `${code}: ${count.toLocaleString("en")}`)));
}

// The duration in seconds within which ``share`` of what came between two readings of a histogram was done.
export function percentile(before, now, share) {
  const counts = now.map((one, i) => one.count - (before[i]?.count ?? 0));
  const all = counts.at(-1) ?? 0;
  if (!all) return null;
  const goal = share * all;
  const i = counts.findIndex((count) => count >= goal);
  const [low, under] = i ? [now[i - 1].seconds, counts[i - 1]] : [0, 0];
  const high = now[i].seconds;
  return high === null ? low : low + ((high - low) * (goal - under)) / (counts[i] - under || 1);
}

export function seconds(value) {
  if (value === null) return "–";
  if (value < 1) return `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`;
  return value < 120 ? `${value.toFixed(1)} s` : `${Math.round(value / 60)} min`;
}

export function quantity(unit, value, currency) {
  if (unit === "octets") {
    for (const [size, name] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
      if (value >= size) return `${(value / size).toLocaleString("en", { maximumFractionDigits: 2 })} ${name}`;
    }
    return `${value} octets`;
  }
  if (unit === "seconds") {
    return value < 60 ? `${value} s` : `${Math.floor(value / 60)}:${String(value % 60).padStart(2, "0")} min`;
  }
  if (unit === "events") return `${value} event${value === 1 ? "" : "s"}`;
  return `${value} ${currency}`;
}

export const rate = (value) => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));

export function when(text) {
  const date = new Date(text);
  const sameDay = date.toDateString() === new Date().toDateString();
  const day = sameDay ? "" : date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" }) + ", ";
  return el("time", { datetime: text, title: date.toISOString() }, day + date.toLocaleTimeString("en-GB"));
}

export function until(text) {
  const seconds = Math.round((new Date(text) - Date.now()) / 1000);
  if (seconds < 0) return "over";
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 60;
const HEIGHT = 20;

export function sparkline(points, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH - 1} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const top = Math.max(1, ...points.map((point) => point.all));
  const line = (value) =>
    points.map((point, i) => `${WIDTH - points.length + i},${(HEIGHT - (value(point) / top) * HEIGHT).toFixed(2)}`);
  const add = (name, kind, places) => {
    const shape = document.createElementNS(SVG, name);
    shape.setAttribute("class", kind);
    shape.setAttribute("points", places.join(" "));
    svg.append(shape);
  };
  if (points.length > 1) {
    const all = line((point) => point.all);
    add("polygon", "area", [`${WIDTH - points.length},${HEIGHT}`, ...all, `${WIDTH - 1},${HEIGHT}`]);
    add("polyline", "line", all);
    if (points.some((point) => point.refused)) add("polyline", "refused", line((point) => point.refused));
  }
  return svg;
}

// A bar of what is left and what is reserved of a whole; what is neither is used.
export function bar(label, whole, left, held) {
  const share = (value) => `${Math.max(0, Math.min(100, (100 * Number(value)) / (Number(whole) || 1)))}%`;
  const parts = [["left", left], ["held", held]].map(([kind, value]) => {
    const part = el("div", { class: kind });
    part.style.width = share(value);
    return part;
  });
  return el("div", { class: "bar", role: "img", "aria-label": label }, parts);
}

export function bucket(one, currency) {
  const say = (value) => quantity(one.unit, value, currency);
  const label = `${say(one.remaining)} left and ${say(one.reserved)} reserved of ${say(one.initial)}`;
  const end = one.good_for ? `good for ${quantity("seconds", one.good_for)} from its first use` : one.expires_at ? `ends in ${until(one.expires_at)}` : "no end";
  const span = Date.parse(one.starts_at) > Date.now() ? `begins in ${until(one.starts_at)}, ${end}` : end;
  return el("div", { class: "bucket" },
    el("p", {}, el("strong", {}, one.offer), el("span", { class: "names" }, span)),
    bar(label, one.initial, one.remaining, one.reserved),
    el("p", { class: "names" }, el("span", {}, `${say(one.remaining)} left`), el("span", {}, `${say(one.reserved)} reserved`), el("span", {}, `of ${say(one.initial)}`)));
}

// What is counted in a period: use and money, and how far both may go.
export function meter(one, currency) {
  const upto = (value, limit, say) => say(value) + (limit === null ? "" : ` of ${say(limit)}`);
  const said = [
    one.unit && upto(one.used, one.limit, (value) => quantity(one.unit, value, currency)),
    upto(one.spent, one.cap, (value) => `${value} ${currency}`),
    one.lifted && "limits lifted",
  ];
  return el("p", { class: "meter" }, el("strong", {}, one.name), el("span", {}, said.filter(Boolean).join(", ")), el("span", { class: "names" }, `ends in ${until(one.ends_at)}`));
}
