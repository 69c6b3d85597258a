"""Products that skip zeros, against the dense product, forward and backward."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from jarvis import (
    LIFLayer,
    SpikingCNN,
    SpikingMLP,
    SurrogateSpike,
    over_time,
    sparse_products,
)
from jarvis.kernels import sparse, sparse_costs, sparse_loops
from jarvis.kernels.sparse_costs import Cost, Costs

F64 = torch.float64


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def mostly_zero(*shape: int, density: float = 0.1, graded: bool = False, seed: int = 0, dtype=F64):
    rng = torch.Generator().manual_seed(seed)
    x = (torch.rand(shape, generator=rng, dtype=dtype) < density).to(dtype)
    return x * torch.randn(shape, generator=rng, dtype=dtype) if graded else x


def results(mode: str, module: nn.Module, x: Tensor, pull: Tensor | None = None):
    """Output and all gradients."""
    x = x.detach().requires_grad_()
    with sparse_products(mode) as products:
        y = over_time(module, x)
        pull = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y) if pull is None else pull
        gradients = torch.autograd.grad(y, [x, *module.parameters()], pull)
    return [y.detach(), *gradients], products


def assert_same(found, wanted, tolerance: float = 1e-12) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(1.0, float(b.detach().abs().max())) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * scale, equal_nan=True)


@given(
    steps=st.integers(1, 5),
    batch=st.integers(1, 90),
    n_in=st.sampled_from([1, 2, 31, 32, 33, 64, 100]),
    n_out=st.sampled_from([1, 3, 16, 17, 32, 33, 63, 65, 130]),
    density=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    graded=st.booleans(),
    bias=st.booleans(),
    single=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_any_linear_map_equals_the_dense_one(
    steps, batch, n_in, n_out, density, graded, bias, single, seed
):
    torch.manual_seed(seed)
    dtype = torch.float32 if single else F64
    module = nn.Linear(n_in, n_out, bias=bias).to(dtype)
    x = mostly_zero(steps, batch, n_in, density=density, graded=graded, seed=seed, dtype=dtype)
    found, products = results("always", module, x)
    wanted, _ = results("never", module, x)
    assert_same(found, wanted, 1e-4 if single else 1e-12)
    assert [choice.sparse for choice in products] == [True, True]
    assert products.choices[0].density == pytest.approx(float((x != 0).double().mean()))


def test_many_rows_meet_every_share_and_part():
    module = nn.Linear(70, 150).double()
    x = mostly_zero(9, 300, 70, density=0.05)
    assert_same(results("always", module, x)[0], results("never", module, x)[0])


@pytest.mark.parametrize("shape", [(6, 2, 3, 40), (6, 2, 1, 1, 40), (6, 1, 40)])
def test_any_leading_shape(shape):
    module = nn.Linear(40, 7).double()
    x = mostly_zero(*shape, density=0.2)
    found, products = results("always", module, x)
    assert_same(found, results("never", module, x)[0])
    assert products.choices[0].rows == x.numel() // 40


def test_inside_a_sequence_and_after_flattening():
    module = nn.Sequential(nn.Flatten(), nn.Linear(24, 40), nn.ReLU(), nn.Linear(40, 3)).double()
    x = mostly_zero(5, 4, 2, 3, 4, density=0.2)
    found, products = results("always", module, x)
    assert_same(found, results("never", module, x)[0])
    assert [choice.product for choice in products][:2] == ["forward"] * 2


@pytest.mark.parametrize("expanded", ["time", "batch", "features"])
def test_expanded_inputs(expanded):
    shape = {"time": (1, 5, 40), "batch": (6, 1, 40), "features": (6, 5, 1)}[expanded]
    module = nn.Linear(40, 9).double()
    x = mostly_zero(*shape, density=0.3).expand(6, 5, 40)
    assert_same(results("always", module, x)[0], results("never", module, x)[0])


def test_transposed_input_and_gradient():
    module = nn.Linear(40, 9).double()
    x = mostly_zero(40, 5, 6, density=0.3).permute(2, 1, 0)
    pull = torch.randn(9, 5, 6, dtype=F64).permute(2, 1, 0)
    assert_same(results("always", module, x, pull)[0], results("never", module, x, pull)[0])


def test_weights_that_change_between_calls():
    module = nn.Linear(40, 9).double()
    x = mostly_zero(6, 5, 40)
    for _ in range(3):
        assert_same(results("always", module, x)[0], results("never", module, x)[0])
        with torch.no_grad():
            module.weight.add_(1.0)


@pytest.mark.parametrize("frozen", ["weight", "bias", "input"])
def test_only_the_gradients_that_are_wanted(frozen):
    module = nn.Linear(40, 9).double()
    x = mostly_zero(6, 5, 40).requires_grad_(frozen != "input")
    if frozen != "input":
        getattr(module, frozen).requires_grad_(False)
    with sparse_products("always"):
        over_time(module, x).square().sum().backward()
    found = [p.grad for p in (x, module.weight, module.bias)]
    module.zero_grad()
    dense = x.detach().requires_grad_(frozen != "input")
    module(dense).square().sum().backward()
    for ours, theirs in zip(found, (dense, module.weight, module.bias), strict=True):
        assert (ours is None) == (theirs.grad is None)
        if ours is not None:
            assert_same([ours], [theirs.grad])


@pytest.mark.parametrize("mode", ["always", "never"])
def test_what_no_gradient_needs_may_change_before_the_backward_pass(mode):
    module = nn.Linear(40, 9).double()
    x = mostly_zero(6, 5, 40)
    kept = x.clone()
    with sparse_products(mode):
        out = over_time(module, x)  # x needs no gradient, so the weights are not needed
    with torch.no_grad():
        module.weight.mul_(2.0)
    out.sum().backward()
    assert_same([module.weight.grad], [kept.sum((0, 1)).expand(9, 40)])
    module.weight.requires_grad_(False)
    scaled = x.clone().requires_grad_()
    with sparse_products(mode):
        out = over_time(module, scaled)  # the weights need no gradient, so x is not needed
    with torch.no_grad():
        scaled.mul_(2.0)
    out.sum().backward()
    assert_same([scaled.grad], [module.weight.sum(0).expand(6, 5, 40)])
    with sparse_products(mode):
        out = over_time(module, scaled)
    with torch.no_grad():
        module.weight.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_no_gradient_no_graph():
    module = nn.Linear(40, 9)
    with torch.no_grad(), sparse_products("always"):
        assert not over_time(module, mostly_zero(6, 5, 40, dtype=torch.float32)).requires_grad


def test_the_same_bits_for_any_number_of_threads(threads):
    module = nn.Linear(300, 200)
    x = mostly_zero(20, 64, 300, density=0.2, dtype=torch.float32)
    found = []
    for count in (1, 2, 5):
        threads(count)
        found.append(results("always", module, x)[0])
    for other in found[1:]:
        # `g W` of the input and the sum of the bias are torch's own products.
        assert torch.equal(other[0], found[0][0])
        assert torch.equal(other[2], found[0][2])


def test_nan_in_the_input_is_not_lost():
    module = nn.Linear(40, 9).double()
    x = mostly_zero(6, 5, 40)
    x[2, 3, 7] = torch.nan
    x[1, 1, 39] = torch.inf
    found, _ = results("always", module, x)
    wanted, _ = results("never", module, x)
    assert torch.equal(found[0].isnan(), wanted[0].isnan())
    assert found[0][2, 3].isnan().all()
    assert found[2][:, 7].isnan().all()


def test_infinite_weights_reach_what_is_active_only():
    """The documented difference: 0 times infinity is skipped."""
    module = nn.Linear(3, 2, bias=False).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[torch.inf, 1.0, 1.0], [torch.nan, 2.0, 2.0]]))
    x = torch.tensor([[[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]], dtype=F64)
    with sparse_products("always"):
        y = over_time(module, x)
    assert y[0, 0].tolist() == [1.0, 2.0]
    assert y[0, 1, 0] == torch.inf
    assert y[0, 1, 1].isnan()
    with sparse_products("never"):
        assert over_time(module, x)[0, 0].isnan().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda: nn.Linear(12, 5), (4, 3, 12)), (lambda: nn.Conv2d(2, 3, 3), (2, 3, 2, 6, 6))],
    ids=["linear", "convolution"],
)
def test_second_derivatives_are_those_of_the_dense_product(make, shape):
    module = make().double()
    x = mostly_zero(*shape, density=0.4, graded=True)
    found = []
    for mode in ("always", "never"):
        leaf = x.clone().requires_grad_()
        with sparse_products(mode):
            y = over_time(module, leaf).square().sum()
            (slope,) = torch.autograd.grad(y, leaf, create_graph=True)
            found.append(torch.autograd.grad(slope.square().sum(), [leaf, module.weight]))
    assert_same(*found, 1e-10)


# -- convolutions


CONVOLUTIONS = {
    "alone": lambda: nn.Conv2d(3, 5, 3),
    "with pooling": lambda: nn.Sequential(nn.Conv2d(3, 6, 5, padding=2), nn.MaxPool2d(2)),
    "no bias, stride": lambda: nn.Conv2d(3, 4, (3, 2), (2, 1), (1, 0), bias=False),
    "two of them": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)),
    "then linear": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_convolutions_equal_the_dense_ones(make, graded, last):
    torch.manual_seed(0)
    module = make().double()
    x = mostly_zero(4, 3, 3, 8, 8, density=0.2, graded=graded)
    if last:
        x = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    found, products = results("always", module, x)
    assert_same(found, results("never", module, x)[0], 1e-11)
    forward = [choice for choice in products if choice.product == "forward"]
    assert all(choice.sparse for choice in forward)
    assert forward[0].inputs == 3 * 8 * 8
    with sparse_products("always"):
        assert over_time(module, x).flatten(0, 1).is_contiguous()


def test_convolutions_that_no_loop_supports_are_dense():
    x = mostly_zero(4, 3, 4, 8, 8, density=0.2)
    for options in (
        dict(groups=2),
        dict(dilation=2),
        dict(padding="same"),
        dict(padding=1, padding_mode="reflect"),
    ):
        module = nn.Conv2d(4, 6, 3, **options).double()
        with sparse_products("always") as products:
            found = over_time(module, x)
        assert not products.choices
        assert torch.equal(found.flatten(0, 1), module(x.flatten(0, 1)))


@pytest.mark.parametrize("surrogate", ["fast_sigmoid", "triangle"])
@pytest.mark.parametrize("pays", [None, "listed", "wanted", "neither"])
def test_a_convolutional_network_learns_the_same(monkeypatch, surrogate, pays):
    """Whichever way the gradient of the input takes."""
    if pays is not None:
        cheap, dear = Cost(0.0, 0.0, 0.0), Cost(0.0, 100.0, 0.0)
        wanted, listed = (cheap if pays == way else dear for way in ("wanted", "listed"))
        dense = cheap if pays == "neither" else Cost(0.0, 10.0, 0.0)
        times = Costs(dear, dear, dense, cheap, cheap, cheap, wanted, listed)
        monkeypatch.setattr(sparse_costs, "convolution_costs", lambda *_: times)
        monkeypatch.setattr(sparse, "SMALLEST", 0)
    x = torch.rand(5, 6, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    y = torch.arange(6) % 3
    found, ways = [], []
    for mode in ("always" if pays is None else "auto", "never"):
        torch.manual_seed(0)
        model = SpikingCNN((1, 8, 8), 3, (4, 6), surrogate=surrogate, threshold=0.3).double()
        with sparse_products(mode) as products:
            nn.functional.cross_entropy(model(x.double()), y).backward()
        found.append([p.grad for p in model.parameters()])
        ways += [c for c in products if c.product == "input gradient" and c.inputs == 4 * 4 * 4]
    assert_same(*found, 1e-11)
    if pays == "neither":
        assert [way.sparse for way in ways] == [False]
    elif pays != "wanted" or surrogate == "triangle":
        assert [way.sparse for way in ways] == [True]


# -- what is left to the module itself


def dense_reasons(call, *inputs) -> list[str]:
    with sparse_products("always") as products:
        call(*inputs)
    assert products.choices
    assert not any(choice.sparse for choice in products)
    return [choice.reason for choice in products]


def test_types_and_modes_that_no_loop_supports_run_as_before():
    module = nn.Linear(40, 9)
    x = mostly_zero(6, 5, 40, dtype=torch.float32)
    half, half_x = nn.Linear(40, 9).bfloat16(), x.bfloat16()
    assert "bfloat16" in dense_reasons(over_time, half, half_x)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert over_time(module, x).dtype == torch.bfloat16
        assert "autocast" in dense_reasons(over_time, module, x)[0]
    double = module.double()
    with pytest.raises(RuntimeError), sparse_products("always"):
        over_time(double, x)


def test_hooks_are_called():
    module, seen = nn.Linear(40, 9), []
    module.register_forward_hook(lambda *_: seen.append(1))
    over_time(nn.Sequential(nn.Identity(), module), mostly_zero(6, 5, 40, dtype=torch.float32))
    assert seen == [1]


def test_a_subclass_runs_its_own_forward():
    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    module = Doubled(40, 9)
    x = mostly_zero(6, 5, 40, dtype=torch.float32)
    with sparse_products("always"):
        assert torch.equal(over_time(module, x), module(x))


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # torch's own, in its jvp
def test_function_transforms_and_forward_mode():
    module = nn.Linear(12, 5).double()
    x = mostly_zero(4, 3, 12, density=0.4, graded=True)
    parameters = dict(module.named_parameters())

    def loss(parameters, x):
        def run(rows):
            return torch.func.functional_call(module, parameters, rows)

        return over_time(run, x).square().sum()

    with sparse_products("always"):
        gradients = torch.func.grad(loss)(parameters, x)
        wide = torch.func.vmap(lambda one: over_time(module, one))(torch.stack([x, 2 * x]))
        _, tangent = torch.func.jvp(lambda one: over_time(module, one), (x,), (x,))
    loss(parameters, x).backward()
    assert_same(gradients.values(), [p.grad for p in module.parameters()])
    assert_same([wide[1]], [module(2 * x)])
    assert_same([tangent], [x @ module.weight.t()])


def test_an_input_of_another_width_gets_torchs_own_error():
    with (
        pytest.raises(RuntimeError, match="shapes cannot be multiplied"),
        sparse_products("always"),
    ):
        over_time(nn.Linear(40, 9), torch.ones(6, 5, 41))


def test_empty_inputs():
    module = nn.Linear(40, 9)
    with sparse_products("always"):
        assert over_time(module, torch.zeros(0, 5, 40)).shape == (0, 5, 9)
        assert over_time(module, torch.zeros(6, 0, 40)).shape == (6, 0, 9)


# -- the choice


def test_an_unknown_mode():
    with pytest.raises(ValueError, match="mode='sometimes'"):
        sparse_products("sometimes")


def test_never_gives_the_bits_of_the_module():
    module = nn.Linear(40, 9)
    x = mostly_zero(6, 5, 40, dtype=torch.float32)
    with sparse_products("never") as products:
        assert torch.equal(over_time(module, x), module(x.flatten(0, 1)).unflatten(0, (6, 5)))
    assert [choice.reason for choice in products] == ["never"]
    assert "dense" in str(products)


def test_blocks_nest_and_end():
    module, x = nn.Linear(40, 9), mostly_zero(6, 5, 40, dtype=torch.float32)
    with sparse_products("always") as outer:
        with sparse_products("never") as inner:
            over_time(module, x)
        over_time(module, x)
    over_time(module, x)
    assert [choice.sparse for choice in inner] == [False]
    assert [choice.sparse for choice in outer] == [True]


def made_up(dense: float, entry: float) -> Costs:
    """Times with which a product pays below a density of ``dense / (100 entry)``."""
    sparse_cost = Cost(0.0, 0.0, entry)
    nothing = Cost(0.0, 0.0, 0.0)
    always = Cost(0.0, dense, 0.0)
    return Costs(always, always, always, nothing, *[sparse_cost] * 4)


@pytest.mark.parametrize(("density", "pays"), [(0.05, True), (0.2, False)])
def test_the_measured_times_decide(monkeypatch, density, pays):
    monkeypatch.setattr(sparse_costs, "costs", lambda *_: made_up(10.0, 1.0))
    monkeypatch.setattr(sparse, "SMALLEST", 0)
    module = nn.Linear(100, 30)
    x = mostly_zero(20, 50, 100, density=density, dtype=torch.float32)
    found, products = results("auto", module, x)
    assert products.choices[0].sparse is pays
    assert_same(found, results("never", module, x)[0], 1e-5)
    if not pays:
        assert torch.equal(found[0], module(x.flatten(0, 1)).unflatten(0, (20, 50)))


def test_rows_that_mislead_the_sample_are_counted_again(monkeypatch):
    monkeypatch.setattr(sparse_costs, "costs", lambda *_: made_up(10.0, 1.0))
    monkeypatch.setattr(sparse, "SMALLEST", 0)
    x = torch.ones(1, 640, 100)
    x[:, ::10] = 0.0  # the rows that are looked at
    with sparse_products() as products:
        over_time(nn.Linear(100, 30), x)
    (choice,) = products
    assert not choice.sparse
    assert choice.density == pytest.approx(0.9)


def test_small_products_are_not_looked_at():
    with sparse_products() as products:
        over_time(nn.Linear(40, 9), torch.zeros(6, 5, 40))
    assert [choice.reason for choice in products] == ["too small"]


def test_times_are_measured_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path))
    monkeypatch.setattr(sparse_costs, "_memory", {})
    monkeypatch.setattr(sparse_costs, "_known", {})
    first = sparse_costs.costs(30, 20, 500, torch.float32)
    assert all(number >= 0 for cost in first for number in cost)
    assert first.dense.row > 0
    (path,) = tmp_path.glob("products/*/*.json")
    assert sparse_costs.costs(30, 20, 500, torch.float32) == first
    sparse_costs._memory.clear()
    sparse_costs._known.clear()
    measured = json.loads(path.read_text())
    path.write_text(json.dumps([number + 1.0 for number in measured]))
    assert sparse_costs.costs(30, 20, 500, torch.float32).dense.row == pytest.approx(
        first.dense.row + 1.0
    )


@pytest.mark.parametrize("spoiled", ["", "{", "[1, 2]", '["a"]', "[]", "nonsense", "3"])
def test_a_spoiled_file_is_measured_anew(tmp_path, monkeypatch, spoiled):
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path))
    monkeypatch.setattr(sparse_costs, "_memory", {})
    monkeypatch.setattr(sparse_costs, "_known", {})
    sparse_costs.costs(30, 20, 500, torch.float32)
    (path,) = tmp_path.glob("products/*/*.json")
    path.write_text(spoiled)
    sparse_costs._memory.clear()
    sparse_costs._known.clear()
    found = sparse_costs.costs(30, 20, 500, torch.float32)
    assert found.dense.row > 0
    assert len(json.loads(path.read_text())) == 24
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "products").write_text("in the way")
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path))
    monkeypatch.setattr(sparse_costs, "_memory", {})
    monkeypatch.setattr(sparse_costs, "_known", {})
    assert sparse_costs.costs(30, 20, 500, torch.float32).dense.row > 0


PROGRAM = """
import torch
from torch import nn
from jarvis import over_time, sparse_products
torch.manual_seed(0)
x = (torch.rand(50, 64, 300) < 0.03).float()
with sparse_products() as products:
    y = over_time(nn.Linear(300, 200), x)
    y.square().sum().backward() if y.requires_grad else None
