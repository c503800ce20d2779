// The images given so far: a queue of which one at a time is answered, and a strip to choose from where there are several.
import * as asking from "./asking.js";
import { check, clearAnswer, showAnswer } from "./answer.js";
import { byId, percent, show, span } from "./parts.js";
import { clear, picture, preview } from "./picture.js";

const MOST = 100; // images in the strip; of more, the first are forgotten
let items = [];
let current = null; // the item that is shown
let wanted = null; // {item, className}: the request in progress, or the one that failed or waits for a key
let abort = null;
let displayed = null; // the answer whose classes are on the page
let onKey = () => {};

export const askForKeyBy = (ask) => { onKey = ask; };
export const isEmpty = () => !items.length;

// Take files, show the first of them, and ask for all in turn.
export function take(files) {
  const given = [...files].filter(Boolean);
  if (!given.length) return;
  const fresh = given.map((file) => ({ file, address: URL.createObjectURL(file), answer: null, heats: new Map(), failed: null, unseen: false }));
  for (const item of fresh.filter(({ file }) => !file.size)) item.failed = { words: "The file is empty.", detail: "", again: false };
  items = [...items, ...fresh];
  for (const gone of items.splice(0, Math.max(0, items.length - MOST))) URL.revokeObjectURL(gone.address);
  choose(fresh[0]);
  next();
}

// Say that something went wrong without an image.
export function problem(words, detail = "") {
  current = displayed = null;
  clearAnswer();
  clear();
  complain({ words, detail, again: false });
  strip();
}

// Ask again, as after a failure or once there is a key.
export function repeat() {
  if (!wanted) return;
  wanted.item.failed = null;
  ask(wanted.item, wanted.className);
}

function next() {
  const waiting = items.find((item) => !item.answer && !item.failed);
  if (waiting && !(abort && wanted?.item === waiting)) ask(waiting, "");
}

async function ask(item, className) {
  abort?.abort();
  const mine = abort = new AbortController();
  wanted = { item, className };
  if (item === current) shown();
  strip();
  let found;
  try {
    found = await asking.explain(item.file, className, mine.signal);
  } catch {
    return; // a newer request was made meanwhile
  }
  if (mine !== abort) return;
  abort = null;
  if (found.refused) { busy(""); strip(); onKey(); return; }
  if (found.answer && className) {
    item.answer.explained = found.answer.explained;
    item.heats.set(found.answer.explained, found.answer.heat);
  } else if (found.answer) {
    item.answer = found.answer;
    item.heats.set(found.answer.explained, found.answer.heat);
  } else {
    item.failed = found;
  }
  if (item === current) shown();
  strip();
  next();
}

function choose(item) {
  current = item;
  shown();
  strip();
}

// Show the current item as it is now: waiting, failed or answered; nothing of another one remains.
function shown() {
  const { answer, failed } = current;
  const working = abort && wanted.item === current;
  show(byId("error"), false);
  busy(working ? (wanted.className ? `Explaining ${wanted.className} …` : "Classifying the image …") : "");
  if (!answer) {
    clearAnswer();
    displayed = null;
    if (failed) { clear(); complain(failed); } else preview(current);
    return;
  }
  if (displayed === answer) check(answer.explained); // its classes stay, and with them the keyboard's place
  else showAnswer(answer, chooseClass);
  displayed = answer;
  if (failed) { complain(failed); current.failed = null; }
  const told = (text) => { if (!abort) byId("status").textContent = text; };
  picture(current, current.heats.get(answer.explained), answer.explained, told);
}

function chooseClass(name) {
  byId("shown").checked = true;
  if (!current.heats.has(name)) { ask(current, name); check(name); return; }
  if (abort && wanted.item === current) { abort.abort(); abort = null; }
  current.answer.explained = name;
  shown();
  next();
}

function busy(text) {
  document.body.classList.toggle("busy", Boolean(text));
  byId("result").setAttribute("aria-busy", String(Boolean(text)));
  show(byId("working"), Boolean(text));
  byId("status").textContent = text;
}

function complain({ words, detail, again }) {
  byId("problem").textContent = words;
  byId("detail").textContent = detail;
  show(byId("detail"), Boolean(detail));
  show(byId("again"), again);
  show(byId("error"), true);
}

function strip() {
  show(byId("strip"), items.length > 1);
  if (items.length < 2) return;
  byId("strip").replaceChildren(...items.map((item) => {
    const place = document.createElement("li");
    const button = document.createElement("button");
    const image = document.createElement("img");
    Object.assign(button, { type: "button", title: item.file.name || "" });
    button.setAttribute("aria-current", String(item === current));
    Object.assign(image, { src: item.address, alt: "" });
    image.onerror = () => image.replaceWith(span("", "no-image"));
    button.append(image, span(said(item), item.failed ? "name warning" : "name"));
    if (item.answer) button.append(span(percent(item.answer.score), "soft"));
    button.addEventListener("click", () => choose(item));
    place.append(button);
    return place;
  }));
  byId("strip").querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function said(item) {
  if (item.answer) return item.answer.label;
  return item.failed ? "no answer" : "waiting";
}
