// Comforts only: every page works without this file.

// Show and hide the password.
for (const box of document.querySelectorAll("[data-reveal]")) {
  const input = box.querySelector("input");
  const button = box.querySelector("button");
  const hide = () => {
    input.type = "password";
    button.setAttribute("aria-pressed", "false");
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  // A password manager and the browser's history must see a password field.
  input.form.addEventListener("submit", hide);
}

// A press on the button of a form counts once; one that fetches a file leaves the page as it is.
for (const form of document.querySelectorAll("form:not([data-download])")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
    }
    form.dataset.sent = "1";
  });
}
// Coming back with the browser's Back button, the form may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
  }
});

// Close the account's menu with Escape or a press elsewhere.
for (const menu of document.querySelectorAll("details.menu")) {
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  addEventListener("click", (event) => {
    if (!menu.contains(event.target)) {
      menu.open = false;
    }
  });
}

// Without cookies nobody can be recognised: said before anything is typed.
if (!navigator.cookieEnabled) {
  document.querySelector("[data-cookies]")?.removeAttribute("hidden");
}

// The answer to what was posted stands in the history as the form's own page: coming back to it, or
// reloading it, asks for that page, and not whether to send everything once more.
if (document.documentElement.dataset.answers) {
  history.replaceState(history.state, "", document.documentElement.dataset.answers);
}

// After a refused form, start reading at what is to be corrected.
document.getElementById("erreurs")?.focus();
