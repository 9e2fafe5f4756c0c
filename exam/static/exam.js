// What every page does: hotkeys, dialogs, refusals, toasts, warnings before typed text is lost. No framework, strict CSP.
//
//   data-hotkey="F2" | "Alt+1" | "Ctrl+Enter" | "/" | "Escape"   clicks a button or link, or focuses a field
//   data-dialog="id" · data-dialog-close                          opens and closes a native <dialog>
//   data-back                                                     goes back in the history, if there is one
//   data-quiet                                                    a live check: keeps a refusal on the screen, is never dropped
//   data-guard (on a form)                                        asks before leaving with unsaved text
//   data-scrolls                                                  a pane that scrolls by itself: reachable by keyboard
//   data-auto-print (on any element)                              opens the print window once the page is loaded
//   HX-Trigger: {"toast": "…"} · cookie `toast` (hex of UTF-8)     short confirmations
"use strict";

const TOAST_MILLISECONDS = 4000;
const OFFLINE_TEXT = "网络中断,已保留输入内容,请稍后重试";
const FAULT_TEXT = "服务器没有完成本次操作,已保留输入内容,请稍后重试";

// --- hotkeys ---------------------------------------------------------------------------------------------------------

const isShown = (element) => element.getClientRects().length > 0;
const isTextEntry = (element) => element instanceof HTMLElement && (element.isContentEditable || element.tagName === "TEXTAREA" ||
  element.tagName === "SELECT" || (element.tagName === "INPUT" && !["checkbox", "radio", "button", "submit", "file"].includes(element.type)));

function keyName(event) {
  // Alt with a digit or letter gives another character on some keyboards; the physical key is what is printed on it.
  const physical = /^(?:Digit|Numpad|Key)(.)$/.exec(event.code);
  const key = (event.altKey || event.ctrlKey) && physical ? physical[1] : event.key;
  const single = key.length === 1;
  return `${event.ctrlKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${event.shiftKey && !single ? "Shift+" : ""}${single ? key.toUpperCase() : key}`;
}

function hotkeyElement(name) {
  const scope = [...document.querySelectorAll("dialog[open]")].pop() || document;
  return [...scope.querySelectorAll("[data-hotkey]")]
    .find((element) => element.dataset.hotkey.split(" ").some((each) => each.length === 1 ? each.toUpperCase() === name : each === name || upperTail(each) === name)
      && !element.disabled && isShown(element));
}

const upperTail = (hotkey) => hotkey.replace(/\+(.)$/, (_, last) => `+${last.toUpperCase()}`);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.repeat || event.metaKey) return;
  const name = keyName(event);
  if (name.length === 1 && isTextEntry(event.target)) return;
  const element = hotkeyElement(name);
  if (!element) return;
  event.preventDefault();
  if (isTextEntry(element)) {
    element.focus();
    element.select?.();
  } else {
    element.click();
  }
});

function listHotkeys() {
  const list = document.querySelector("[data-hotkey-list]");
  if (!list) return;
  list.replaceChildren(...[...document.querySelectorAll("[data-hotkey]")].filter(isShown).flatMap((element) => {
    const key = document.createElement("dt");
    key.append(Object.assign(document.createElement("kbd"), { textContent: element.dataset.hotkey.replace("Escape", "Esc") }));
    const copy = element.cloneNode(true);
    copy.querySelectorAll("kbd").forEach((mark) => mark.remove());
    const label = element.labels?.[0]?.textContent || element.getAttribute("aria-label") || copy.textContent;
    return [key, Object.assign(document.createElement("dd"), { textContent: label.trim() })];
  }));
}

// --- clicks: dialogs, back, dismiss ----------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const opener = target?.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog?.id === "hotkey-help") listHotkeys();
    dialog?.showModal();
    return;
  }
  if (target?.closest("[data-dialog-close]")) target.closest("dialog")?.close();
  if (target?.closest("[data-dismiss-refusal]")) clearRefusal(document);
  if (target?.closest("[data-back]") && history.length > 1) {
    event.preventDefault();
    history.back();
  }
});

// --- refusals --------------------------------------------------------------------------------------------------------

const refusalRegion = () => document.getElementById("refusal");

function clearRefusal(scope) {
  refusalRegion()?.replaceChildren();
  scope.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  scope.querySelectorAll("[data-problem-for]").forEach((line) => line.replaceChildren());
}

/** The field of that name in `scope`; for a group of radios its fieldset. */
function fieldNamed(scope, name) {
  const found = scope.querySelector(`[name="${CSS.escape(name)}"]:not([type="hidden"])`);
  return found?.type === "radio" ? found.closest("fieldset") || found : found;
}

function markProblems(scope) {
  let first = null;
  refusalRegion()?.querySelectorAll("[data-field]").forEach((line) => {
    const field = fieldNamed(scope, line.dataset.field);
    if (!field) return;
    field.setAttribute("aria-invalid", "true");
    const place = field.id && document.getElementById(`${field.id}-problem`);
    if (place) place.textContent = line.textContent;
    first ||= field.tagName === "FIELDSET" ? field.querySelector("input:checked, input") : field;
  });
  if (first) first.focus();
  if (first?.dataset.scan !== undefined) first.select();
}

function showText(text) {
  const line = Object.assign(document.createElement("p"), { className: "refusal-text", textContent: text });
  const words = Object.assign(document.createElement("div"), { className: "refusal-words" });
  const box = Object.assign(document.createElement("div"), { className: "refusal" });
  const close = Object.assign(document.createElement("button"), { type: "button", className: "btn btn-sm btn-plain", textContent: "关闭" });
  close.dataset.dismissRefusal = "";
  words.append(line);
  box.append(words, close);
  regionInFront()?.replaceChildren(box);
}

