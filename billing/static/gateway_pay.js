// The dialog of a payment by telephone: it does not close over a customer who may be paying; it asks to cancel instead. An order whose
// result is unknown may be left alone: the worker goes on asking, and the page says so.
"use strict";

function closeScanPay(dialog) {
  const cancel = dialog.querySelector("#scan-pay-cancel");
  if (cancel) {
    cancel.click();
    return;
  }
  const isBegun = dialog.querySelector("#scan-pay-state") !== null;
  dialog.close();
  document.getElementById("scan-pay-body").replaceChildren();
  // What is due, and what may be taken, are others by now.
  if (isBegun) location.reload();
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-scan-pay-close]") : null;
  if (button) closeScanPay(button.closest("dialog"));
});

document.getElementById("scan-pay")?.addEventListener("cancel", (event) => {
  event.preventDefault();
  closeScanPay(event.currentTarget);
});
