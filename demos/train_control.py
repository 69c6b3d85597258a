"""Train a spiking network to balance, run or walk in one of gymnasium's environments.

python demos/train_control.py --env CartPole-v1
python demos/train_control.py --env HalfCheetah-v5 --workers 2 --output runs/cheetah --video run.gif
"""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import pyplot as plt

import cli
from jarvis import plotting
from jarvis.control import (
    EVOLUTION,
    EvolutionRun,
    EvolutionSettings,
    MissingPackageError,
    Policy,
    PPORun,
    PPOSettings,
    RenderError,
    RewardRun,
    RewardSettings,
    Task,
    Trained,
    film,
    kinds,
    reward_policy,
    task,
)
from jarvis.control.policy import CODES, READOUTS
from jarvis.control.runs import PolicyRun
from jarvis.support.files import check_replaceable, write_json
from jarvis.training import distributed, train

#: Updates between two evaluations.
EVERY = {"es": 10, "rstdp": 100, "ppo": 1}

#: Number of control steps of training, if --budget-steps is not given.
BUDGETS = {"CartPole-v1": 100_000, "Acrobot-v1": 500_000, "Pendulum-v1": 1_000_000}
BUDGET = 4_000_000

LEARNERS = ("es", "rstdp", "ppo")

#: Neurons of each hidden layer, if --hidden is not given.
HIDDEN = [32]

#: Time constant of the trace that is read out, ms, if --tau-trace is not given.
TAU_TRACE = [4.5]


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--env", default="CartPole-v1", help="gymnasium's name of the environment")
    add(
        "--learner",
        choices=LEARNERS,
        default="es",
        help="es: an evolution strategy; rstdp: STDP modulated by reward, for environments with "
        "discrete actions; ppo: surrogate gradients, with the PPO of stable-baselines3",
    )
    network = parser.add_argument_group("network")
    add = network.add_argument
    add(
        "--neuron",
        choices=kinds(),
        default=None,
        help="kind of the hidden neurons, by default lif (rstdp: escape_lif); tanh: units without "
        "spikes or memory; linear: no hidden neurons",
    )
    add(
        "--hidden",
        type=cli.positive_int,
        nargs="+",
        default=None,
        help="neurons of each hidden layer, by default 32 (rstdp has one layer, with a group of "
        "the same size for each action, by default of 32 neurons at most in all)",
    )
    add("--recurrent", action="store_true", help="connect the neurons of a layer with each other")
    add(
        "--steps-per-action",
        type=cli.positive_int,
        default=None,
        help="steps of 1 ms that the neurons take for each action; by default 4 (ppo: 8; tanh: 1)",
    )
    add("--code", choices=CODES, default="normalised", help="how observations are encoded")
    add("--readout", choices=READOUTS, default=None,
        help="what actions are computed from; by default trace (tanh: last)")  # fmt: skip
    add(
        "--drive",
        type=cli.positive_float,
        default=None,
        help="factor on the input of the neurons, by default 0.2 (tanh: 1; rstdp: 0.03)",
    )
    add("--tau", type=cli.positive_float, metavar="MS", default=None,
        help="membrane time constant of the neurons, if they have a parameter tau")  # fmt: skip
    add("--tau-trace", type=cli.positive_float, nargs="+", metavar="MS", default=None,
        help="time constant of the trace that is read out, ms, by default 4.5; if several are "
        "given, such as 0.5 and 2.5 times --steps-per-action, they alternate over the neurons, so "
        "that changes can be seen")  # fmt: skip
    harder = parser.add_argument_group("harder tasks")
    add = harder.add_argument
    add("--hide-velocities", action="store_true", help="remove velocities from the observations")
    add("--noise", type=cli.not_negative_float, default=0.0,
        help="standard deviation of noise added to the observations, in their units")  # fmt: skip
    add("--delay", type=cli.not_negative_int, default=0,
        help="number of control steps by which actions are delayed")  # fmt: skip
    add("--lost", type=cli.not_negative_int, nargs="+", metavar="INDEX", default=None,
        help="indices of observations that are set to 0; by default none")  # fmt: skip
    strategy = parser.add_argument_group("evolution strategy (defaults depend on the environment)")
    add = strategy.add_argument
    add("--directions", type=cli.positive_int, default=None, help="weight directions per update")
    add("--best", type=cli.positive_int, default=None,
        help="number of best directions; only these are used for an update")  # fmt: skip
    add("--sigma", type=cli.positive_float, default=None,
        help="standard deviation of the weight changes that are tried")  # fmt: skip
    add("--ranked", action="store_true", help="use only the ranks of the returns")
    add = parser.add_argument
    add("--budget-steps", type=cli.positive_int, default=None,
        help="control steps of training; the default depends on the environment")  # fmt: skip
    add("--training-steps", type=cli.positive_int, default=None,
        help="most control steps of an episode in training; the default depends on the "
        "environment")  # fmt: skip
    add("--target", type=cli.finite_float, default=None,
        help="stop when an evaluation reaches this mean return; by default never")  # fmt: skip
    add("--every", type=cli.positive_int, default=None,
        help="updates between two evaluations; by default 10 (ppo: 1; rstdp: 100)")  # fmt: skip
    add("--episodes", type=cli.positive_int, default=10, help="episodes per evaluation")
    add("--test-episodes", type=cli.positive_int, default=100, help="episodes in the final test")
    add("--workers", type=cli.positive_int, default=1, help="processes that play episodes")
    add("--rate", type=cli.positive_float, default=None,
        help="size of an update (es), learning rate (ppo) or amplitude of the rule (rstdp); each "
        "learner has its own default")  # fmt: skip
    add("--seed", type=cli.seed, default=0, help="seed of weights, weight changes and environments")
    add("--output", type=cli.path, metavar="DIR", default=None,
        help="folder for checkpoints and metrics_final.json")  # fmt: skip
    cli.add_force(parser)
    add("--resume", type=cli.path, metavar="PATH", default=None,
        help="resume from a checkpoint, or from the --output of a run")  # fmt: skip
    cli.add_plot(parser, "write a figure of the run to this file")
    add("--video", type=cli.file_of(".gif"), metavar="GIF", default=None,
        help="write a film of an episode to this file")  # fmt: skip
    return parser


