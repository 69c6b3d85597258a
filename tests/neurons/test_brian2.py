"""Whole traces against Brian2, an independent simulator, where it is installed.

Brian2 integrates with a step so small that its own scheme no longer matters. Our neurons run at
their usual step, under the same current, and have to be as close as their docstrings say.
"""

import numpy as np
import pytest
import torch

from jarvis.neurons import SpikingLayer
from jarvis.neurons.conductance import ConductanceInputs, ConductanceLIFParams
from jarvis.neurons.exponential import EIF
from jarvis.neurons.fitzhugh_nagumo import FitzHughNagumo
from jarvis.neurons.hodgkin_huxley import HodgkinHuxley
from jarvis.neurons.izhikevich import Izhikevich, IzhikevichParams
from jarvis.neurons.quadratic import QIF

b2 = pytest.importorskip("brian2")
pytestmark = pytest.mark.filterwarnings("ignore")

F64 = torch.float64
FINE = 0.01  #: Brian2's step, ms


def brian(equations: str, start: dict, current: np.ndarray, dt: float, wanted: str, **options):
    """A trace ``[T, fields]`` at the ends of our steps, and spike times in ms, from Brian2.

    Args:
        equations: dimensionless, with time in ms written as ``t/ms``; the current is ``I``.
        start: the initial values.
        current: one value for each step of dt, ms.
        wanted: the names of the recorded variables.
        **options: threshold and reset of Brian2's NeuronGroup.
    """
    b2.prefs.codegen.target = "numpy"
    b2.defaultclock.dt = FINE * b2.ms
    namespace = {"drive": b2.TimedArray(current, dt=dt * b2.ms), "ms": b2.ms}
    group = b2.NeuronGroup(
        1, equations + "\nI = drive(t) : 1", method="rk4", namespace=namespace, **options
    )
    for name, value in start.items():
        setattr(group, name, value)
    every = b2.Clock(dt=dt * b2.ms)
    trace = b2.StateMonitor(group, wanted.split(), record=True, clock=every)
    network = b2.Network(group, trace)
    spikes = b2.SpikeMonitor(group) if "threshold" in options else None
    if spikes is not None:
        network.add(spikes)
    network.run((len(current) + 1) * dt * b2.ms, namespace={})
    values = np.stack([np.asarray(getattr(trace, name))[0] for name in wanted.split()], 1)
    times = np.asarray(spikes.t / b2.ms) if spikes is not None else np.array([])
    return values[1 : len(current) + 1], times


def steps(*levels: float, length: int) -> np.ndarray:
    return np.repeat(np.array(levels, float), length)


def run(neuron, current: np.ndarray, **options):
    x = torch.from_numpy(current)[:, None, None]
    spikes, _, trace = SpikingLayer(neuron, **options)(x, trace=True)
    return spikes[:, 0, 0].numpy(), trace


def test_hodgkin_huxley():
    dt, current = 0.025, steps(0.0, 8.0, 0.0, 20.0, length=600)
    neuron = HodgkinHuxley(dt=dt, v_0=-65.0)
    _, trace = run(neuron, current)
    start = neuron.initial_state(torch.zeros(1, 1, dtype=F64))
    equations = """
    dv/dt = (I - 120*m**3*h*(v - 50) - 36*n**4*(v + 77) - 0.3*(v + 54.387))/ms : 1
    dm/dt = (0.1*(v + 40)/(1 - exp(-(v + 40)/10))*(1 - m) - 4*exp(-(v + 65)/18)*m)/ms : 1
    dh/dt = (0.07*exp(-(v + 65)/20)*(1 - h) - 1/(1 + exp(-(v + 35)/10))*h)/ms : 1
    dn/dt = (0.01*(v + 55)/(1 - exp(-(v + 55)/10))*(1 - n) - 0.125*exp(-(v + 65)/80)*n)/ms : 1
    """
    first = {name: float(value) for name, value in start._asdict().items()}
    theirs, _ = brian(equations, first, current, dt, "v m h n")
    ours = torch.stack([part[:, 0, 0] for part in trace], 1).numpy()
    assert theirs[:, 0].max() > 30.0  # it spikes
    # During an upstroke of 400 mV/ms, 0.003 ms are 1 mV: compare in time, by the nearest of a step.
    error = np.abs(ours - theirs)
    slope = np.abs(np.gradient(theirs, dt, axis=0)) * 0.02
    assert (error <= slope + np.array([0.3, 0.01, 0.01, 0.01])).all()
    crossings = [np.flatnonzero((v[1:] >= 0) & (v[:-1] < 0)) for v in (ours[:, 0], theirs[:, 0])]
    assert len(crossings[0]) == len(crossings[1]) > 2
    assert np.abs(crossings[0] - crossings[1]).max() <= 2


