// Sends the form at once; its button does the same where no script runs.
const form = document.getElementById("remise");
const LIMIT = 5000;

form.submit();

// While the application's page does not come, this one still runs: a sign-out goes on without it.
if (form.dataset.back) {
  setTimeout(() => {
    window.stop();
    location.replace(form.dataset.back);
  }, LIMIT);
}