/** The region, moved into an open dialog: behind a modal dialog nobody would see or hear it. */
function regionInFront() {
  const region = refusalRegion();
  const dialog = [...document.querySelectorAll("dialog[open]")].pop();
  if (region && dialog && !dialog.contains(region)) {
    dialog.addEventListener("close", () => {
      document.querySelector(".page-head, main h1")?.after(region);
      clearRefusal(dialog);
    }, { once: true });
    dialog.querySelector(".sheet-head")?.after(region);
  }
  return region;
}

const asker = new WeakMap();  // request -> the form or element that asked

document.addEventListener("htmx:beforeRequest", (event) => {
  const scope = event.detail.elt.closest("form") || document;
  asker.set(event.detail.xhr, scope);
  // A live check asks while somebody may be reading a refusal.
  if (event.detail.requestConfig.verb !== "get" && !event.detail.elt.hasAttribute("data-quiet")) clearRefusal(scope);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if ([409, 422].includes(event.detail.xhr.status)) regionInFront();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!event.detail.xhr || ![409, 422].includes(event.detail.xhr.status)) return;
  markProblems(asker.get(event.detail.xhr) || document);
  beep(false);
});

document.addEventListener("htmx:responseError", () => showText(FAULT_TEXT));
for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => showText(OFFLINE_TEXT));

// --- one click, one request --------------------------------------------------------------------------------------------

const RESUBMIT_MILLISECONDS = 3000;
const inFlight = new WeakSet();

// What looks up while somebody types is never dropped, or the screen would show an answer to older words: htmx sends it again
// after the one in flight, or as its hx-sync says.
const isAskedAgain = (element) => element.matches("[data-quiet], [hx-sync]");

// htmx would queue a second F2 and send the form again; the server knows repeats too, but nobody should have to rely on it.
document.addEventListener("htmx:confirm", (event) => {
  if (event.detail.verb !== "get" && inFlight.has(event.detail.elt) && !isAskedAgain(event.detail.elt)) event.preventDefault();
});
document.addEventListener("htmx:beforeSend", (event) => inFlight.add(event.detail.elt));
document.addEventListener("htmx:afterRequest", (event) => inFlight.delete(event.detail.elt));

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.matches("[hx-post], [hx-put], [target]")) return;
  if (inFlight.has(form)) {
    event.preventDefault();
    return;
  }
  inFlight.add(form);
  setTimeout(() => inFlight.delete(form), RESUBMIT_MILLISECONDS);
});

// --- sound: only where the page asks for it (<body data-sound> or any element with data-sound) -----------------------

let audio = null;

/** A short high tone for "taken", a low one for "refused". */
function beep(isGood) {
  if (!document.querySelector("[data-sound]") || !window.AudioContext) return;
  audio ||= new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = isGood ? 1320 : 220;
  volume.gain.value = 0.08;
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + (isGood ? 0.08 : 0.35));
}

// --- toasts ----------------------------------------------------------------------------------------------------------

function toast(text, tone = "green") {
  const line = Object.assign(document.createElement("p"), { className: `toast-line tone-${tone}`, textContent: text });
  document.getElementById("toast")?.append(line);
}

function hideLater(line) {
  setTimeout(() => line.remove(), TOAST_MILLISECONDS);
}

document.addEventListener("toast", (event) => toast(event.detail?.value ?? event.detail?.text ?? "", event.detail?.tone));

/** The confirmation that a redirect left behind: read once, then removed. */
function toastFromCookie() {
  const hex = /(?:^|;\s*)toast="?([0-9a-f]+)"?/.exec(document.cookie)?.[1];
  if (!hex) return;
  document.cookie = "toast=; Max-Age=0; Path=/; Secure; SameSite=Strict";
  const bytes = Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
  toast(new TextDecoder().decode(bytes));
}

// --- unsaved text ----------------------------------------------------------------------------------------------------

const guarded = () => [...document.querySelectorAll("form[data-guard][data-dirty]")];

document.addEventListener("input", (event) => {
  const form = event.target.closest?.("form[data-guard]");
  if (form) form.dataset.dirty = "";
  event.target.closest?.("[aria-invalid]")?.removeAttribute("aria-invalid");
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[hx-post], [hx-put]")) delete event.target.dataset.dirty;
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const form = asker.get(event.detail.xhr);
  if (event.detail.xhr.status < 400 && event.detail.requestConfig.verb !== "get" && form?.dataset) delete form.dataset.dirty;
});
window.addEventListener("beforeunload", (event) => {
  if (guarded().length) event.preventDefault();
});

// --- start -----------------------------------------------------------------------------------------------------------

/** A wide table or a pane that scrolls by itself (data-scrolls) can be scrolled by keyboard once it does not fit. */
function letFramesScroll() {
  document.querySelectorAll(".table-frame, [data-scrolls]").forEach((frame) => {
    if (frame.scrollWidth > frame.clientWidth + 1 || (frame.dataset.scrolls !== undefined && frame.scrollHeight > frame.clientHeight + 1)) frame.tabIndex = 0;
    else frame.removeAttribute("tabindex");
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const toasts = document.getElementById("toast");
  if (toasts) {
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => {
      if (node instanceof Element) hideLater(node);
    }))).observe(toasts, { childList: true });
  }
  toastFromCookie();
  letFramesScroll();
  markProblems(document);
});
window.addEventListener("load", () => {
  if (document.querySelector("[data-auto-print]")) window.print();
});
window.addEventListener("resize", letFramesScroll);
document.addEventListener("htmx:afterSettle", letFramesScroll);

window.exam = { beep, showText, toast };
