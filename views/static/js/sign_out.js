// Leads through the applications without a click; its buttons do the same where no script runs.
// An application that does not answer within five seconds is left behind: the last page names it.
const page = document.querySelector("[data-sign-out]");
const skip = page.querySelector("[data-skip]");
const next = page.querySelector("[data-next]");
const LIMIT = 5000;

function say(text) {
  page.querySelector("[data-status]").textContent = text;
}

async function answers(origin) {
  // A page in https may not ask an address in http: then it cannot be known beforehand.
  if (!origin || (location.protocol === "https:" && origin.startsWith("http:"))) {
    return true;
  }
  // Where it leads elsewhere the policy stops us: it answered all the same.
  let redirected = false;
  const note = () => {
    redirected = true;
  };
  document.addEventListener("securitypolicyviolation", note);
  try {
    await fetch(origin, {
      mode: "no-cors",
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(LIMIT),
    });
    return true;
  } catch {
    // The event comes a moment after the failure that it explains.
    await new Promise((resume) => {
      setTimeout(resume, 100);
    });
    return redirected;
  } finally {
    document.removeEventListener("securitypolicyviolation", note);
  }
}

// The person may be faster than the script: what was pressed counts.
let pressed = false;
next.addEventListener("click", () => {
  pressed = true;
});
skip.addEventListener("submit", () => {
  pressed = true;
});

async function goOn() {
  say(`Fermeture de ${page.dataset.label} en cours…`);
  const alive = await answers(page.dataset.origin);
  if (pressed) {
    return;
  }
  if (alive) {
    location.assign(next.href);
  } else {
    leaveBehind();
    return;
  }
  // While the application's page does not come, this one still runs.
  setTimeout(() => {
    if (!pressed) {
      window.stop();
      leaveBehind();
    }
  }, LIMIT);
}

function leaveBehind() {
  say(`${page.dataset.label} ne répond pas : la déconnexion continue sans elle.`);
  skip.submit();
}

// Coming back with the browser's Back button means that the application led nowhere.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  } else {
    goOn();
  }
});
