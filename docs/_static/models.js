// The loops of the page "Try it": a LIF neuron, an AdEx neuron, and pair-based STDP.
//
// Pure functions of plain numbers and arrays, in double precision, in the order of operations of
// jarvis.lif, jarvis.adex and jarvis.stdp. tests/browser/test_site_explorer.py compares every array
// with the library's, over random settings. Times are in ms.
"use strict";

const jarvisModels = (() => {
  // Python's round: halves go to the even neighbour.
  function roundHalfEven(x) {
    const down = Math.floor(x);
    const over = x - down;
    if (over !== 0.5) return Math.round(x);
    return down % 2 === 0 ? down : down + 1;
  }

  function linspace(low, high, n) {
    return Array.from({ length: n }, (_, k) => low + ((high - low) * k) / (n - 1));
  }

  // ------------------------------------------------------------------ leaky integrate-and-fire

  // One LIF neuron; `input` is the jump of v in each step. As jarvis.lif.lif_update.
  function lif(input, { tau, dt, threshold, reset, refractory = 0 }) {
    const decay = Math.exp(-dt / tau);
    const hold = roundHalfEven(refractory / dt);
    const h = new Array(input.length);
    const v = new Array(input.length);
    const spikes = new Array(input.length);
    let potential = 0;
    let waiting = 0;
    for (let t = 0; t < input.length; t += 1) {
      const ready = waiting <= 0;
      const before = ready ? decay * potential + input[t] : potential;
      const fires = ready && before >= threshold;
      potential = before;
      if (fires && reset === "subtract") potential = before - threshold;
      if (fires && reset === "zero") potential = 0;
      waiting = fires ? hold : Math.max(waiting - 1, 0);
      h[t] = before;
      v[t] = potential;
      spikes[t] = fires ? 1 : 0;
    }
    return { h, v, spikes };
  }

  // The input of each step that stands for a constant current.
  function constantInput(current, tau, dt, n) {
    return new Array(n).fill((1 - Math.exp(-dt / tau)) * current);
  }

  // The closed form of the firing rate, Hz; null where there is none (reset "none").
  function lifRate({ tau, dt, threshold, reset, refractory = 0 }, current) {
    if (!(current > threshold)) return 0;
    if (reset === "none") return null;
    const passage = -tau * Math.log1p(-threshold / current);
    return 1000 / Math.max(refractory + passage, dt);
  }

  // The rate of a spike train, from the mean of its intervals, Hz; null for a single spike.
  function measuredRate(spikes, dt) {
    const count = spikes.reduce((sum, s) => sum + s, 0);
    if (count === 0) return 0;
    if (count === 1) return null;
    const interval = (dt * (spikes.lastIndexOf(1) - spikes.indexOf(1))) / (count - 1);
    return 1000 / interval;
  }

  // A constant current for 200 ms, and rates measured over 1 s at 33 currents.
  function lifView(settings) {
    const dt = 0.1;
    const options = { ...settings, dt };
    const { h, v, spikes } = lif(constantInput(settings.current, settings.tau, dt, 2000), options);
    const times = spikes.map((_, t) => dt * (t + 1));
    const currents = linspace(0, 4, 33);
    const rates = currents.map((current) => {
      const train = lif(constantInput(current, settings.tau, dt, 10000), options).spikes;
      return measuredRate(train, dt);
    });
    const line = linspace(0, 4, 401);
    return {
      times, h, v, currents, rates, line,
      spikeTimes: times.filter((_, t) => spikes[t] === 1),
      closedForm: line.map((current) => lifRate(options, current)),
      rate: lifRate(options, settings.current),
    };
  }

  // ---------------------------------------------------------- adaptive exponential (AdEx), in mV

  // Naud, Marcille, Clopath & Gerstner 2008, table 1; units: pA, pF, nS, mV, nS, pA, ms, mV.
  const names = ["current", "c", "g_l", "e_l", "a", "b", "tau_w", "v_reset"];
  const patterns = Object.fromEntries(Object.entries({
    tonic: [500, 200, 10, -70, 2, 0, 30, -58],
    adapting: [500, 200, 12, -70, 2, 60, 300, -58],
    initial_burst: [400, 130, 18, -58, 4, 120, 150, -50],
    bursting: [210, 200, 10, -58, 2, 100, 120, -46],
    delayed: [300, 200, 12, -70, -10, 0, 300, -58],
    delayed_bursting: [110, 100, 10, -65, -10, 30, 90, -47],
    transient: [180, 100, 10, -65, 10, 100, 90, -47],
    irregular: [160, 100, 12, -60, -11, 30, 130, -48],
  }).map(([name, values]) => [name, {
    ...Object.fromEntries(values.map((value, k) => [names[k], value])),
    v_t: -50, delta_t: 2, v_peak: 0,
  }]));

  function multiply(p, q) {
    return p.map((row) => q[0].map((_, j) => row.reduce((sum, x, k) => sum + x * q[k][j], 0)));
  }

  // The exponential of a small square matrix: Taylor's series of a part of it, then squared.
  function matrixExponential(matrix) {
    const norm = Math.max(...matrix.map((row) => row.reduce((sum, x) => sum + Math.abs(x), 0)));
    const halvings = Math.max(0, Math.ceil(Math.log2(Math.max(norm, 1e-300))) + 4);
    const small = matrix.map((row) => row.map((x) => x / 2 ** halvings));
    let term = matrix.map((row, i) => row.map((_, j) => (i === j ? 1 : 0)));
    let total = term;
    for (let n = 1; n <= 18; n += 1) {
      term = multiply(term, small).map((row) => row.map((x) => x / n));
      total = total.map((row, i) => row.map((x, j) => x + term[i][j]));
    }
    for (let k = 0; k < halvings; k += 1) total = multiply(total, total);
    return total;
  }

  // Why a step of dt would lose spikes or invent them; "" if it does neither.
  function adexRefusal(p, dt) {
    const tau = p.c / p.g_l;
    const upstroke = tau * (Math.exp(-(p.v_reset - p.v_t) / p.delta_t)
      - Math.exp(-(p.v_peak - p.v_t) / p.delta_t));
    if (dt < Math.min(upstroke, tau, p.tau_w)) return "";
    return `A step of ${dt} ms is too large for these parameters: `
      + `from the reset the next spike would follow within ${upstroke.toPrecision(2)} ms.`;
  }

  // One AdEx neuron under a current (pA) for each step. As jarvis.adex.adex_update.
  function adex(input, p, dt, { v: v0 = p.e_l, w: w0 = 0 } = {}) {
    const tau = p.c / p.g_l;
    const half = matrixExponential([
      [-1 / tau, -1 / p.c, 1 / p.c], [p.a / p.tau_w, -1 / p.tau_w, 0], [0, 0, 0],
    ].map((row) => row.map((x) => (x * dt) / 2)));
    const [[xx, xw, xi], [wx, ww, wi]] = half;
    const peak = Math.exp(-(p.v_peak - p.v_t) / p.delta_t);
    const crossing = p.v_t - p.delta_t * Math.log((dt / tau) * (1 + 1e-5) + peak) - p.e_l;
    const low = p.v_reset - p.e_l;
    const rise = Math.exp((p.v_reset - p.v_t) / p.delta_t);
    const slope = (p.delta_t * rise - low) / tau;
    const bend = (rise - 1) / (2 * tau);
    const v = new Array(input.length);
    const w = new Array(input.length);
    const spikeTimes = [];
    let x = v0 - p.e_l;
    let adaptation = w0;
    for (let t = 0; t < input.length; t += 1) {
      const current = input[t];
      const xh = xx * x + xw * adaptation + xi * current;
      const wh = wx * x + ww * adaptation + wi * current;
      const u = (xh - (p.v_t - p.e_l)) / p.delta_t;
      if ((xh - crossing) / p.delta_t >= 0) {
        // The spike lies within the step: the rest of the step starts from the reset.
        const passage = tau * (Math.exp(-u) - peak);
        const since = Math.min(Math.max(dt - passage, 0), dt);
        adaptation = wx * low + ww * wh + wi * current + p.b * (1 - since / p.tau_w);
        x = low + since * (slope + (current - adaptation) / p.c) * (1 + since * bend);
        spikeTimes.push((t + 1) * dt - since);
      } else {
        const on = xh - p.delta_t * Math.log1p(-(dt / tau) * Math.exp(u));
        x = xx * on + xw * wh + xi * current;
        adaptation = wx * on + ww * wh + wi * current;
      }
      x = Math.min(x, p.v_peak - p.e_l);
      v[t] = x + p.e_l;
      w[t] = adaptation;
    }
    return { v, w, spikeTimes };
  }

  // For each V: the w (pA) at which V does not change, and the w at which w does not change.
  function nullclines(p, current, line) {
    return {
      v: line.map((v) => p.g_l * (p.delta_t * Math.exp(Math.min((v - p.v_t) / p.delta_t, 80))
        - (v - p.e_l)) + current),
      w: line.map((v) => p.a * (v - p.e_l)),
    };
  }

  // Where the nullclines cross: none, one or two points, in order of V.
  function fixedPoints(p, current) {
    const excess = (v) => (p.g_l + p.a) * (v - p.e_l)
      - p.g_l * p.delta_t * Math.exp(Math.min((v - p.v_t) / p.delta_t, 700)) - current;
    const between = (start, end) => {
      let [low, high] = [start, end];
      const sign = Math.sign(excess(low));
      for (let k = 0; k < 200; k += 1) {
        const middle = (low + high) / 2;
        if (Math.sign(excess(middle)) === sign) low = middle;
        else high = middle;
      }
      const v = (low + high) / 2;
      const steep = p.g_l * (Math.exp((v - p.v_t) / p.delta_t) - 1);
      const stable = steep / p.c - 1 / p.tau_w < 0 && p.a - steep > 0;
      return { v, w: p.a * (v - p.e_l), stable };
    };
    let far = p.e_l - 1e5;
    const high = p.v_t + 600 * p.delta_t;
    if (p.a <= -p.g_l) return excess(far) > 0 ? [between(far, high)] : [];
    const top = p.v_t + p.delta_t * Math.log(1 + p.a / p.g_l);
    if (excess(top) <= 0) return [];
    far += Math.min(current, 0) / (p.g_l + p.a);
    return [between(far, top), between(top, high)];
  }

  // A published pattern with some values changed: 500 ms from rest, and its phase plane.
  function adexView({ pattern, ...changes }) {
    const p = { ...patterns[pattern], ...changes };
    const dt = 0.1;
    const refusal = adexRefusal(p, dt);
    if (refusal) return { refusal };
    const response = adex(new Array(5000).fill(p.current), p, dt);
    const line = linspace(-90, -30, 241);
    const still = nullclines(p, p.current, line);
    return {
      ...response, line, refusal,
      times: response.v.map((_, t) => dt * (t + 1)),
      vNullcline: still.v, wNullcline: still.w,
      fixedPoints: fixedPoints(p, p.current), vReset: p.v_reset,
    };
  }

  // ------------------------------------------------------------------------------ pair-based STDP

  // How much of a change the bounds leave.
  function moved(weight, up, down, bounds) {
    if (bounds === "none") return up - down;
    if (bounds === "soft") return moved(weight, up * (1 - weight), down * weight, "hard");
    return Math.min(Math.max(weight + (up - down), 0), 1) - weight;
  }

  // One synapse: its weight after each step of two spike trains. As jarvis.stdp.PairSTDP.
  function pairSTDP(pre, post, start, rule) {
    const { a_plus: aPlus, a_minus: aMinus, dt, bounds } = rule;
    const [keepPre, keepPost] = [Math.exp(-dt / rule.tau_plus), Math.exp(-dt / rule.tau_minus)];
    const after = (trace, spike) => {
      if (rule.interaction === "nearest") return spike > 0 ? 1 : trace;
      return trace + spike;
    };
    let [r, o, weight] = [0, 0, start];
    return pre.map((input, t) => {
      [r, o] = [keepPre * r, keepPost * o];
      const before = r;
      r = after(r, input);
      const read = rule.same_step === "ignored" ? before : r;
      weight += moved(weight, aPlus * post[t] * read, aMinus * o * input, bounds);
      if (bounds !== "none") weight = Math.min(Math.max(weight, 0), 1);
      o = after(o, post[t]);
      return weight;
    });
  }

  // The change by one pair, in closed form, without hard bounds; s = t_post - t_pre, ms.
  function stdpWindow(rule, s, weight) {
    const soft = rule.bounds === "soft";
    const up = rule.a_plus * (soft ? 1 - weight : 1);
    const down = rule.a_minus * (soft ? weight : 1);
    return s >= 0 ? up * Math.exp(-s / rule.tau_plus) : -down * Math.exp(s / rule.tau_minus);
  }

  // The window, and pairs simulated with the rule itself.
  function stdpView({ weight, ...given }) {
    const rule = { dt: 5, interaction: "all", same_step: "causal", ...given };
    const n = 16;
    const zeros = new Array(2 * n + 1).fill(0);
    const pairs = linspace(80, -80, 2 * n + 1);
    const changes = pairs.map((_, k) => {
      const [pre, post] = [[...zeros], [...zeros]];
      pre[k] = 1;
      post[n] = 1;
      return pairSTDP(pre, post, weight, rule)[2 * n] - weight;
    });
    const line = [...linspace(-100, -1e-6, 200), ...linspace(0, 100, 200)];
    const soft = rule.bounds === "soft";
    return {
      pairs, changes, line,
      window: line.map((s) => stdpWindow(rule, s, weight)),
      area: rule.a_plus * (soft ? 1 - weight : 1) * rule.tau_plus
        - rule.a_minus * (soft ? weight : 1) * rule.tau_minus,
    };
  }

  return {
    lif, lifRate, lifView, constantInput, patterns, adex, adexView, pairSTDP, stdpWindow, stdpView,
    linspace,
  };
})();
if (typeof window !== "undefined") window.jarvisModels = jarvisModels;
if (typeof module !== "undefined") module.exports = jarvisModels;
