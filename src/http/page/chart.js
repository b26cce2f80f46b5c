// Comings and goings: how often doors were opened and locked, by hour of the day and by day of the week.

import { get } from "./api.js";
import { byId, el, svg } from "./dom.js";
import { offset } from "./text.js";

const WEEKS = 4;
const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const two = (number) => String(number).padStart(2, "0");

let asked = 0;

/** Shows what fits the filter. */
export async function chart({ user, nukiId }) {
  const mine = (asked += 1);
  const now = new Date();
  const from = new Date(now);
  from.setDate(from.getDate() - 7 * WEEKS);
  from.setHours(0, 0, 0, 0);
  const query = { user, nukiId, from: from.toISOString(), to: now.toISOString(), tz: offset(now) };
  const answer = await get("/history/counts", query).catch((problem) => problem);
  if (mine !== asked) return;
  if (answer instanceof Error) {
    byId("chart-body").replaceChildren(el("p", { class: "empty" }, `The chart cannot be shown: ${answer.message}.`));
    return;
  }
  const hours = HOURS.map((hour) => ({ label: `${two(hour)}:00`, short: hour % 6 === 0 ? two(hour) : "", opened: 0, locked: 0 }));
  const days = DAYS.map((day) => ({ label: day, short: day.slice(0, 2), opened: 0, locked: 0 }));
  for (const { hour, opened, locked } of answer.counts) {
    // Each hour by this device's clock as it was then, summer time included.
    const at = new Date(hour);
    for (const bin of [hours[at.getHours()], days[(at.getDay() + 6) % 7]]) {
      bin.opened += opened;
      bin.locked += locked;
    }
  }
  byId("chart-range").textContent = `The last ${WEEKS} weeks, by this device’s clock.`;
  const isEmpty = answer.counts.length === 0;
  byId("chart-body").replaceChildren(
    ...(isEmpty
      ? [el("p", { class: "empty" }, "Nothing was opened or locked.")]
      : [bars("By hour of the day", "Hour", hours), bars("By day of the week", "Day", days)]),
  );
}

const WIDTH = 336;
const HEIGHT = 96;
const FOOT = 16;
const HEAD = 12;

function bars(title, unit, bins) {
  const most = Math.max(1, ...bins.map((bin) => bin.opened + bin.locked));
  const step = WIDTH / bins.length;
  const gap = Math.max(2, step * 0.22);
  const high = (number) => (number / most) * (HEIGHT - HEAD);
  const drawing = svg("svg", { class: "bars", viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, role: "img", "aria-label": summary(title, bins) });
  drawing.append(svg("path", { class: "ground", d: `M0 ${HEIGHT + 0.5}H${WIDTH}` }));
  bins.forEach((bin, index) => {
    const x = index * step + gap / 2;
    const [opened, locked] = [high(bin.opened), high(bin.locked)];
    const bar = svg("g", {}, svg("title", {}, `${bin.label}: opened ${bin.opened}, locked ${bin.locked}`));
    if (opened > 0) bar.append(svg("rect", { class: "opened", x, y: HEIGHT - opened, width: step - gap, height: opened }));
    // A thin line between the two, so that they are told apart without colour too.
    if (locked > 0) bar.append(svg("rect", { class: "locked", x, y: HEIGHT - opened - locked, width: step - gap, height: Math.max(0.5, locked - 1) }));
    if (bin.opened + bin.locked === most) {
      bar.append(svg("text", { class: "peak", x: x + (step - gap) / 2, y: HEIGHT - opened - locked - 3, "text-anchor": "middle" }, String(most)));
    }
    if (bin.short !== "") {
      const middle = bins.length > 12 ? x : x + (step - gap) / 2;
      bar.append(svg("text", { x: middle, y: HEIGHT + 13, "text-anchor": bins.length > 12 ? "start" : "middle" }, bin.short));
    }
    drawing.append(bar);
  });
  const head = el("tr", {}, ...[unit, "Opened", "Locked"].map((text) => el("th", { scope: "col" }, text)));
  const rows = bins.map((bin) => el("tr", {}, el("th", { scope: "row" }, bin.label), el("td", {}, String(bin.opened)), el("td", {}, String(bin.locked))));
  const table = el("table", {}, el("caption", { class: "visually-hidden" }, title), el("thead", {}, head), el("tbody", {}, ...rows));
  return el("figure", {}, el("figcaption", {}, title), drawing, el("details", {}, el("summary", {}, "As a table"), table));
}

function summary(title, bins) {
  const of = (bin) => bin.opened + bin.locked;
  const busiest = bins.reduce((most, bin) => (of(bin) > of(most) ? bin : most));
  const sum = (key) => bins.reduce((total, bin) => total + bin[key], 0);
  return `${title}: opened ${sum("opened")} times, locked ${sum("locked")} times, most at ${busiest.label}. The table below has each number.`;
}
