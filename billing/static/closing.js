// The count of a drawer adds itself up while it is typed: counted, expected and what is between them, in fen and exact.

const yuan = (fen) => `${fen < 0 ? "-" : ""}${Math.floor(Math.abs(fen) / 100)}.${String(Math.abs(fen) % 100).padStart(2, "0")}`;

function fenOf(text) {
  const found = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(text.trim());
  return found ? Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0")) : 0;
}

function addUp(form) {
  let counted = 0;
  form.querySelectorAll("[data-fen]").forEach((field) => {
    counted += Number(field.dataset.fen) * (/^\d{1,6}$/.test(field.value.trim()) ? Number(field.value) : 0);
  });
  const received = fenOf(form.elements.received?.value ?? "");
  const handed = fenOf(form.elements.handed?.value ?? "");
  const expected = Number(form.dataset.expected) + received;
  const difference = counted - expected;
  const show = (name, text) => { form.querySelector(`[data-${name}]`).textContent = text; };
  show("counted", yuan(counted));
  show("should", yuan(expected));
  show("difference", difference === 0 ? "相符" : `${difference > 0 ? "长款" : "短款"} ${yuan(Math.abs(difference))}`);
  show("left", yuan(counted - handed));
  form.querySelector("[data-difference]").parentElement.classList.toggle("is-off", difference !== 0);
}

document.querySelectorAll("form[data-count]").forEach((form) => {
  form.addEventListener("input", () => addUp(form));
  form.querySelector("[data-hand-in-all]")?.addEventListener("click", () => {
    form.elements.handed.value = form.querySelector("[data-counted]").textContent;
    addUp(form);
  });
  addUp(form);
});
