"""The loop of a policy that learns by reward-modulated STDP while it acts, in control steps.

`candidates` copies this loop below the loop over candidates, whose functions it uses. It computes
what `jarvis.stdp.ThreeFactorSTDP` defines, with all pairs of spikes, hard bounds, and a reward that
acts in the first step.
"""

from collections.abc import Callable

import numpy as np

from jarvis.kernels.candidate_loops import add_rows, fill_uniform
from jarvis.kernels.candidate_parts import advance

#: The entries of `numbers`, in order.
NUMBERS = (
    "gain", "offset", "decay_plus", "decay_minus", "decay_eligibility", "a_plus", "a_minus",
    "w_min", "w_max",
)  # fmt: skip

#: The entries of `whole`, in order.
WHOLE = ("n_inputs", "n", "n_fields", "steps", "substeps", "noisy", "seed", "tick")

# -- copied behind the generated functions


def learn_loop() -> Callable:
    """``learn(u, lanes, weights, fixed, state, traces, counts, scratch, numbers, reward, whole)``.

    The loop runs the time steps of one control step. `weights` holds the synapses ``[inputs, n]``,
    and `fixed` holds the biases ``[n]`` and the recurrent synapses ``[n, n]``. `state` holds the
    fields of the neurons' state, what the neurons last sent, and the potentials of the encoders.
    `traces` holds the traces of the inputs and of the neurons, and the eligibility traces
    ``[inputs, n]``. `counts` holds the number of spikes of each neuron ``[n]``. `scratch` begins
    with the activities of the encoders.
    """

    def learn(u, lanes, weights, fixed, state, traces, counts, scratch, numbers, reward, whole):
        n_inputs, n, n_fields, steps, substeps, noisy = (
            whole[0], whole[1], whole[2], whole[3], whole[4], whole[5]
        )  # fmt: skip
        gain, offset, decay_plus, decay_minus, decay_e = (
            numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
        )  # fmt: skip
        a_plus, a_minus, w_min, w_max = numbers[5], numbers[6], numbers[7], numbers[8]
        values, pulses = scratch[:n_inputs], scratch[n_inputs:][:n_inputs]
        given, noise = scratch[2 * n_inputs :][:n], scratch[2 * n_inputs + n :][:n]
        fields, sent = state[: n_fields * n], state[n_fields * n :][:n]
        encoders = state[(n_fields + 1) * n :][:n_inputs]
        pre, post = traces[:n_inputs], traces[n_inputs:][:n]
        eligibility = traces[n_inputs + n :][: n_inputs * n]
        for i in range(n):
            counts[i] = 0
        for step in range(steps):
            for j in range(n_inputs):
                v = encoders[j] + values[j]
                pulses[j] = 1 if v >= 1 else 0
                encoders[j] = v - pulses[j]
            for i in range(n):
                given[i] = fixed[i]
            add_rows(weights, 0, n_inputs, n, pulses, given)
            add_rows(fixed, n, n, n, sent, given)
            for i in range(n):
                given[i] = offset + gain * given[i]
                sent[i] = 0
            for _s in range(substeps):
                if noisy != 0:
                    fill_uniform(np.uint64(whole[6]), np.uint64(whole[7]), n, noise)
                    whole[7] += n
                advance(u, lanes, given, noise, fields, sent, n)
            for i in range(n):
                counts[i] += sent[i]
                post[i] = decay_minus * post[i]
            for j in range(n_inputs):
                pre[j] = decay_plus * pre[j] + pulses[j]
                up, down = a_plus * pre[j], a_minus * pulses[j]
                row = eligibility[j * n :][:n]
                for i in range(n):
                    row[i] = decay_e * row[i] + up * sent[i] - down * post[i]
            for i in range(n):
                post[i] += sent[i]
            if step == 0 and reward != 0:
                for k in range(n_inputs * n):
                    w = weights[k] + reward * eligibility[k]
                    w = w_max if w > w_max else w
                    weights[k] = w_min if w < w_min else w

    return learn
