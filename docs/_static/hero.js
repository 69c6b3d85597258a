// The moving picture of the landing page: a trained network reads a digit, millisecond by millisecond.
//
// The spikes are those of a real run (digit.js, made by tools/picture.py). The film takes the place of
// the still picture; it can be stopped, and stands still for those who ask for less motion.
"use strict";

(() => {
  const shown = window.jarvisDigit;
  const still = document.querySelector('img[src*="digit"]');
  if (!shown || !still) return;

  const STEPS = shown.evidence.length;
  const PAUSE = 2500; // ms at the end
  const PER_STEP = 80; // ms of film for 1 ms of the network's time
  const figure = document.createElement("figure");
  figure.className = "jarvis-hero";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", still.alt);
  const button = document.createElement("button");
  button.type = "button";
  figure.append(canvas, button);
  still.replaceWith(figure);

  const pen = canvas.getContext("2d");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let [running, started, step] = [!calm, performance.now(), STEPS];

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["blue", "green", "red", "grey", "ink", "line"];
    return Object.fromEntries(names.map((name) =>
      [name, style.getPropertyValue(`--jarvis-${name}`).trim()]));
  }

  // Four places: in a row where there is room, two by two where there is not.
  function places(width) {
    const columns = width > 640 ? 4 : 2;
    const each = width / columns;
    const height = Math.min(210, each * 0.95);
    return Array.from({ length: 4 }, (_, k) => {
      const [column, row] = [k % columns, Math.floor(k / columns)];
      return { left: column * each + 10, top: row * (height + 46) + 24, width: each - 24, height };
    });
  }

  function draw() {
    const width = figure.clientWidth;
    const boxes = places(width);
    const height = boxes[3].top + boxes[3].height + 22;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const colour = colours();
    const font = getComputedStyle(document.body).fontFamily;
    const write = (text, x, y, align = "center", size = 12, weight = "") => {
      pen.font = `${weight} ${size}px ${font}`;
      pen.textAlign = align;
      pen.fillText(text, x, y);
    };
    const titles = ["a digit", "spikes of its pixels", "100 hidden neurons", "evidence per class"];
    boxes.forEach((box, k) => {
      pen.fillStyle = colour.ink;
      write(titles[k], box.left + box.width / 2, box.top - 8, "center", 13, "600");
      if (k === 0) return;
      pen.strokeStyle = colour.line;
      pen.strokeRect(box.left + 0.5, box.top + 0.5, box.width - 1, box.height - 1);
      write("time (ms)", box.left + box.width / 2, box.top + box.height + 15);
      write("0", box.left, box.top + box.height + 15);
      write(String(STEPS), box.left + box.width, box.top + box.height + 15);
    });

    // The digit; pixels that fire now are framed.
    const size = Math.min(boxes[0].width, boxes[0].height) / 8;
    const left = boxes[0].left + (boxes[0].width - 8 * size) / 2;
    for (let y = 0; y < 8; y += 1) {
      for (let x = 0; x < 8; x += 1) {
        const grey = Math.round(255 * shown.image[y][x]);
        pen.fillStyle = `rgb(${grey},${grey},${grey})`;
        pen.fillRect(left + x * size, boxes[0].top + y * size, size + 0.5, size + 0.5);
      }
    }
    pen.fillStyle = colour.green;
    for (const [t, unit] of shown.spikes) {
      if (t !== step - 1 || step === STEPS) continue;
      pen.beginPath();
      pen.arc(left + ((unit % 8) + 0.5) * size, boxes[0].top + (Math.floor(unit / 8) + 0.5) * size,
        size * 0.25, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.fillStyle = colour.ink;
    write(`${step} ms`, boxes[0].left + boxes[0].width / 2, boxes[0].top + boxes[0].height + 15);

    const raster = (box, spikes, n, of) => {
      for (const [t, unit] of spikes) {
        if (t >= step) continue;
        pen.fillStyle = of(unit);
        pen.fillRect(box.left + ((t + 0.2) / STEPS) * box.width,
          box.top + ((unit + 0.1) / n) * box.height, 2, Math.max(1.6, (0.8 * box.height) / n));
      }
    };
    raster(boxes[1], shown.spikes, 64, () => colour.green);
    raster(boxes[2], shown.hidden, shown.preferred.length, (unit) =>
      (shown.preferred[unit] === shown.answer ? colour.red : colour.blue));

    const all = shown.evidence.flat();
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const box = boxes[3];
    const x = (t) => box.left + (t / STEPS) * (box.width - 20);
    const y = (value) => box.top + 8 + ((high - value) / (high - low)) * (box.height - 16);
    for (let pass = 0; pass < 2; pass += 1) {
      shown.evidence[0].forEach((_, k) => {
        if ((k === shown.answer) !== (pass === 1)) return;
        pen.strokeStyle = pass ? colour.red : colour.grey;
        pen.lineWidth = pass ? 2.5 : 1;
        pen.beginPath();
        for (let t = 0; t < step; t += 1) pen.lineTo(x(t + 1), y(shown.evidence[t][k]));
        pen.stroke();
      });
    }
    pen.lineWidth = 1;
    if (step === STEPS) {
      pen.fillStyle = colour.red;
      write(String(shown.answer), x(STEPS) + 11, y(shown.evidence[STEPS - 1][shown.answer]) + 6,
        "center", 18, "700");
    }
  }

  function label() {
    button.textContent = running ? "Stop" : "Play";
  }

  function film(now) {
    if (!running) return;
    const length = STEPS * PER_STEP + PAUSE;
    step = Math.min(STEPS, 1 + Math.floor(((now - started) % length) / PER_STEP));
    draw();
    requestAnimationFrame(film);
  }

  button.addEventListener("click", () => {
    running = !running;
    started = performance.now();
    if (!running) step = STEPS;
    label();
    draw();
    if (running) requestAnimationFrame(film);
  });
  new ResizeObserver(draw).observe(figure);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  label();
  draw();
  if (running) requestAnimationFrame(film);
})();
