// The entry screen: everything normal with one key, several choices by number or word, live judgement, drafted summary.
//
//   button data-fill-normal                 fills every empty field of its form with its data-normal; numbers stay empty
//   fieldset data-multi-choice="CODE"        data-multi-search picks by number or by a part of the text; Enter on empty goes on
//   #live                                    sent by the event "check" a moment after typing; its answer carries the marks
//   textarea[data-draft]                     follows the drafted summary until the doctor changes it; #shown-draft tells the server
//                                            which draft it was, so that one nobody touched is drafted anew from what is saved
//   [data-unseen="CODE CODE"]                values of somebody else that a signature was refused for: the first takes the focus
"use strict";

const CHECK_MILLISECONDS = 300;
const entryForm = () => document.getElementById("entry");

// --- several choices -------------------------------------------------------------------------------------------------

const chipsOf = (group) => [...group.querySelectorAll("[data-choice]")];
const isPicked = (chip) => chip.getAttribute("aria-pressed") === "true";

function pick(group, chip, isOn) {
  const name = group.dataset.multiChoice;
  const normal = group.dataset.normal;
  const others = chipsOf(group).filter((each) => each !== chip && isPicked(each));
  // “Normal” and a finding exclude each other: the one chosen last stays.
  if (isOn) others.filter((each) => (chip.dataset.choice === normal) !== (each.dataset.choice === normal)).forEach((each) => pick(group, each, false));
  chip.setAttribute("aria-pressed", String(isOn));
  group.querySelectorAll("input[data-picked]").forEach((field) => { if (field.value === chip.dataset.choice) field.remove(); });
  if (isOn) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", name, value: chip.dataset.choice });
    field.dataset.picked = "";
    group.append(field);
  }
}

function changed(group) {
  group.dispatchEvent(new Event("change", { bubbles: true }));
  const form = group.closest("form[data-guard]");
  if (form) form.dataset.dirty = "";
}

function matching(group, text) {
  const wanted = text.trim().toLowerCase();
  if (/^\d+$/.test(wanted)) {
    const numbered = chipsOf(group)[Number(wanted) - 1];
    return numbered ? [numbered] : [];
  }
  return chipsOf(group).filter((chip) => chip.dataset.choice.toLowerCase().includes(wanted));
}

function filterChips(group, text) {
  const shown = text.trim() ? new Set(matching(group, text)) : null;
  chipsOf(group).forEach((chip) => { chip.hidden = shown !== null && !shown.has(chip) && !isPicked(chip); });
}

document.addEventListener("input", (event) => {
  if (event.target.dataset?.multiSearch === undefined) return;
  event.stopPropagation();  // a search word is no value
  filterChips(event.target.closest("[data-multi-choice]"), event.target.value);
}, true);

document.addEventListener("keydown", (event) => {
  const search = event.target;
  if (search.dataset?.multiSearch === undefined || event.key !== "Enter" || event.isComposing || event.ctrlKey || event.altKey) return;
  if (search.value.trim() === "") return;  // entry.js goes on to the next field
  event.preventDefault();
  event.stopPropagation();
  const group = search.closest("[data-multi-choice]");
  const chip = matching(group, search.value)[0];
  if (!chip) {
    window.exam.toast("没有符合的选项", "amber");
    search.select();
    return;
  }
  pick(group, chip, !isPicked(chip));
  search.value = "";
  filterChips(group, "");
  changed(group);
}, true);

document.addEventListener("mousedown", (event) => {
  if (event.target.closest?.("[data-multi-choice] [data-choice]")) event.preventDefault();  // the search line keeps the focus
});

document.addEventListener("click", (event) => {
  const chip = event.target.closest?.("[data-multi-choice] [data-choice]");
  if (!chip) return;
  const group = chip.closest("[data-multi-choice]");
  pick(group, chip, !isPicked(chip));
  changed(group);
});

// --- everything normal, clearing a choice ----------------------------------------------------------------------------

function fillOne(field) {
  const normal = field.dataset.normal;
  if (field.dataset.multiChoice !== undefined) {
    const chip = chipsOf(field).find((each) => each.dataset.choice === normal);
    if (!chip || chipsOf(field).some(isPicked)) return false;
    pick(field, chip, true);
    return true;
  }
  if (field.tagName === "FIELDSET") {
    const radios = [...field.querySelectorAll('input[type="radio"]')];
    const radio = radios.find((each) => each.value === normal);
    if (!radio || radios.some((each) => each.checked)) return false;
    radio.checked = true;
    return true;
  }
  if (field.value.trim() !== "") return false;
  field.value = normal;
  return true;
}

