// The locks: what state each is in, how it is, and what may be asked of it.

import { get } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { ago, clock, sentence, tame, whole } from "./text.js";

const OPENER = 2;
const CONTINUOUS = 3;

/** The numbers of the Bridge API. */
const LOCK_STATES = {
  0: "uncalibrated", 1: "locked", 2: "unlocking", 3: "unlocked", 4: "locking", 5: "unlatched", 6: "unlocked_lock_n_go", 7: "unlatching",
  252: "calibration", 253: "boot_run", 254: "motor_blocked",
};
const OPENER_STATES = { 0: "untrained", 1: "online", 3: "ring_to_open", 5: "open", 7: "opening", 253: "boot_run" };
const DOOR_STATES = { 2: "closed", 3: "opened", 4: "door_state_unknown", 5: "calibrating", 16: "uncalibrated", 240: "tampered" };

/** A lock of `/v1/locks` as it is shown. A state of newer firmware keeps the name that the gateway has for it. */
function shaped(lock) {
  const last = lock.lastKnownState ?? {};
  const isOpener = lock.deviceType === OPENER;
  return {
    nukiId: lock.nukiId,
    name: lock.name,
    deviceType: lock.deviceType,
    actions: lock.actions,
    lastRing: lock.ringDate,
    readAt: last.date,
    stateName: (isOpener ? OPENER_STATES : LOCK_STATES)[last.state] ?? last.stateName,
    isContinuous: isOpener && last.mode === CONTINUOUS,
    doorSensor: DOOR_STATES[last.doorsensorState],
    batteryCritical: last.batteryCritical,
    batteryCharge: last.batteryChargeState,
    batteryCharging: last.batteryCharging,
    keypadBatteryCritical: last.keypadBatteryCritical,
  };
}

/** Words, symbol and tone of each state. */
const STATES = {
  locked: ["Locked", "locked", "good"],
  unlocked: ["Unlocked", "unlocked", "open"],
  unlatched: ["Open", "door", "open"],
  unlocked_lock_n_go: ["Unlocked, locks by itself", "unlocked", "open"],
  unlocking: ["Unlocking …", "moving", "open"],
  locking: ["Locking …", "moving", "good"],
  unlatching: ["Opening …", "moving", "open"],
  motor_blocked: ["Motor blocked", "warning", "bad"],
  uncalibrated: ["Not calibrated", "warning", "bad"],
  calibration: ["Calibrating …", "moving", "calm"],
  boot_run: ["Starting …", "moving", "calm"],
  online: ["Ready", "bell", "calm"],
  ring_to_open: ["Opens at the next ring", "bell", "open"],
  open: ["Open", "door", "open"],
  opening: ["Opening …", "moving", "open"],
  untrained: ["Not trained", "warning", "bad"],
};

const DOORS = {
  closed: "Door closed", opened: "Door open", door_state_unknown: "Door not known", calibrating: "Door sensor calibrating",
  uncalibrated: "Door sensor not calibrated", tampered: "Door sensor removed",
};

/** Each action: the button's words, the question with the lock's name, and what will happen. */
export const ACTIONS = {
  lock: ["Lock", (name) => `Lock ${name}?`, "The bolt is thrown."],
  unlock: ["Unlock", (name) => `Unlock ${name}?`, "The bolt is drawn back. With a handle outside the door can be opened then; with a knob it stays shut."],
  unlatch: ["Open door", (name) => `Open ${name}?`, "The latch is pulled: the door can be pushed open from outside."],
  open: ["Open door", (name) => `Open ${name}?`, "The electric strike is released: the door can be pushed open."],
  activate_ring_to_open: ["Ring to open on", (name) => `Ring to open on, at ${name}?`, "The next ring opens the door."],
  deactivate_ring_to_open: ["Ring to open off", (name) => `Ring to open off, at ${name}?`, "No ring opens the door any more."],
  activate_continuous_mode: ["Continuous mode on", (name) => `Continuous mode on, at ${name}?`, "Every ring opens the door, until this is switched off."],
  deactivate_continuous_mode: ["Continuous mode off", (name) => `Continuous mode off, at ${name}?`, "No ring opens the door any more."],
};

export class Locks {
  /** `asked(lock, action)` when somebody wants a lock to do something; `changed(locks)` when there are others than before. */
  constructor(asked, changed) {
    this.asked = asked;
    this.changed = changed;
    this.locks = [];
    this.shown = "";
  }

  name(nukiId) {
    const lock = this.locks.find((known) => known.nukiId === nukiId);
    return lock === undefined ? `Lock ${nukiId.toString(16).toUpperCase().padStart(8, "0")}` : tame(lock.name);
  }

  /** Asks how they are, and shows it. */
  async load() {
    const [list, health] = await Promise.all([get("/locks"), get("/health")]);
    const locks = list.locks.map(shaped);
    const ids = (list) => list.map((lock) => `${lock.nukiId} ${lock.name}`).join("\n");
    const others = ids(locks) !== ids(this.locks);
    this.locks = locks;
    if (others) this.changed(locks);
    this.show(health);
  }

