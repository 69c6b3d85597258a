"""Does more biology help a network to control a body? Neurons compared on equal terms.

python tools/control_study.py                        # the tables, in Markdown
python tools/control_study.py write                  # insert them into docs/results.md
python tools/control_study.py run                    # everything missing; hours; resumes
python tools/control_study.py run pole --neurons lif # the runs of some parts or neurons

Within a part, all networks have the same task, number of environment steps, number of neurons
(except where operations are equal instead) and number of settings tried. Settings are chosen on
seeds that are not reported, by the mean return over all evaluations during training. Each part has
a folder in results/control with one file per neuron, which contains the settings tried, and for
each seed the learning curve and the returns of new episodes, in the task itself and in changed
tasks. Different parts can run at the same time. `--tiny FOLDER` tries the program in a minute.
"""

import argparse
import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import trim_mean

from jarvis.classroom.comparison import improvement, interquartile_mean
from jarvis.control import (
    EvolutionRun,
    EvolutionSettings,
    MissingPackageError,
    Policy,
    PPORun,
    PPOSettings,
    RewardRun,
    RewardSettings,
    Task,
    Trained,
    reward_policy,
    task,
)
from jarvis.control.runs import PolicyRun
from jarvis.support.files import (
    FolderInUseError,
    atomic_path,
    json_by_entry,
    locked,
    write_between,
)
from jarvis.training import train

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "results" / "control", ROOT / "docs" / "results.md"
START, END = "<!-- control -->", "<!-- end of control -->"

SPIKING = ("lif", "alif", "adex", "qif", "izhikevich", "rf")
FAST = ("linear", "tanh", *SPIKING)
ALL = (*FAST, "hodgkin_huxley")
#: Names in the tables.
TITLES = {
    "linear": "linear",
    "tanh": "tanh",
    "lif": "LIF",
    "alif": "adaptive LIF",
    "adex": "AdEx",
    "qif": "QIF",
    "izhikevich": "Izhikevich",
    "rf": "resonate-and-fire",
    "hodgkin_huxley": "Hodgkin-Huxley",
    "escape_lif": "LIF, escape noise",
}
#: Seed of the first run in which settings are tried; reported runs have the seeds 0, 1, ...
SEARCH = 1000


@dataclass(frozen=True)
class Part:
    """A task and a learner, for several kinds of neurons.

    Args:
        title: the name in the tables.
        task: the environment.
        neurons: kinds of neurons.
        budget: control steps of training.
        learner: "es", "ppo" or "rstdp".
        seeds: number of reported seeds.
        searched: number of seeds on which each setting is tried.
        search_budget: control steps of training while settings are tried; None: `budget`.
        found_in: the part whose settings are used, so that none are tried; None: they are tried.
        every: updates between two evaluations.
        episodes: number of episodes in an evaluation.
        test: number of new episodes after training.
        options: options of the policies; "tau_trace" in control steps.
        rivals_in: the part with the LIF networks that the others are compared with, if this part
            has none.
        sizes_of: the part to whose LIF network the number of synaptic operations is matched, by the
            number of neurons; None: 32 neurons.
        changes: by name, changes of the task in which the trained policies are tested, too.
        target: a return; the number of steps until an evaluation reaches it is reported.
    """

    title: str
    task: Task
    neurons: tuple[str, ...]
    budget: int
    learner: str = "es"
    seeds: int = 10
    searched: int = 2
    search_budget: int | None = None
    found_in: str | None = None
    every: int = 2
    episodes: int = 10
    test: int = 100
    options: Mapping[str, Any] = field(default_factory=dict)
    rivals_in: str | None = None
    sizes_of: str | None = None
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: float | None = None


