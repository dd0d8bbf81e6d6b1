// Comforts of the AIA only: every link and form of it works without this file.

// --- dialogs: a link that says data-dialog opens its page's inner part in a <dialog> ------------

let opener = null; // what gets the focus back

function dialogOf() {
  let dialog = document.getElementById("dialogue");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.id = "dialogue";
    dialog.className = "dialog";
    document.body.append(dialog);
    dialog.addEventListener("close", () => {
      dialog.replaceChildren();
      opener?.focus();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target.closest("[data-close]")) {
        event.preventDefault();
        dialog.close();
      }
    });
  }
  return dialog;
}

// Where the focus goes on the page that follows a form of a dialog: to what had opened it.
const OPENED_BY = "dialogue";

function nameOf(link) {
  const url = new URL(link.href);
  return `${url.pathname} ${url.searchParams.get("membre") ?? ""}`;
}

const menuOf = (link) => link.closest("details[data-menu]");
const standsFor = (link) => menuOf(link)?.querySelector("summary") ?? link;

async function openDialog(link) {
  const answer = await fetch(link.href, { headers: { "X-Fragment": "1" }, cache: "no-store" });
  if (!answer.ok || answer.redirected) {
    throw new Error(answer.status);
  }
  const part = new DOMParser().parseFromString(await answer.text(), "text/html").body;
  const title = part.querySelector("h2[id]");
  if (!title) {
    throw new Error("no dialog");
  }
  const dialog = dialogOf();
  dialog.replaceChildren(...part.childNodes);
  dialog.setAttribute("aria-labelledby", title.id);
  window.htmx?.process(dialog);
  opener = standsFor(link);
  dialog.dataset.openedBy = nameOf(link);
  if (menuOf(link)) {
    menuOf(link).open = false;
  }
  dialog.showModal();
}

let asking = false; // a second press while the question is on its way asks nothing more

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  event.preventDefault();
  if (asking) {
    return;
  }
  asking = true;
  try {
    await openDialog(link);
  } catch {
    location.assign(link.href); // the page itself says what is the matter
  } finally {
    asking = false;
  }
});

function comeBack() {
  const { path, name } = JSON.parse(sessionStorage.getItem(OPENED_BY) ?? "{}");
  sessionStorage.removeItem(OPENED_BY);
  if (path !== location.pathname || location.hash) {
    return;
  }
  const link = [...document.querySelectorAll("a[data-dialog]")].find((one) => nameOf(one) === name);
  const title = document.querySelector("main h1");
  if (link) {
    standsFor(link).focus();
  } else if (title) {
    title.tabIndex = -1; // its line is gone
    title.focus();
  }
}

// A press on the button of a form counts once; site.js sees to the forms that the page began with.
const first = new WeakSet(document.forms);
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-download]")) {
    // The browser fetches the file; the dialog that asked for it has done its work.
    setTimeout(() => form.closest("dialog")?.close());
    return;
  }
  if (first.has(form) || form.method !== "post" || event.defaultPrevented) {
    return;
  }
  const name = form.closest("dialog")?.dataset.openedBy;
  if (name) {
    sessionStorage.setItem(OPENED_BY, JSON.stringify({ path: location.pathname, name }));
  }
  if (form.dataset.sent) {
    event.preventDefault();
  }
  form.dataset.sent = "1";
});

// --- menus: closed by Escape and by a press elsewhere; the arrow keys go through them ------------

const openMenus = () => document.querySelectorAll("details[data-menu][open]");

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) {
    if (!menu.contains(event.target)) {
      menu.open = false;
    }
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details[data-menu]");
  if (!menu) {
    return;
  }
  const toggle = menu.querySelector("summary");
  if (event.key === "Escape" && menu.open) {
    menu.open = false;
    toggle.focus();
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    menu.open = true;
    const items = [...menu.querySelectorAll("a")];
    const step = event.key === "ArrowDown" ? 1 : -1;
    const now = items.indexOf(document.activeElement);
    const next = now < 0 && step < 0 ? items.length - 1 : now + step;
    items[(next + items.length) % items.length]?.focus();
  }
});

