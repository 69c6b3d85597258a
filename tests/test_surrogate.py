import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jarvis import SURROGATES, SurrogateSpike

# Independent of the library: each surrogate derivative is the derivative of a smooth step, so
# autograd through that step has to give it back.
SMOOTH_STEPS = {
    "fast_sigmoid": lambda x, k: x / (1 + k * x.abs()),
    "sigmoid": lambda x, k: torch.sigmoid(k * x),
    "arctan": lambda x, k: torch.atan(math.pi / 2 * k * x) / math.pi,
    "triangle": lambda x, k: torch.where(
        x.abs() < 1 / k, k * x - k * k * x * x.abs() / 2, x.sign() / 2
    ),
    "straight_through": lambda x, k: x,
}


def test_every_surrogate_is_tested():
    assert set(SMOOTH_STEPS) == set(SURROGATES)


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("slope", [None, 0.5, 10.0])
@pytest.mark.parametrize("threshold", [1.0, 0.3])
def test_backward_is_the_derivative_of_the_smooth_step(name, slope, threshold):
    k = SURROGATES[name].slope if slope is None else slope
    v = torch.linspace(-3, 3, 101, dtype=torch.float64, requires_grad=True)
    weights = torch.linspace(1, 2, 101, dtype=torch.float64)
    SurrogateSpike(name, slope)(v, threshold).backward(weights)
    x = (v.detach() - threshold).requires_grad_()
    SMOOTH_STEPS[name](x, k).backward(weights)
    torch.testing.assert_close(v.grad, x.grad)


def test_usual_slopes():
    assert {name: s.slope for name, s in SURROGATES.items()} == {
        "fast_sigmoid": 25,
        "sigmoid": 4,
        "arctan": 2,
        "triangle": 1,
        "straight_through": 1,
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_forward_is_one_exactly_at_the_threshold(dtype):
    threshold = 0.5
    below = torch.nextafter(torch.tensor(threshold), torch.tensor(0.0))
    v = torch.tensor([below if dtype != torch.bfloat16 else 0.498, 0.5, 0.6, -1.0], dtype=dtype)
    spikes = SurrogateSpike()(v, threshold)
    assert spikes.tolist() == [0, 1, 1, 0]
    assert spikes.dtype == dtype


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(
    v=st.floats(allow_nan=False, allow_infinity=False, width=32),
    threshold=st.floats(-1e38, 1e38),
    slope=st.sampled_from([1e-3, 1.0, 25.0, 1e6, 1e30]),
)
def test_no_finite_input_gives_nan(name, dtype, v, threshold, slope):
    v = torch.tensor([v], dtype=torch.float32).to(dtype)
    if not torch.isfinite(v).all():  # rounded up to infinity in bfloat16
        return
    v.requires_grad_()
    spikes = SurrogateSpike(name, slope)(v, threshold)
    spikes.sum().backward()
    assert spikes.item() in (0.0, 1.0)
    assert not v.grad.isnan().any()
    assert v.grad.item() >= 0


def test_nan_is_not_silence():
    assert SurrogateSpike()(torch.tensor([math.nan])).isnan().all()


def test_threshold_gets_the_opposite_gradient_summed_to_its_shape():
    v = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
    threshold = torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True)
    SurrogateSpike("arctan")(v, threshold).sum().backward()
    torch.testing.assert_close(threshold.grad, -v.grad.sum(0))


def test_own_derivative():
    v = torch.tensor([0.0, 2.0], requires_grad=True)
    SurrogateSpike(lambda x, k: k * torch.exp(-x.square()), slope=3.0)(v).sum().backward()
    torch.testing.assert_close(v.grad, 3 * torch.exp(torch.tensor([-1.0, -1.0])))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("boxcar",), "boxcar"),
        ((None,), "name"),
        (("sigmoid", 0.0), "slope=0.0"),
        (("sigmoid", math.nan), "slope=nan"),
        (("sigmoid", math.inf), "slope=inf"),
    ],
)
def test_bad_options(arguments, says):
    with pytest.raises(ValueError, match=says):
        SurrogateSpike(*arguments)


# -- second derivatives, and torch.func ------------------------------------------------------------

F64 = torch.float64


def test_the_mixed_second_derivative_by_hand():
    """d2S/dv dw of S = spike(v w - 1) is f(x) + v w f'(x), at x = v w - 1."""
    v = torch.tensor(0.8, dtype=F64, requires_grad=True)
    w = torch.tensor(1.0, dtype=F64, requires_grad=True)
    spike = SurrogateSpike("sigmoid", 4.0)(v * w - 1.0, 0.0)
    (by_v,) = torch.autograd.grad(spike, v, create_graph=True)
    (mixed,) = torch.autograd.grad(by_v, w)
    s = torch.sigmoid(torch.tensor(-0.8, dtype=F64))
    f, df = 4 * s * (1 - s), 16 * s * (1 - s) * (1 - 2 * s)
    assert mixed.item() == pytest.approx((f + 0.8 * df).item(), rel=1e-12)
    assert mixed.item() == pytest.approx(1.896, abs=5e-4)


