// An event of the log in words: who, what, how, and why nobody can be named.

import { count, tame } from "./text.js";

/** Every kind that the stream may send; `tests/it/page_files.rs` holds it against the gateway's own list. */
export const KINDS = [
  "lock_action", "keypad_action", "door", "ring", "calibration", "initialisation", "logging", "door_sensor_logging",
  "firmware_update", "state_change", "intent_failed", "gap", "reset", "unknown_entry", "retention", "erasure",
];

const OPENER = 2;

const ACTIONS = { 1: "unlocked", 2: "locked", 3: "opened the door", 4: "started lock ’n’ go", 5: "opened the door with lock ’n’ go", 6: "locked fully" };
const TRIED = { 1: "tried to unlock", 2: "tried to lock", 3: "tried to open the door", 4: "tried lock ’n’ go", 5: "tried lock ’n’ go", 6: "tried to lock" };
const OPENER_ACTIONS = { 1: "switched ring to open on", 2: "switched ring to open off", 3: "opened the door", 4: "switched continuous mode on", 5: "switched continuous mode off" };

const METHODS = {
  code: ["by keypad code", "keypad"],
  fingerprint: ["by fingerprint", "finger"],
  arrow_key: ["by the keypad’s arrow key", "keypad"],
  button: ["by the button on the lock", "button"],
  fob: ["by fob", "fob"],
  app: ["with the app", "phone"],
  bridge: ["through the gateway", "program"],
  auto_lock: ["by auto lock", "clock"],
  time_control: ["by time control", "clock"],
  manual: ["by hand", "hand"],
  homekit: ["through HomeKit", "phone"],
  mqtt: ["over MQTT", "program"],
  door_sensor: ["seen by the door sensor", "door"],
  device: ["by itself", "note"],
  unknown: ["", "unknown"],
};

const REASONS = {
  pin_missing: "the lock’s security PIN is not set, so its log cannot be read",
  pin_refused: "the lock refused the PIN, so its log cannot be read",
  logging_off: "the lock does not write its log",
  entry_missing: "the lock’s log has no entry for it",
  not_understood: "the log’s entry says nothing that is understood",
};

const RESULTS = {
  invalid_code: "wrong code",
  invalid_fingerprint: "unknown finger",
  rejected: "not allowed now",
  rejected_night_mode: "night mode",
  motor_blocked: "the motor was blocked",
  too_recent: "another action ran just before",
  busy: "the lock was busy",
  low_motor_voltage: "the battery is too weak",
};

const KIND_WORDS = {
  calibration: ["calibrated the lock", "note"],
  initialisation: ["set the lock up", "note"],
  ring: ["rang the bell", "bell"],
  firmware_update: ["updated its firmware", "note"],
  gap: ["cannot see what happened here: entries of the log are missing", "warning"],
  reset: ["began its log anew", "warning"],
  unknown_entry: ["wrote an entry that is not understood", "unknown"],
  retention: ["removed old events, as it was told to", "note"],
  erasure: ["had a person removed from the history", "note"],
  state_change: ["moved", "moving"],
};

/** `{who, isNamed, what, how, why, icon, refused}`; every text is harmless. */
export function describe(entry) {
  const [how, icon] = METHODS[entry.method] ?? [`by ${plain(entry.method)}`, "unknown"];
  const described = { how, icon, why: "", refused: entry.refused, ...who(entry), ...what(entry) };
  if (entry.attribution === "unknown" && described.isPerson) described.why = REASONS[entry.reason] ?? plain(entry.reason ?? "");
  const marks = [];
  if (entry.autoUnlock) marks.push("by coming near");
  if (entry.presses) marks.push(count(entry.presses, "press", "presses"));
  if (marks.length > 0) described.how = `${described.how} (${marks.join(", ")})`;
  if (entry.refused) described.icon = "refused";
  return described;
}

function who(entry) {
  const other = (text) => ({ who: text, isNamed: false, isPerson: false });
  const somebody = (text) => ({ who: text, isNamed: false, isPerson: true });
  const client = entry.client;
  if (client && (entry.method === "bridge" || entry.kind === "intent_failed")) {
    return { who: tame(client), isNamed: true, isPerson: true, isClient: true };
  }
  if (entry.kind === "erasure") return other("The owner");
  if (entry.kind === "gap" || entry.kind === "retention") return other("Keyturner");
  if (entry.kind === "intent_failed") return other("A program");
  if (entry.name !== "") return { who: tame(entry.name), isNamed: true, isPerson: true };
  if (["reset", "firmware_update", "unknown_entry"].includes(entry.kind)) return other("The lock");
  if (["auto_lock", "time_control", "device"].includes(entry.method)) return other("The lock");
  if (entry.kind === "door" && entry.action === 242) return other("The lock");
  if (entry.kind === "ring" || ["invalid_code", "invalid_fingerprint"].includes(entry.completionStatus)) return somebody("Somebody");
  if (entry.attribution === "pending") return somebody("Not known yet");
  if (entry.codeId) return somebody(`Keypad code ${entry.codeId}`);
  if (entry.attribution === "matched" && entry.authId) return somebody(`Authorization ${entry.authId}`);
  if (entry.attribution === "unknown") return somebody("Unknown");
  return somebody("Somebody");
}

function what(entry) {
  switch (entry.kind) {
    case "door":
      if (entry.action === 240) return { what: "opened the door", icon: "door" };
      if (entry.action === 241) return { what: "closed the door", icon: "door" };
      return { what: "reports trouble with the door sensor", icon: "warning", how: "" };
    case "logging":
      return { what: `switched the lock’s log ${entry.action === 255 ? "off" : "on"}`, icon: "note" };
    case "door_sensor_logging":
      return { what: `switched the door sensor’s log ${entry.action === 251 ? "off" : "on"}`, icon: "note" };
    case "intent_failed":
      return { what: `asked for what was not done${entry.detail ? `: ${tame(entry.detail)}` : ""}`, icon: "warning", how: "" };
    case "lock_action":
    case "keypad_action":
      return { what: action(entry) };
    default: {
      const [words, icon] = KIND_WORDS[entry.kind] ?? [plain(entry.kind), "note"];
      return { what: words, icon, how: entry.kind === "state_change" ? METHODS[entry.method]?.[0] ?? "" : "" };
    }
  }
}

function action(entry) {
  const failed = entry.refused;
  const result = RESULTS[entry.completionStatus] ?? plain(entry.completionStatus ?? "");
  const of = entry.deviceType === OPENER ? OPENER_ACTIONS : failed ? TRIED : ACTIONS;
  if (entry.method === "auto_lock" && !failed) return "locked itself";
  const words = of[entry.action] ?? (entry.method === "fob" || entry.method === "button" ? "pressed it" : "did something");
  return failed && result !== "" && result !== "success" ? `${words}: ${result}` : words;
}

const plain = (word) => tame(word).replaceAll("_", " ");
