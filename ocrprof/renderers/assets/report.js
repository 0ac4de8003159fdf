"use strict";

// Boxes of imports: a click, or Enter, makes one box the whole width; the crumbs lead back; arrows go from box to box.
for (const icicle of document.querySelectorAll(".icicle")) {
  const boxes = [...icicle.children].map((box) => ({
    box,
    start: parseFloat(box.style.left),
    width: parseFloat(box.style.width),
    row: parseInt(box.style.top, 10) / 20,
  }));
  const crumbs = document.createElement("div");
  crumbs.className = "crumbs";
  icicle.after(crumbs);

  const contains = (outer, inner) =>
    outer.row < inner.row && outer.start <= inner.start + 1e-6 && outer.start + outer.width >= inner.start + inner.width - 1e-2;

  function zoom(to) {
    for (const { box, start, width, row } of boxes) {
      const left = ((start - to.start) / to.width) * 100;
      const share = (width / to.width) * 100;
      const shown = row >= to.row && left < 99.999 && left + share > 0.001 && share > 0.02;
      box.style.display = shown ? "" : "none";
      box.style.left = left + "%";
      box.style.width = share + "%";
      box.classList.toggle("tiny", share < 1.4);
      box.style.top = 20 * (row - to.row) + "px";
    }
    crumbs.replaceChildren();
    const path = to === boxes[0] ? [] : [...boxes.filter((one) => contains(one, to)), to];
    path.forEach((one, index) => {
      if (index) crumbs.append(" › ");
      const button = document.createElement("button");
      button.textContent = one.box.textContent;
      button.onclick = () => zoom(one);
      crumbs.append(button);
    });
  }

  const seen = (one) => one && one.box.style.display !== "none";
  const beside = (one, step) => boxes.filter((other) => other.row === one.row && seen(other)).at(
    boxes.filter((other) => other.row === one.row && seen(other)).indexOf(one) + step);
  const moves = {
    ArrowDown: (one) => boxes.find((other) => other.row === one.row + 1 && contains(one, other) && seen(other)),
    ArrowUp: (one) => boxes.findLast((other) => other.row === one.row - 1 && contains(other, one) && seen(other)),
    ArrowRight: (one) => beside(one, 1),
    ArrowLeft: (one) => beside(one, -1),
  };
  for (const one of boxes) {
    one.box.tabIndex = one === boxes[0] ? 0 : -1;
    one.box.setAttribute("role", "button");
    one.box.setAttribute("aria-label", one.box.title);
    one.box.onclick = () => zoom(one);
    one.box.onkeydown = (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        one.box.click();
      }
      const next = moves[event.key]?.(one);
      if (!next) return;
      event.preventDefault();
      one.box.tabIndex = -1;
      next.box.tabIndex = 0;
      next.box.focus();
    };
  }
}

// Lanes: wider and narrower, to see what lasts a moment only.
for (const lanes of document.querySelectorAll(".scroll > .lanes")) {
  let factor = 1;
  const buttons = document.createElement("div");
  buttons.className = "zoom";
  for (const [sign, step] of [["−", 0.5], ["+", 2]]) {
    const button = document.createElement("button");
    button.textContent = sign;
    button.title = step > 1 ? "wider" : "narrower";
    button.onclick = () => {
      factor = Math.min(64, Math.max(1, factor * step));
      lanes.style.width = 100 * factor + "%";
    };
    buttons.append(button);
  }
  lanes.parentElement.before(buttons);
}

// What is pointed at in a legend or a table is lit wherever it is drawn.
for (const item of document.querySelectorAll("li[data-k], .swatch[data-k]")) {
  const same = document.querySelectorAll(`[data-k="${CSS.escape(item.dataset.k)}"]`);
  item.onmouseenter = () => { document.body.classList.add("lit"); same.forEach((one) => one.classList.add("on")); };
  item.onmouseleave = () => { document.body.classList.remove("lit"); same.forEach((one) => one.classList.remove("on")); };
}

// A package that is chosen anywhere is marked everywhere, its chain is opened, and a bar leads from view to view.
const bar = document.createElement("aside");
bar.className = "chosen-bar";
bar.setAttribute("aria-live", "polite");

function button(words, action) {
  const one = document.createElement("button");
  one.textContent = words;
  one.onclick = action;
  return one;
}

function choose(name) {
  document.querySelectorAll(".chosen").forEach((one) => one.classList.remove("chosen"));
  bar.replaceChildren();
  if (!name) { bar.remove(); return; }
  const places = new Map();
  for (const one of document.querySelectorAll(`[data-package="${CSS.escape(name)}"]`)) {
    one.classList.add("chosen");
    if (one.tagName === "DETAILS") one.open = true;
    const part = one.closest("section");
    if (part && one.getClientRects().length && !places.has(part)) places.set(part, one);
  }
  const title = document.createElement("b");
  title.textContent = name;
  bar.append(title);
  for (const [part, one] of places) {
    bar.append(button(part.querySelector("h2").textContent, () => one.scrollIntoView({ block: "center" })));
  }
  bar.append(button("close", () => choose(null)));
  document.body.append(bar);
}

document.addEventListener("click", (event) => {
  const one = event.target.closest("[data-package]");
  if (one && one.tagName !== "DETAILS") choose(one.dataset.package);
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") choose(null); });

// A link to an entry opens it, also where the page was opened by that link.
function openTarget() {
  const entry = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (entry?.dataset.package) choose(entry.dataset.package);
}
addEventListener("hashchange", openTarget);
openTarget();

// Paper cannot be clicked.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
