// homey.mjs SCRIPT: plays Homey to a HomeyScript. Takes one line of JSON, answers each with one:
//
//   {"run": ["ARGUMENT"]}   runs the script: {"returned": ...} or {"threw": ...}, with "tags" and "logged"; or, when the script
//                           waits, {"waits": MILLISECONDS} until
//   {}                      has it go on
//   {"clock": SECONDS}      Homey's clock goes ahead by so much
//
// fetch is Node's own. Globals live as long as this process, as on a Homey.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const code = readFileSync(process.argv[2], 'utf8');
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
const script = new AsyncFunction('args', 'tag', 'log', 'wait', 'global', 'fetch', 'Date', code);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const values = new Map();
const store = { get: (key) => values.get(key), set: (key, value) => { values.set(key, value); } };
let ahead = 0;
const clock = class extends Date {
  static now() { return Date.now() + ahead * 1000; }
};

for (let line = await next(); line !== undefined; line = await next()) {
  const command = JSON.parse(line);
  if (command.clock !== undefined) {
    ahead += command.clock;
    say({});
    continue;
  }
  const tags = {};
  const logged = [];
  const tag = async (name, value) => { tags[name] = value; };
  const log = (...words) => { logged.push(words.join(' ')); };
  const wait = async (milliseconds) => {
    say({ waits: milliseconds });
    await next();
  };
  try {
    say({ returned: await script(command.run, tag, log, wait, store, fetch, clock), tags, logged });
  } catch (error) {
    say({ threw: error.message, tags, logged });
  }
}
