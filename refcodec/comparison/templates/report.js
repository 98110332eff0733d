(() => {
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const $ = (id) => document.getElementById(id);
  const stage = $("stage");
  if (!stage) return;
  const sheet = $("sheet"), under = $("under"), over = $("over"), divider = $("divider");
  const state = { left: data.left, right: data.right, instant: 0, at: 0.5, zoom: "fit" };

  for (const side of ["left", "right"]) {
    const select = $(side);
    for (const label of data.labels) select.add(new Option(label, label));
    select.value = state[side];
    select.addEventListener("change", () => { state[side] = select.value; show(); });
  }
  data.instants.forEach((instant, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = instant.time;
    button.addEventListener("click", () => { state.instant = number; show(); });
    $("instants").append(button);
  });
  for (const button of $("zooms").children) {
    button.addEventListener("click", () => { state.zoom = button.dataset.zoom; show(); });
  }

  function show() {
    under.src = data.pictures[state.right][state.instant];
    over.src = data.pictures[state.left][state.instant];
    under.alt = state.right;
    over.alt = state.left;
    const width = state.zoom === "fit" ? "100%" : `${data.width * state.zoom}px`;
    under.style.width = over.style.width = width;
    for (const side of ["left", "right"]) {
      const tag = $(`tag-${side}`);
      tag.textContent = state[side];
      tag.style.borderBottomColor = data.colours[state[side]];
    }
    [...$("instants").children].forEach((button, number) =>
      button.setAttribute("aria-pressed", String(number === state.instant)));
    [...$("zooms").children].forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.zoom === state.zoom)));
    divide();
  }

  function divide() {
    const x = state.at * stage.clientWidth;
    divider.style.left = `${x}px`;
    divider.setAttribute("aria-valuenow", String(Math.round(100 * state.at)));
    const cut = Math.max(0, over.clientWidth - (x + sheet.scrollLeft));
    over.style.clipPath = `inset(0 ${cut}px 0 0)`;
  }

  const move = (event) => {
    const box = stage.getBoundingClientRect();
    state.at = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    divide();
  };
  let pan = null;
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    const onLine = event.target === divider || divider.contains(event.target);
    if (state.zoom !== "fit" && !onLine) {
      pan = { x: event.clientX + sheet.scrollLeft, y: event.clientY + sheet.scrollTop };
    } else {
      move(event);
    }
  });
  stage.addEventListener("pointermove", (event) => {
    if (!stage.hasPointerCapture(event.pointerId)) return;
    if (pan) {
      sheet.scrollLeft = pan.x - event.clientX;
      sheet.scrollTop = pan.y - event.clientY;
    } else {
      move(event);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { pan = null; });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    state.at = Math.min(1, Math.max(0, state.at + step));
    divide();
  });
  sheet.addEventListener("scroll", divide);
  over.addEventListener("load", divide);
  new ResizeObserver(divide).observe(stage);
  show();
})();
