import math

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
