// Warns before the session ends and offers to stay; says so once it has ended.
// Whether it ends is the server's to say: another tab may have been used meanwhile.
const dialog = document.getElementById("fin-de-session");
const form = dialog.querySelector("form");
const status = dialog.querySelector("[data-status]");
const drafted = document.querySelector("form[data-drafted]");
const tabs = new BroadcastChannel("session");
const WARNING = Number(dialog.dataset.warning) * 1000;
const LAST_MINUTE = 60_000;
const ASK_EVERY = 15_000;

let end = Date.now() + Number(dialog.dataset.left) * 1000;
let final = dialog.dataset.final === "oui";
let dismissed = 0; // the person closed the warning when this much was left
let state = "waiting";
let timer;
let before;
let typed = false;

drafted?.addEventListener("input", () => {
  typed = true;
});

function left() {
  return end - Date.now();
}

// How much is left when the person is told; once more in the last minute if he closed the warning.
function due() {
  if (!dismissed) {
    return WARNING;
  }
  return dismissed > LAST_MINUTE ? LAST_MINUTE : 0;
}

// Timers are slow in hidden tabs and stand still while the computer sleeps: look at the clock again.
function wait(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(look, Math.min(Math.max(milliseconds, 500), 2 ** 31 - 1));
}

function next() {
  wait(state === "waiting" ? left() - due() : Math.min(ASK_EVERY, left()));
}

async function look() {
  if (state === "ended") {
    return;
  }
  if (state === "waiting" && left() > due()) {
    next();
    return;
  }
  try {
    learn(await ask());
  } catch {
    wait(ASK_EVERY); // the network is away: nothing is known, nothing is said
  }
}

async function ask(options = {}) {
  const answer = await fetch(dialog.dataset.address, {
    headers: { Accept: "application/json" },
    cache: "no-store",
    redirect: "error",
    ...options,
  });
  if (!answer.ok) {
    throw new Error(answer.status);
  }
  return answer.json();
}

function learn(answer) {
  end = Date.now() + answer.left * 1000;
  final = answer.final;
  if (answer.left <= 0) {
    show("ended");
    return;
  }
  for (const place of document.querySelectorAll("[data-session-at]")) {
    place.textContent = answer.at;
  }
  if (left() > WARNING) {
    dismissed = 0;
    hide();
  } else if (state !== "waiting" || left() <= due() + 1000) {
    show(final ? "final" : "idle");
  }
  next();
}

function show(now) {
  if (state !== now) {
    state = now;
    dialog.querySelector("[data-typed]").dataset.when = typed ? "ended" : "";
    for (const part of dialog.querySelectorAll("[data-when]")) {
      part.hidden = part.dataset.when !== now;
    }
    dialog.classList.toggle("dialog-opaque", now === "ended");
    if (!dialog.open) {
      before = document.activeElement;
      dialog.showModal();
    }
    dialog.querySelector(".actions:not([hidden]) :is(button, a)").focus();
  }
  // Said once; a countdown read aloud every second would be unbearable.
  status.textContent = now !== "ended" && left() <= LAST_MINUTE ? "Il reste moins d'une minute." : "";
}

function hide() {
  state = "waiting";
  if (dialog.open) {
    dialog.close();
    before?.focus();
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  delete form.dataset.sent; // site.js lets a form go once; this one stays on the page
  try {
    const answer = await ask({ method: "POST", body: new URLSearchParams(new FormData(form)) });
    tabs.postMessage(answer);
    learn(answer);
  } catch {
    look();
  }
});

dialog.querySelector("[data-close]").addEventListener("click", dismiss);

// Escape: the warning comes again for the last minute; what has ended has ended.
dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  if (state !== "ended") {
    dismiss();
  }
});

function dismiss() {
  dismissed = left();
  hide();
  next();
}

// What was typed is sent to be kept, never to be done: he may be signed in again by another tab. The
// server offers it to the person of this page, once he has signed in.
dialog.querySelector("[data-sign-in]").addEventListener("click", (event) => {
  if (typed) {
    event.preventDefault();
    const only = document.createElement("input");
    only.type = "hidden";
    only.name = "brouillon-seul";
    only.value = new URL(event.currentTarget.href).searchParams.get("suite") ?? "";
    drafted.append(only);
    drafted.submit();
  }
});

// Every page that opens is a use of the session, for the other tabs too.
tabs.addEventListener("message", (event) => {
  if (state !== "ended" || event.data.left > 0) {
    learn(event.data);
  }
});
tabs.postMessage({
  left: Number(dialog.dataset.left),
  final,
  at: document.querySelector("[data-session-at]").textContent,
});

addEventListener("visibilitychange", look);
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    look();
  }
});
next();
