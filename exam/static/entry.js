// Typing results and scanning barcodes with one hand.
//
//   input data-scan                  Enter takes the code, cleans it and sends the form; the next scan may follow at once
//   fieldset data-digit-choice       1…9 chooses the n-th option and goes on to the next field
//   form data-enter-next             Enter goes on to the next field; the form's own hotkey (F2, Ctrl+Enter) sends it
//   button data-all-normal           fills every still empty field of its form with the field's data-normal
"use strict";

// --- going on to the next field --------------------------------------------------------------------------------------

const ENTRY_FIELDS = 'input:not([type="hidden"]):not([disabled]):not([readonly]), select:not([disabled]), textarea:not([disabled]):not([readonly])';

/** The entry stops of a form, in order: a group of radios counts once. */
function entryStops(form) {
  const seen = new Set();
  return [...form.querySelectorAll(ENTRY_FIELDS)].filter((field) => {
    if (field.getClientRects().length === 0) return false;
    if (field.type !== "radio") return true;
    if (seen.has(field.name)) return false;
    seen.add(field.name);
    return true;
  }).map((field) => field.type === "radio"
    ? form.querySelector(`input[type="radio"][name="${CSS.escape(field.name)}"]:checked`) || field : field);
}

function goOn(from, form) {
  const stops = entryStops(form);
  const here = stops.findIndex((stop) => stop === from || (from.type === "radio" && stop.name === from.name));
  const next = stops[here + 1] || form.querySelector('button[type="submit"]:not([disabled])');
  next?.focus();
  if (next instanceof HTMLInputElement && next.type !== "radio") next.select?.();
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey || !(event.target instanceof HTMLElement)) return;
  const field = event.target;
  const group = field.closest("fieldset[data-digit-choice]");
  if (group && /^[1-9]$/.test(event.key) && field.type === "radio") {
    const choice = group.querySelectorAll('input[type="radio"]')[Number(event.key) - 1];
    if (!choice || choice.disabled) return;
    event.preventDefault();
    choice.checked = true;
    choice.dispatchEvent(new Event("input", { bubbles: true }));
    choice.dispatchEvent(new Event("change", { bubbles: true }));
    goOn(choice, choice.form || document.body);
    return;
  }
  const form = field.closest("form[data-enter-next]");
  if (form && event.key === "Enter" && field.matches(ENTRY_FIELDS) && field.tagName !== "TEXTAREA" && field.dataset.scan === undefined) {
    event.preventDefault();
    goOn(field, form);
  }
});

// --- everything normal -----------------------------------------------------------------------------------------------

/** Fills a field only while it is empty: what somebody has typed is never replaced. Returns whether it did. */
function fillNormal(field) {
  const normal = field.dataset.normal;
  if (field.tagName === "FIELDSET") {
    const choices = [...field.querySelectorAll('input[type="radio"]')];
    const choice = choices.find((each) => each.value === normal);
    if (!choice || choices.some((each) => each.checked)) return false;
    choice.checked = true;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }
  if (field.value.trim() !== "" || field.disabled || field.readOnly) return false;
  field.value = normal;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-all-normal]") : null;
  if (!button) return;
  const scope = button.form || button.closest("form") || document;
  const filled = [...scope.querySelectorAll("[data-normal]")].filter(fillNormal).length;
  window.exam.toast(filled ? `已填入 ${filled} 项正常` : "没有空白项目,未改动", filled ? "green" : "amber");
  scope.querySelector('button[type="submit"]')?.focus();
});

// --- scanners --------------------------------------------------------------------------------------------------------

const DOUBLE_READ_MILLISECONDS = 50;
const scanLines = new Map();  // one line per form: codes waiting their turn, and what was read last

/** A clean code: full-width digits of an input method made plain, control characters and spaces at the ends removed. */
const cleanCode = (text) => text.normalize("NFKC").replace(/[\u0000-\u001f\u007f\u200b\ufeff]/g, "").trim();

const lineKey = (field) => `${field.form.id}|${field.form.getAttribute("hx-post") || field.form.getAttribute("hx-get") || field.form.action}|${field.name}`;

function scanLine(field) {
  const key = lineKey(field);
  if (!scanLines.has(key)) scanLines.set(key, { codes: [], isSending: false, current: "", last: "", lastAt: -1e9, startedAt: -1e9 });
  return scanLines.get(key);
}

const fieldOfLine = (line) => [...document.querySelectorAll("input[data-scan]")].find((field) => field.form && scanLine(field) === line);

/** Sends the next code; one request at a time, so a second tube never overtakes or replaces the first. */
function sendNext(line) {
  const field = fieldOfLine(line);
  if (line.isSending || line.codes.length === 0 || !field) return;
  line.current = line.codes.shift();
  line.isSending = field.form.matches("[hx-post], [hx-get], [hx-put]");
  if (!line.isSending) field.value = line.current;
  field.form.requestSubmit();
}

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!(field instanceof HTMLInputElement) || field.dataset.scan === undefined || !field.form || event.isComposing) return;
  const line = scanLine(field);
  if (event.key !== "Enter") {
    // The first character after a finished read: some scanners repeat the whole code at once.
    if (event.key.length === 1 && line.startedAt < line.lastAt) line.startedAt = event.timeStamp;
    return;
  }
  event.preventDefault();
  const code = cleanCode(field.value);
  field.select();
  if (code === "") return;
  const gap = (line.startedAt > line.lastAt ? line.startedAt : event.timeStamp) - line.lastAt;
  const isDouble = code === line.last && gap < DOUBLE_READ_MILLISECONDS;
  line.last = code;
  line.lastAt = event.timeStamp;
  if (isDouble) return;
  line.codes.push(code);
  sendNext(line);
});

document.addEventListener("htmx:configRequest", (event) => {
  const field = event.detail.elt.querySelector?.("input[data-scan]");
  const line = field?.form && scanLine(field);
  if (line?.isSending) event.detail.parameters[field.name] = line.current;
});

/** A form that could not be sent, by its own validation or by a lost connection, must not block the codes behind it. */
function finish(form, isGood) {
  const field = form?.querySelector?.("input[data-scan]");
  const line = field?.form ? scanLine(field) : [...scanLines.values()].find((each) => each.isSending);
  if (!line?.isSending) return;
  line.isSending = false;
  const now = fieldOfLine(line);
  if (now && (document.activeElement === document.body || document.activeElement === now || !document.activeElement)) {
    now.focus();
    if (cleanCode(now.value) === line.last || now.value === "") now.select();
  }
  if (isGood) window.exam.beep(true);
  sendNext(line);
}

document.addEventListener("htmx:afterRequest", (event) => finish(event.detail.elt, event.detail.successful));
document.addEventListener("htmx:validation:halted", (event) => finish(event.detail.elt, false));
