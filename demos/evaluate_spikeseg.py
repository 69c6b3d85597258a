"""Evaluate what a network trained by train_spikeseg.py has learned: classes, masks, instances.

python demos/evaluate_spikeseg.py runs/digits --plot digits.png
python demos/evaluate_spikeseg.py runs/satellites --samples 500 --plot scenes.png
"""

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

import cli
from jarvis.stdp import (
    DATASETS,
    SceneScore,
    Stimuli,
    class_of_maps,
    grid_features,
    latency_features,
    layer_output,
    linear_readout,
    load_stimuli,
    load_weights,
    make_layers,
    make_spikeseg,
    restore_recipe,
    segment,
    segment_by_density,
)
from jarvis.training import checkpoint_file


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add(
        "run",
        type=cli.path,
        metavar="RUN_OR_CHECKPOINT",
        help="folder of a run, or one of its checkpoints",
    )
    add(
        "--dataset",
        choices=DATASETS,
        default=None,
        help="data set to evaluate on; by default the one that the network was trained on",
    )
    add(
        "--data-folder",
        type=cli.path,
        metavar="DIR",
        default=None,
        help="folder with the images of --dataset folder",
    )
    add("--split", choices=("train", "val", "test"), default="test", help="part of the data set")
    add(
        "--samples",
        type=cli.positive_int,
        default=None,
        help="use only the first N samples; by default all of them, or 500 scenes",
    )
    add(
        "--noise",
        type=cli.share,
        default=None,
        metavar="SHARE",
        help="for --dataset satellites: fraction of pixels that fire by chance in a frame",
    )
    add(
        "--readout",
        choices=("conv1", "conv2", "conv3"),
        default="conv2",
        help="layer read by a linear support vector machine",
    )
    add(
        "--features",
        choices=("latency", "potential"),
        default="potential",
        help="features of the read-out: when each pooled unit fired, or the highest potential in "
        "each cell of a grid at the end of the stimulus",
    )
    add(
        "--grid",
        type=cli.positive_int,
        default=4,
        help="grid cells per side, for --features potential",
    )
    add(
        "--svm-c",
        type=cli.positive_float,
        default=None,
        help="penalty of the read-out; by default 0.003 for latencies and 0.02 for potentials",
    )
    add(
        "--draws",
        type=cli.positive_int,
        default=1,
        help="train the read-out N times, each time on a different 80 %% of the data; "
        "1: once, on all data",
    )
    add(
        "--baseline",
        action="store_true",
        help="for satellites: also print the scores of a detector that learns nothing "
        "(jarvis.stdp.segment_by_density)",
    )
    cli.add_plot(parser, "plot the segmented stimuli to this file")
    return parser


