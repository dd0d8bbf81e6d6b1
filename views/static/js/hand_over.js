// Sends the form at once; its button does the same where no script runs.
document.getElementById("remise").submit();
