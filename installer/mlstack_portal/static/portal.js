// Keeps the marked part of a page as the server sees it, copies snippets, shows times in the reader's time zone.
"use strict";

function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const when = new Date(element.dateTime);
    if (!Number.isNaN(when.getTime())) {
      element.textContent = when.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
    }
  }
}

// What the reader opened, closed, scrolled or focused stays so when the part is replaced.
function replacePart(place, html) {
  const changed = new Map([...place.querySelectorAll("details[data-touched]")].map((one) => [one.id, one.open]));
  const logs = [...place.querySelectorAll("pre")].map((one) => [one.scrollTop, one.scrollTop + one.clientHeight + 4 >= one.scrollHeight]);
  const focused = place.contains(document.activeElement) ? [...place.querySelectorAll("a, summary, pre")].indexOf(document.activeElement) : -1;
  place.innerHTML = html;
  for (const one of place.querySelectorAll("details")) {
    if (changed.has(one.id)) {
      one.open = changed.get(one.id);
      one.dataset.touched = "";
    }
  }
  [...place.querySelectorAll("pre")].forEach((one, index) => {
    const before = logs[index];
    one.scrollTop = !before || before[1] ? one.scrollHeight : before[0];
  });
  if (focused >= 0) {
    const now = place.querySelectorAll("a, summary, pre")[focused];
    if (now) now.focus({ preventScroll: true });
  }
  localTimes(place);
}

function follow(place) {
  const said = document.querySelector("[data-said]");
  const trouble = document.querySelector("[data-trouble]");
  const tell = (text) => {
    if (!trouble) return;
    trouble.textContent = text;
    trouble.hidden = !text;
  };
  for (const log of place.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
  const source = new EventSource(place.dataset.live);
  source.addEventListener("open", () => tell(""));
  source.addEventListener("part", (event) => replacePart(place, event.data));
  source.addEventListener("said", (event) => {
    if (said && said.textContent !== event.data) said.textContent = event.data;
  });
  source.addEventListener("trouble", (event) => tell(event.data));
  source.addEventListener("end", () => source.close());
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) tell("The connection is lost, perhaps because you are signed out. Load the page again.");
  });
  window.addEventListener("pagehide", () => source.close());
  // a page that comes back out of the browser's memory shows what was then
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  place.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary) summary.parentElement.dataset.touched = "";
  });
}

function copyButton(box) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${box.querySelector("pre").getAttribute("aria-label")}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(box.querySelector("pre").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy by hand";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  box.append(button);
}

localTimes(document);
document.querySelectorAll("[data-live]").forEach(follow);
if (window.isSecureContext && navigator.clipboard) document.querySelectorAll(".copy").forEach(copyButton);
