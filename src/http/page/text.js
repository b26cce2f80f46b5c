// Words and times for people.

// Control characters, marks of direction, line separators: what can make a text look like another one.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** A text from the air, harmless to look at. */
export const tame = (text) => String(text).replace(UNPRINTABLE, "\ufffd");

/** What the gateway says of itself, as a sentence: commands stand in backticks there. */
export function sentence(text) {
  const words = tame(text).replace(/`([^`]*)`/gu, "‘$1’");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const WHOLE = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "medium" });

/** `07:42`, by this device's clock and zone. */
export const clock = (date) => CLOCK.format(date);

/** Date, time and seconds. */
export const whole = (date) => WHOLE.format(date);

/** `Today`, `Yesterday`, `Monday 23 November`. */
export function day(date, now = new Date()) {
  const midnight = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
  // Days are not all of 24 hours.
  const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (date.getFullYear() === now.getFullYear() ? DAY : DAY_OF_YEAR).format(date);
}

/** `just now`, `5 min ago`, `3 h ago`, `2 days ago`. */
export function ago(date, now = new Date()) {
  const minutes = Math.floor((now - date) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ago`;
  return `${Math.floor(hours / 24)} days ago`;
}

/** `1 event`, `2 events`. */
export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** This device's offset from UTC, as `+01:00`. */
export function offset(date = new Date()) {
  const minutes = -date.getTimezoneOffset();
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
}
