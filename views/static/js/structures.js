// Comforts of the tree only: without this file its buttons send a form, and the page comes back.

const OPEN = "fermer"; // what an open branch's button does without scripts
const SHUT = "ouvrir";

async function fill(button, item) {
  const answer = await fetch(button.dataset.branch, {
    headers: { "X-Fragment": "1" },
    cache: "no-store",
  });
  if (!answer.ok || answer.redirected) {
    throw new Error(answer.status);
  }
  const part = new DOMParser().parseFromString(await answer.text(), "text/html");
  item.append(part.querySelector("ul.tree"));
}

async function toggle(button) {
  const item = button.closest("li");
  const open = button.getAttribute("aria-expanded") !== "true";
  if (open && !item.querySelector(":scope > ul")) {
    await fill(button, item);
  }
  const below = item.querySelector(":scope > ul");
  below.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  button.name = open ? OPEN : SHUT;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-branch]");
  if (!button || button.getAttribute("aria-busy") === "true" || button.dataset.failed) {
    return;
  }
  event.preventDefault();
  button.setAttribute("aria-busy", "true");
  try {
    await toggle(button);
  } catch {
    button.dataset.failed = "1";
    button.form.requestSubmit(button); // the page itself says what is the matter
  } finally {
    button.removeAttribute("aria-busy");
  }
});

// Arrow keys go through what is shown; right opens a branch, left closes it or goes up.
document.addEventListener("keydown", (event) => {
  const here = event.target.closest?.(".tree .node");
  if (!here || event.altKey || event.ctrlKey || event.metaKey) {
    return;
  }
  const button = here.querySelector("button[data-branch]");
  const expanded = button?.getAttribute("aria-expanded") === "true";
  const nodes = [...document.querySelectorAll(".tree .node")].filter((node) => node.checkVisibility());
  const reach = (node) => node?.querySelector("a").focus();
  const steps = {
    ArrowDown: () => reach(nodes[nodes.indexOf(here) + 1]),
    ArrowUp: () => reach(nodes[nodes.indexOf(here) - 1]),
    ArrowRight: () => (button && !expanded ? button.click() : reach(nodes[nodes.indexOf(here) + 1])),
    ArrowLeft: () =>
      expanded ? button.click() : reach(here.closest("ul").closest("li")?.querySelector(".node")),
  };
  if (steps[event.key]) {
    event.preventDefault();
    steps[event.key]();
  }
});

// The selected structure is in sight in a long tree.
const current = document.querySelector(".tree a[aria-current]");
const box = current?.closest(".places-scroll");
if (box) {
  const above = current.getBoundingClientRect().top - box.getBoundingClientRect().top;
  box.scrollTop = Math.max(0, above - box.clientHeight / 3);
}