function firstOpen(form) {
  const empty = [...form.querySelectorAll(".number-row input")].find((field) => field.value.trim() === "");
  return empty || form.querySelector('button[type="submit"]');
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-fill-normal]");
  if (!button) return;
  const filled = [...button.form.querySelectorAll("[data-normal]")].filter(fillOne).length;
  window.exam.toast(filled ? `已填入 ${filled} 项正常` : "没有空白的选择项,未改动", filled ? "green" : "amber");
  if (filled) changed(button);
  firstOpen(button.form)?.focus();
});

document.addEventListener("keydown", (event) => {
  const radio = event.target;
  if (!["Delete", "Backspace"].includes(event.key) || radio.type !== "radio" || !radio.closest("#entry")) return;
  event.preventDefault();
  radio.closest("fieldset").querySelectorAll("input").forEach((each) => { each.checked = false; });
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  radio.form.dataset.dirty = "";
});

// Grades such as 1+ or 4A: a key names the grade, never its place; the same key again takes the next one (4A, 4B, 4C).
document.addEventListener("keydown", (event) => {
  const radio = event.target;
  if (radio.type !== "radio" || !radio.closest("#entry") || event.key.length !== 1 || event.ctrlKey || event.altKey || event.metaKey) return;
  const group = radio.closest("fieldset:not([data-digit-choice])");
  const fits = [...(group?.querySelectorAll('input[type="radio"]') || [])].filter((each) => each.value.toUpperCase().startsWith(event.key.toUpperCase()));
  if (fits.length === 0) return;
  event.preventDefault();
  const next = fits[(fits.findIndex((each) => each.checked) + 1) % fits.length];
  next.checked = true;
  next.focus();
  next.dispatchEvent(new Event("change", { bubbles: true }));
  next.form.dataset.dirty = "";
});

// --- live judgement --------------------------------------------------------------------------------------------------

let timer = 0;
let isChecking = false;
let isDue = false;

function check() {
  if (isChecking) {
    isDue = true;
    return;
  }
  const live = document.getElementById("live");
  if (live) window.htmx.trigger(live, "check");
}

for (const name of ["input", "change"]) {
  document.addEventListener(name, (event) => {
    if (!event.target.closest?.("#entry") || event.target.name === "summary") return;
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_MILLISECONDS);
  });
}

/** Judging must neither close a refusal that is being read nor make unsaved text look saved. */
let dirtyBefore = false;
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id !== "live") return;
  isChecking = true;
  dirtyBefore = entryForm()?.dataset.dirty !== undefined;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.id !== "live") return;
  isChecking = false;
  if (dirtyBefore && entryForm()) entryForm().dataset.dirty = "";
  if (isDue) {
    isDue = false;
    check();
  }
});

function takeJudgement(live) {
  const draft = live.querySelector("[data-draft]")?.dataset.draft;
  const summary = document.getElementById("summary");
  if (draft === undefined || !summary) return;
  if (summary.value.trim() === "" || summary.value === summary.dataset.draft) summary.value = draft;
  summary.dataset.draft = draft;
  document.getElementById("shown-draft").value = draft;
}

document.addEventListener("click", (event) => {
  const summary = event.target.closest?.("[data-take-draft]") && document.getElementById("summary");
  if (!summary) return;
  summary.value = summary.dataset.draft;
  summary.form.dataset.dirty = "";
  summary.focus();
});

// --- after a swap ----------------------------------------------------------------------------------------------------

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "live") takeJudgement(event.detail.target);
  // “Saved” from the time before must not stand beside “refused”.
  if (event.detail.target.id === "refusal") document.getElementById("toast")?.replaceChildren();
});

// After settling htmx knows the new form; a key pressed sooner would send it the browser's own way.
document.addEventListener("htmx:afterSettle", () => {
  document.querySelector("dialog:not([open]) [data-show-dialog]")?.closest("dialog").showModal();
  const unseen = document.getElementById("unseen");
  if (!unseen || unseen.dataset.isRead !== undefined) return;
  unseen.dataset.isRead = "";
  const fields = unseen.dataset.unseen.split(" ").map((item) => document.querySelector(`#entry [name="${CSS.escape(item)}"]:not([type="hidden"])`));
  fields.forEach((field) => field?.closest("tr")?.classList.add("is-unseen"));
  (fields.find(Boolean) || unseen).focus();
});
