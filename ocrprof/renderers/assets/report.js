"use strict";

// Boxes of imports: a click makes one box the whole width; the crumbs lead back.
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
  boxes.forEach((one) => { one.box.onclick = () => zoom(one); });
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

// Paper cannot be clicked.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
