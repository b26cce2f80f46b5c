// The live stream: each stored row once, in order, over every interruption.

import { KINDS } from "./event.js";

/** How often the locks are asked for anyway: batteries and signals are in no event. */
const LOOK_EVERY = 20_000;
const AGAIN_AFTER = [1_000, 2_000, 5_000, 10_000];

/**
 * Follows the event log until `stop` is called.
 *
 * `opened(isNew)`: the stream is open; if it is new, whatever was shown may have gaps and is to be read again. `row(entry)`: a row was
 * stored. `removed()`: rows are gone. `lost()`: nothing can be heard. `look()`: time to look at the locks; fails if the gateway does not answer.
 */
export function follow({ mayListen, opened, row, removed, lost, look }) {
  let source = null;
  let last = null;
  let failures = 0;
  let timer = null;
  let ended = false;

  const stop = () => {
    ended = true;
    clearTimeout(timer);
    clearInterval(ticks);
    document.removeEventListener("visibilitychange", glance);
    source?.close();
  };

  const listen = () => {
    if (ended || !mayListen) return;
    source?.close();
    // Without a number to go on from, the stream begins now: then what was shown has to be read again.
    const from = last === null ? "" : `?lastEventId=${encodeURIComponent(last)}`;
    const mine = (source = new EventSource(`/v1/events${from}`));
    mine.onopen = () => {
      if (mine !== source) return;
      failures = 0;
      opened(last === null);
    };
    mine.onerror = () => {
      if (mine !== source) return;
      lost();
      // A browser that goes on by itself would begin "now" if it has no number yet, or go on with a session that is over.
      again();
    };
    const take = (message) => {
      if (mine !== source) return;
      last = message.lastEventId;
      row(JSON.parse(message.data));
    };
    for (const kind of KINDS) mine.addEventListener(kind, take);
    mine.addEventListener("removed", (message) => {
      last = message.lastEventId;
      removed();
    });
  };

  const again = () => {
    source?.close();
    source = null;
    clearTimeout(timer);
    timer = setTimeout(check, AGAIN_AFTER[Math.min(failures, AGAIN_AFTER.length - 1)]);
    failures += 1;
  };

  /** Listens again once the gateway answers. */
  const check = async () => {
    if (ended) return;
    try {
      await look();
    } catch (problem) {
      // Whoever logs in anew begins anew.
      if (problem.status !== 401) again();
      return;
    }
    // It answers, and still does not take our number: the database may be another one. Then everything is read anew.
    if (failures > 2) last = null;
    listen();
  };

  const glance = async () => {
    if (ended || document.hidden) return;
    try {
      await look();
      if (!mayListen) opened(false);
    } catch (problem) {
      // A connection that died in silence, such as a phone's that slept: the stream does not notice.
      if (problem.status === 0 && (source !== null || !mayListen)) {
        lost();
        if (mayListen) again();
      }
    }
  };

  const ticks = setInterval(glance, LOOK_EVERY);
  document.addEventListener("visibilitychange", glance);
  if (mayListen) listen();
  else glance();
  return { stop };
}
