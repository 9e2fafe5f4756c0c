// The forms of rules and other entries: finding items in their rows, keeping what is typed while a row is added, and the focus where
// the work goes on; and ticking proposals to decide on together.
//
//   input data-item        a search line over #known-item; the chosen code goes into the input and the row is redrawn
//   [data-focus]           after a redraw: its first empty field gets the focus
//   [data-put][data-into]  puts its text into a field where the cursor stands
//   [data-choose]          ticks all [data-chosen] but one's own ([data-own]), or none; [data-chosen-count] tells how many
// Needs choose.js (searchLine, knownOf, putBehind) where there are items.
"use strict";

const PARTS = "rule-parts";
const isDraft = (path) => /^\/knowledge\/draft(\/|$)/.test(path || "");
const isQuiet = (path) => isDraft(path) || /^\/knowledge\/((check|try)(\/|$)|entries\/[^/]+\/text\/check$)/.test(path || "");

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
  if (isDraft(event.detail.requestConfig.path)) sent = new Map(named().map((field) => [field.name, field.value]));
});

/** What was typed while the server drew the rows anew. */
let typedMeanwhile = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== PARTS || !sent) return;
  typedMeanwhile = named().filter((field) => sent.has(field.name) && sent.get(field.name) !== field.value).map((field) => [field.name, field.value]);
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (!isDraft(event.detail.requestConfig?.path)) return;
  for (const [name, value] of typedMeanwhile) {
    const field = document.querySelector(`#${PARTS} [name="${CSS.escape(name)}"]`);
    if (field) field.value = value;
  }
  typedMeanwhile = [];
  makeItemFields();
  const place = document.querySelector(`#${PARTS} [data-focus]`);
  const fields = [...(place?.querySelectorAll("input:not([type=hidden]):not([aria-hidden]), select, textarea") || [])].filter((field) => field.getClientRects().length > 0);
  (fields.find((field) => field.value === "") || fields.find((field) => field.type === "checkbox") || fields[0])?.focus();
});

// A redraw or a check stores nothing: the form is still unsaved after it.
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (!isQuiet(event.detail.requestConfig?.path)) return;
  const form = document.querySelector("form[data-guard]");
  if (form) form.dataset.dirty = "";
});

// --- placeholders of a message -------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-put]");
  const field = button && document.getElementById(button.dataset.into);
  if (!field) return;
  field.setRangeText(button.dataset.put, field.selectionStart, field.selectionEnd, "end");
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// --- deciding on many ------------------------------------------------------------------------------------------------------

const chosenBoxes = () => [...document.querySelectorAll("[data-chosen]")];

function countChosen() {
  const button = document.querySelector("[data-chosen-count]");
  if (!button) return;
  const count = chosenBoxes().filter((box) => box.checked).length;
  const label = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  if (label) label.textContent = count ? `${button.dataset.chosenCount}(${count})` : button.dataset.chosenCount;
  button.disabled = count === 0;
}

document.addEventListener("click", (event) => {
  const which = event.target.closest?.("[data-choose]")?.dataset.choose;
  if (!which) return;
  for (const box of chosenBoxes()) box.checked = which === "all" && box.dataset.own === undefined;
  countChosen();
});
document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-chosen]")) countChosen();
});

document.addEventListener("DOMContentLoaded", () => {
  makeItemFields();
  countChosen();
});
