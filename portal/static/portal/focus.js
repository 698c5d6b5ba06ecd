// Progressive enhancement only: every page works without this file.

// Browsers that do not know `autofocus` on a list of errors.
addEventListener("load", () => {
  const summary = document.querySelector(".error-summary");
  if (summary && document.activeElement === document.body) summary.focus();
});

// A second press on a button that is already on its way does nothing. Coming back to the page makes it fresh again.
const sent = new Set();
addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (sent.has(event.target)) {
    event.preventDefault();
    return;
  }
  sent.add(event.target);
  event.submitter?.setAttribute("aria-disabled", "true");
});
addEventListener("pageshow", () => {
  sent.clear();
  document.querySelectorAll("[type=submit][aria-disabled]").forEach((button) => button.removeAttribute("aria-disabled"));
});
