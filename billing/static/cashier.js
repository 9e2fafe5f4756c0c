// The counter: what is left goes to the way whose key was pressed, and the change stands there before the drawer opens.
//
//   form[data-pay data-due="59312"]   amounts in [data-amount]; [data-tendered]; the change in [data-change]
//   button[data-way="pos"]            puts what is left on that way (taking it from cash) and goes to its slip number
//   form[data-empty-clicks="#id"]     Enter in its empty field presses that button instead
"use strict";

/** Yuan as typed to fen; null for what is no plain amount. The server reads it again, this is only for the eye. */
function fenOf(text) {
  const plain = text.trim().replaceAll(",", "");
  return /^\d{1,10}(\.\d{1,2})?$/.test(plain) ? Math.round(Number(plain) * 100) : null;
}

const yuanOf = (fen) => (fen / 100).toFixed(2);
const amountsOf = (form) => [...form.querySelectorAll("[data-amount]")];
const sumOf = (fields) => fields.reduce((sum, field) => sum + (fenOf(field.value) ?? 0), 0);

function showChange(form) {
  const tendered = form.querySelector("[data-tendered]");
  const cash = form.querySelector('[data-amount="cash"]');
  const line = form.querySelector("[data-change]");
  const given = fenOf(tendered.value);
  const change = given === null ? 0 : given - (fenOf(cash.value) ?? 0);
  line.querySelector(".number").textContent = `¥${yuanOf(Math.abs(change))}`;
  line.querySelector("[data-word]").textContent = change < 0 ? "还差" : "找零";
  line.classList.toggle("is-short", change < 0);
  const left = Number(form.dataset.due) - sumOf(amountsOf(form));
  form.querySelector("[data-left]").textContent = left === 0 ? "" : left > 0 ? `本次收后仍欠 ¥${yuanOf(left)}` : `多于应收 ¥${yuanOf(-left)}`;
}

/** What no other way pays goes on this one; cash gives way first, because it stands there for the usual case. */
function moveTo(form, way) {
  const field = form.querySelector(`[data-amount="${CSS.escape(way)}"]`);
  const cash = form.querySelector('[data-amount="cash"]');
  const others = amountsOf(form).filter((each) => each !== field && each !== cash);
  const left = Math.max(Number(form.dataset.due) - sumOf(others), 0);
  if (way !== "cash") {
    cash.value = "";
    form.querySelector("[data-tendered]").value = "";
  }
  field.value = left ? yuanOf(left) : "";
  const next = form.querySelector(`[data-after="${CSS.escape(way)}"]`) || field;
  next.focus();
  next.select?.();
  showChange(form);
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-way]") : null;
  if (button) moveTo(button.closest("form"), button.dataset.way);
});

document.addEventListener("input", (event) => {
  const form = event.target.closest?.("form[data-pay]");
  if (!form) return;
  const field = event.target;
  // Part of it by another way: the rest stays cash, so that two keys make a mixed receipt.
  if (field.dataset.amount && field.dataset.amount !== "cash") {
    const cash = form.querySelector('[data-amount="cash"]');
    const left = Math.max(Number(form.dataset.due) - sumOf(amountsOf(form).filter((each) => each !== cash)), 0);
    cash.value = left ? yuanOf(left) : "";
  }
  showChange(form);
});

document.addEventListener("keydown", (event) => {
  const form = event.key === "Enter" && event.target.closest?.("form[data-empty-clicks]");
  if (!form || event.target.value.trim() || event.isComposing || event.repeat) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  document.querySelector(form.dataset.emptyClicks)?.click();
}, true);

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("form[data-pay]").forEach(showChange));
