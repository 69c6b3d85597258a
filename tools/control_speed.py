"""Measure environment steps per second with and without a policy in the loop.

python tools/control_speed.py                              # CartPole, HalfCheetah, Ant
python tools/control_speed.py --env Hopper-v5 --repeats 5
python tools/control_speed.py --output results/control/speed.json   # the stored measurement

Episodes are played as in training: several at a time, each with different weights, while statistics
are collected. The actions are recorded. The same actions are then played in the environment as
gymnasium.make returns it (but without its checks), so that both runs compute the same physics.
Times are CPU times of this process. The two runs alternate, and the best time of each counts.
Stored: steps per second without and with the policy, and the number of steps.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from jarvis.control import Arena, MissingPackageError, Task, kinds, task
from jarvis.support.files import write_json

ENVIRONMENTS = ("CartPole-v1", "HalfCheetah-v5", "Ant-v5")


class Recorder:
    """Records the actions of an environment, episode by episode."""

    def __init__(self, env: Any) -> None:
        self.env, self.episodes, self.seed = env, {}, -1
        self.observation_space, self.action_space = env.observation_space, env.action_space

    def reset(self, *, seed: int) -> Any:
        self.seed, self.episodes[seed] = seed, []
        return self.env.reset(seed=seed)

    def step(self, action: Any) -> Any:
        self.episodes[self.seed].append(action)
        return self.env.step(action)

    def close(self) -> None:
        self.env.close()


class Recorded(Task):
    """A task whose environments record their actions."""

    def make(self, **options: Any) -> Any:
        recorder = Recorder(super().make(**options))
        RECORDERS.append(recorder)
        return recorder


RECORDERS: list[Recorder] = []


def measure(name: str, neuron: str, hidden: int, steps: int, slots: int, repeats: int) -> dict:
    """Steps per second without and with the policy, and the number of steps."""
    world = task(name)
    policy = world.policy(neuron=neuron, hidden=(hidden,))
    rng = np.random.default_rng(0)
    length = 20 if name == "CartPole-v1" else 300
    n = max(slots, steps // length)
    thetas = policy.initial() + 0.1 * rng.normal(size=(n, policy.n_parameters))
    seeds = list(range(n))
    RECORDERS.clear()
    recorded = Recorded(**{**vars(world), "training_steps": length})
    with Arena(recorded, policy, training=True, slots=slots) as arena:
        total = arena.play(thetas, seeds).steps
    actions = {seed: a for r in RECORDERS for seed, a in r.episodes.items()}
    plain = task(name, training_steps=length)
    bare, looped = [], []
    env = plain.make(training=True)
    with Arena(plain, policy, training=True, slots=slots) as arena:
        arena.play(thetas[:slots], seeds[:slots])  # creates the environments
        for _ in range(repeats):
            before = time.process_time()
            arena.play(thetas, seeds)
            looped.append(time.process_time() - before)
            before = time.process_time()
            for seed in seeds:
                env.reset(seed=seed)
                for action in actions[seed]:
                    env.step(action)
            bare.append(time.process_time() - before)
    env.close()
    return {"bare": total / min(bare), "looped": total / min(looped), "steps": total}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", nargs="+", default=list(ENVIRONMENTS), help="environments")
    parser.add_argument("--neuron", choices=kinds(), default="lif", help="kind of the neurons")
    parser.add_argument("--hidden", type=int, default=32, help="number of neurons")
    parser.add_argument("--steps", type=int, default=20_000, help="approximate number of steps")
    parser.add_argument("--slots", type=int, default=16, help="environments at a time")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the fastest counts")
    parser.add_argument("--output", type=Path, metavar="JSON", help="store the numbers here, too")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        show(args)
    except MissingPackageError as error:
        parser.error(str(error))


def show(args: argparse.Namespace) -> None:
    """Measure each environment, and print a row for each."""
    kept = {}
    print("| environment | bare, steps/s | with the policy | ratio |")
    print("|---|---|---|---|")
    for name in args.env:
        found = measure(name, args.neuron, args.hidden, args.steps, args.slots, args.repeats)
        ratio = found["looped"] / found["bare"]
        print(f"| {name} | {found['bare']:,.0f} | {found['looped']:,.0f} | {ratio:.2f} |",
              flush=True)  # fmt: skip
        kept[name] = {key: round(value) for key, value in found.items()}
    if args.output is not None:
        write_json(args.output, kept)


if __name__ == "__main__":
    main()
