// Filling the days of a batch booking: all places from the earliest day on, so many each working day, or nothing.
"use strict";

for (const button of document.querySelectorAll("[data-fill]")) {
  button.addEventListener("click", () => {
    const form = button.closest("form");
    const fields = [...form.querySelectorAll("input[data-left]:not([disabled])")];
    let left = Number(document.querySelector("[data-chosen]").dataset.chosen);
    for (const field of fields) field.value = "";
    if (button.dataset.fill === "earliest") {
      for (const field of fields) {
        const count = Math.min(left, Number(field.dataset.left));
        if (count > 0) field.value = count;
        left -= count;
      }
    } else if (button.dataset.fill === "even") {
      const most = Number(form.querySelector("#per-day").value) || 0;
      for (const field of fields.filter((each) => !each.closest(".is-weekend"))) {
        const count = Math.min(left, most, Number(field.dataset.left));
        if (count > 0) field.value = count;
        left -= count;
      }
    }
    form.querySelector(".day-grid").dispatchEvent(new Event("fill"));
  });
}
