// Follows the run: takes every state the server sends over into the page, fetches logs, asks to resume. Makes no request elsewhere.
"use strict";

const KEY = "mlstack-key";
const PORTAL_AFTER = 1500; // milliseconds to read what happens before the portal replaces this page
const LOG_EVERY = 2000;
const LOST_AFTER = 10000;
const by = (id) => document.getElementById(id);
const dialog = by("log");
let logTimer = 0;
let logOf = "";

// ---- the key: in the address for a moment only, so that it stays in no history, then in this tab

async function findKey() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("key") || given.has("code")) history.replaceState(null, "", location.pathname);
  if (given.has("key")) sessionStorage.setItem(KEY, given.get("key"));
  if (given.has("code")) {
    const answer = await fetch("pair", { method: "POST", headers: { "X-Mlstack-Code": given.get("code") } });
    if (answer.ok) sessionStorage.setItem(KEY, (await answer.json()).key);
  }
}

const ask = (path, options) => keyed.then(() =>
  fetch(path, { ...options, headers: { "X-Mlstack-Key": sessionStorage.getItem(KEY) || "" } }));

const keyed = findKey().catch(() => undefined);

// ---- the state: only what differs is touched, so that focus, selection and opened details stay

function morph(old, fresh) {
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  let place = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const same = counterpart(old, place, node);
    if (!same) {
      old.insertBefore(node, place);
      continue;
    }
    while (place !== same) place = remove(place);
    if (node.nodeType === Node.ELEMENT_NODE) morph(same, node);
    else if (same.data !== node.data) same.data = node.data;
    place = same.nextSibling;
  }
  while (place) place = remove(place);
}

// The node that is already there for this one: by its id where it has one, else by its kind, at the same place or further on.
function counterpart(old, place, node) {
  if (node.id) {
    const found = by(node.id);
    return found && found.parentNode === old && after(found, place) ? found : null;
  }
  const fits = place && place.nodeType === node.nodeType && place.nodeName === node.nodeName && !place.id;
  return fits ? place : null;
}

function after(node, place) {
  return place && (node === place || place.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING);
}

function remove(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function show(state) {
  const fresh = document.createElement("template");
  fresh.innerHTML = state.html;
  const main = by("state");
  const within = main.contains(document.activeElement);
  morphChildren(main, fresh.content);
  if (within && !main.contains(document.activeElement)) main.focus(); // what had the focus is gone
  document.title = `${state.title} - mlstack`;
  if (by("announce").textContent !== state.announce) by("announce").textContent = state.announce;
}

// ---- the connection

let lostAt = 0;
const source = new EventSource("events");
source.addEventListener("state", (event) => {
  const state = JSON.parse(event.data);
  lostAt = 0;
  by("link").textContent = "";
  show(state);
  if (state.ended) source.close();
  if (state.ended && state.portal) setTimeout(() => location.assign(state.portal), PORTAL_AFTER);
});
source.addEventListener("error", () => {
  lostAt = lostAt || Date.now();
  const long = Date.now() - lostAt > LOST_AFTER;
  by("link").textContent = long ? "mlstack does not answer any more. Run it again in a terminal." : "Connection lost; trying again.";
});

// ---- logs

async function readLog() {
  const of = logOf;
  let text = "";
  let note = "";
  try {
    const answer = await ask(`log?of=${encodeURIComponent(of)}`);
    if (answer.ok) text = (await answer.json()).lines.join("\n");
    else note = await answer.text();
    if (answer.ok && !text) note = "Nothing in it yet.";
  } catch {
    note = "mlstack does not answer.";
  }
  if (!dialog.open || of !== logOf) return;
  const box = by("log-text");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  if (text && box.textContent !== text) box.textContent = text;
  if (by("log-note").textContent !== note) by("log-note").textContent = note;
  if (atEnd) box.scrollTop = box.scrollHeight;
  logTimer = setTimeout(readLog, LOG_EVERY);
}

dialog.addEventListener("close", () => clearTimeout(logTimer));
by("log-close").addEventListener("click", () => dialog.close());

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.log) {
    clearTimeout(logTimer);
    logOf = button.dataset.log;
    by("log-title").textContent = `Log of ${logOf}`;
    by("log-text").textContent = "";
    by("log-note").textContent = "Reading ...";
    dialog.showModal();
    readLog();
  } else if (button.id === "resume") {
    button.disabled = true;
    const answer = await ask("resume", { method: "POST" }).catch(() => null);
    if (!answer || !answer.ok) {
      button.disabled = false;
      by("link").textContent = answer ? await answer.text() : "mlstack does not answer.";
    }
  }
});