// One that would end below the window opens upwards, where there is room. "toggle" does not bubble.
document.addEventListener(
  "toggle",
  (event) => {
    const menu = event.target;
    if (!menu.matches?.("details.row-menu")) {
      return;
    }
    menu.classList.remove("row-menu-up");
    const list = menu.querySelector("ul").getBoundingClientRect();
    if (menu.open && list.bottom > innerHeight && list.height < menu.getBoundingClientRect().top) {
      menu.classList.add("row-menu-up");
    }
  },
  true,
);

document.addEventListener("focusout", (event) => {
  const menu = event.target.closest?.("details[data-menu]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) {
    menu.open = false;
  }
});

// --- selection: tick all, and how many are ticked -------------------------------------------------

function boxesOf(form) {
  return [...document.querySelectorAll("[data-select]")].filter((box) => box.form === form);
}

function count(form) {
  const boxes = boxesOf(form);
  const ticked = boxes.filter((box) => box.checked);
  const here = ticked.length;
  // A line that is one of several of a person names him.
  const people = new Set(ticked.map((box) => box.dataset.person ?? box)).size;
  for (const place of form.querySelectorAll("[data-selected]")) {
    const elsewhere = Number(place.dataset.already);
    const total = elsewhere + people;
    const noun = place.dataset.noun ? ` ${place.dataset.noun}` : "";
    const whole = form.querySelector("[data-select-whole]")?.checked;
    const apart = elsewhere ? `, ${here ? `dont ${elsewhere} ` : ""}hors de cette page` : people < here ? ` (${here} rattachements)` : "";
    place.textContent = total && !whole ? `${total}${noun}${total > 1 ? `${noun && "s"} sélectionnés` : " sélectionné"}${apart}` : "";
    for (const button of form.querySelectorAll("[data-needs-selection]")) {
      button.disabled = !total && !whole;
    }
  }
  for (const all of document.querySelectorAll("[data-select-all]")) {
    if (all.dataset.selectAll === form.id) {
      all.checked = boxes.length > 0 && here === boxes.length;
      all.indeterminate = here > 0 && here < boxes.length;
    }
  }
}

document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-select-all]");
  const form = all ? document.getElementById(all.dataset.selectAll) : event.target.form;
  if (all && form) {
    for (const box of boxesOf(form)) {
      box.checked = all.checked;
    }
  }
  if (form && (all || event.target.matches("[data-select], [data-select-whole]"))) {
    count(form);
  }
});

function prepare() {
  for (const part of document.querySelectorAll("[data-scripted][hidden]")) {
    part.hidden = false;
  }
  for (const form of document.querySelectorAll("form:has([data-selected])")) {
    count(form);
  }
}

// --- an address that is typed anew is no longer the one that was checked --------------------------

document.querySelector("form:has(+ [data-checked])")?.addEventListener("input", (event) => {
  event.currentTarget.nextElementSibling.hidden = true;
});

prepare();
comeBack();
// Coming back with the browser's Back button, boxes may be ticked again.
addEventListener("pageshow", prepare);
// Somebody else (selection.js) ticked boxes, or knows of some on other pages.
document.addEventListener("selection", prepare);

// --- htmx: what is not the list leads to the page itself; what changed is said --------------------

const said = document.createElement("p");
said.className = "hidden";
said.setAttribute("role", "status");
document.body.append(said);

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  const path = new URL(pathInfo.finalRequestPath, location.href).pathname;
  const elsewhere = xhr.responseURL && new URL(xhr.responseURL).pathname !== path;
  if (xhr.status >= 400 || elsewhere) {
    event.detail.shouldSwap = false;
    location.assign(elsewhere ? xhr.responseURL : pathInfo.finalRequestPath);
  }
});

document.addEventListener("htmx:afterSettle", () => {
  prepare();
  said.textContent = document.querySelector("[data-said]")?.textContent ?? "";
});
