// The reviewer's desk: moving, adding and deleting lines, switching between results, never signing over unsaved text.
//
//   li[data-line]          one conclusion; Alt+ArrowUp and Alt+ArrowDown move the one that has the focus
//   button[data-move]      moves its line by -1 or 1        button[data-remove-line]   deletes its line and saves
//   button[data-add-line]  a new line from #new-line        button[data-pane]          shows one pane of results
//   [data-needs-saved]     asks to save first               [data-opens="id"]          opens a dialog with the page
"use strict";

const UNSAVED_TEXT = "有未保存的修改,请先按 F2 保存";
let newLines = 0;

const reviewForm = () => document.getElementById("review-form");
const lines = () => [...document.querySelectorAll("[data-lines] > [data-line]")];

function markUnsaved() {
  const form = reviewForm();
  if (form) form.dataset.dirty = "";
}

function renumber() {
  lines().forEach((line, index) => { line.querySelector("[data-number]").textContent = index + 1; });
}

function moveLine(line, step) {
  const other = step < 0 ? line.previousElementSibling : line.nextElementSibling;
  if (!other) return;
  const focused = document.activeElement;
  if (step < 0) other.before(line);
  else other.after(line);
  focused?.focus({ preventScroll: true });
  line.scrollIntoView({ block: "nearest" });
  renumber();
  markUnsaved();
}

function addLine() {
  const template = document.getElementById("new-line");
  if (!template) return;
  newLines += 1;
  const line = template.content.firstElementChild.cloneNode(true);
  for (const name of ["id", "for", "aria-describedby", "data-problem-for"]) {
    line.querySelectorAll(`[${name}]`).forEach((element) => element.setAttribute(name, element.getAttribute(name).replaceAll("-new", `-new${newLines}`)));
  }
  line.id = `line-new${newLines}`;
  document.querySelector("[data-lines]").append(line);
  renumber();
  markUnsaved();
  line.scrollIntoView({ block: "nearest" });
  line.querySelector('[name="text"]').focus();
}

function removeLine(line) {
  const next = line.nextElementSibling || line.previousElementSibling;
  const isStored = line.querySelector('[name="key"]').value !== "";
  line.remove();
  renumber();
  next?.querySelector('[name="text"]')?.focus({ preventScroll: true });
  markUnsaved();
  // A line that is not finished yet keeps the form from being saved; the deletion is then saved with it.
  if (isStored && lines().every((each) => each.querySelector('[name="text"]').value.trim())) {
    reviewForm().requestSubmit(reviewForm().querySelector("[data-save]"));
  }
}

let shownPane = "abnormal";

function showPane(name) {
  shownPane = name;
  document.querySelectorAll("[data-pane]").forEach((tab) => {
    const isShown = tab.dataset.pane === name;
    tab.setAttribute("aria-selected", isShown);
    const pane = document.getElementById(tab.getAttribute("aria-controls"));
    if (pane) pane.hidden = !isShown;
  });
}

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  const line = event.target.closest?.("[data-line]");
  if (!line) return;
  event.preventDefault();
  moveLine(line, event.key === "ArrowUp" ? -1 : 1);
});

// Capturing: the shared listener would open the dialog before we could say no. While a save is under way the dialog waits for it:
// the answer swaps the whole desk, and a dialog opened before would vanish with what it was about to sign.
let isSaving = false;
let wantedDialog = "";

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-needs-saved]");
  if (!opener || (!isSaving && reviewForm()?.dataset.dirty === undefined)) return;
  event.stopPropagation();
  event.preventDefault();
  if (isSaving) wantedDialog = opener.dataset.dialog;
  else window.exam.showText(UNSAVED_TEXT);
}, true);

document.addEventListener("htmx:beforeSend", (event) => { if (event.detail.elt === reviewForm()) isSaving = true; });

document.addEventListener("htmx:afterRequest", (event) => {
  if (!isSaving || event.detail.requestConfig.verb !== "post") return;
  isSaving = false;
  const dialog = event.detail.successful ? document.getElementById(wantedDialog) : null;
  wantedDialog = "";
  dialog?.showModal();
});

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const line = target?.closest("[data-line]");
  if (target?.closest("[data-move]")) moveLine(line, Number(target.closest("[data-move]").dataset.move));
  else if (target?.closest("[data-remove-line]")) removeLine(line);
  else if (target?.closest("[data-add-line]")) addLine();
  else if (target?.closest("[data-pane]")) showPane(target.closest("[data-pane]").dataset.pane);
});

// A new line gets another id with its first save; the field at the same place keeps the focus.
let focusedField = null;

document.addEventListener("htmx:beforeSwap", () => {
  const line = document.activeElement?.closest?.("[data-line]");
  focusedField = line ? [lines().indexOf(line), document.activeElement.name] : null;
});

document.addEventListener("htmx:afterSettle", () => {
  showPane(shownPane);
  if (document.activeElement !== document.body || !focusedField) return;
  const [place, name] = focusedField;
  if (name) lines()[place]?.querySelector(`[name="${name}"]`)?.focus({ preventScroll: true });
});

// Every line has a field called `text`: a problem names its line too, as in `text.19`. The focus goes to that line alone, so that
// what is typed on never lands in another conclusion.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "refusal") return;
  document.getElementById("toast")?.replaceChildren();
  let first = null;
  event.detail.target.querySelectorAll("[data-field]").forEach((problem) => {
    const [, name, number] = /^(\w+)\.(\d+)$/.exec(problem.dataset.field) || [];
    const field = name && lines()[Number(number) - 1]?.querySelector(`[name="${name}"]`);
    if (!field) return;
    field.setAttribute("aria-invalid", "true");
    const place = document.getElementById(`${field.id}-problem`);
    if (place) place.textContent = problem.textContent;
    first ||= field;
  });
  first?.focus();
});

// What is ticked among the conclusions is ticked in the dialog that pushes them.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "push-body") return;
  const ticked = new Set([...document.querySelectorAll('[data-lines] [name="chosen"]:checked')].map((box) => box.value));
  event.detail.target.querySelectorAll('[name="chosen"]').forEach((box) => { box.checked = ticked.has(box.value); });
  event.detail.target.querySelector("[autofocus]")?.focus();
});

document.addEventListener("reviewSaved", () => {
  document.getElementById("toast")?.replaceChildren();
  window.exam.toast("已保存");
});
document.addEventListener("DOMContentLoaded", () => {
  const opener = document.querySelector("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
});
