// Keeps who was ticked while one pages, sorts and filters: in this tab alone, by opaque ids, until
// what was chosen is confirmed, or undone. Without this file the form takes the ticks along.

(() => {
  const formOf = () => document.querySelector("form[data-keeps]");
  const keyOf = (form) => `selection ${form.dataset.keeps ?? form.dataset.forgets}`;

  function kept(form) {
    try {
      return new Set(JSON.parse(sessionStorage.getItem(keyOf(form)) ?? "[]"));
    } catch {
      return new Set();
    }
  }

  function keep(form, ids) {
    if (ids.size) {
      sessionStorage.setItem(keyOf(form), JSON.stringify([...ids]));
    } else {
      sessionStorage.removeItem(keyOf(form));
    }
  }

  const boxesOf = (form) => [...document.querySelectorAll("[data-select]")].filter((box) => box.form === form);

  // What lies on other pages, for the count (aia.js says it) and for the form.
  function tell(form) {
    const ids = kept(form);
    const here = boxesOf(form);
    const elsewhere = ids.size - here.filter((box) => ids.has(box.value)).length;
    for (const place of form.querySelectorAll("[data-selected]")) {
      place.dataset.already = elsewhere;
    }
    for (const undo of form.querySelectorAll("[data-unselect]")) {
      undo.hidden = !ids.size;
    }
    document.dispatchEvent(new Event("selection"));
  }

  function restore() {
    const form = formOf();
    if (!form) {
      return;
    }
    const ids = kept(form);
    for (const box of boxesOf(form)) {
      box.checked = ids.has(box.value);
    }
    tell(form);
  }

  document.addEventListener("change", (event) => {
    const form = formOf();
    if (!form || !event.target.matches("[data-select], [data-select-all]")) {
      return;
    }
    const ids = kept(form);
    for (const box of boxesOf(form)) {
      ids[box.checked ? "add" : "delete"](box.value);
    }
    keep(form, ids);
    tell(form);
  });

  document.addEventListener("click", (event) => {
    const undo = event.target.closest("[data-unselect]");
    if (!undo) {
      return;
    }
    const form = undo.form;
    keep(form, new Set());
    restore();
    boxesOf(form)[0]?.focus();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.forgets !== undefined) {
      keep(form, new Set());
    }
    if (form !== formOf()) {
      return;
    }
    // Coming back with the browser's Back button, those that were sent are still there.
    form.querySelectorAll("input[data-elsewhere]").forEach((hidden) => hidden.remove());
    const here = new Set(boxesOf(form).map((box) => box.value));
    for (const id of kept(form)) {
      if (!here.has(id)) {
        const hidden = document.createElement("input");
        hidden.type = "hidden";
        hidden.name = "subject_id";
        hidden.value = id;
        hidden.dataset.elsewhere = "";
        form.append(hidden);
      }
    }
  });

  document.addEventListener("htmx:afterSettle", restore);
  addEventListener("pageshow", restore);
  restore();
})();
