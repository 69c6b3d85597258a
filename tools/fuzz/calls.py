"""Make public calls with one wrong argument: does the error name it, in a single line?

    python tools/fuzz/calls.py [--count 1500] [--seed 0] [--only NAME]

Each try takes a valid call, replaces one argument by a value of a wrong type, shape, size or dtype,
or by NaN, and makes the call in a child process. A fault is one of the following:

* an error that jarvis did not raise itself, such as "'list' object has no attribute 'dim'", or an
  error that is not a TypeError, a ValueError or one that the package defines;
* a message that has several lines or does not name the argument;
* NaN in the result, without an error;
* a process that crashes or does not end.

The exit status is 1 if there is a fault.
"""

import argparse
import math
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import Tensor, nn

import jarvis
from jarvis import datasets, encoding, networks, plotting, spatial, stdp, training
from jarvis.neurons import exp_decay
from jarvis.support.checks import check_integer, check_number
from tools.fuzz.common import Report, in_child

ROOT = Path(jarvis.__file__).resolve().parent
LIMIT, MEMORY = 20.0, 4 << 30  #: seconds and bytes allowed for a call

#: Calls that run the user's own functions, which raise errors of their own.
CALLS_BACK = ("over_time",)

#: Calls that accept NaN, as documented, because NaN marks values that are not known.
PASSES_NAN = (
    "DelayedLinear()",
    "DelayedNetwork()",
    "delayed_linear",
    "lif_step",
    "over_time",
    "LIFLayer()",
    "LeakyIntegrator()",
    "plotting",
)

Call = tuple[Callable[..., Any], dict[str, Any]]


