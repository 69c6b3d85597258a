"""Draw the README's picture: a digit on its way through a trained spiking network.

python tools/picture.py docs/images/digit.png
"""

import sys

import torch
from matplotlib import pyplot as plt

from jarvis import SpikingMLP, datasets, fit, over_time, plotting, poisson_encode, seeded

N_STEPS = 60


def encode(x, generator):
    return poisson_encode(x, N_STEPS, max_rate=200.0, generator=generator)


def main(path: str) -> None:
    train, test = datasets.digits("train"), datasets.digits("test")
    with seeded(0):
        model = SpikingMLP((64, 100, 10))
    fit(model, train, test_set=test, epochs=15, batch_size=32, encode=encode)

    sample = int((test.targets == 3).nonzero()[0])
    x, label = test[sample : sample + 1]
    with torch.no_grad():
        spikes = encode(x, torch.Generator().manual_seed(0))
        _, (hidden,) = model(spikes, return_spikes=True)
        evidence = over_time(model.output, hidden)[:, 0].cumsum(0) / N_STEPS

    figure, axes = plt.subplots(
        1, 4, figsize=(12, 2.9), layout="constrained", width_ratios=(0.8, 1.2, 1.2, 1.2)
    )
    axes[0].imshow(x[0, 0], cmap="gray")
    axes[0].set_axis_off()
    axes[0].set_title("a handwritten digit")
    plotting.raster(spikes[:, 0].flatten(1), ax=axes[1])
    axes[1].set(title="its spikes (rate code)", ylabel="pixel")
    plotting.raster(hidden[:, 0], ax=axes[2], color=plotting.BLUE)
    axes[2].set(title="100 hidden neurons", ylabel="neuron")
    for k in range(10):
        chosen = k == int(label)
        color = plotting.RED if chosen else plotting.GREY
        axes[3].plot(evidence[:, k], color=color, lw=2 if chosen else 0.8)
    axes[3].annotate(f"“{int(label)}”", (N_STEPS - 1, float(evidence[-1, int(label)])), (-24, -16),
                     textcoords="offset points", color=plotting.RED, fontsize=14)  # fmt: skip
    axes[3].set(title="evidence for each class", xlabel="time (ms)", ylabel="mean current so far")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main(sys.argv[1])
