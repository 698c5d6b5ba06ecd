// Progressive enhancement only: without this file the button sends the form again.

const form = document.querySelector("#written");

if (form) {
  document.querySelector("#by-hand").hidden = true;
  document.querySelector("#by-itself").hidden = false;
  setTimeout(() => form.requestSubmit(), 1000 * Number(form.dataset.seconds));
}