def _rand(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def _spikes(*shape: int) -> Tensor:
    return (_rand(*shape) < 0.3).float()


def _events() -> encoding.Events:
    return encoding.Events.from_dense(_spikes(6, 3, 4))


def _ms() -> encoding.Events:
    e = _events()
    return encoding.Events(e.times.float() * 7, e.units, e.offsets, e.shape)


def _pictures() -> encoding.Events:
    return encoding.Events.from_dense(_spikes(5, 3, 1, 8, 8))


def _labelled(n: int = 12) -> datasets.ArrayDataset:
    return datasets.ArrayDataset(_rand(n, 6), torch.arange(n) % 3, 3, "random")


class _Scores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def _fit(**options: Any) -> Any:
    return training.fit(_Scores(), epochs=1, progress=False, log=lambda line: None, **options)


def calls() -> dict[str, Call]:
    """Valid calls by name: a function and its arguments."""
    e = encoding
    rule = stdp.PairSTDP()
    values = _rand(3, 4)
    network = nn.Sequential(nn.Linear(4, 3))
    first = spatial.first_spikes(_rand(3, 4), _rand(4, 2))
    return {
        "poisson_encode": (
            e.poisson_encode,
            dict(values=values, n_steps=5, max_rate=100.0, dt=1.0, generator=None),
        ),
        "ttfs_encode": (e.ttfs_encode, dict(values=values, n_steps=5, silent_below=0.1)),
        "intensity_to_latency": (
            e.intensity_to_latency,
            dict(values=values, n_steps=5, mode="linear"),
        ),
        "latency_encode": (
            e.latency_encode,
            dict(values=values, n_steps=5, tau=10.0, threshold=0.2, dt=1.0),
        ),
        "delta_encode": (e.delta_encode, dict(signal=_rand(5, 2, 3), threshold=0.1)),
        "constant_encode": (e.constant_encode, dict(values=values, n_steps=5)),
        "rate_decode": (e.rate_decode, dict(spikes=_spikes(5, 2, 3), dt=1.0)),
        "first_spike_decode": (e.first_spike_decode, dict(spikes=_spikes(5, 2, 3), dt=1.0)),
        "ttfs_decode": (e.ttfs_decode, dict(spikes=_spikes(5, 2, 3))),
        "delta_decode": (
            e.delta_decode,
            dict(spikes=_spikes(5, 2, 2, 3), threshold=0.1, start=_rand(2, 3)),
        ),
        "last_potential_decode": (e.last_potential_decode, dict(v=_rand(5, 2, 3))),
        "max_potential_decode": (e.max_potential_decode, dict(v=_rand(5, 2, 3))),
        "mean_potential_decode": (e.mean_potential_decode, dict(v=_rand(5, 2, 3))),
        "trace_decode": (e.trace_decode, dict(spikes=_spikes(5, 2, 3), tau=10.0, dt=1.0)),
        "difference_of_gaussians": (
            e.difference_of_gaussians,
            dict(size=5, sigma_center=1.0, sigma_surround=2.0),
        ),
        "gabor": (e.gabor, dict(size=5, sigma=1.0, frequency=0.4, orientations=2)),
        "filter_images": (
            e.filter_images,
            dict(images=_rand(2, 1, 8, 8), bank=_rand(2, 1, 3, 3), threshold=0.1),
        ),
        "local_normalisation": (e.local_normalisation, dict(x=_rand(2, 1, 8, 8), radius=2)),
        "Events": (
            e.Events,
            dict(
                times=torch.tensor([0, 1, 2]).int(),
                units=torch.tensor([0, 1, 0]).int(),
                offsets=torch.tensor([0, 2, 3]),
                shape=(2,),
                n_steps=3,
            ),
        ),
        "Events.from_dense": (e.Events.from_dense, dict(spikes=_spikes(5, 2, 3))),
        "Events.from_first_steps": (
            e.Events.from_first_steps,
            dict(steps=torch.tensor([[0, 3], [2, 9]]), n_steps=5),
        ),
        "Events.concatenate": (e.Events.concatenate, dict(parts=[_events(), _events()])),
        "Events.binned": (_ms().binned, dict(n_steps=5, duration=50.0, start=0.0)),
        "Events.on_grid": (_ms().on_grid, dict(dt=2.0, n_steps=30, start=0.0)),
        "Events.where": (
            _events().where,
            dict(keep=torch.ones(len(_events().times), dtype=torch.bool)),
        ),
        "ArrayDataset": (
            datasets.ArrayDataset,
            dict(inputs=_rand(3, 4), targets=torch.tensor([0, 1, 2]), n_classes=3, source="x"),
        ),
        "EventDataset": (
            datasets.EventDataset,
            dict(events=_events(), targets=torch.tensor([0, 1, 2]), n_classes=3, source="x"),
        ),
        "EventDataset.binned": (
            datasets.EventDataset(_ms(), torch.tensor([0, 1, 2]), 3, "x").binned,
            dict(n_steps=5, duration=50.0),
        ),
        "Augmentation": (
            datasets.Augmentation,
            dict(channels=3, delay=2.0, stretch=0.1, drop=0.1, blend=0.0, time_mask=2.0),
        ),
        "toy": (datasets.toy, dict(split="train", n=20, n_features=6)),
        "shd_like": (datasets.shd_like, dict(split="train", n=20, n_events=50)),
        "yinyang": (datasets.yinyang, dict(split="train")),
        "digits": (datasets.digits, dict(split="train")),
        "satellites": (datasets.satellites, dict(split="train", n=2)),
        "folder": (datasets.folder, dict(path="/nowhere", split="train", size=(8, 8))),
        "SpokenDigits.on_grid": (
            datasets.shd_like("train", n=20).on_grid,
            dict(dt=2.0, n_steps=30),
        ),
        "exp_decay": (exp_decay, dict(tau=10.0, dt=1.0)),
        "constant_drive": (
            jarvis.constant_drive,
            dict(current=1.0, tau=20.0, dt=1.0, tau_syn=5.0),
        ),
        "over_time": (jarvis.over_time, dict(module=nn.Linear(4, 2), x=_rand(3, 2, 4))),
        "LIFParams": (
            jarvis.LIFParams,
            dict(
                tau=_rand(4) + 1,
                dt=1.0,
                threshold=1.0,
                reset="zero",
                refractory=2.0,
                tau_syn=5.0,
                adaptation=0.1,
                tau_adapt=100.0,
            ),
        ),
        "LIFLayer": (
            jarvis.LIFLayer,
            dict(
                tau=20.0,
                dt=1.0,
                threshold=1.0,
                reset="subtract",
                refractory=0.0,
                tau_syn=5.0,
                surrogate="arctan",
                backend="eager",
                detach_reset=True,
                learnable=("tau",),
                recurrent=3,
            ),
        ),
        "LIFLayer()": (jarvis.LIFLayer(backend="eager"), dict(x=_rand(4, 2, 3), state=None)),
        "RecurrentLIFLayer": (jarvis.RecurrentLIFLayer, dict(n_hidden=4, tau=20.0)),
        "LeakyIntegrator": (jarvis.LeakyIntegrator, dict(tau=20.0, dt=1.0, backend="eager")),
        "LeakyIntegrator()": (
            jarvis.LeakyIntegrator(backend="eager"),
            dict(x=_rand(4, 2, 3), state=None),
        ),
        "lif_step": (
            jarvis.lif_step,
            dict(x=_rand(2, 3), state=jarvis.LIFState(_rand(2, 3)), params=jarvis.LIFParams()),
        ),
        "SurrogateSpike": (jarvis.SurrogateSpike, dict(surrogate="arctan", slope=2.0)),
        "SpikingMLP": (
            networks.SpikingMLP,
            dict(sizes=(4, 5, 2), readout="mean", tau=20.0, dt=1.0, gain=1.0),
        ),
        "SpikingCNN": (
            networks.SpikingCNN,
            dict(shape=(1, 12, 12), n_classes=3, channels=(2, 3), readout="mean", tau=20.0),
        ),
        "DelayedLinear": (
            networks.DelayedLinear,
            dict(n_in=3, n_out=4, max_delay=5.0, dt=1.0, smoothing=2.0, seed=0),
        ),
        "DelayedLinear()": (
            networks.DelayedLinear(3, 4, 5.0),
            dict(x=_rand(6, 2, 3), state=networks.DelayState(_rand(5, 2, 3))),
        ),
        "delayed_linear": (
            networks.delayed_linear,
            dict(x=_rand(6, 2, 3), weight=_rand(4, 3), delays=3 * _rand(4, 3)),
        ),
        "DelayedNetwork": (
            networks.DelayedNetwork,
            dict(sizes=(3, 4, 2), max_delay=5.0, dt=1.0, delays="frozen", dropout=0.1, seed=0),
        ),
        "DelayedNetwork()": (networks.DelayedNetwork((3, 4, 2), 5.0), dict(x=_rand(6, 2, 3))),
        "frames": (
            jarvis.Events.from_first_steps(torch.tensor([[0, 1, 2, 3]]), 5).frames,
            dict(pool=2),
        ),
        "Readout": (networks.Readout, dict(readout="mean", tau=20.0, dt=1.0)),
        "count_parameters": (networks.count_parameters, dict(model=network)),
        "count_spikes": (networks.count_spikes, dict(spikes=_spikes(5, 2, 3))),
        "fan_out": (networks.fan_out, dict(synapses=nn.Linear(4, 3))),
        "synaptic_operations": (
            networks.synaptic_operations,
            dict(spikes=_spikes(5, 2, 4), synapses=nn.Linear(4, 3)),
        ),
        "EnergyModel": (networks.EnergyModel, dict(add=0.9, multiply=3.7, read=0.1)),
        "diagnose": (
            jarvis.diagnose,
            dict(
                model=networks.SpikingMLP((4, 5, 2)), batch=(_spikes(5, 2, 4), torch.tensor([0, 1]))
            ),
        ),
        "to_nir": (
            jarvis.to_nir,
            dict(
                network=[nn.Linear(3, 4), jarvis.LIFLayer(reset="zero")],
                integrator="exact",
                unit_r=False,
            ),
        ),
        "from_nir": (
            jarvis.from_nir,
            dict(
                graph=jarvis.to_nir([nn.Linear(3, 4), jarvis.LIFLayer(reset="zero")]),
                dt=1.0,
                integrator="exact",
                surrogate="arctan",
                backend="eager",
                learnable=("tau",),
            ),
        ),
        "STDPConfig": (
            jarvis.STDPConfig,
            dict(a_plus=0.01, a_minus=0.01, bounds="soft", w_min=0.0, w_max=1.0, init_mean=0.5),
        ),
        "WTAConfig": (
            jarvis.WTAConfig,
            dict(mode="both", local_radius=2, n_winners=3, theta_rest=5.0, tau_theta=100.0),
        ),
        "PairSTDP": (
            jarvis.PairSTDP,
            dict(dt=1.0, interaction="all", bounds="hard", w_min=0.0, a_plus=0.1, tau_plus=20.0),
        ),
        "ConvSTDP": (
            jarvis.ConvSTDP,
            dict(
                in_channels=1,
                out_channels=2,
                kernel_size=3,
                threshold=3.0,
                leak=0.1,
                double_every=5,
                a_plus_max=0.15,
            ),
        ),
        "ConvSTDP.learn": (
            jarvis.ConvSTDP(1, 2, 3, threshold=3.0).learn,
            dict(events=_pictures(), order=torch.tensor([2, 0])),
        ),
        "ConvSTDP.respond": (
            jarvis.ConvSTDP(1, 2, 3, threshold=3.0).respond,
            dict(events=_pictures(), pool=2, once=True, inhibit=False),
        ),
        "ConvSTDP.potentials": (
            jarvis.ConvSTDP(1, 2, 3, threshold=3.0).potentials,
            dict(events=_pictures()),
        ),
        "RewardSTDP.learn_rewarded": (
            stdp.RewardSTDP(1, 2, 2, 3).learn_rewarded,
            dict(events=_pictures(), labels=torch.tensor([0, 1, 1]), order=torch.tensor([2, 0])),
        ),
        "RewardSTDP": (
            stdp.RewardSTDP,
            dict(
                in_channels=1,
                n_classes=2,
                maps_per_class=2,
                kernel_size=3,
                dropout=0.5,
                adapt_every=10,
                least=0.0,
                span=1.0,
            ),
        ),
        "STDPLearner": (stdp.STDPLearner, dict(config=jarvis.STDPConfig())),
        "stdp_window": (
            stdp.stdp_window,
            dict(rule=rule, delta_t=np.linspace(-20, 20, 5)),
        ),
        "class_of_maps": (
            stdp.class_of_maps,
            dict(winners=torch.tensor([0, 1]), targets=torch.tensor([1, 0]), n_maps=3, n_classes=2),
        ),
        "linear_readout": (
            stdp.linear_readout,
            dict(
                train=(_rand(8, 3), torch.arange(8) % 2),
                test=(_rand(4, 3), torch.arange(4) % 2),
                c=0.1,
            ),
        ),
        "run_events": (
            jarvis.run_events,
            dict(
                events=_events(),
                w_in=_rand(4, 3),
                d_in=_rand(4, 3),
                w_rec=_rand(3, 3),
                d_rec=_rand(3, 3),
                neuron=jarvis.EventLIF(),
                surrogate=1.0,
                damping=0.0,
                time_bins=2,
                backend="auto",
            ),
        ),
        "EventLIF": (
            jarvis.EventLIF,
            dict(tau=10.0, tau_syn=2.0, dt=0.5, threshold=1.0, integrator="exact"),
        ),
        "first_spikes": (
            spatial.first_spikes,
            dict(times=_rand(3, 4), weights=_rand(4, 2), delays=_rand(4, 2), backend="auto"),
        ),
        "first_spike_scores": (
            spatial.first_spike_scores,
            dict(outputs=first, tau=0.1, end=12.0, late=4.0, threshold=1.0),
        ),
        "spike_time_encode": (
            spatial.spike_time_encode,
            dict(values=_rand(3, 4), first=0.1, window=4.0, bias=0.5),
        ),
        "evaluate": (
            training.evaluate,
            dict(model=_Scores(), dataset=_labelled(), batch_size=4, seed=0, draws=1),
        ),
        "fit": (_fit, dict(train_set=_labelled(), val_set=_labelled(), batch_size=4, lr=0.1)),
        "density_after": (training.density_after, dict(epoch=2, target=0.5)),
        "choose_device": (training.choose_device, dict(name="cpu")),
        "check_number": (lambda value: check_number("value", value), dict(value=1.0)),
        "check_integer": (lambda value: check_integer("value", value), dict(value=1)),
        "plotting.raster": (plotting.raster, dict(spikes=_spikes(5, 3), dt=1.0)),
        "plotting.trace": (plotting.trace, dict(v=_rand(8), threshold=1.0, dt=1.0)),
        "plotting.confusion_matrix": (
            plotting.confusion_matrix,
            dict(targets=torch.tensor([0, 1]), predicted=torch.tensor([1, 1]), n_classes=2),
        ),
    }


_ANYTHING: list[Callable[[], Any]] = [
    lambda: None, lambda: "x", lambda: [1, 2], lambda: {}, lambda: (), object, lambda: 1j,
    lambda: 3, lambda: 2.5, lambda: b"x", lambda: {"a": 1}, lambda: torch.ones(2), lambda: [None],
    lambda: np.ones(2), lambda: int,
]  # fmt: skip

_NUMBERS: list[Callable[[], Any]] = [
    lambda: math.nan, lambda: math.inf, lambda: -math.inf, lambda: -1, lambda: 0, lambda: 1.5,
    lambda: 1e308, lambda: -1e-300, lambda: 1e-300, lambda: True, lambda: np.int64(2),
    lambda: np.float32(1.5), lambda: np.float16(0.5), lambda: np.array(2.0), lambda: np.uint8(3),
    lambda: torch.tensor(2.0), lambda: torch.tensor([1.0, 2.0]), lambda: torch.tensor(2),
    lambda: -(2**70), lambda: "3", lambda: np.array([1.0, 2.0]),
]  # fmt: skip

_SIZES: list[Callable[[], Any]] = [
    list, lambda: (0,), lambda: (-1, 2), lambda: (1.5, 2), lambda: [3], lambda: (2, 3, 4, 5),
    lambda: ("a", "b"), lambda: np.array([3, 4]), lambda: torch.tensor([3, 4]), lambda: (True, 2),
    lambda: (np.int64(3), np.int64(4)), lambda: (math.nan, 2),
]  # fmt: skip

_NAMES: list[Callable[[], Any]] = [lambda: "", lambda: "nope", lambda: ["nope"], lambda: "É"]

_TENSORS: dict[str, Callable[[Tensor], Any]] = {
    "as list": lambda x: x.tolist(),
    "as array": lambda x: x.numpy(),
    "half": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "double": lambda x: x.double(),
    "int": lambda x: x.int(),
    "uint8": lambda x: x.to(torch.uint8),
    "bool": lambda x: x.bool(),
    "complex": lambda x: x.to(torch.complex64),
    "one axis more": lambda x: x[None],
    "one axis more at the end": lambda x: x[..., None],
    "flat": lambda x: x.flatten(),
    "its first": lambda x: x[0],
    "empty": lambda x: x[:0],
    "last axis empty": lambda x: x[..., :0],
    "last axis shorter": lambda x: x[..., :-1],
    "scalar": lambda x: x.flatten()[0],
    "transposed": lambda x: x.transpose(0, -1),
    "all NaN": lambda x: x.float() * math.nan,
    "one NaN": lambda x: _with(x, math.nan),
    "one inf": lambda x: _with(x, math.inf),
    "one -inf": lambda x: _with(x, -math.inf),
    "one negative": lambda x: _with(x, -1.0),
    "one huge": lambda x: _with(x, 1e30),
    "fractions": lambda x: x + 0.5,
    "on meta": lambda x: x.to("meta"),
    "sparse": lambda x: x.to_sparse(),
    "with gradient": lambda x: x.float().requires_grad_(),
}  # fmt: skip


def _with(x: Tensor, value: float) -> Tensor:
    changed = x.float().clone()
    changed.view(-1)[-1] = value
    return changed


def bad_values(value: Any, random: Random) -> tuple[str, Any]:
    """A replacement for an argument, and its description."""
    if isinstance(value, Tensor) and random.random() < 0.7:
        name = random.choice(list(_TENSORS))
        return f"{name}", _TENSORS[name](value)
    pools = [_ANYTHING]
    if isinstance(value, int | float) or value is None:
        pools += [_NUMBERS] * 3
    elif isinstance(value, str):
        pools += [_NAMES]
    elif isinstance(value, tuple | list):
        pools += [_SIZES]
    new = random.choice(random.choice(pools))()
    return _shown(new), new


def _shown(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return f"{type(value).__name__} {tuple(value.shape)} {value.dtype}"
    return f"{type(value).__name__} {value!r}"[:60]


def tensors_in(result: Any, depth: int = 0) -> Iterator[Tensor]:
    """All tensors in a result."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, nn.Module):
        yield from result.state_dict().values()
    elif isinstance(result, encoding.Events):
        yield from (result.times, result.units, result.offsets)
    elif isinstance(result, np.ndarray) and result.dtype.kind == "f":
        yield torch.from_numpy(result)
    elif isinstance(result, float | np.floating):
        yield torch.tensor(float(result))
    elif isinstance(result, datasets.ArrayDataset):
        yield result.inputs
    elif isinstance(result, dict) and depth < 4:
        yield from (t for part in result.values() for t in tensors_in(part, depth + 1))
    elif isinstance(result, tuple | list) and depth < 4:
        yield from (t for part in result for t in tensors_in(part, depth + 1))


def attempt(name: str, argument: str, kind: str, function: Callable, arguments: dict) -> None:
    """Make the call, and print the outcome: a word, and details."""
    try:
        result = function(**arguments)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = Path(frames[-1].filename).resolve()
        text = str(error)
        ours = last.is_relative_to(ROOT)
        defined = type(error).__module__.startswith("jarvis")
        expected = isinstance(error, TypeError | ValueError | FileNotFoundError) or defined
        where = f"{type(error).__name__} at {last.name}:{frames[-1].lineno}: {text[:200]}"
        if not ours and (name in CALLS_BACK or "device meta" in text) and argument == "x":
            print("refused", where.replace("\n", "\\n"), sep="\t")
        elif not (ours and expected):
            inner = [f for f in frames if Path(f.filename).resolve().is_relative_to(ROOT)]
            via = f" (in {Path(inner[-1].filename).name}:{inner[-1].lineno})" if inner else ""
            print("traceback", (where + via).replace("\n", "\\n"), sep="\t")
        elif "\n" in text.strip():
            print("lines", where.replace("\n", "\\n"), sep="\t")
        elif not named(argument, text) and not isinstance(error, datasets.MissingDataError):
            print("unnamed", where, sep="\t")
        else:
            print("refused", where, sep="\t")
        return
    nan = any(
        t.is_floating_point() and t.device.type != "meta" and bool(t.detach().isnan().any())
        for t in tensors_in(result)
    )
    if nan and not name.startswith(PASSES_NAN):
        print("nan", "NaN in the result", sep="\t")
    else:
        print("accepted", "", sep="\t")


def named(argument: str, text: str) -> bool:
    """Whether a message names the argument, by its name or in words."""
    words = {argument, argument.replace("_", " "), argument.rstrip("s"), argument.replace("_", "-")}
    others = {
        "x": "input", "path": "folder", "name": "device", "network": "to_nir",
        "val_set": "evaluate: dataset", "predicted": "predictions", "v": "values to plot",
        "spikes": "values to plot",
    }  # fmt: skip
    words.add(others.get(argument, argument))
    return any(word in text for word in words)


def main(given: list[str] | None = None) -> int:
    """Run the fuzzer; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1500, help="number of calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only calls whose name contains this")
    options = parser.parse_args(given)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    random, report = Random(options.seed), Report("calls")
    table = {name: call for name, call in calls().items() if options.only in name}
    for name, (function, arguments) in table.items():
        if name != "folder":  # its folder does not exist
            function(**arguments)  # compiles what is needed, and shows that the call is valid
    for k in range(options.count):
        name = random.choice(list(table))
        function, arguments = table[name]
        argument = random.choice(list(arguments))
        try:
            kind, value = bad_values(arguments[argument], random)
        except (RuntimeError, TypeError, IndexError):  # this change is impossible for this tensor
            continue
        changed = arguments | {argument: value}

        def call(name=name, argument=argument, kind=kind, function=function, changed=changed):
            torch.manual_seed(0)
            attempt(name, argument, kind, function, changed)

        outcome = in_child(call, limit=LIMIT, memory=MEMORY)
        what = f"#{k} {name}({argument}={kind})"
        report.judge(what, outcome)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