HIDDEN = 32
POLE = {"noise": {"noise": 0.05}, "delay": {"delay": 1}, "mass": {"mass": 3.0}}
BODY = {"noise": {"noise": 0.1}, "delay": {"delay": 1}, "mass": {"mass": 1.5}}
BLIND = task("CartPole-v1", hide_velocities=True)
#: Time constants of the read-out, in control steps: their difference shows how the input changes.
TWO_TRACES = (0.5, 2.5)
#: The usual time constant in the read-out of spiking networks, in control steps: 4.5 ms, with four
#: steps of 1 ms per control step.
USUAL_TRACE = (1.125,)
#: Steps that spiking neurons take in a control step, where the code has to be finer than usual.
FINE = {"steps": 10}
ANT = Part(
    "Ant, evolution", task("Ant-v5"), FAST, 1_000_000, seeds=5, searched=1,
    search_budget=500_000, every=10, episodes=5, test=20, changes=BODY,
)  # fmt: skip
PARTS: dict[str, Part] = {
    "pole": Part(
        "CartPole, evolution", task("CartPole-v1"), ALL, 50_000, changes=POLE, target=475.0
    ),
    "blind": Part(
        "CartPole without velocities, evolution, recurrent", BLIND, ALL[1:], 300_000,
        options=FINE | {"recurrent": True}, changes=POLE, target=475.0,
    ),
    "blind_forward": Part(
        "CartPole without velocities, evolution, feed-forward", BLIND, ALL, 300_000,
        options=FINE | {"tau_trace": TWO_TRACES}, target=475.0,
    ),
    "blind_equal": Part(
        "CartPole without velocities, evolution, recurrent, equal operations", BLIND,
        ALL[1:], 300_000, found_in="blind", options=FINE | {"recurrent": True},
        sizes_of="blind", target=475.0,
    ),
    "pole_ppo": Part(
        "CartPole, PPO", task("CartPole-v1"), ALL[1:], 40_960, "ppo", searched=1,
        every=1, changes=POLE, target=475.0,
    ),
    "pole_rstdp": Part(
        "CartPole, reward-modulated STDP", task("CartPole-v1"), ("escape_lif", *SPIKING, ALL[-1]),
        200_000, "rstdp", changes=POLE, every=50, target=475.0,
    ),
    "cheetah": Part(
        "HalfCheetah, evolution", task("HalfCheetah-v5"), FAST, 1_000_000, seeds=5, searched=1,
        search_budget=500_000, every=8, episodes=3, test=20, changes=BODY,
    ),
    "cheetah_ppo": Part(
        "HalfCheetah, PPO", task("HalfCheetah-v5"), ("tanh", "lif"), 1_000_000, "ppo", seeds=5,
        searched=1, search_budget=250_000, every=8, episodes=3, test=20, changes=BODY,
    ),
    "ant": ANT,
    "ant_trace": replace(
        ANT, title="Ant, evolution, read-out with the trace of spiking networks",
        neurons=("tanh",), options={"tau_trace": USUAL_TRACE}, rivals_in="ant",
    ),
}  # fmt: skip


# ----------------------------------------------------------------------------------- settings


def settings_of(part: Part, neuron: str) -> list[dict[str, float]]:
    """The settings that are tried, as many for each neuron of a part.

    "noise" is the standard deviation of the weight changes that evolution tries, and "gain" a
    factor on the usual drive of the neurons. A linear policy has no drive; for it, "gain" is a
    factor on the size of updates, and if it chooses among actions, only this factor matters,
    because the scale of its weights does not. "rate" is the learning rate of PPO, or the amplitude
    of STDP.
    """
    if part.learner != "es":
        return [{"rate": r, "gain": g} for r in (3e-4, 1e-3, 3e-3) for g in (1.0, 2.0)]
    if part.task.id != "CartPole-v1":
        return [{"noise": s, "gain": g} for s in (0.025, 0.05, 0.1, 0.2) for g in (1.0, 2.0)]
    if neuron == "linear":
        return [{"noise": 0.1, "gain": g} for g in (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0)]
    return [{"noise": s, "gain": g} for s in (0.05, 0.1, 0.2, 0.4) for g in (1.0, 2.0)]