  show(health) {
    const now = new Date();
    const of = new Map(health.locks.map((lock) => [lock.nukiId, lock]));
    // Buttons stay the same elements as long as nothing about them changes, so that nobody loses their place.
    const text = JSON.stringify([this.locks, health.locks.map((lock) => [lock.attention, lock.rssi, seen(lock, now)]), health.radio]);
    if (text === this.shown) return;
    this.shown = text;
    const focused = document.activeElement?.dataset?.action;
    byId("notices").replaceChildren(...notices(health));
    byId("locks").replaceChildren(...this.locks.map((lock) => this.card(lock, of.get(lock.nukiId), now)));
    if (this.locks.length === 0) byId("locks").append(el("li", { class: "card empty" }, "No lock is paired, or none is in this token’s reach."));
    if (focused !== undefined) document.querySelector(`[data-action="${focused}"]`)?.focus();
  }

  card(lock, health, now) {
    const [words, symbol, tone] = STATES[lock.stateName] ?? [lock.stateName === undefined ? "Not read yet" : tame(lock.stateName).replaceAll("_", " "), "unknown", "calm"];
    const id = `lock-${lock.nukiId}`;
    const state = lock.isContinuous ? "Opens at every ring" : words;
    return el(
      "li",
      { class: `card lock is-${tone}`, "aria-labelledby": id, "data-lock": lock.nukiId },
      el("div", { class: "lock-head" }, el("span", { class: "badge" }, icon(symbol)), el("div", {}, el("h3", { id }, el("bdi", {}, tame(lock.name))), el("p", { class: "state" }, state, readAt(lock)))),
      el("ul", { class: "facts" }, ...facts(lock, health, now).map(([symbol, text, isBad]) => el("li", { class: isBad ? "bad" : null }, icon(symbol), text))),
      ...(health?.attention ?? []).map((text) => el("p", { class: "attention" }, icon("warning"), el("span", {}, sentence(text)))),
      this.buttons(lock),
    );
  }

  buttons(lock) {
    // What few people use, such as lock 'n' go, is left to the app.
    const known = Object.keys(ACTIONS).filter((action) => lock.actions.includes(action) && suits(lock, action));
    if (known.length === 0) return null;
    const button = (action) =>
      el("button", { type: "button", class: action === likely(lock) ? "primary" : null, "data-action": `${lock.nukiId} ${action}`, click: () => this.asked(lock, action) },
        ACTIONS[action][0], el("span", { class: "visually-hidden" }, ` ${tame(lock.name)}`));
    return el("div", { class: "actions" }, ...known.map(button));
  }
}

/** What is most likely wanted. */
function likely(lock) {
  if (lock.deviceType === OPENER) return "open";
  return lock.stateName === "locked" ? "unlock" : "lock";
}

/** Of two opposites an Opener is offered the one that changes something. */
function suits(lock, action) {
  const rings = lock.stateName === "ring_to_open";
  switch (action) {
    case "activate_ring_to_open": return !rings && !lock.isContinuous;
    case "deactivate_ring_to_open": return rings && !lock.isContinuous;
    case "activate_continuous_mode": return !lock.isContinuous;
    case "deactivate_continuous_mode": return lock.isContinuous;
    default: return true;
  }
}

function readAt(lock) {
  if (lock.readAt === undefined) return null;
  const at = new Date(lock.readAt);
  return el("span", { class: "since" }, " · read ", el("time", { datetime: lock.readAt, title: whole(at) }, clock(at)));
}

const seen = (health, now) => (health?.lastContact === undefined ? "Not heard since the start" : `Heard ${ago(new Date(health.lastContact), now)}`);

function facts(lock, health, now) {
  const list = [];
  if (lock.doorSensor !== undefined && DOORS[lock.doorSensor] !== undefined) list.push(["door", DOORS[lock.doorSensor], lock.doorSensor === "tampered"]);
  if (lock.batteryCritical !== undefined) {
    const charge = lock.batteryCharge === undefined ? "" : ` ${lock.batteryCharge} %`;
    const words = lock.batteryCritical ? `Battery low${charge}: change it` : `Battery${charge === "" ? " good" : charge}`;
    list.push(["battery", lock.batteryCharging ? `${words}, charging` : words, lock.batteryCritical]);
  }
  if (lock.keypadBatteryCritical) list.push(["keypad", "Keypad battery low: change it", true]);
  if (lock.lastRing !== undefined) list.push(["bell", `Rang ${ago(new Date(lock.lastRing), now)}`, false]);
  if (health !== undefined) list.push(["signal", seen(health, now) + (health.rssi === undefined ? "" : `, ${health.rssi} dBm`.replace("-", "−")), health.lastContact === undefined]);
  return list;
}

/** What is wrong with the gateway itself. */
function notices(health) {
  if (health.radio.isListening) return [];
  const text = health.radio.problem === undefined ? "The radio has not begun to listen." : `No lock can be heard. ${sentence(health.radio.problem)}`;
  return [el("li", { class: "card notice" }, icon("warning"), el("span", {}, text))];
}
