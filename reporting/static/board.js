// Choosing reports to issue: the box over the list chooses all of the page, the button tells how many are chosen.
"use strict";

document.querySelectorAll("[data-choose]").forEach((form) => {
  const boxes = [...form.querySelectorAll('input[name="visit_no"]:not(:disabled)')];
  const all = form.querySelector("[data-choose-all]");
  const button = form.querySelector("[data-choose-count]");
  if (!all || !button) return;
  const label = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  const refresh = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    button.disabled = count === 0;
    if (label) label.textContent = count ? `${button.dataset.chooseCount}(${count})` : button.dataset.chooseCount;
  };
  all.addEventListener("change", () => { boxes.forEach((box) => { box.checked = all.checked; }); refresh(); });
  form.addEventListener("change", refresh);
  refresh();
});
