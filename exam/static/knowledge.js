// The form of a rule: finding items in its rows, keeping what is typed while a row is added, and the focus where the work goes on.
//
//   input data-item        a search line over #known-item; the chosen code goes into the input and the row is redrawn
//   [data-focus]           after a redraw: its first empty field gets the focus
// Needs choose.js (searchLine, knownOf, putBehind).
"use strict";

const PARTS = "rule-parts";
const QUIET_PATHS = ["/knowledge/draft", "/knowledge/check", "/knowledge/try"];

function makeItemField(field) {
  const known = knownOf("item");
  const nameOf = (code) => known.find((entry) => entry.code === code)?.name || code;
  const { input, box } = searchLine({
    id: `${field.id}-search`, label: "项目", placeholder: field.placeholder, entries: () => known, rest: () => nameOf(field.value), isRequired: true,
    take(entry) {
      if (field.value === entry.code) return;
      field.value = entry.code;
      for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    },
  });
  box.classList.add("is-one");
  putBehind(field, input);
  field.after(box);
}

const makeItemFields = () => document.querySelectorAll(`#${PARTS} input[data-item]:not([aria-hidden])`).forEach(makeItemField);

// --- nothing typed is lost ----------------------------------------------------------------------------------------------

const named = () => [...document.querySelectorAll(`#${PARTS} [name]`)].filter((field) => field.type !== "checkbox" && field.tagName !== "SELECT");
let sent = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig.path === "/knowledge/draft") sent = new Map(named().map((field) => [field.name, field.value]));
});

/** What was typed while the server drew the rows anew. */
let typedMeanwhile = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== PARTS || !sent) return;
  typedMeanwhile = named().filter((field) => sent.has(field.name) && sent.get(field.name) !== field.value).map((field) => [field.name, field.value]);
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.requestConfig?.path !== "/knowledge/draft") return;
  for (const [name, value] of typedMeanwhile) {
    const field = document.querySelector(`#${PARTS} [name="${CSS.escape(name)}"]`);
    if (field) field.value = value;
  }
  typedMeanwhile = [];
  makeItemFields();
  const place = document.querySelector(`#${PARTS} [data-focus]`);
  const fields = [...(place?.querySelectorAll("input:not([type=hidden]):not([aria-hidden]), select") || [])].filter((field) => field.getClientRects().length > 0);
  (fields.find((field) => field.value === "") || fields.find((field) => field.type === "checkbox") || fields[0])?.focus();
});

// A redraw or a check stores nothing: the form is still unsaved after it.
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (!QUIET_PATHS.includes(event.detail.requestConfig?.path)) return;
  const form = document.querySelector("form.rule-form");
  if (form) form.dataset.dirty = "";
});

document.addEventListener("DOMContentLoaded", makeItemFields);