def policy_of(part: Part, neuron: str, gain: float, hidden: int) -> Policy:
    """The network of a run."""
    if part.learner == "rstdp":
        return reward_policy(part.task, neuron=neuron, group=hidden // 2, drive=0.03 * gain)
    options: dict[str, Any] = dict(part.options, neuron=neuron, hidden=(hidden or HIDDEN,))
    if neuron in ("tanh", "linear"):
        options |= {"steps": 1, "drive": gain}
        if "tau_trace" not in options or neuron == "linear":
            options |= {"readout": "last"}
    else:
        options |= {"drive": 0.2 * gain}
        options.setdefault("steps", 8 if part.learner == "ppo" else 4)
    if "tau_trace" in options:
        options["tau_trace"] = tuple(tau * options["steps"] for tau in options["tau_trace"])
    if part.learner == "ppo":
        options["persistent"] = False
    return part.task.policy(**options)


def run_of(
    part: Part, neuron: str, setting: Mapping[str, float], hidden: int, seed: int, budget: int
) -> PolicyRun:
    """A run that has not begun."""
    drive = 1.0 if neuron == "linear" else setting["gain"]
    policy = policy_of(part, neuron, drive, hidden)
    common: dict[str, Any] = dict(
        budget=budget, every=part.every, episodes=part.episodes, seed=seed
    )
    if part.learner == "ppo":
        return PPORun(part.task, policy, settings=PPOSettings(lr=setting["rate"]), **common)
    if part.learner == "rstdp":
        usual = RewardSettings()
        pair = replace(usual.rule.pair, a_plus=setting["rate"], a_minus=setting["rate"])
        rule = replace(usual.rule, pair=pair)
        return RewardRun(part.task, policy, settings=replace(usual, rule=rule), **common)
    pole = part.task.id == "CartPole-v1"
    n, best, share = (8, 8, 0.5) if pole else (16, 8, 1.0)
    rate = setting["noise"] * share * (setting["gain"] if neuron == "linear" else 1.0)
    settings = EvolutionSettings(n, best, setting["noise"], rate)
    return EvolutionRun(part.task, policy, settings=settings, **common)


# ------------------------------------------------------------------------------------ results


class Study:
    """The stored results of all parts.

    Args:
        results: the folder of the results.
        tiny: whether to try the program with small budgets, two seeds and two settings.
    """

    def __init__(self, results: Path = RESULTS, tiny: bool = False) -> None:
        self.results, self.tiny = results, tiny

    def part(self, name: str) -> Part:
        part = PARTS[name]
        if self.tiny:
            small: dict[str, Any] = dict(seeds=2, searched=1, search_budget=None, test=3)
            part = replace(part, budget=min(part.budget, 2000), episodes=2, **small)
        return part

    def read(self, name: str, neuron: str) -> dict | None:
        """The stored content of a part and neuron; None if there is none."""
        path = self.results / name / f"{neuron}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def write(self, name: str, neuron: str, content: dict) -> None:
        path = self.results / name / f"{neuron}.json"
        with atomic_path(path) as temporary:
            temporary.write_text(json_by_entry(content) + "\n", encoding="utf-8")

    def make(self, name: str, neuron: str, seeds: int | None = None) -> None:
        """Carry out the missing runs of a part and neuron, and store each."""
        part = self.part(name)
        content = self.read(name, neuron) or self._head(name, part, neuron)
        if content["budget"] != part.budget:
            raise SystemExit(f"{name}/{neuron}.json contains runs with another budget")
        if part.found_in is None:
            self._search(name, part, neuron, content)
            chosen = best(content["search"])
        else:
            found = self.read(part.found_in, neuron)
            if found is None or "setting" not in found:
                raise SystemExit(f"{name}: run {part.found_in} first, for the settings")
            chosen = found["setting"]
        if content.setdefault("setting", chosen) != chosen:
            raise SystemExit(f"{name}/{neuron}.json contains runs with another setting")
        done = [run["seed"] for run in content["runs"]]
        for seed in range(part.seeds if seeds is None else seeds):
            if seed not in done:
                run, facts = measured(part, neuron, chosen, content["hidden"], seed)
                content |= facts
                content["runs"].append(run)
                self.write(name, neuron, content)
                _log(f"{name} {neuron} seed={seed} return={run['return']:.1f}")

    def _head(self, name: str, part: Part, neuron: str) -> dict:
        hidden = HIDDEN
        if part.sizes_of is not None:
            reference, own = (self.read(part.sizes_of, kind) for kind in ("lif", neuron))
            if reference is None or own is None:
                raise SystemExit(f"{name}: run {part.sizes_of} first, for the operations")
            hidden = matched(own, operations(reference), part)
        return {
            "command": f"python tools/control_study.py run {name} --neurons {neuron}",
            "task": part.task.id,
            "hidden": 0 if neuron == "linear" else hidden,
            "budget": part.budget,
            "search": [],
            "runs": [],
        }

    def _search(self, name: str, part: Part, neuron: str, content: dict) -> None:
        settings = settings_of(part, neuron)[: 2 if self.tiny else None]
        done = [tried(entry) for entry in content["search"]]
        for setting in settings:
            if setting in done:
                continue
            scores, started = [], time.process_time()
            for seed in range(SEARCH, SEARCH + part.searched):
                budget = part.search_budget or part.budget
                with run_of(part, neuron, setting, content["hidden"], seed, budget) as run:
                    train(run, progress=False, log=_silent)
                    scores.append(score(run))
            seconds = _rounded(time.process_time() - started)
            content["search"].append({**setting, "scores": scores, "seconds": seconds})
            self.write(name, neuron, content)
            _log(f"{name} {neuron} {setting} score={np.mean(scores):.1f}")


def _silent(line: str) -> None:
    pass


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def score(run: PolicyRun) -> float:
    """The mean return over all evaluations of a run: high if it learns early, and well."""
    return _rounded(np.mean([epoch["return"] for epoch in run.history.epochs]))


def best(search: list[dict]) -> dict[str, float]:
    """The setting with the highest mean score.

    Example:
        >>> best([{"noise": 0.1, "scores": [1.0, 5.0]}, {"noise": 0.2, "scores": [4.0, 4.0]}])
        {'noise': 0.2}
    """
    chosen = max(search, key=lambda entry: float(np.mean(entry["scores"])))
    return tried(chosen)


def tried(entry: dict) -> dict[str, float]:
    """The setting of an entry of a search, without what was found with it."""
    return {name: value for name, value in entry.items() if name not in ("scores", "seconds")}


def _rounded(value: Any) -> float:
    return float(f"{float(value):.5g}")


def measured(
    part: Part, neuron: str, setting: Mapping[str, float], hidden: int, seed: int
) -> tuple[dict, dict]:
    """Carry out a reported run; returns its results, and facts that hold for all seeds."""
    started = time.process_time()
    with run_of(part, neuron, setting, hidden, seed, part.budget) as run:
        train(run, progress=False, log=_silent)
        trained, epochs = run.trained(), run.history.epochs
    seconds = time.process_time() - started
    found = trained.evaluate(part.test, seed=seed)
    result = {
        "seed": seed,
        "return": _rounded(found.returns.mean()),
        "return_std": _rounded(found.returns.std()),
        "rate": _rounded(epochs[-1]["rate"]),
        "operations": _rounded(trained.policy.operations(found.fired.sum(0), found.steps)),
        "seconds": _rounded(seconds),
        "changed": changed(part, trained, seed),
        "curve": [[epoch["steps"], _rounded(epoch["return"])] for epoch in epochs],
    }
    return result, {"parameters": trained.policy.n_parameters, "steps": trained.policy.steps}


def changed(part: Part, trained: Trained, seed: int) -> dict[str, float]:
    """The mean return of a trained policy in changed tasks, and without a fifth of its neurons."""
    result = {}
    for name, change in part.changes.items():
        world = replace(trained.task, **change)
        result[name] = _rounded(trained.evaluate(part.test, seed=seed, task=world).returns.mean())
    if part.changes and trained.policy.hidden:
        dead = trained.without(0.2, seed)
        result["dead"] = _rounded(dead.evaluate(part.test, seed=seed).returns.mean())
    return result


def operations(content: dict) -> float:
    """The mean number of synaptic operations per control step."""
    return float(np.mean([run["operations"] for run in content["runs"]]))


def matched(content: dict, wanted: float, part: Part) -> int:
    """The number of neurons with which a recurrent network needs a given number of operations.

    Each neuron takes a n operations for the inputs and outputs, and b n^2 for the recurrent
    synapses; b is taken from the stored runs, in which the rate was measured.
    """
    n, policy = content["hidden"], part.task.policy(neuron="linear")
    a = policy.n_observations + policy.actions.n
    b = (operations(content) - a * n) / n**2
    root = wanted / a if b <= 0 else (math.sqrt(a * a + 4 * b * wanted) - a) / (2 * b)
    return max(1, round(root))


# ----------------------------------------------------------------------------------- statistics


def reached(run: dict, target: float) -> float:
    """The number of steps after which an evaluation first reached the target; inf if none did."""
    return next((steps for steps, value in run["curve"] if value >= target), math.inf)


# --------------------------------------------------------------------------------------- tables


def table(study: Study, name: str) -> str:
    """The results of a part, one row per neuron."""
    part = study.part(name)
    kept = {neuron: study.read(name, neuron) for neuron in part.neurons}
    found = {neuron: c for neuron, c in kept.items() if c is not None and c["runs"]}
    if not found:
        return ""
    columns = [*part.changes, *(["dead"] if part.changes else [])]
    named = {
        "noise": "noise on sensors", "delay": "delayed by a step", "mass": "other mass",
        "dead": "a fifth of the neurons dead",
    }  # fmt: skip
    against = "lif" if part.learner != "rstdp" else "escape_lif"
    steps = [] if part.target is None else [f"steps to {part.target:g}, median"]
    head = [
        f"{part.title}, {part.budget:,} steps", "parameters", "operations",
        "return, interquartile mean (95 %)", "n", f"P(better than {TITLES[against]})", *steps,
        *(named[c] for c in columns),
    ]  # fmt: skip
    rows = [" | ".join(head), "|".join("---" for _ in head)]
    rival = found.get(against) or (study.read(part.rivals_in, against) if part.rivals_in else None)
    for neuron, content in found.items():
        rows.append(" | ".join(_row(part, neuron, content, rival, columns)))
    return "\n".join(f"| {row} |" if "---" not in row else f"|{row}|" for row in rows)


def _row(
    part: Part, neuron: str, content: dict, against: dict | None, columns: Iterable[str]
) -> list[str]:
    values = np.array([run["return"] for run in content["runs"]])
    mean, low, high = interquartile_mean(values)
    better = ""
    several = len(values) > 1  # a single run has no interval
    spread = f" ({low:,.0f} to {high:,.0f})" if several else ""
    if several and against is not None and against is not content and len(against["runs"]) > 1:
        p, below, above = improvement(values, np.array([r["return"] for r in against["runs"]]))
        better = f"{p:.2f} ({below:.2f} to {above:.2f})"
    size = f", {content['hidden']} neurons" if part.sizes_of else ""
    cells = [
        TITLES[neuron] + size, f"{content['parameters']:,}", f"{operations(content):,.0f}",
        f"{mean:,.0f}{spread}", str(len(values)), better,
    ]  # fmt: skip
    if part.target is not None:
        middle = float(np.median([reached(run, part.target) for run in content["runs"]]))
        cells.append(f"{middle:,.0f}" if math.isfinite(middle) else "not reached")
    for column in columns:
        with_it = [run["changed"][column] for run in content["runs"] if column in run["changed"]]
        cells.append(f"{trim_mean(with_it, 0.25):,.0f}" if with_it else "")
    return cells


def hours(study: Study) -> tuple[float, float]:
    """Processor time of the reported runs and of the searches, without the tests, h.

    Where the time of a search was not stored, it is estimated from its number of steps and the
    speed of the reported runs.
    """
    reported = searched = 0.0
    for name in PARTS:
        part = study.part(name)
        for content in filter(None, (study.read(name, neuron) for neuron in part.neurons)):
            seconds = sum(run["seconds"] for run in content["runs"])
            reported += seconds
            steps = sum(run["curve"][-1][0] for run in content["runs"])
            guess = seconds / steps if steps else 0.0
            guess *= part.searched * (part.search_budget or part.budget)
            searched += sum(entry.get("seconds", guess) for entry in content["search"])
    return reported / 3600, searched / 3600


def tables(study: Study | None = None) -> str:
    """The content of docs/results.md between its markers."""
    study = study or Study()
    reported, searched = hours(study)
    time_used = (
        f"Processor time, without the tests: {reported:.1f} h for the reported runs and about "
        f"{searched:.1f} h for the search of settings."
    )
    return "\n\n".join(filter(None, (*(table(study, name) for name in PARTS), time_used)))


# -------------------------------------------------------------------------------------- program


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "write", "run"), default="table",
                        help="what to do before the tables are printed")  # fmt: skip
    parser.add_argument("parts", nargs="*", help=f"run: {', '.join(PARTS)}; by default all")
    parser.add_argument("--neurons", nargs="+", choices=(*ALL, "escape_lif"), default=None,
                        help="run: kinds of neurons; by default all of the part")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=None, help="run: number of reported seeds")
    parser.add_argument("--tiny", type=Path, metavar="FOLDER", help="try it with small budgets")
    args = parser.parse_args(argv)
    for name in args.parts:
        if name not in PARTS:
            parser.error(f"{name}: not one of {', '.join(PARTS)}")
    torch.set_num_threads(1)
    study = Study(args.tiny / "results", tiny=True) if args.tiny else Study()
    if args.what == "run":
        for name in args.parts or PARTS:
            try:
                with locked(study.results / name):
                    for neuron in PARTS[name].neurons:
                        if args.neurons is None or neuron in args.neurons:
                            study.make(name, neuron, args.seeds)
            except FolderInUseError as error:
                parser.error(str(error.strerror))
            except MissingPackageError as error:
                parser.error(str(error))
    print(tables(study))
    if args.what == "write":
        write_between(PAGE, START, END, tables(study))


if __name__ == "__main__":
    main()