@pytest.mark.parametrize("name", [n for n in SURROGATES if n != "straight_through"])
@pytest.mark.parametrize("per_neuron", [False, True])
def test_the_derivative_is_differentiated_with_respect_to_potential_and_threshold(name, per_neuron):
    spike = SurrogateSpike(name)
    k = spike.slope
    v = torch.tensor([[0.2, 0.9, 1.3], [1.02, 0.97, 0.6]], dtype=F64) / max(1.0, k / 4)
    threshold = torch.full((3,) if per_neuron else (), 1.0 / max(1.0, k / 4), dtype=F64)

    def slopes(v, threshold):  # d(sum of cubes)/dv and /dthreshold: smooth, unlike the spikes
        spikes = spike(v, threshold)
        pull = (v**3).detach()
        return torch.autograd.grad((spikes * pull).sum(), (v, threshold), create_graph=True)

    wanted = (v.requires_grad_(), threshold.requires_grad_())
    pull = (v**3).detach()

    def by_formula(v, threshold):
        return spike.derivative(v - threshold, k) * pull

    (mine,) = torch.autograd.grad(slopes(*wanted)[0].sum(), threshold)
    (formula,) = torch.autograd.grad(by_formula(*wanted).sum(), threshold)
    torch.testing.assert_close(mine, formula, rtol=1e-12, atol=1e-12)
    assert mine.abs().sum() > 0
    torch.autograd.gradcheck(
        lambda v: torch.autograd.grad((spike(v, 0.25) * pull).sum(), v, create_graph=True)[0],
        (v,),
    )


def test_a_gradient_penalty_reaches_the_weights_of_a_layer():
    """Its gradient is that of the penalty, by finite differences of the first derivative."""
    from jarvis import LIFLayer

    torch.manual_seed(0)
    x = torch.rand(8, 2, 3, dtype=F64, requires_grad=True)
    weight = torch.rand(4, 3, dtype=F64, requires_grad=True)
    layer = LIFLayer(tau=5.0, surrogate=SurrogateSpike("sigmoid", 4.0), backend="eager")

    def penalty(weight):
        spikes, _ = layer(x @ weight.t())
        (slope,) = torch.autograd.grad(spikes.sum(), x, create_graph=True)
        return slope.square().sum()

    (got,) = torch.autograd.grad(penalty(weight), weight)
    moved = torch.zeros_like(weight)
    for index in np.ndindex(*weight.shape):
        step = torch.zeros_like(weight)
        step[index] = 1e-6
        moved[index] = (penalty(weight + step) - penalty(weight - step)).item() / 2e-6
    torch.testing.assert_close(got, moved, rtol=1e-4, atol=1e-4)
    assert got.abs().max() > 1
    hessian = torch.autograd.functional.hessian(lambda w: layer(x @ w.t())[0].sum(), weight)
    assert hessian.abs().sum() > 0


def test_compiled_loops_refuse_second_derivatives():
    from jarvis import LIFLayer

    x = (2 * torch.rand(6, 1, 3)).requires_grad_()
    spikes, _ = LIFLayer(backend="numba")(x)
    (slope,) = torch.autograd.grad(spikes.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        slope.sum().backward()


@pytest.mark.filterwarnings("ignore:`torch.jit")  # of torch.func itself
def test_torch_func_sees_the_surrogate():
    spike = SurrogateSpike("arctan")
    v = torch.tensor([0.3, 0.9, 1.4], dtype=F64)
    wanted = spike.derivative(v - 1.0, spike.slope)
    got = torch.func.vmap(torch.func.grad(lambda x: spike(x, 1.0)))(v)
    torch.testing.assert_close(got, wanted)
    _, tangent = torch.func.jvp(lambda x: spike(x, 1.0), (v,), (torch.full_like(v, 2.0),))
    torch.testing.assert_close(tangent, 2 * wanted)
    threshold = torch.ones(3, dtype=F64)
    _, tangent = torch.func.jvp(lambda t: spike(v, t), (threshold,), (threshold,))
    torch.testing.assert_close(tangent, -wanted)
    hessian = torch.func.hessian(lambda x: spike(x, 1.0).sum())(v)
    assert hessian.diagonal().abs().min() > 0
