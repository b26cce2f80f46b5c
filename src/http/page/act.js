// Having a lock do something: a question, one request, an honest answer.
//
// Each confirmation has a key of its own. Whatever is sent again bears the same key, so the gateway does it once at most.
// Nothing is ever sent again by itself.

import { change } from "./api.js";
import { byId } from "./dom.js";
import { ACTIONS } from "./locks.js";
import { tame } from "./text.js";

/** The gateway answers within 15 s. */
const WITHIN = 30_000;

/** Asks for confirmation, then has it done. `done(text, tone)` is told what became of it, `underWay(is)` whether something is. */
export function confirm(lock, action, { done, underWay }) {
  const [dialog, yes, no, outcome] = ["confirm", "confirm-yes", "confirm-no", "confirm-outcome"].map(byId);
  const [words, question, effect] = ACTIONS[action];
  const name = tame(lock.name);
  const key = newKey();
  byId("confirm-title").textContent = question(name);
  byId("confirm-text").textContent = effect;
  say("");
  yes.textContent = words;
  yes.hidden = false;
  yes.disabled = false;
  no.textContent = "Cancel";
  yes.onclick = send;
  no.onclick = () => dialog.close();
  // The button may have been made anew meanwhile; whoever uses the keyboard is to be where they were.
  dialog.onclose = () => document.querySelector(`[data-action="${lock.nukiId} ${action}"]`)?.focus();
  dialog.showModal();
  no.focus();

  function say(text, tone = "") {
    outcome.textContent = text;
    outcome.dataset.tone = tone;
  }

  async function send() {
    if (yes.disabled) return;
    yes.disabled = true;
    no.textContent = "Close";
    say(`Asking ${name} … this may take fifteen seconds.`);
    underWay(true);
    try {
      const answer = await change("POST", `/locks/${lock.nukiId}/actions`, { key, body: { action }, within: WITHIN });
      if (answer.outcome !== "done") throw answer;
      if (dialog.open) dialog.close();
      done(`${name}: ${words} – done.`, "good");
    } catch (problem) {
      const [text, again] = explain(problem);
      say(text, "bad");
      done(`${name}: ${words} – ${text}`, "bad");
      yes.hidden = again === null;
      yes.textContent = again ?? "";
      yes.disabled = false;
      if (yes.hidden) no.focus();
    }
    underWay(false);
  }
}

/** What became of it, and the words of the button that asks again under the same key, where that is of use. */
function explain(problem) {
  switch (problem.outcome) {
    case "unknown":
      return ["It was sent, and nobody can tell whether the lock did it. Look at the door and the history.", null];
    case "refused":
      return [`Not done: ${tame(problem.message)}.`, null];
  }
  switch (problem.status) {
    case 0:
      return ["No answer came, so it may have been done or not. Asking again does not do it twice.", "Ask what became of it"];
    case 503:
      return [`Nothing was sent: ${tame(problem.message)}.`, "Try again"];
    case 401:
      return ["Nothing was sent: you are logged out.", null];
    case 403:
      return ["Nothing was sent: this token does not allow it.", null];
    case 429:
      return [`Nothing was sent: too much was asked. Try again in ${problem.retryAfter ?? 60} s.`, "Try again"];
    default:
      return [`The gateway says: ${tame(problem.message)}.`, null];
  }
}

/** 128 random bits. `crypto.randomUUID` is missing where the page came by plain HTTP. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
