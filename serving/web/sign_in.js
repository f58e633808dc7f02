// The key that this tab asks with. It is kept until the tab is closed, and nowhere else.

const PLACE = "vigie-key";
let asking = null;

export function currentKey() {
  return sessionStorage.getItem(PLACE);
}

// Ask the person for a key in the place of one that was missing or refused; whether one was given.
// Requests that fail at the same time share one question.
export function anotherKey() {
  const refused = currentKey() !== null;
  sessionStorage.removeItem(PLACE);
  asking ??= ask(refused).finally(() => {
    asking = null;
  });
  return asking;
}

function ask(refused) {
  const dialog = document.getElementById("sign-in");
  const form = dialog.querySelector("form");
  const input = form.elements.key;
  dialog.querySelector(".sign-in-refused").hidden = !refused;
  form.reset();
  dialog.returnValue = "";
  dialog.showModal();
  input.focus();
  return new Promise((answer) => {
    dialog.addEventListener(
      "close",
      () => {
        const key = input.value.trim();
        const given = dialog.returnValue === "use" && key !== "";
        if (given) sessionStorage.setItem(PLACE, key);
        form.reset();
        answer(given);
      },
      { once: true },
    );
  });
}
