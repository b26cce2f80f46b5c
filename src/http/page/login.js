// Who is asking: the session, or a form for a token.

import { change, get } from "./api.js";
import { byId } from "./dom.js";

const parts = ["login-form", "login-refused", "login-unreachable"];

/** The session of this browser, once somebody has one. */
export async function session() {
  for (;;) {
    try {
      return await get("/session");
    } catch (problem) {
      if (problem.status === 401) return await ask();
      await hold(problem);
    }
  }
}

/** Ends the session; whether the gateway heard of it is for the caller to say. */
export const logOut = () => change("DELETE", "/session");

function show(part) {
  byId("login").hidden = false;
  for (const id of parts) byId(id).hidden = id !== part;
}

/** Says why nobody can log in now, and waits for another try. */
function hold(problem) {
  show(problem.word === "not_private" ? "login-refused" : "login-unreachable");
  // The way does not change while the page is open.
  if (problem.word === "not_private") return new Promise(() => {});
  return new Promise((again) => byId("login-again").addEventListener("click", again, { once: true }));
}

/** Shows the form until a token was right. */
function ask() {
  const [form, field, error] = [byId("login-form"), byId("token"), byId("login-error")];
  const button = form.querySelector("button");
  show("login-form");
  field.focus();
  return new Promise((loggedIn) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      error.textContent = "";
      field.removeAttribute("aria-invalid");
      try {
        const begun = await change("POST", "/session", { body: { token: field.value.trim() } });
        field.value = "";
        byId("login").hidden = true;
        loggedIn(begun);
      } catch (problem) {
        if (problem.word === "not_private") show("login-refused");
        error.textContent = words(problem);
        field.setAttribute("aria-invalid", "true");
        field.select();
      }
      button.disabled = false;
    };
  });
}

function words(problem) {
  if (problem.status === 401) return "This token is wrong, or its time is over.";
  if (problem.status === 429) return `Too many wrong tokens came from here. Try again in ${problem.retryAfter ?? 60} s.`;
  if (problem.status === 0) return "The gateway does not answer. Is it running, and is this device in its network?";
  return `The gateway refuses: ${problem.message}.`;
}
