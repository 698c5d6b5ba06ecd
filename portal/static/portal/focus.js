// Progressive enhancement only: every page works without this file.

// For browsers in which `autofocus` works on fields only.
if (!("autofocus" in HTMLElement.prototype)) document.querySelector(".error-summary")?.focus();

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