print([c.sparse for c in products], y.double().sum().item())
"""


def test_processes_that_start_together_choose_alike(tmp_path):
    environment = os.environ | {"JARVIS_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    found = [process.communicate(timeout=600)[0] for process in running]
    assert found[0] == found[1] != ""
    assert len(list(Path(tmp_path).glob("products/*/*"))) == 1


# -- recurrent layers


def layer_results(mode: str, layer: LIFLayer, x: Tensor, state=None):
    leaf = x.detach().requires_grad_()
    layer.zero_grad()
    with sparse_products(mode) as products:
        spikes, after = layer(leaf, state)
        pull = torch.linspace(-1, 1, spikes.numel(), dtype=spikes.dtype).view_as(spikes)
        ((spikes * pull).sum() + after.neurons.v.square().sum()).backward()
    return [spikes.detach(), after.neurons.v.detach(), leaf.grad, layer.weight.grad], products


@pytest.mark.parametrize("steps", [1, 15, 16, 17, 40])
@pytest.mark.parametrize("hidden", [1, 20, 33, 64])
def test_recurrent_layers_equal_the_dense_ones(steps, hidden):
    torch.manual_seed(0)
    layer = LIFLayer(recurrent=hidden, tau=8.0).double()
    x = 0.5 * torch.rand(steps, 7, hidden, dtype=F64)
    found, products = layer_results("always", layer, x)
    assert_same(found, layer_results("never", layer, x)[0])
    assert products.choices[0].reason == f"sparse in {steps} of {steps} steps"


def test_recurrent_layers_on_several_threads(threads):
    torch.manual_seed(0)
    layer = LIFLayer(recurrent=50, tau=8.0)
    x = 0.5 * torch.rand(60, 300, 50)
    found = []
    for count in (1, 3):
        threads(count)
        found.append(layer_results("always", layer, x)[0][:2])
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("self_connections", [True, False])
def test_a_recurrent_layer_continues_from_any_state(self_connections):
    torch.manual_seed(0)
    layer = LIFLayer(recurrent=20, tau=8.0, self_connections=self_connections).double()
    x = 0.5 * torch.rand(40, 7, 20, dtype=F64)
    _, state = layer(x[:10])
    state = state.detach()
    state = state._replace(spikes=0.5 * state.spikes + 0.1)  # not 0 or 1
    found, _ = layer_results("always", layer, x[10:], state)
    assert_same(found, layer_results("never", layer, x[10:], state)[0])


def test_a_recurrent_layer_changes_its_mind(monkeypatch):
    """Silent, then busy, then silent again: every sixteen steps the choice is made anew."""
    monkeypatch.setattr(sparse_costs, "most_spikes", lambda *_: 20.0)
    torch.manual_seed(0)
    layer = LIFLayer(recurrent=20, tau=8.0).double()
    x = torch.zeros(96, 7, 20, dtype=F64)
    x[20:60] = 1.0
    found, products = layer_results("auto", layer, x)
    assert_same(found, layer_results("never", layer, x)[0])
    forward = products.choices[0]
    taken = int(forward.reason.split()[2])
    assert 16 <= taken < 96


def test_nan_spreads_through_recurrent_weights_as_in_a_dense_product():
    torch.manual_seed(0)
    layer = LIFLayer(recurrent=20, tau=8.0).double()
    x = 0.5 * torch.rand(10, 3, 20, dtype=F64)
    x[2, 1, 4] = torch.nan
    with torch.no_grad(), sparse_products("always"):
        found, _ = layer(x)
    with torch.no_grad(), sparse_products("never"):
        wanted, _ = layer(x)
    assert torch.equal(found.isnan(), wanted.isnan())
    assert found[3, 1].isnan().all()
    assert not found[:, 0].isnan().any()


def test_never_gives_the_bits_of_the_step_by_step_run():
    layer = LIFLayer(recurrent=20, tau=8.0)
    x = 0.5 * torch.rand(40, 7, 20)
    with sparse_products("never") as products:
        layer(x)
    assert [choice.sparse for choice in products] == [False]


# -- the gradient towards the neurons below


OPTIONS = [
    {},
    dict(tau_syn=5.0),
    dict(adaptation=0.1),
    dict(refractory=2.0),
    dict(detach_reset=False),
    dict(reset="zero"),
    dict(learnable="tau", tau=torch.linspace(5, 15, 40)),
    dict(threshold=torch.linspace(0.5, 1.5, 40)),
    dict(recurrent=40),
]


def two_layers(mode: str, surrogate, options: dict):
    torch.manual_seed(0)
    first, second = nn.Linear(30, 40).double(), nn.Linear(40, 20).double()
    below = LIFLayer(surrogate=surrogate, **options).double()
    x = 2.0 * mostly_zero(20, 8, 30, density=0.4)
    with sparse_products(mode) as products:
        spikes, _ = below(over_time(first, x))
        loss = over_time(second, spikes).square().sum() + 0.1 * spikes.sum()
        loss.backward()
    parameters = [*first.parameters(), *second.parameters(), *below.parameters()]
    return [p.grad for p in parameters], products


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "plain")
@pytest.mark.parametrize("slope", [1.0, 5.0])
def test_where_a_triangle_is_zero_no_gradient_is_needed(options, slope):
    surrogate = SurrogateSpike("triangle", slope)
    found, products = two_layers("always", surrogate, options)
    wanted, _ = two_layers("never", surrogate, options)
    assert_same(found, wanted, 1e-11)
    (choice,) = [choice for choice in products if choice.product == "input gradient"]
    assert choice.sparse
    assert 0 < choice.density < 1


def test_the_support_is_that_of_the_surrogate():
    surrogate = SurrogateSpike("triangle", 2.0)
    layer = LIFLayer(surrogate=surrogate, tau=8.0)
    x = torch.rand(30, 4, 10, requires_grad=True)
    spikes, _, trace = layer(x, trace=True)
    from jarvis.kernels.time_loop import surrogate_support

    near = surrogate_support(spikes)
    assert near is not None
    wanted = (trace.h - 1.0).abs() < 0.5
    assert torch.equal(near().bool(), wanted.detach())
    assert 0 < wanted.sum() < wanted.numel()


def test_a_function_of_the_users_own_with_compact_support():
    def boxcar(x: Tensor, k: float) -> Tensor:
        return torch.where(x.abs() < 0.5 / k, k, 0.0)

    found, products = two_layers("always", SurrogateSpike(boxcar, 1.0), {})
    assert_same(found, two_layers("never", SurrogateSpike(boxcar, 1.0), {})[0], 1e-11)
    assert any(choice.product == "input gradient" and choice.sparse for choice in products)


@pytest.mark.parametrize("surrogate", ["fast_sigmoid", "sigmoid", "arctan", "straight_through"])
def test_a_surrogate_that_is_never_zero_needs_the_gradient_everywhere(surrogate):
    found, products = two_layers("always", surrogate, {})
    assert_same(found, two_layers("never", surrogate, {})[0], 1e-11)
    assert not any(choice.product == "input gradient" for choice in products)


def test_eager_layers_and_checkpoints_know_of_no_support():
    found, products = two_layers("always", "triangle", dict(backend="eager"))
    assert_same(found, two_layers("never", "triangle", dict(backend="eager"))[0], 1e-11)
    assert not any(choice.product == "input gradient" for choice in products)

    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    layer, linear = LIFLayer(surrogate="triangle").double(), nn.Linear(40, 20).double()
    x = torch.rand(20, 8, 40, dtype=F64)
    gradients = []
    for mode in ("always", "never"):
        leaf = x.clone().requires_grad_()

        def run(leaf):
            return over_time(linear, layer(leaf)[0])

        with sparse_products(mode):
            checkpoint(run, leaf, use_reentrant=False).square().sum().backward()
        gradients.append(leaf.grad)
    assert_same(*[[g] for g in gradients], 1e-11)


def test_a_classifier_learns_the_same_with_and_without():
    x = mostly_zero(12, 30, 50, density=0.3, dtype=torch.float32)
    y = torch.arange(30) % 3
    found = []
    for mode in ("always", "never"):
        torch.manual_seed(0)
        model = SpikingMLP((50, 40, 30, 3), surrogate="triangle", gain=3.0)
        optimiser = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(3):
            with sparse_products(mode):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimiser.step()
        found.append([p.detach() for p in model.parameters()])
    assert_same(*found, 1e-4)


def test_lists_hold_what_is_not_zero():
    x = mostly_zero(70, 45, density=0.3, graded=True)
    listed = sparse_loops.active(x)
    rows = np.repeat(np.arange(70), np.diff(listed.starts))
    dense = torch.zeros_like(x)
    dense[rows, listed.places.astype(np.int64)] = torch.from_numpy(listed.values)
    assert torch.equal(dense, x)
    assert not sparse_loops.active((x != 0).double()).valued
    assert sparse_loops.share_nonzero(x, 1000) == pytest.approx(float((x != 0).double().mean()))