def make_task(args) -> Task:
    """The environment that the options ask for."""
    limit = {} if args.training_steps is None else {"training_steps": args.training_steps}
    return task(
        args.env,
        **limit,
        hide_velocities=args.hide_velocities,
        noise=args.noise,
        delay=args.delay,
        lost=tuple(args.lost or ()),
    )


def make_policy(args, world: Task) -> Policy:
    """The network that the options ask for."""
    analogue = args.neuron in ("tanh", "linear")
    if args.learner == "rstdp":
        return _reward_policy(args, world)
    if analogue:
        _refuse({"--tau": args.tau}, f"{args.neuron} has no time constant")
    readout = args.readout or ("last" if analogue else "trace")
    if args.neuron == "linear":
        given = {"--hidden": args.hidden, "--recurrent": args.recurrent}
        given |= {"--steps-per-action": args.steps_per_action, "--readout": args.readout}
        given |= {"--drive": args.drive}
        _refuse(given | {"--tau-trace": args.tau_trace}, "a linear policy has no neurons")
    if readout != "trace":
        _refuse({"--tau-trace": args.tau_trace}, f"--readout {readout} has no trace")
    try:
        return world.policy(
            neuron=args.neuron,
            hidden=tuple(args.hidden or HIDDEN),
            recurrent=args.recurrent,
            steps=args.steps_per_action or (1 if analogue else 8 if args.learner == "ppo" else 4),
            persistent=args.learner != "ppo",
            code=args.code,
            readout=readout,
            drive=args.drive or (1.0 if analogue else 0.2),
            tau_trace=tuple(args.tau_trace or TAU_TRACE),
            values={} if args.tau is None else {"tau": args.tau},
        )
    except TypeError as error:
        if args.tau is None:
            raise
        raise cli.UsageError(f"--tau: {args.neuron} has no such parameter ({error})") from None


