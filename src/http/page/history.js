// The history: newest first, in pages, filtered, with what comes in live put where it belongs.

import { get } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { describe } from "./event.js";
import { clock, count, day, tame, whole } from "./text.js";

const PAGE = 50;
/** Entries of the log itself after which what is shown may be gone. */
const REMOVERS = ["retention", "erasure"];

export class History {
  /** `lockName(nukiId)` names a lock; `filtered(filter)` is told of each new filter. */
  constructor(lockName, filtered) {
    this.lockName = lockName;
    this.filtered = filtered;
    this.entries = new Map();
    this.early = null;
    this.next = null;
    this.people = new Set();
    this.form = byId("filters");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => this.change());
    this.form.reset();
    byId("older").onclick = () => this.older();
  }

  /** What is asked for, in the names of /v1. */
  filter() {
    return {
      user: byId("filter-person").value,
      nukiId: byId("filter-lock").value,
      refused: byId("filter-refused").checked ? "true" : "",
    };
  }

  fits(entry) {
    const { user, nukiId, refused } = this.filter();
    return (user === "" || entry.name === user) && (nukiId === "" || String(entry.nukiId) === nukiId) && (refused === "" || entry.refused);
  }

  async change() {
    this.filtered(this.filter());
    await this.load();
  }

  /** Reads the first page anew. Rows that come in meanwhile are kept and put in afterwards. */
  async load() {
    const mine = (this.early = []);
    byId("events").setAttribute("aria-busy", "true");
    const answer = await get("/history", { ...this.filter(), limit: PAGE }).catch((problem) => problem);
    // Another filter was chosen meanwhile.
    if (this.early !== mine) return;
    this.early = null;
    byId("events").removeAttribute("aria-busy");
    if (answer instanceof Error) return this.fail(answer);
    this.entries = new Map(answer.events.map((entry) => [entry.id, entry]));
    this.next = answer.next ?? null;
    this.show();
    for (const entry of mine) await this.take(entry, false);
  }

  async older() {
    if (this.next === null) return;
    const mine = this.next;
    const button = byId("older");
    button.disabled = true;
    const answer = await get("/history", { ...this.filter(), limit: PAGE, cursor: mine }).catch((problem) => problem);
    button.disabled = false;
    if (this.next !== mine) return;
    if (answer instanceof Error) return this.fail(answer);
    for (const entry of answer.events) this.entries.set(entry.id, entry);
    this.next = answer.next ?? null;
    this.show();
    // The button stays where the reader is; when there is nothing older, the first of the new ones is the place to be.
    const first = byId("events").querySelector(`[data-id="${answer.events[0]?.id}"]`);
    if (this.next === null && first !== null) first.focus();
  }

  /** A row of the live stream. A late answer is shown in the place of the event that it answers. */
  async take(row, isNews = true) {
    if (this.early !== null) {
      this.early.push(row);
      return;
    }
    if (REMOVERS.includes(row.kind)) return this.load();
    let entry = row;
    if (row.answers !== undefined) {
      const answered = await get(`/events/${encodeURIComponent(row.answers)}`).catch(() => null);
      if (answered === null) return this.load();
      entry = answered;
    }
    const oldest = Math.min(...[...this.entries.keys()].map(Number));
    const wasShown = this.entries.has(entry.id);
    // What is older than everything shown belongs to a page that was not asked for yet.
    const isBeyond = this.next !== null && Number(entry.id) < oldest;
    if (this.fits(entry) && !isBeyond) this.entries.set(entry.id, entry);
    else if (!wasShown || !this.entries.delete(entry.id)) return;
    this.show(wasShown ? null : entry.id);
    if (isNews && this.entries.has(entry.id)) {
      const said = describe(entry);
      byId("news").textContent = `${this.lockName(entry.nukiId)}: ${said.who} ${said.what}${said.refused ? ", refused" : ""}`;
    }
    if (entry.name !== "" && !this.people.has(entry.name)) await this.loadPeople();
  }

  show(fresh = null) {
    const list = [...this.entries.values()].sort((one, other) => Number(other.id) - Number(one.id));
    const focused = document.activeElement?.dataset?.id;
    const days = [];
    for (const entry of list) {
      const label = day(new Date(entry.date));
      if (days.at(-1)?.label !== label) days.push({ label, rows: [] });
      days.at(-1).rows.push(this.row(entry, entry.id === fresh));
    }
    byId("events").replaceChildren(
      ...days.map(({ label, rows }) => el("section", { class: "day" }, el("h3", {}, label), el("ol", {}, ...rows))),
    );
    if (list.length === 0) byId("events").append(el("p", { class: "empty" }, this.emptiness()));
    byId("history-count").textContent = list.length === 0 ? "" : `${this.next === null ? "" : "latest "}${count(list.length, "event")}`;
    byId("older").hidden = this.next === null;
    if (focused !== undefined) byId("events").querySelector(`[data-id="${focused}"]`)?.focus();
  }

  emptiness() {
    return Object.values(this.filter()).every((value) => value === "") ? "Nothing has happened yet." : "No event fits these filters.";
  }

  row(entry, isFresh) {
    const said = describe(entry);
    const at = new Date(entry.date);
    const how = [said.how, this.lockName(entry.nukiId)].filter((text) => text !== "");
    const marks = [
      said.refused ? el("span", { class: "mark refused" }, "Refused") : null,
      said.isClient ? el("span", { class: "mark" }, "Program") : null,
      entry.backfilled ? el("span", { class: "mark", title: "It happened while the gateway was away." }, "Read later") : null,
    ];
    return el(
      "li",
      { class: `event${said.refused ? " is-refused" : ""}${isFresh ? " is-fresh" : ""}`, "data-id": entry.id, tabindex: "-1" },
      el("time", { datetime: entry.date, title: whole(at) }, clock(at)),
      icon(said.icon),
      el(
        "div",
        {},
        el("p", { class: "said" }, el("bdi", { class: said.isNamed ? "name" : "name nobody" }, said.who), ` ${said.what}`, ...marks.flatMap((mark) => (mark === null ? [] : [" ", mark]))),
        el("p", { class: "hint" }, how.join(" · ")),
        said.why === "" ? null : el("p", { class: "hint" }, `Nobody can be named: ${said.why}.`),
      ),
    );
  }

  fail(problem) {
    if (problem.status === 401) return;
    byId("events").replaceChildren(el("p", { class: "empty", role: "alert" }, `The history cannot be shown: ${problem.message}.`));
    byId("older").hidden = true;
  }

  /** Everybody who is or was in a lock's lists, once each. */
  async loadPeople() {
    const { users } = await get("/users");
    const names = [...new Set(users.map((user) => user.name).filter((name) => name !== ""))];
    for (const entry of this.entries.values()) if (entry.name !== "" && !names.includes(entry.name)) names.push(entry.name);
    names.sort((one, other) => one.localeCompare(other));
    this.people = new Set(names);
    choices(byId("filter-person"), "Everybody", names.map((name) => [name, tame(name)]));
  }

  /** The locks that can be chosen. */
  setLocks(locks) {
    choices(byId("filter-lock"), "Every lock", locks.map((lock) => [String(lock.nukiId), tame(lock.name)]));
    byId("filter-lock").closest("p").hidden = locks.length < 2;
  }
}

/** Fills a list of choices and keeps what was chosen. */
function choices(select, all, pairs) {
  const chosen = select.value;
  select.replaceChildren(el("option", { value: "" }, all), ...pairs.map(([value, label]) => el("option", { value }, label)));
  if (pairs.some(([value]) => value === chosen)) select.value = chosen;
}
