// Finding one of many by name, code or pinyin initials. Without this file the fields are plain lists and plain texts.
//
//   select[data-find]                  becomes a search line; options may carry data-initials
//   [data-picker="group"]              its textarea of codes becomes a list with names, prices and a search line;
//                                      what can be chosen are the options of <datalist id="known-group">
//   [data-insert="field id"]           gets a search line that puts a name into that text field
//   [data-filter="selector"]           an input that narrows the elements it names by their data-find-in; Enter opens the first
"use strict";

const MOST_LISTED = 12;

const plain = (text) => text.normalize("NFKC").toLowerCase().trim();

/** How well an entry fits what was typed, smaller is better; null when it does not. */
function fitOf(entry, wanted) {
  if (wanted === "") return 0;
  const fits = [entry.code.toLowerCase() === wanted, entry.initials === wanted, entry.name.startsWith(wanted), entry.initials.startsWith(wanted),
    entry.code.toLowerCase().startsWith(wanted), entry.name.includes(wanted), entry.initials.includes(wanted)];
  const place = fits.indexOf(true);
  return place < 0 ? null : place;
}

function findIn(entries, text) {
  const wanted = plain(text);
  return entries.map((entry) => [fitOf({ ...entry, name: plain(entry.name) }, wanted), entry])
    .filter(([fit]) => fit !== null).sort(([a], [b]) => a - b).map(([, entry]) => entry);
}