def _reward_policy(args, world: Task) -> Policy:
    """The network for reward-modulated STDP; the learner determines most of its options."""
    given = {"--recurrent": args.recurrent, "--readout": args.readout, "--tau": args.tau}
    given["--code"], given["--tau-trace"] = args.code != "normalised", args.tau_trace
    _refuse(given, "--learner rstdp has no such option")
    actions, hidden = world.policy(neuron="linear").actions, args.hidden or HIDDEN
    if len(hidden) > 1:
        raise cli.UsageError("--hidden: rstdp has one layer")
    if args.hidden and actions.discrete and hidden[0] % actions.n:
        raise cli.UsageError(f"--hidden: rstdp needs a multiple of {actions.n} neurons")
    group = max(1, hidden[0] // actions.n)
    options = {"steps": args.steps_per_action, "drive": args.drive}
    options = {name: value for name, value in options.items() if value is not None}
    return reward_policy(world, neuron=args.neuron, group=group, **options)


def _refuse(given: dict[str, Any], why: str) -> None:
    """Raise a UsageError if one of these options is given."""
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise cli.UsageError(f"{', '.join(wrong)}: {why}")


def make_run(args, world: Task, policy: Policy, budget: int) -> PolicyRun:
    """The run that the options ask for."""
    common: dict[str, Any] = dict(
        budget=budget, every=args.every or EVERY[args.learner], episodes=args.episodes,
        target=args.target, seed=args.seed, workers=args.workers,
        arguments=cli.plain(args, "workers", "video"),
    )  # fmt: skip
    if args.learner == "es":
        return EvolutionRun(world, policy, settings=make_settings(args), **common)
    names = ("directions", "best", "sigma", "ranked")
    options = {f"--{name}": getattr(args, name) for name in names}
    _refuse(options, f"--learner {args.learner} has no such option")
    if args.learner == "ppo":
        rate = {} if args.rate is None else {"lr": args.rate}
        return PPORun(world, policy, settings=PPOSettings(**rate), **common)
    settings = RewardSettings()
    if args.rate is not None:
        pair = replace(settings.rule.pair, a_plus=args.rate, a_minus=args.rate)
        settings = replace(settings, rule=replace(settings.rule, pair=pair))
    return RewardRun(world, policy, settings=settings, **common)


def usual_settings(args) -> EvolutionSettings:
    """The settings of the evolution strategy that the environment has by default."""
    return EVOLUTION.get(args.env, EvolutionSettings())


def make_settings(args) -> EvolutionSettings:
    """The settings of the evolution strategy."""
    usual = usual_settings(args)
    n = args.directions or usual.directions
    return replace(
        usual,
        directions=n,
        best=args.best or min(usual.best, n),
        noise=args.sigma or usual.noise,
        rate=args.rate or usual.rate,
        ranked=args.ranked,
    )


def main(args) -> None:
    if args.video is not None:
        with cli.usage():
            check_path(args.video)
    distributed.start(torch.device("cpu"))
    with cli.output_folder(args.output, args.resume, args.force):
        try:
            _train(args)
        except MissingPackageError as error:
            raise cli.UsageError(str(error)) from None


def check_path(path: str) -> None:
    """Raise a UsageError, before the run, if the film cannot be written."""
    try:
        check_replaceable(Path(path))
    except OSError as error:
        raise cli.UsageError(f"--video: {error.strerror or error}") from None


def _train(args) -> None:
    args.neuron = args.neuron or ("escape_lif" if args.learner == "rstdp" else "lif")
    most = 8 * (os.cpu_count() or 1)
    if args.workers > most:
        raise cli.UsageError(f"--workers {args.workers}: this machine can serve at most {most}")
    with cli.usage():
        world = make_task(args)
        args.env = world.id  # with its version
        policy = make_policy(args, world)
    args.hidden, args.tau_trace = args.hidden or HIDDEN, args.tau_trace or TAU_TRACE
    budget = args.budget_steps or BUDGETS.get(args.env, BUDGET)
    directions = args.directions or usual_settings(args).directions
    rows = 4 * directions + args.episodes + args.test_episodes + 8
    cli.check_memory(
        8.0 * policy.n_parameters * rows, torch.device("cpu"),
        f"--hidden {' '.join(map(str, args.hidden))}", f"--directions {directions}",
        f"--test-episodes {args.test_episodes}",
    )  # fmt: skip
    kind = "choices" if policy.actions.discrete else "forces"
    neurons = f"{' + '.join(map(str, policy.hidden))} {args.neuron} neurons"
    neurons = neurons if policy.hidden else "no neurons"
    print(
        f"{args.env}: {policy.n_observations} observations, {policy.actions.n} {kind}; {neurons}, "
        f"{policy.n_parameters} weights"
    )
    with cli.usage():
        run = make_run(args, world, policy, budget)
    started = time.perf_counter()
    with run:
        train(run, output=args.output, resume=args.resume)
        trained = run.trained()
    seconds = time.perf_counter() - started
    if not distributed.is_main():
        return
    returns = trained.evaluate(args.test_episodes, seed=args.seed, workers=args.workers).returns
    print(
        f"test_return={returns.mean():.1f} (+- {returns.std():.1f}, lowest {returns.min():.1f}) "
        f"over {len(returns)} new episodes: the policy of epoch {run.history.best_epoch}, "
        f"{run.steps_played} steps, {seconds:.0f} s (update_seconds={run.update_seconds:.2f})"
    )
    if args.output is not None:
        test = {"test_return": float(returns.mean()), "test_returns": returns.tolist()}
        write_json(Path(args.output) / "metrics_final.json", test | run.summary())
    if args.plot:
        plot(args.plot, args.env, run.history.epochs, returns)
    if args.video:
        show(args.video, trained, args.seed)


def plot(path: str, name: str, epochs: list[dict], returns: np.ndarray) -> None:
    """Plot the return during training, and a histogram of the returns in the test."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    steps, mean, spread, tried = (
        np.array([epoch[key] for epoch in epochs], float)
        for key in ("steps", "return", "return_std", "train_return")
    )
    left.fill_between(steps, mean - spread, mean + spread, color=plotting.BLUE, alpha=0.2, lw=0)
    left.plot(steps, mean, color=plotting.BLUE, label="policy (mean, standard deviation)")
    left.plot(steps, tried, color=plotting.GREY, ls="--", label="policies that were tried")
    left.set(xlabel="control steps of training", ylabel="return of an episode", title=name)
    left.legend(fontsize=8, frameon=False)
    right.hist(returns, bins=20, color=plotting.BLUE)
    right.set(xlabel="return of an episode", ylabel="episodes", title=f"test, {len(returns)} new")
    cli.save_figure(figure, path)


def show(path: str, trained: Trained, seed: int) -> None:
    """Write a film, or print one line that explains why there is none."""
    try:
        total = film(trained, path, seed=seed)
    except RenderError as error:
        print(f"no film: {error}")
        return
    print(f"film: {path} (return of the episode: {total:.1f})")


if __name__ == "__main__":
    cli.run(make_parser(), main)
