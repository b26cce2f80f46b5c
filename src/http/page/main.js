// Puts the page together: who is asking, what they may see, what is new.

import { confirm } from "./act.js";
import { get, onSessionOver } from "./api.js";
import { chart } from "./chart.js";
import { byId } from "./dom.js";
import { History } from "./history.js";
import { follow } from "./live.js";
import { Locks } from "./locks.js";
import { logOut, session } from "./login.js";
import { tame } from "./text.js";

/** While something is under way its lock is looked at so often. */
const GLANCE_EVERY = 700;
/** After an event the lock may still move: looked at so often, so many times. */
const GLANCES = 6;

/** What was begun for the session, and ends with it. */
let stream = null;

async function begin() {
  byId("house").hidden = true;
  byId("who-am-i").hidden = true;
  byId("link-state").hidden = true;
  const { name, scopes } = await session();
  const may = { read: scopes.includes("read"), history: scopes.includes("history") };
  byId("token-name").textContent = tame(name);
  byId("who-am-i").hidden = false;
  byId("house").hidden = false;
  linkState("wait", "Connecting …");

  const history = new History((id) => locks.name(id), (filter) => chart(filter));
  const locks = new Locks(ask, (list) => {
    history.setLocks(list);
    if (history.entries.size > 0) history.show();
  });
  hideWhatIsNotAllowed(may);

  // Nothing in the log says that a motor runs, so the locks are looked at while something happens.
  let glances = 0;
  let glancing = null;
  const look = async () => {
    if (may.read) await locks.load();
    else if (may.history) await get("/history", { limit: 1 });
  };
  const glance = (times) => {
    glances = Math.max(glances, times);
    glancing ??= setTimeout(async function again() {
      glances -= 1;
      await look().catch(() => {});
      glancing = glances > 0 ? setTimeout(again, GLANCE_EVERY) : null;
    }, 0);
  };

  let charting = null;
  const chartSoon = () => {
    clearTimeout(charting);
    charting = setTimeout(() => chart(history.filter()), 2_000);
  };

  function ask(lock, action) {
    confirm(lock, action, {
      underWay: (isUnderWay) => glance(isUnderWay ? 40 : GLANCES),
      done: tell,
    });
  }

  await look().catch(() => {});
  stream = follow({
    mayListen: may.history,
    look,
    opened: async (isNew) => {
      stream.isLost = false;
      linkState("live", "Live");
      if (!isNew || !may.history) return;
      await Promise.all([history.load(), history.loadPeople().catch(() => {}), chart(history.filter())]);
    },
    row: async (row) => {
      glance(GLANCES);
      chartSoon();
      await history.take(row);
    },
    removed: () => history.load(),
    lost: () => {
      stream.isLost = true;
      linkState("lost", LOST);
    },
  });
}

const LOST = "Connection lost, trying again …";

/** Whether what is shown is live. Said aloud only when it changes. */
function linkState(state, text) {
  const place = byId("link-state");
  place.hidden = false;
  place.dataset.state = state;
  if (place.textContent !== text) place.textContent = text;
}

/** What became of something that was asked for. */
function tell(text, tone) {
  byId("told").textContent = text;
  byId("told").dataset.tone = tone;
}

function hideWhatIsNotAllowed(may) {
  const missing = Object.keys(may).filter((scope) => !may[scope]);
  byId("missing").hidden = missing.length === 0;
  const what = { read: "the locks", history: "the history" };
  byId("missing").textContent = `This token does not show ${missing.map((scope) => `${what[scope]} (scope ${scope})`).join(" and ")}.`;
  for (const [selector, isAllowed] of [[".history", may.history], [".chart", may.history], ["[aria-labelledby=locks-title]", may.read]]) {
    document.querySelector(selector).hidden = !isAllowed;
  }
}

function end() {
  stream?.stop();
  stream = null;
  if (byId("confirm").open) byId("confirm").close();
  tell("", "");
  for (const id of ["events", "locks", "notices", "chart-body", "filter-person", "filter-lock"]) byId(id).replaceChildren();
}

byId("log-out").addEventListener("click", async () => {
  try {
    await logOut();
  } catch (problem) {
    if (problem.status !== 401) return linkState("lost", "Not logged out: the gateway does not answer.");
  }
  end();
  begin();
});

onSessionOver(() => {
  if (stream === null) return;
  end();
  begin();
});

begin();