function element(tag, properties = {}, ...children) {
  const { dataset, ...others } = properties;
  const made = Object.assign(document.createElement(tag), others);
  Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

function knownOf(kind) {
  return [...document.querySelectorAll(`#known-${kind} option`)].map((option) => ({
    code: option.value, name: option.label, initials: option.dataset.initials || "", note: option.dataset.note || "",
    fen: option.dataset.fen === undefined ? null : Number(option.dataset.fen),
  }));
}

// --- the search line: arrows choose, Enter takes, Escape closes --------------------------------------------------------

let lines = 0;

/**
 * A search line over what `entries()` gives; `take(entry)` is called for the chosen one.
 * `rest` is what the line shows while nobody searches: the chosen name, or nothing. `whyNone` explains an empty list.
 */
function searchLine({ id, label, placeholder, entries, take, rest = () => "", isRequired = false, whyNone = () => "" }) {
  const listId = `${id}-found-${lines++}`;
  const list = element("ul", { id: listId, className: "found-list", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", `${label}:可选`);
  const input = element("input", { id, type: "text", className: "form-control", autocomplete: "off", spellcheck: false, placeholder, value: rest() });
  const facts = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": listId };
  for (const [name, value] of Object.entries(facts)) input.setAttribute(name, value);
  if (isRequired) input.setAttribute("aria-required", "true");
  let found = [];
  let at = 0;

  function mark(place) {
    at = place;
    [...list.children].forEach((row, number) => row.setAttribute("aria-selected", String(found.length > 0 && number === at)));
    const row = found.length ? list.children[at] : null;
    if (row) {
      input.setAttribute("aria-activedescendant", row.id);
      row.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function open(text) {
    const all = findIn(entries(), text);
    found = text.trim() === "" ? all : all.slice(0, MOST_LISTED);
    const rows = found.map((entry, number) => {
      const row = element("li", { id: `${listId}-${number}` }, element("span", { className: "found-name", textContent: entry.name }),
        element("span", { className: "found-note", textContent: [entry.code, entry.note, entry.fen === null ? "" : `${yuan(entry.fen)} 元`].filter(Boolean).join(" · ") }));
      row.setAttribute("role", "option");
      return row;
    });
    if (rows.length === 0) {
      const none = element("li", { className: "found-none", textContent: whyNone(text) || "没有符合的,请换名称、编码或拼音首字母" });
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      rows.push(none);
    }
    list.replaceChildren(...rows);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(0);
  }

  function close() {
    list.hidden = true;
    found = [];
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(entry) {
    close();
    take(entry);
    input.value = rest();
  }

  input.addEventListener("input", (event) => {
    event.stopPropagation();  // a search word is no value: it neither marks the form as changed nor clears its problems
    open(input.value);
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", () => {
    close();
    input.value = rest();
  });
  input.addEventListener("click", () => { if (list.hidden) open(""); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open("");
      else if (found.length) mark((at + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      if (!list.hidden && found[at]) choose(found[at]);
      else if (list.hidden) input.closest("form[method=get]")?.requestSubmit();
    } else if (event.key === "Escape" && (!list.hidden || input.value !== rest())) {
      event.preventDefault();  // the page's own Escape would leave the form
      close();
      input.value = rest();
      input.select();
    }
  });
  // The pointer must not take the focus before the click.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const place = [...list.children].indexOf(event.target.closest("li"));
    if (found[place]) choose(found[place]);
  });
  return { input, box: element("div", { className: "search-line" }, input, list) };
}

/** The real field stays for the form, out of sight; whoever focuses it lands in the search line. */
function putBehind(field, input) {
  field.classList.add("visually-hidden");
  field.tabIndex = -1;
  field.setAttribute("aria-hidden", "true");
  field.addEventListener("focus", () => input.focus());
  const label = document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
  if (label) label.htmlFor = input.id;
  for (const name of ["aria-describedby", "aria-invalid"]) if (field.hasAttribute(name)) input.setAttribute(name, field.getAttribute(name));
  new MutationObserver(() => {
    if (field.getAttribute("aria-invalid") === "true") input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }).observe(field, { attributeFilter: ["aria-invalid"] });
}

// --- one of many -------------------------------------------------------------------------------------------------------

function makeFindable(select) {
  const label = document.querySelector(`label[for="${CSS.escape(select.id)}"]`)?.textContent || "";
  const shownOf = () => (select.value === "" ? "" : select.selectedOptions[0]?.textContent.trim() || "");
  const empty = [...select.options].find((option) => option.value === "");
  const entries = () => [...select.options].map((option) => ({
    code: option.value, name: option.textContent.trim(), initials: option.dataset.initials || "", note: "", fen: null,
  }));
  const { input, box } = searchLine({
    id: `${select.id}-search`, label, placeholder: empty?.textContent.trim() || "", entries, rest: shownOf, isRequired: select.required,
    take(entry) {
      select.value = entry.code;
      for (const name of ["input", "change"]) select.dispatchEvent(new Event(name, { bubbles: true }));
    },
  });
  box.classList.add("is-one");
  putBehind(select, input);
  select.after(box);
}

// --- several in order --------------------------------------------------------------------------------------------------

const yuan = (fen) => `${(fen / 100).toFixed(2)}`;
const codesIn = (text) => text.split(/[\s,,、;;]+/).filter(Boolean);

/** fen × factor, rounded half up as the server does; null for a factor that is no number. */
function discounted(fen, factor) {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(factor.trim());
  if (!match) return null;
  const scale = 10n ** BigInt((match[2] || "").length);
  return Number((BigInt(fen) * BigInt(match[1] + (match[2] || "")) * 2n + scale) / (scale * 2n));
}

function makePicker(box) {
  const text = box.querySelector("textarea");
  const kindName = box.dataset.kindName;
  const known = knownOf(box.dataset.picker);
  const byCode = new Map(known.map((entry) => [entry.code, entry]));
  const byName = new Map(known.map((entry) => [entry.name, entry]));
  const label = box.querySelector("label").textContent.replace("*", "");
  const list = element("ol", { className: "picker-list" });
  const sum = element("p", { className: "picker-sum" });
  const said = element("p", { className: "visually-hidden" });
  said.setAttribute("role", "status");
  let codes = codesIn(text.value).map((code) => byCode.get(code)?.code || byName.get(code)?.code || code);

  function store(words) {
    text.value = codes.join("、");
    text.dispatchEvent(new Event("input", { bubbles: true }));
    said.textContent = words;
    draw();
  }

  function move(place, by, action) {
    const to = place + by;
    if (to < 0 || to >= codes.length) return;
    [codes[place], codes[to]] = [codes[to], codes[place]];
    store(`${nameOf(codes[to])} 现在第 ${to + 1} 位`);
    list.children[to]?.querySelector(`[data-act="${action}"]`)?.focus();
  }

  const nameOf = (code) => byCode.get(code)?.name || code;

  function drop(place) {
    const [gone] = codes.splice(place, 1);
    store(`已移除 ${nameOf(gone)}`);
    (list.children[Math.min(place, codes.length - 1)]?.querySelector('[data-act="drop"]') || line.input).focus();
  }

  function rowOf(code, place) {
    const entry = byCode.get(code);
    const button = (act, words, sign) => {
      const made = element("button", { type: "button", className: "btn btn-sm btn-plain", textContent: sign, title: words, dataset: { act } });
      made.setAttribute("aria-label", `${words} ${nameOf(code)}`);
      return made;
    };
    const acts = element("span", { className: "picker-acts" }, button("up", "上移", "↑"), button("down", "下移", "↓"), button("drop", "移除", "×"));
    acts.children[0].disabled = place === 0;
    acts.children[1].disabled = place === codes.length - 1;
    const name = element("span", { className: "picker-name", textContent: entry ? entry.name : `目录中没有“${code}”` });
    if (!entry) name.classList.add("is-abnormal");
    const note = element("span", { className: "picker-note", textContent: entry ? [entry.code, entry.note].filter(Boolean).join(" · ") : "" });
    const price = element("span", { className: "picker-price", textContent: entry && entry.fen !== null ? yuan(entry.fen) : "" });
    return element("li", { className: "picker-row", dataset: { code } }, name, note, price, acts);
  }

  function draw() {
    list.replaceChildren(...codes.map(rowOf));
    const entries = codes.map((code) => byCode.get(code)).filter(Boolean);
    const fen = entries.reduce((total, entry) => total + (entry.fen || 0), 0);
    let words = `共 ${codes.length} 个${kindName}`;
    if (entries.some((entry) => entry.fen !== null) && box.dataset.factor) {
      const factor = document.getElementById(box.dataset.factor)?.value || "";
      const price = discounted(fen, factor);
      words += `,标准价合计 ${yuan(fen)} 元${price === null ? "" : `,× ${factor} = 套餐价 ${yuan(price)} 元`}`;
    }
    sum.textContent = words;
  }

  const line = searchLine({
    id: `${text.id}-search`, label, placeholder: `加入${kindName}:名称、编码或拼音首字母`, isRequired: text.required,
    entries: () => known.filter((entry) => !codes.includes(entry.code)),
    whyNone(words) {
      const there = findIn(known, words)[0];
      return there ? `“${there.name}”已在列表中` : "";
    },
    take(entry) {
      codes.push(entry.code);
      store(`已加入 ${entry.name},共 ${codes.length} 个`);
      list.lastElementChild?.scrollIntoView({ block: "nearest" });
    },
  });
  list.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    const place = [...list.children].indexOf(event.target.closest("li"));
    if (act === "drop") drop(place);
    else if (act) move(place, act === "up" ? -1 : 1, act);
  });
  list.addEventListener("keydown", (event) => {
    const place = [...list.children].indexOf(event.target.closest("li"));
    if (event.key === "Delete" && place >= 0) {
      event.preventDefault();
      drop(place);
    }
  });
  if (box.dataset.factor) document.getElementById(box.dataset.factor)?.addEventListener("input", draw);
  putBehind(text, line.input);
  box.querySelector(".field-hint")?.replaceChildren("输入后用 ↑ ↓ 选择,回车加入;行上按 Delete 移除");
  text.after(line.box, list, sum, said);
  draw();
}

// --- a name into a text ------------------------------------------------------------------------------------------------

function makeInsert(box) {
  const field = document.getElementById(box.dataset.insert);
  const id = `${box.dataset.insert}-insert`;
  const label = element("label", { className: "field-label", htmlFor: id, textContent: box.dataset.label });
  const line = searchLine({
    id, label: box.dataset.label, placeholder: "名称、编码或拼音首字母", entries: () => knownOf(box.dataset.kind),
    take(entry) {
      // Names with signs in them stand in brackets.
      const name = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(entry.name) ? entry.name : `[${entry.name}]`;
      field.setRangeText(name, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
    },
  });
  box.append(label, line.box);
}

// --- narrowing what the page shows -------------------------------------------------------------------------------------

function makeFilter(input) {
  const all = [...document.querySelectorAll(input.dataset.filter)];
  const shown = () => all.filter((each) => !each.hidden);
  input.addEventListener("input", () => {
    const wanted = plain(input.value);
    all.forEach((each) => { each.hidden = !plain(each.dataset.findIn).includes(wanted); });
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    shown()[0]?.querySelector("a")?.click();
  });
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("select[data-find]").forEach(makeFindable);
  document.querySelectorAll("[data-picker]").forEach(makePicker);
  document.querySelectorAll("[data-insert]").forEach(makeInsert);
  document.querySelectorAll("input[data-filter]").forEach(makeFilter);
});
