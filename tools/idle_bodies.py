"""Returns of bodies that do nothing or act at random, to compare trained policies with.

python tools/idle_bodies.py          # the table, in Markdown
python tools/idle_bodies.py run      # play the episodes; a minute
python tools/idle_bodies.py write    # insert the table into docs/results.md

100 episodes of each environment are played with the reward as gymnasium defines it. To do nothing
means forces in the middle of their range, or always the first choice.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jarvis.control import MissingPackageError, task
from jarvis.control.spaces import idle_action
from jarvis.support.files import write_between, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULT, PAGE = ROOT / "results" / "control" / "idle.json", ROOT / "docs" / "results.md"
START, END = "<!-- idle bodies -->", "<!-- end of idle bodies -->"
ENVIRONMENTS = ("CartPole-v1", "HalfCheetah-v5", "Ant-v5", "Humanoid-v5")
EPISODES = 100


def played(env: Any, choose: Callable[[], Any], episodes: int) -> dict[str, float]:
    """Play episodes with the seeds 0, 1, ...; returns figures of their returns and lengths."""
    returns, lengths = [], []
    for seed in range(episodes):
        env.reset(seed=seed)
        total, n, over = 0.0, 0, False
        while not over:
            _, reward, ended, cut, _ = env.step(choose())
            total, n, over = total + float(reward), n + 1, ended or cut
        returns.append(total)
        lengths.append(n)
    return {
        "mean": round(float(np.mean(returns)), 2),
        "std": round(float(np.std(returns)), 2),
        "lowest": round(min(returns), 2),
        "highest": round(max(returns), 2),
        "length": round(float(np.mean(lengths)), 1),
    }


def measured(name: str, episodes: int = EPISODES) -> dict[str, dict[str, float]]:
    """The returns of doing nothing and of random actions in an environment."""
    env = task(name).make()
    env.action_space.seed(0)
    nothing = idle_action(env.action_space)
    try:
        return {
            "nothing": played(env, lambda: nothing, episodes),
            "random": played(env, env.action_space.sample, episodes),
        }
    finally:
        env.close()


def table() -> str:
    """The stored results, one row per environment."""
    lines = [
        "| environment | doing nothing: return, steps | random actions: return, steps |",
        "|---|---|---|",
    ]
    for name, found in json.loads(RESULT.read_text(encoding="utf-8")).items():
        cells = [
            "{:,} ± {:,} ({:,} to {:,}), {:,}".format(*map(round, x.values()))
            for x in (found["nothing"], found["random"])
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "run", "write"), default="table")
    args = parser.parse_args(argv)
    if args.what == "run":
        try:
            write_json(RESULT, {name: measured(name) for name in ENVIRONMENTS})
        except MissingPackageError as error:
            parser.error(str(error))
    if not RESULT.exists():
        parser.error("there are no results yet: run python tools/idle_bodies.py run")
    if args.what == "write":
        write_between(PAGE, START, END, table())
    print(table())


if __name__ == "__main__":
    main()
