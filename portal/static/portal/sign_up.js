// Progressive enhancement only: without this file every row is shown and the button names no number.

const form = document.querySelector("#sign-up form");
const button = form?.querySelector("#ask");
const words = document.querySelector("#sign-up")?.dataset;
const plain = button?.textContent;

function show() {
  const size = Number(form.querySelector("[name=size]:checked")?.value ?? 0);
  for (const name of form.querySelectorAll("[name^=name_]")) {
    const row = name.closest(".pair-group");
    row.hidden = size > 0 && Number(name.name.slice("name_".length)) > size;
    row.querySelector(".hint")?.toggleAttribute("hidden", size > 0);
  }
  const fewer = form.querySelector("[name=smallest_size]");
  if (fewer) {
    fewer.closest(".field").hidden = size === 1;
    for (const option of fewer.options) option.hidden = size > 0 && Number(option.value) >= size;
  }
  button.textContent = words[`ask-${size}`] ?? plain;
}

if (form) {
  form.addEventListener("change", show);
  addEventListener("pageshow", show);
  show();
}
