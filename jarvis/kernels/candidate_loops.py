"""The loop over candidates: one control step of many policies, each with its own weights.

A candidate is a whole network. All its weights are in its row of `theta`: for each layer, the
synapses ``[inputs, neurons]``, the biases and, if the layer is recurrent, the synapses ``[neurons,
neurons]``; then the read-out ``[neurons, outputs]`` and its biases. The weights of each sender are
contiguous. Most senders are silent in a step, so a layer skips their rows; each row is added in
vector registers.

A candidate's entire state is in its row of `state`: for each layer, the fields of the neurons'
state and what the neurons last sent; then the trace of the last layer, and the potentials of the
encoders. `wide` holds observations, their statistics and actions, which are in double precision
whatever the type of the weights.

The loop does not depend on the neuron: `candidates` generates the neuron's function `advance` and
appends a copy of the loop.
"""

from collections.abc import Callable

import numpy as np

from jarvis.kernels.candidate_parts import advance
from jarvis.kernels.functions import inline

#: The first entries of `whole`, in this order; the layer sizes and the candidates' indices follow.
WHOLE = (
    "n_live", "n_parameters", "n_state", "n_observations", "n_fields", "n_per_input", "n_layers",
    "recurrent", "steps", "substeps", "n_outputs", "n_actions", "discrete", "start", "fresh",
    "noisy", "forget",
)  # fmt: skip

#: The sections of `wide`, in this order.
WIDE = (
    "observations", "mean", "scale", "low", "high", "centres", "sums", "squares", "counts",
    "fired", "outputs", "actions", "ticks",
)  # fmt: skip

#: The first numbers in `scratch`; working memory follows them.
SCALARS = ("gain", "offset", "clip", "width")

# -- copied behind the generated functions


@inline
def add_rows(weights, at, n, m, given, out):
    """Add to `out`, for all j, ``given[j]`` times row j of the weights ``[n, m]`` from `at` on."""
    for j in range(n):
        g = given[j]
        if g != 0:
            row = weights[at + j * m :][:m]
            for i in range(m):
                out[i] += g * row[i]


