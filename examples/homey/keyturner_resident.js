// A HomeyScript for the And column of a flow: true if a resident has just opened the door, else false. Its argument lists
// the residents, such as "code:1 auth:2". README.md beside it describes the flow. Whatever is missing, unknown or
// unexpected gives false.

// Change these.
const KEYTURNER = 'http://192.168.1.20:8080';
const TOKEN = 'THE-TOKEN'; // one that may read the history and nothing else
const NUKI_ID = 169552957;
const SECONDS = 60; // how old an opening may be

// The newest thing that moved the bolt. `state_change` is one whose log entry has not been read yet.
const QUESTION = `${KEYTURNER}/v1/history?limit=1&refused=false&nukiId=${NUKI_ID}`
  + '&kind=lock_action&kind=keypad_action&kind=state_change';
const UNLOCK = 1;
const UNLATCH = 3;
// The lock's log may be read a moment after its state.
const TRIES = 3;
const USED = 'keyturner_used';

// Numbers of people, because a name can be given twice or changed: `keyturner users` lists them. A code counts by its own
// number alone: all codes share the keypad's authorization.
const residents = ((args && args[0]) || '').split(/[\s,]+/);
const isResident = (event) => residents.includes(
  event.codeId === undefined ? `auth:${event.authId}` : `code:${event.codeId}`,
);

const isOpening = (event) => event.attribution === 'matched'
  && ['lock_action', 'keypad_action'].includes(event.kind)
  && event.refused === false
  && event.backfilled === false
  && event.client === undefined // asked for by a program, which is nobody
  && [UNLOCK, UNLATCH].includes(event.action) // lock 'n' go: whoever asks for that leaves
  && Math.abs(Date.now() - Date.parse(event.date)) < SECONDS * 1000;

for (let tries = 1; tries <= TRIES; tries += 1) {
  const answer = await fetch(QUESTION, { headers: { Authorization: `Bearer ${TOKEN}` } });
  if (!answer.ok) throw new Error(`Keyturner did not say who it was: HTTP ${answer.status}`);
  const [event] = (await answer.json()).events;
  // Each event counts once, so that an old one can never stand for what happens now.
  if (event && Number(event.id) > (global.get(USED) || 0) && event.attribution !== 'pending') {
    global.set(USED, Number(event.id));
    await tag('Keyturner who', event.name || 'somebody');
    const counts = isOpening(event) && isResident(event);
    log(`Event ${event.id}: ${counts ? 'a resident opened the door' : 'no opening by a resident'}`);
    return counts;
  }
  if (tries < TRIES) await wait(2000);
}
log('The lock has not said who it was');
return false;