@pytest.mark.parametrize("name", ["regular_spiking", "chattering", "low_threshold_spiking"])
def test_izhikevich(name):
    dt, current = 0.05, steps(0.0, 10.0, 0.0, length=2000)
    params = IzhikevichParams.named(name, dt=dt)
    spikes, trace = run(Izhikevich(params), current)
    equations = """
    dv/dt = (0.04*v**2 + 5*v + 140 - u + I)/ms : 1
    du/dt = (a*(b*v - u))/ms : 1
    a : 1
    b : 1
    """
    first = dict(v=-65.0, u=params.b * -65.0, a=params.a, b=params.b)
    reset = f"v = {params.c}; u += {params.d}"
    _, times = brian(equations, first, current, dt, "v u", threshold="v >= 30", reset=reset)
    since = trace.since[:, 0, 0].numpy()[spikes > 0]
    found = (np.flatnonzero(spikes) + 1) * dt - since
    assert len(found) == len(times) > 2
    # Brian2's spikes are late by up to its step, each, and its resets add up.
    assert (np.abs(found - times) < 0.02 * (2 + np.arange(len(times)))).all()


def test_quadratic_and_exponential():
    dt, current = 0.1, steps(-1.0, 0.5, 3.0, length=600)
    spikes, trace = run(QIF(tau=10.0, dt=dt), current)
    _, times = brian(
        "dv/dt = (v**2 + I)/(10*ms) : 1", {"v": 0.0}, current, dt, "v",
        threshold="v >= 10", reset="v = -10",
    )  # fmt: skip
    found = (np.flatnonzero(spikes) + 1) * dt - trace.since[:, 0, 0].numpy()[spikes > 0]
    assert len(found) == len(times) > 3
    np.testing.assert_allclose(found, times, atol=0.02)

    current = steps(200.0, 700.0, 1200.0, length=600)
    neuron = EIF(dt=dt, v_peak=-30.0)  # beyond, a step of Runge-Kutta overflows
    p = neuron.values
    spikes, trace = run(neuron, current)
    equations = (
        f"dv/dt = ({p.g_l}*({p.e_l} - v) + {p.g_l * p.delta_t}*exp((v - ({p.v_t}))/{p.delta_t})"
        f" + I)/{p.c}/ms : 1"
    )
    _, times = brian(
        equations, {"v": p.e_l}, current, dt, "v",
        threshold=f"v >= {p.v_peak}", reset=f"v = {p.v_reset}",
    )  # fmt: skip
    found = (np.flatnonzero(spikes) + 1) * dt - trace.since[:, 0, 0].numpy()[spikes > 0]
    assert len(found) == len(times) > 5
    np.testing.assert_allclose(found, times, atol=0.1)


def test_fitzhugh_nagumo():
    neuron = FitzHughNagumo()
    dt = neuron.values.dt
    current = steps(0.0, 0.5, 0.0, length=round(150 / dt))
    _, trace = run(neuron, current)
    start = neuron.initial_state(torch.zeros(1, 1, dtype=F64))
    p = neuron.values
    equations = f"""
    dv/dt = (v - v**3/3 - w + I)/ms : 1
    dw/dt = {p.eps}*(v + {p.a} - {p.b}*w)/ms : 1
    """
    first = dict(v=float(start.v), w=float(start.w))
    theirs, _ = brian(equations, first, current, dt, "v w")
    assert theirs[:, 0].max() > 1.5
    ours = np.stack([trace.v[:, 0, 0].numpy(), trace.w[:, 0, 0].numpy()], 1)
    slope = np.abs(np.gradient(theirs, dt, axis=0))
    assert (np.abs(ours - theirs) <= 0.02 + 2 * dt * slope).all()


def test_conductances():
    """Brette's neuron under random trains of excitation and inhibition, without a spike."""
    rng = np.random.default_rng(0)
    dt, n = 0.1, 3000
    exc, inh = ((rng.random(n) < rate) * size for rate, size in ((0.06, 3.0), (0.02, 10.0)))
    x = [torch.from_numpy(part)[:, None, None] for part in (exc, inh)]
    from jarvis.neurons.conductance import ConductanceLIF

    params = ConductanceLIFParams.named("brette2007", dt=dt, v_t=100.0)
    _, _, trace = SpikingLayer(ConductanceLIF(params))(
        ConductanceInputs.of(excitatory=x[0], inhibitory=x[1]), trace=True
    )
    b2.prefs.codegen.target = "numpy"
    b2.defaultclock.dt = 0.02 * b2.ms
    group = b2.NeuronGroup(
        1,
        """dv/dt = (10*(-60 - v) - ge*v - gi*(v + 80))/200/ms : 1
        dge/dt = -ge/(5*ms) : 1
        dgi/dt = -gi/(10*ms) : 1""",
        method="rk4", namespace={"ms": b2.ms},
    )  # fmt: skip
    group.v = -60.0
    parts = [group]
    for train, variable in ((exc, "ge"), (inh, "gi")):
        at = np.flatnonzero(train)
        source = b2.SpikeGeneratorGroup(1, np.zeros(len(at), int), at * dt * b2.ms)
        synapse = b2.Synapses(source, group, "w : 1", on_pre=f"{variable}_post += w")
        synapse.connect()
        synapse.w = float(train.max())
        parts += [source, synapse]
    monitor = b2.StateMonitor(group, "v", record=True, clock=b2.Clock(dt=dt * b2.ms))
    network = b2.Network(*parts, monitor)
    network.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]
    network.run((n + 1) * dt * b2.ms, namespace={})
    theirs = np.asarray(monitor.v)[0][1 : n + 1]
    assert np.ptp(theirs) > 5.0
    np.testing.assert_allclose(trace.h[:, 0, 0].numpy(), theirs, atol=0.1)