@inline
def fill_uniform(seed, tick, n, out):
    """Write uniform random numbers in [0, 1), determined by a seed and a counter (splitmix64)."""
    for i in range(n):
        z = seed + (tick + np.uint64(i + 1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        out[i] = np.float64(z >> np.uint64(40)) * 5.9604644775390625e-08  # 2 ** -24


def act_loop() -> Callable:
    """``act(theta, u, lanes, state, scratch, wide, places, whole) -> -1``.

    The loop runs one control step of the candidates listed in `whole`. If an observation or output
    of a candidate is not finite, the loop stops and returns that candidate's index. `places` holds
    the index at which each section of `wide` begins.
    """

    def act(theta, u, lanes, state, scratch, wide, places, whole):
        n_live, n_parameters, n_state = whole[0], whole[1], whole[2]
        n_observations, n_fields, n_per_input, n_layers = whole[3], whole[4], whole[5], whole[6]
        recurrent, steps, substeps, n_outputs = whole[7], whole[8], whole[9], whole[10]
        n_actions, discrete, start, fresh, noisy, forget = (
            whole[11], whole[12], whole[13], whole[14], whole[15], whole[16]
        )  # fmt: skip
        sizes = whole[17:][:n_layers]
        live = whole[17 + n_layers :][:n_live]
        gain, offset, clip, width = scratch[0], scratch[1], scratch[2], scratch[3]
        mean = wide[places[1] :][:n_observations]
        scale = wide[places[2] :][:n_observations]
        low, high = wide[places[3] :][:n_actions], wide[places[4] :][:n_actions]
        n_inputs = n_observations * max(n_per_input, 1)
        centres = wide[places[5] :][:n_per_input]
        widest = n_inputs
        for layer in range(n_layers):
            widest = max(widest, sizes[layer])
        last = n_inputs if n_layers == 0 else sizes[n_layers - 1]
        room = scratch[4:]
        values = room[:n_inputs]
        steady = room[widest:][:widest]
        given = room[2 * widest :][:widest]
        noise = room[3 * widest :][:widest]
        pulses = room[4 * widest :][:widest]
        keep = room[5 * widest :][:last]
        take = room[6 * widest :][:last]
        outputs = room[7 * widest :][:n_outputs]
        rest = room[7 * widest + n_outputs :][:n_state]
        for k in range(n_live):
            c = live[k]
            own = c * n_parameters
            # The observation, its statistics and its code.
            seen = wide[places[0] + c * n_observations :][:n_observations]
            sums = wide[places[6] + c * n_observations :][:n_observations]
            squares = wide[places[7] + c * n_observations :][:n_observations]
            fired = wide[places[9] + c * (n_layers + 1) :][: n_layers + 1]
            wide[places[8] + c] += 1
            for j in range(n_observations):
                apart = seen[j] - mean[j]
                if apart - apart != 0:  # infinite, or NaN
                    return c
                sums[j] += apart
                squares[j] += apart * apart
                z = apart * scale[j]
                z = clip if z > clip else z
                z = -clip if z < -clip else z
                if n_per_input == 0:
                    values[j] = z
                else:
                    for p in range(n_per_input):
                        x = (z - centres[p]) * width
                        values[j * n_per_input + p] = np.exp(-0.5 * x * x)
            mine = state[c * n_state :][:n_state]
            if forget != 0:
                for i in range(n_state):
                    mine[i] = rest[i]
            behind = 0
            for layer in range(n_layers):
                behind += (n_fields + 1) * sizes[layer]
            trace = mine[behind:][:last]
            encoders = mine[behind + last :][:n_inputs]
            at = own
            if n_layers == 0:
                for i in range(n_inputs):
                    trace[i] = values[i]
            else:
                n = sizes[0]
                bias = theta[own + n_inputs * n :][:n]
                for i in range(n):
                    steady[i] = bias[i]
                if n_per_input == 0:
                    add_rows(theta, own, n_inputs, n, values, steady)
                if fresh != 0:
                    for i in range(last):
                        trace[i] = 0
                for _ in range(steps):
                    at, there, before = own, 0, n_inputs
                    for layer in range(n_layers):
                        n = sizes[layer]
                        if layer == 0:
                            for i in range(n):
                                given[i] = steady[i]
                            if n_per_input != 0:
                                for j in range(n_inputs):
                                    v = encoders[j] + values[j]
                                    pulses[j] = 1 if v >= 1 else 0
                                    encoders[j] = v - pulses[j]
                                    fired[0] += pulses[j]
                                add_rows(theta, at, n_inputs, n, pulses, given)
                        else:
                            bias = theta[at + before * n :][:n]
                            for i in range(n):
                                given[i] = bias[i]
                            add_rows(theta, at, before, n, pulses, given)
                        at += before * n + n
                        fields = mine[there:][: n_fields * n]
                        sent = mine[there + n_fields * n :][:n]
                        if recurrent != 0:
                            add_rows(theta, at, n, n, sent, given)
                            at += n * n
                        for i in range(n):
                            given[i] = offset + gain * given[i]
                            sent[i] = 0
                        for _s in range(substeps):
                            if noisy != 0:
                                seed = np.uint64(wide[places[12] + 2 * c])
                                tick = np.uint64(wide[places[12] + 2 * c + 1])
                                fill_uniform(seed, tick, n, noise)
                                wide[places[12] + 2 * c + 1] += n
                            advance(u, lanes, given, noise, fields, sent, n)
                        total = sent[0]
                        for i in range(n):
                            pulses[i] = sent[i]
                        for i in range(1, n):
                            total += sent[i]
                        fired[layer + 1] += total
                        there += (n_fields + 1) * n
                        before = n
                    for i in range(last):
                        trace[i] = keep[i] * trace[i] + take[i] * pulses[i]
            # The read-out and the action.
            bias = theta[at + last * n_outputs :][:n_outputs]
            for i in range(n_outputs):
                outputs[i] = bias[i]
            add_rows(theta, at, last, n_outputs, trace, outputs)
            found = wide[places[10] + c * n_outputs :][:n_outputs]
            action = wide[places[11] + c * n_actions :][:n_actions]
            best = 0
            for i in range(n_outputs):
                y = outputs[i]
                if y - y != 0:  # infinite, or NaN
                    return c
                found[i] = y
                if y > outputs[best]:
                    best = i
            if discrete != 0:
                action[0] = start + best
            else:
                for i in range(n_outputs):
                    y = found[i]
                    y = 1.0 if y > 1.0 else y
                    y = -1.0 if y < -1.0 else y
                    action[i] = 0.5 * (high[i] + low[i]) + 0.5 * (high[i] - low[i]) * y
        return -1

    return act
