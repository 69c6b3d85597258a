// The explorers of the page "Try it": sliders, and figures drawn as SVG from the arrays of models.js.
//
// Every <div class="jarvis-explorer" data-model="lif"> is filled in. Colours come from site.css, so
// that figures follow the theme. A slider is an ordinary input: mouse, touch and keyboard work.
"use strict";

(() => {
  const models = window.jarvisModels;
  const SVG = "http://www.w3.org/2000/svg";
  let made = 0;

  function element(name, attributes = {}, children = []) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  function drawn(name, attributes = {}, text = "") {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text) node.textContent = text;
    return node;
  }

  const minus = (text) => String(text).replace("-", "\u2212");

  // Round numbers at which an axis is labelled.
  function ticks(low, high, about) {
    const rough = (high - low) / about;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((k) => k * power).find((each) => each >= rough * 0.999);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) {
      found.push(Number((k * step).toPrecision(10)));
    }
    return found;
  }

  // A plot: axes with labels, lines, dots and rules, as wide as its container.
  class Plot {
    constructor({ x, y, title }) {
      this.axes = { x, y };
      this.clip = `jarvis-clip-${(made += 1)}`;
      this.svg = drawn("svg", { role: "img", class: "jarvis-plot" });
      this.caption = element("figcaption");
      this.figure = element("figure", {}, [
        element("div", { class: "jarvis-plot-title" }, [title]), this.svg, this.caption,
      ]);
    }

    draw({ xlim, ylim, marks, legend, label }) {
      const width = Math.max(260, this.figure.clientWidth);
      const height = Math.round(Math.min(260, Math.max(200, 0.6 * width)));
      const box = { left: 54, right: width - 16, top: 8, bottom: height - 40 };
      const at = (value, [low, high], start, end) =>
        start + ((value - low) / (high - low)) * (end - start);
      const px = (x) => at(x, xlim, box.left, box.right);
      const py = (y) => at(Math.min(Math.max(y, ylim[0] - 1e6), ylim[1] + 1e6), ylim, box.bottom,
        box.top);
      const nodes = [];
      const inside = drawn("g", { "clip-path": `url(#${this.clip})` });
      const clip = drawn("clipPath", { id: this.clip });
      clip.append(drawn("rect", {
        x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top,
      }));
      nodes.push(clip);
      for (const x of ticks(...xlim, width / 90)) {
        nodes.push(drawn("line", { class: "tick", x1: px(x), x2: px(x), y1: box.bottom,
          y2: box.bottom + 4 }));
        nodes.push(drawn("text", { class: "number", x: px(x), y: box.bottom + 17,
          "text-anchor": "middle" }, minus(x)));
      }
      for (const y of ticks(...ylim, 5)) {
        nodes.push(drawn("line", { class: "grid", x1: box.left, x2: box.right, y1: py(y),
          y2: py(y) }));
        nodes.push(drawn("text", { class: "number", x: box.left - 6, y: py(y) + 4,
          "text-anchor": "end" }, minus(y)));
      }
      nodes.push(drawn("path", { class: "axis",
        d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
      nodes.push(drawn("text", { class: "label", x: (box.left + box.right) / 2, y: height - 4,
        "text-anchor": "middle" }, this.axes.x));
      nodes.push(drawn("text", { class: "label", "text-anchor": "middle",
        transform: `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)` }, this.axes.y));
      for (const mark of marks) {
        if (mark.path) {
          let pen = "M";
          const d = mark.path.map((point) => {
            if (point === null || point[1] === null) {
              pen = "M";
              return "";
            }
            const move = `${pen}${px(point[0]).toFixed(2)} ${py(point[1]).toFixed(2)}`;
            pen = "L";
            return move;
          }).join("");
          inside.append(drawn("path", { class: `curve ${mark.as}`, d }));
        }
        for (const [x, y, open] of mark.dots || []) {
          if (y === null) continue;
          inside.append(drawn("circle", { class: `dot ${mark.as}${open ? " open" : ""}`, cx: px(x),
            cy: py(y), r: mark.size || 3 }));
        }
        for (const y of mark.across || []) {
          inside.append(drawn("line", { class: `rule ${mark.as}`, x1: box.left, x2: box.right,
            y1: py(y), y2: py(y) }));
        }
        for (const x of mark.up || []) {
          inside.append(drawn("line", { class: `rule ${mark.as}`, x1: px(x), x2: px(x),
            y1: box.top, y2: box.bottom }));
        }
        for (const x of mark.ticks || []) {
          inside.append(drawn("line", { class: `spike ${mark.as}`, x1: px(x), x2: px(x),
            y1: box.top + 1, y2: box.top + 11 }));
        }
      }
      nodes.push(inside);
      this.svg.setAttribute("width", width);
      this.svg.setAttribute("height", height);
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.svg.setAttribute("aria-label", label);
      this.svg.replaceChildren(...nodes);
      this.caption.replaceChildren(...legend.map(([as, text]) =>
        element("span", { class: `key ${as}` }, [text])));
    }
  }

  const zip = (xs, ys) => xs.map((x, k) => [x, ys[k]]);
  const hz = (rate) => (rate === null ? "no rate" : `${rate.toFixed(1)} Hz`);
  const top = (values, least) => Math.max(least, ...values.filter((x) => x !== null));

  const EXPLORERS = {
    lif: {
      controls: [
        { name: "current", label: "current I (units of v)", value: 1.5, low: 0, high: 4, step: 0.05 },
        { name: "tau", label: "membrane time constant (ms)", value: 20, low: 2, high: 50, step: 1 },
        { name: "threshold", label: "threshold (units of v)", value: 1, low: 0.2, high: 2, step: 0.1 },
        { name: "reset", label: "reset", value: "zero", options: [
          ["zero", "hard: to zero"], ["subtract", "soft: minus threshold"], ["none", "none"]] },
        { name: "refractory", label: "refractory period (ms)", value: 0, low: 0, high: 20, step: 0.5 },
      ],
      plots: [
        { x: "time (ms)", y: "potential v", title: "Potential" },
        { x: "current I (units of v)", y: "rate (Hz)", title: "f-I curve" },
      ],
      compute: (now) => models.lifView(now),
      say: (view, now) => {
        const n = view.spikeTimes.length;
        if (now.reset === "none" && n) return "Without a reset the neuron fires at every step.";
        if (!n) return now.current > now.threshold
          ? "The first spike comes after 200 ms." : "No spike: the potential stays below threshold.";
        return `${n} spike${n > 1 ? "s" : ""} in 200 ms; at this current the closed form gives `
          + `${hz(view.rate)}.`;
      },
      draw: ([left, right], view, now, said) => {
        const path = [[0, 0]];
        view.times.forEach((t, k) => {
          path.push([t, view.h[k]]);
          if (view.v[k] !== view.h[k]) path.push([t, view.v[k]]);
        });
        const high = top(view.h, now.threshold) * 1.2;
        const shown = view.spikeTimes.length > 400 ? [] : view.spikeTimes;
        left.draw({
          xlim: [0, 200], ylim: [0, high], label: `Potential over 200 ms. ${said}`,
          marks: [{ across: [now.threshold], as: "grey" }, { path, as: "blue" },
            { ticks: shown, as: "red" }],
          legend: [["blue", "potential"], ["grey dashed", "threshold"], ["red", "spikes (top)"]],
        });
        const curve = zip(view.line, view.closedForm);
        right.draw({
          xlim: [0, 4], ylim: [0, top([...view.rates, ...view.closedForm], 50) * 1.05],
          label: `Firing rate against current: ${hz(view.rate)} at I = ${now.current}.`,
          marks: [{ path: curve, as: "blue" },
            { dots: zip(view.currents, view.rates), as: "red", size: 2.5 },
            { up: [now.current], as: "grey" }],
          legend: [["blue", "closed form"], ["red point", "measured over 1 s"],
            ["grey dashed", "I now"]],
        });
      },
    },
    adex: {
      controls: [
        { name: "pattern", label: "pattern (sets the sliders)", value: "bursting",
          options: Object.keys(models.patterns).map((name) => [name, name.replaceAll("_", " ")]) },
        { name: "current", label: "current I (pA)", low: 0, high: 1000, step: 10 },
        { name: "a", label: "a, coupling to V (nS)", low: -12, high: 20, step: 1 },
        { name: "b", label: "b, increase per spike (pA)", low: 0, high: 200, step: 5 },
        { name: "tau_w", label: "adaptation time constant (ms)", low: 10, high: 400, step: 5 },
        { name: "v_reset", label: "reset potential (mV)", low: -70, high: -44, step: 1 },
      ],
      sets: { pattern: (name) => models.patterns[name] },
      plots: [
        { x: "time (ms)", y: "potential V (mV)", title: "Potential" },
        { x: "potential V (mV)", y: "adaptation w (pA)", title: "Phase plane" },
      ],
      compute: (now) => models.adexView(now),
      say: (view) => {
        if (view.refusal) return `${view.refusal} The figures show the last good setting.`;
        const n = view.spikeTimes.length;
        const stable = view.fixedPoints.filter((point) => point.stable).length;
        return `${n} spike${n === 1 ? "" : "s"} in 500 ms; `
          + `${stable ? "a" : "no"} stable fixed point at this current.`;
      },
      draw: ([left, right], view, now, said) => {
        if (view.refusal) return;
        const path = [];
        const plane = [];
        let next = 0;
        view.times.forEach((t, k) => {
          while (next < view.spikeTimes.length && view.spikeTimes[next] <= t) {
            path.push([view.spikeTimes[next], 0], [view.spikeTimes[next], view.vReset]);
            plane.push([0, plane.length ? plane[plane.length - 1][1] : 0], null);
            plane.push([view.vReset, view.w[k]]);
            next += 1;
          }
          path.push([t, view.v[k]]);
          plane.push([view.v[k], view.w[k]]);
        });
        left.draw({
          xlim: [0, 500], ylim: [-85, 5], label: `Potential over 500 ms. ${said}`,
          marks: [{ path, as: "blue" }],
          legend: [["blue", "potential; spikes are drawn up to 0 mV"]],
        });
        const low = Math.min(-50, ...view.w);
        const high = Math.max(100, ...view.w);
        const pad = 0.08 * (high - low);
        right.draw({
          xlim: [-80, -38], ylim: [low - pad, high + pad],
          label: `Phase plane with nullclines, fixed points and the path of the neuron. ${said}`,
          marks: [
            { path: zip(view.line, view.vNullcline), as: "green" },
            { path: zip(view.line, view.wNullcline), as: "purple" },
            { up: [view.vReset], as: "grey" }, { path: plane, as: "blue thin" },
            { dots: view.fixedPoints.map((point) => [point.v, point.w, !point.stable]),
              as: "ink", size: 5 },
          ],
          legend: [["green", "V-nullcline"], ["purple", "w-nullcline"], ["blue", "path"],
            ["grey dashed", "reset"], ["ink point", "fixed point (open: unstable)"]],
        });
      },
    },
    stdp: {
      controls: [
        { name: "a_plus", label: "a_plus (units of w)", value: 0.05, low: 0, high: 0.2, step: 0.0025 },
        { name: "a_minus", label: "a_minus (units of w)", value: 0.0525, low: 0, high: 0.2,
          step: 0.0025 },
        { name: "tau_plus", label: "tau_plus (ms)", value: 20, low: 2, high: 60, step: 1 },
        { name: "tau_minus", label: "tau_minus (ms)", value: 20, low: 2, high: 60, step: 1 },
        { name: "bounds", label: "bounds", value: "hard",
          options: [["hard", "hard"], ["soft", "soft"], ["none", "none"]] },
        { name: "weight", label: "weight before (w_max = 1)", value: 0.5, low: 0, high: 1,
          step: 0.01 },
      ],
      plots: [{ x: "t_post \u2212 t_pre (ms)", y: "weight change", title: "STDP window" }],
      compute: (now) => models.stdpView(now),
      say: (view) => `Area of the window: ${minus(view.area.toFixed(3))} ms. Uncorrelated spikes `
        + `${view.area > 0 ? "strengthen" : view.area < 0 ? "weaken" : "do not change"} the synapse.`,
      draw: ([plot], view, now, said) => {
        const size = Math.max(0.01, ...view.window.map(Math.abs)) * 1.1;
        const half = view.line.length / 2;
        const line = zip(view.line, view.window);
        plot.draw({
          xlim: [-100, 100], ylim: [-size, size], label: `Weight change against interval. ${said}`,
          marks: [{ across: [0], as: "grey" }, { up: [0], as: "grey" },
            { path: [...line.slice(0, half), null, ...line.slice(half)], as: "blue" },
            { dots: zip(view.pairs, view.changes), as: "red" }],
          legend: [["blue", "closed form, without hard bounds"],
            ["red point", "one pair, simulated with the rule"]],
        });
      },
    },
  };

  function control(spec, id, changed) {
    const label = element("label", { for: id }, [spec.label]);
    if (spec.options) {
      const menu = element("select", { id, name: spec.name }, spec.options.map(([value, text]) =>
        element("option", value === spec.value ? { value, selected: "" } : { value }, [text])));
      menu.addEventListener("change", changed);
      return { row: element("div", { class: "jarvis-control" }, [label, menu]),
        get: () => menu.value, set: (value) => { menu.value = value; } };
    }
    const slider = element("input", { id, name: spec.name, type: "range", min: spec.low,
      max: spec.high, step: spec.step });
    const shown = element("output", { for: id });
    const digits = (String(spec.step).split(".")[1] || "").length;
    const show = () => {
      const text = minus(Number(slider.value).toFixed(digits));
      shown.textContent = text;
      slider.setAttribute("aria-valuetext", `${text}, ${spec.label}`);
    };
    const set = (value) => { slider.value = value; show(); };
    set(spec.value ?? spec.low);
    slider.addEventListener("input", () => { show(); changed(); });
    return { row: element("div", { class: "jarvis-control" }, [label, slider, shown]),
      get: () => Number(slider.value), set };
  }

  function explorer(place) {
    const model = EXPLORERS[place.dataset.model];
    const controls = {};
    const start = Object.fromEntries(model.controls.map((spec) => [spec.name, spec.value]));
    const sets = model.sets || {};
    const message = element("p", { class: "jarvis-said", role: "status" });
    const plots = model.plots.map((axes) => new Plot(axes));
    let last = null;
    let waiting = false;

    const settings = () =>
      Object.fromEntries(Object.entries(controls).map(([name, each]) => [name, each.get()]));
    const paint = () => {
      if (last) model.draw(plots, last.view, last.now, last.said);
    };
    const update = () => {
      waiting = false;
      const now = settings();
      const view = model.compute(now);
      const said = model.say(view, now);
      message.textContent = said;
      message.classList.toggle("refused", Boolean(view.refusal));
      if (!view.refusal) last = { view, now, said };
      paint();
      place.view = { now, view };
    };
    const soon = () => {
      if (!waiting) requestAnimationFrame(update);
      waiting = true;
    };
    const follow = (name) => {
      if (!sets[name]) return;
      const values = sets[name](controls[name].get());
      for (const [key, each] of Object.entries(controls)) if (key in values) each.set(values[key]);
    };
    for (const spec of model.controls) {
      const id = `jarvis-${place.dataset.model}-${spec.name}`;
      controls[spec.name] = control(spec, id, () => { follow(spec.name); soon(); });
    }
    const again = element("button", { type: "button" }, ["Start again"]);
    again.addEventListener("click", () => {
      for (const [name, value] of Object.entries(start)) {
        if (value !== undefined) controls[name].set(value);
      }
      Object.keys(sets).forEach(follow);
      soon();
    });
    const rows = Object.values(controls).map((each) => each.row);
    place.replaceChildren(
      element("div", { class: "jarvis-controls" }, [...rows, again]), message,
      element("div", { class: "jarvis-figures" }, plots.map((plot) => plot.figure)),
    );
    Object.keys(sets).forEach(follow);
    new ResizeObserver(paint).observe(place);
    update();
  }

  document.querySelectorAll(".jarvis-explorer").forEach(explorer);
})();