def classify(args, layers, recipe, stimuli: Stimuli, train: Stimuli) -> None:
    """Print the accuracy of a linear read-out, and that of taking the winning map's class."""
    assert stimuli.targets is not None
    if train.targets is None or args.readout not in layers:
        raise cli.UsageError(f"--readout {args.readout}: the network has {', '.join(layers)}")
    kind = f"{args.features} of {args.readout}"
    if args.features == "latency":
        features = [
            latency_features(layer_output(layers, recipe, part.events, args.readout))
            for part in (train, stimuli)
        ]
    else:
        kind += f", grid {args.grid}"
        features = [
            grid_features(layers, recipe, part.events, args.readout, args.grid)
            for part in (train, stimuli)
        ]
    n, found = len(train.targets), []
    for draw in range(args.draws):
        shuffle = torch.randperm(n, generator=torch.Generator().manual_seed(draw))
        rows = shuffle[: n * 4 // 5].sort().values if args.draws > 1 else torch.arange(n)
        known = (features[0][rows.numpy()], train.targets[rows])
        found.append(linear_readout(known, (features[1], stimuli.targets), args.svm_c)[0])
    print(f"guessing={1 / stimuli.n_classes:.4f}")
    spread = f", {args.draws} draws: {min(found):.4f} to {max(found):.4f}" if args.draws > 1 else ""
    print(f"accuracy={sum(found) / len(found):.4f} (linear read-out, {kind}{spread})")
    last = list(layers)[-1]
    won = [
        grid_features(layers, recipe, part.events, last, grid=1).argmax(1)
        for part in (train, stimuli)
    ]
    n_maps = layers[last].out_channels
    means = class_of_maps(won[0], train.targets, n_maps, stimuli.n_classes)
    right = (means[won[1]] == stimuli.targets).double().mean().item()
    print(f"accuracy_by_map={right:.4f} (class by the winning map of {last})")


def score_scenes(stimuli: Stimuli, masks, prefix: str = "") -> None:
    """Print metrics of masks found in generated scenes, which come with ground truth."""
    assert stimuli.scenes is not None
    score = SceneScore()
    for i, found in enumerate(masks):
        truth = stimuli.scenes.masks(i)[:, : int(stimuli.scenes.n_satellites[i])]
        score.add(found, truth.transpose(0, 1))
    for name, value in score.figures().items():
        print(f"{prefix}{name}={value:.4f}")


def seen(events: np.ndarray) -> np.ndarray:
    """Events ``[T, C, H, W]`` as an image in which earlier events count more."""
    weights = np.linspace(1.0, 0.3, len(events), dtype=np.float32)
    channels = np.tensordot(weights, events, axes=1)
    # Of the two channels of a still image, only ON means bright. Both channels of a camera show
    # motion.
    return channels[0] if (events.sum(0).max() <= 1) else channels.sum(0)


def draw(stimuli: Stimuli, found, saliency, path: str, n: int = 6) -> None:
    """Draw the stimuli above their segmentation, with instances in different colours."""
    figure, axes = plt.subplots(2, n, figsize=(2.4 * n, 5), layout="constrained", squeeze=False)
    dense = stimuli.events[list(range(n))].dense().numpy()
    for i in range(n):
        top, bottom = axes[:, i]
        top.imshow(seen(dense[:, i]), cmap="gray_r", vmin=0)
        bottom.imshow(saliency[i], cmap="magma", vmin=0)
        for k, one in enumerate(found[i]):
            colour = f"C{k % 10}"
            y0, x0, y1, x1 = one.box
            bottom.add_patch(
                Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=colour)
            )
        if stimuli.scenes is not None:
            top.set_title(f"{int(stimuli.scenes.n_satellites[i])} satellites")
        elif stimuli.targets is not None:
            top.set_title(f"class {int(stimuli.targets[i])}")
        bottom.set_title(f"{len(found[i])} instances")
        for ax in (top, bottom):
            ax.set_xticks([])
            ax.set_yticks([])
    axes[0, 0].set_ylabel("events, early ones dark")
    axes[1, 0].set_ylabel("saliency and boxes")
    cli.save_figure(figure, path)
    plt.close(figure)


def main(args) -> None:
    content = cli.read_stdp_run(args.run)
    recipe = restore_recipe(content["recipe"])
    before = content["arguments"]
    args.dataset = args.dataset or before["dataset"]
    args.data_folder = args.data_folder or before["data_folder"]
    if args.dataset == "folder" and args.data_folder is None:
        raise cli.UsageError("--dataset folder needs --data-folder DIR")
    load = {"folder": args.data_folder, "noise": args.noise}
    cli.check_stdp_memory(args.dataset, recipe, args.samples)
    with cli.usage():
        stimuli = load_stimuli(args.dataset, args.split, recipe, limit=args.samples, **load)
    print(f"{checkpoint_file(args.run).name} on {stimuli!r}")
    channels = content["layers"]["conv1"]["weight"].shape[1]
    if stimuli.events.shape[0] != channels:
        raise cli.UsageError(
            f"--dataset {args.dataset} has {stimuli.events.shape[0]} channels, but the network "
            f"was trained on {channels}"
        )
    with cli.usage():
        layers = make_layers(recipe, channels)
    load_weights(layers, content, args.run)
    model = None
    if args.plot is not None and recipe.conv3 is None:
        raise cli.UsageError("--plot: the network has no conv3, so it segments nothing")
    if recipe.conv3 is not None and (stimuli.scenes is not None or args.plot is not None):
        with cli.usage():
            model = make_spikeseg(recipe, layers)
    if stimuli.targets is not None:
        train = load_stimuli(args.dataset, "train", recipe, limit=recipe.samples, **load)
        classify(args, layers, recipe, stimuli, train)
    found = None
    if stimuli.scenes is not None and model is not None:
        found = segment(model, stimuli.events, recipe.segment)
        score_scenes(stimuli, [[one.step_masks for one in ones] for ones in found])
    if stimuli.scenes is not None and args.baseline:
        score_scenes(stimuli, segment_by_density(stimuli.events), "baseline_")
    if stimuli.scenes is None:
        print("mean_iou, informedness: not measured, because only satellites come with true pixels")
    if args.plot is not None:
        assert model is not None
        n = min(6, len(stimuli.events))
        shown = stimuli.events[list(range(n))]
        found = segment(model, shown, recipe.segment) if found is None else found
        with torch.no_grad():
            saliency = model.saliency(model(shown.dense())[1])[:, 0]
        draw(stimuli, found, np.asarray(saliency), args.plot, n)


if __name__ == "__main__":
    cli.run(make_parser(), main)
