"""Pruning for good: what goes, and that no optimiser, no resume and no reload brings it back."""

import copy
import math

import pytest
import torch
from torch import nn

from jarvis.training import Pruner, density_after


class Network(nn.Module):
    """Two matrices in a module of their own, and a read-out."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.hidden = nn.ParameterDict(
            {"w_in": torch.randn(12, 10, generator=g), "w_rec": torch.randn(10, 10, generator=g)}
        )
        self.readout = nn.Parameter(torch.randn(10, 3, generator=g))

    def forward(self, x):
        h = torch.tanh(x @ self.hidden["w_in"])
        return torch.tanh(h + h @ self.hidden["w_rec"]) @ self.readout


NAMES = ["hidden.w_in", "hidden.w_rec"]
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-2),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=1e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
}


def steps(model, optimizer, n, seed=1):
    g = torch.Generator().manual_seed(seed)
    for _ in range(n):
        x, y = torch.randn(16, 12, generator=g), torch.randint(3, (16,), generator=g)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def made(optimizer="adam", **options):
    model = Network()
    optimizer = OPTIMIZERS[optimizer](model.parameters())
    return model, optimizer, Pruner(model, NAMES, optimizer, **options)


def moments(model, optimizer, name):
    weight = dict(model.named_parameters())[name]
    state = optimizer.state[weight].values()
    return [m for m in state if isinstance(m, torch.Tensor) and m.shape == weight.shape]


@pytest.mark.parametrize("density", [0.05, 0.5, 0.93, 1.0])
def test_the_largest_of_each_matrix_are_kept(density):
    model, _, pruner = made()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert pruner.prune(density) == pruner.densities
    for name in NAMES:
        weight, mask = dict(model.named_parameters())[name].detach(), pruner.masks[name]
        keep = round(density * mask.numel())
        largest = before[name].abs().flatten().sort(descending=True).values
        assert int(mask.sum()) == keep
        torch.testing.assert_close(before[name].abs()[mask].min(), largest[keep - 1])
        assert torch.equal(weight, torch.where(mask, before[name], 0.0))
    assert torch.equal(model.readout.detach(), before["readout"])


def test_one_density_a_matrix_and_never_nothing():
    _, _, pruner = made()
    assert pruner.prune({"hidden.w_rec": 0.2}) == {"hidden.w_in": 1.0, "hidden.w_rec": 0.2}
    assert pruner.prune(1e-6) == {"hidden.w_in": 1 / 120, "hidden.w_rec": 1 / 100}


def test_equal_weights_go_by_their_place():
    layer = nn.Linear(4, 2, bias=False)
    nn.init.constant_(layer.weight, -0.5)
    Pruner(layer, ["weight"]).prune(0.5)
    assert (layer.weight != 0).tolist() == [[True] * 4, [False] * 4]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_pruned_stays_zero_through_any_optimiser(name):
    model, optimizer, pruner = made(name)
    steps(model, optimizer, 5)  # so that there are moments to forget
    assert all((m != 0).any() for m in moments(model, optimizer, NAMES[0]))
    pruner.prune(0.3)
    masks = {n: m.clone() for n, m in pruner.masks.items()}
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for _ in range(4):
        steps(model, optimizer, 3)
        for n, mask in masks.items():
            weight = dict(model.named_parameters())[n]
            for zero in (weight, weight.grad, *moments(model, optimizer, n)):
                assert (zero[~mask] == 0).all()
            assert (weight[mask] != before[n][mask]).all()  # while the others learn
            assert torch.equal(mask, pruner.masks[n])


def test_a_mask_only_shrinks():
    model, optimizer, pruner = made()
    last = pruner.masks
    for epoch in range(1, 9):
        last = {name: mask.clone() for name, mask in pruner.masks.items()}
        target = density_after(epoch, 0.35)
        assert pruner.prune(target) == pytest.approx(dict.fromkeys(NAMES, target))
        assert not any((pruner.masks[name] & ~last[name]).any() for name in NAMES)
        steps(model, optimizer, 2, seed=epoch)
    assert pruner.prune(0.9) == pruner.densities == dict.fromkeys(NAMES, 0.35)


def test_a_recurrent_matrix_has_no_diagonal():
    model, _, pruner = made(recurrent=["hidden.w_rec"])
    weight = model.hidden["w_rec"]
    assert (weight.diagonal() == 0).all()
    assert pruner.densities == dict.fromkeys(NAMES, 1.0)
    assert pruner.prune(0.5)["hidden.w_rec"] == 0.5
    assert int((weight != 0).sum()) == 45


def test_saved_resumed_and_the_same_as_never_stopped():
    straight, optimizer, pruner = made(recurrent=["hidden.w_rec"])
    steps(straight, optimizer, 3)
    pruner.prune(0.4)
    saved = copy.deepcopy({"model": straight.state_dict(), "optimizer": optimizer.state_dict()})
    assert {f"{name}_mask" for name in NAMES} <= saved["model"].keys()
    model = Network(seed=7)
    again = OPTIMIZERS["adam"](model.parameters())
    other = Pruner(model, NAMES, again, recurrent=["hidden.w_rec"])
    model.load_state_dict(saved["model"])
    again.load_state_dict(saved["optimizer"])
    assert other.densities == pruner.densities
    for run in ((straight, optimizer, pruner), (model, again, other)):
        steps(*run[:2], 4, seed=3)
        run[2].prune(0.2)
        steps(*run[:2], 4, seed=4)
    for (key, a), b in zip(straight.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


def test_dense_and_pruned_are_both_to_be_had():
    model, optimizer, pruner = made()
    steps(model, optimizer, 2)
    pruner.prune(0.8)
    x = torch.randn(5, 12)
    dense = model(x)
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    gradient = model.hidden["w_in"].grad.clone()
    with pruner.pruned(0.1) as densities:
        assert densities == dict.fromkeys(NAMES, 0.1)
        tried = model(x).detach()
    assert not torch.equal(tried, dense)
    assert all(torch.equal(kept[key], value) for key, value in model.state_dict().items())
    assert torch.equal(model.hidden["w_in"].grad, gradient)
    assert all(
        (m[~pruner.masks[n]] == 0).all() for n in NAMES for m in moments(model, optimizer, n)
    )
    assert (moments(model, optimizer, NAMES[0])[0] != 0).sum() > 0.75 * 120
    pruner.prune(0.1)
    torch.testing.assert_close(model(x).detach(), tried)


def test_the_schedule_of_the_paper():
    assert [density_after(e, 0.7) for e in range(1, 7)] == [1.0, 0.9, 0.8, 0.7, 0.7, 0.7]
    assert density_after(1, 0.7, iterative=False) == 0.7
    assert density_after(2, 0.1, step=0.5) == 0.5


@pytest.mark.parametrize("density", [0.0, -0.1, 1.01, math.nan])
def test_a_density_out_of_range_is_named(density):
    _, _, pruner = made()
    with pytest.raises(ValueError, match=r"density=.*\(0, 1\]"):
        pruner.prune(density)
    with pytest.raises(ValueError, match=r"target=.*\(0, 1\]"):
        density_after(1, density)


def test_bad_names_are_named():
    model, _, pruner = made()
    with pytest.raises(ValueError, match=r"'w_out' is not a parameter.*hidden\.w_in"):
        Pruner(model, ["w_out"])
    with pytest.raises(ValueError, match="recurrent"):
        Pruner(Network(), ["readout"], recurrent=["hidden.w_in"])
    with pytest.raises(ValueError, match=r"\(12, 10\)"):
        Pruner(Network(), NAMES, recurrent=["hidden.w_in"])
    with pytest.raises(ValueError, match="'readout' is not one of"):
        pruner.prune({"readout": 0.5})
    with pytest.raises(ValueError, match="epoch=0"):
        density_after(0, 0.5)
