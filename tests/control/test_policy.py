"""What a policy is made of: sizes, weights, the order in which they lie, bad values."""

import numpy as np
import pytest
import torch

from jarvis.control import Actions, ObservationStatistics, Policy, SpikingPolicy
from jarvis.control.policy import kinds

FORCES = Actions(2, (-1.0, -2.0), (1.0, 1.0))


def test_the_number_of_weights():
    assert Policy(17, Actions(6, (-1.0,) * 6, (1.0,) * 6)).n_parameters == 17 * 32 + 32 + 32 * 6 + 6
    assert Policy(4, Actions(2), neuron="linear").n_parameters == 4 * 2 + 2
    deep = Policy(4, Actions(2), hidden=(5, 3), recurrent=True, code="population", per_input=6)
    assert deep.n_parameters == (24 * 5 + 5 + 25) + (5 * 3 + 3 + 9) + 3 * 2 + 2
    names = [block.name for block in deep.blocks()]
    assert names == ["synapses0", "biases0", "recurrent0", "synapses1", "biases1", "recurrent1",
                     "readout", "readout_biases"]  # fmt: skip
    theta = np.arange(deep.n_parameters, dtype=float)
    assert np.concatenate([p.reshape(-1) for p in deep.unpacked(theta).values()]).tolist() == [
        *range(deep.n_parameters)
    ]


def test_weights_to_start_from():
    policy = Policy(100, Actions(2), hidden=(400,), recurrent=True)
    parts = policy.unpacked(policy.initial(3))
    assert parts["synapses0"].std() == pytest.approx(0.2, rel=0.03)
    assert parts["recurrent0"].std() == pytest.approx(0.05, rel=0.03)
    assert (parts["biases0"] == 1).all()
    assert not parts["readout"].any()
    assert (policy.initial(3) == policy.initial(3)).all()
    assert (policy.initial(3) != policy.initial(4)).any()
    assert not Policy(3, FORCES, neuron="tanh").unpacked(
        Policy(3, FORCES, neuron="tanh").initial())["biases0"].any()  # fmt: skip


def test_the_module_returns_the_weights_that_it_was_given_and_passes_gradients():
    policy = Policy(3, FORCES, hidden=(5,), recurrent=True)
    theta = policy.initial(1) + 0.1
    network = SpikingPolicy(policy, theta)
    np.testing.assert_allclose(network.theta(), theta, rtol=1e-6)
    x = torch.randn(8, 2, 3, generator=torch.Generator().manual_seed(0))
    outputs, state = network(x)
    assert outputs.shape == (8, 2, 2)
    outputs.square().sum().backward()
    for name, weight in network.weights.items():
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0, name
    first, middle = network(x[:5])
    second, end = network(x[5:], middle.detach())
    torch.testing.assert_close(torch.cat([first, second]), outputs)
    torch.testing.assert_close(end.trace, state.trace)


def test_operations_are_counted():
    policy = Policy(3, FORCES, hidden=(10, 20), recurrent=True)
    # 3 analogue inputs to 10; spikes to 20 and to 10; spikes to 20; a trace of 20 to 2
    counted = policy.operations(np.array([0.0, 50.0, 30.0]), 10)
    assert counted == 3 * 10 + 5 * (20 + 10) + 3 * 20 + 20 * 2
    population = Policy(3, FORCES, hidden=(10,), code="population")
    assert population.operations(np.array([40.0, 50.0]), 10) == 4 * 10 + 0 + 20
    assert Policy(3, FORCES, neuron="linear").operations(np.zeros(1), 5) == 6
    tanh = Policy(3, FORCES, neuron="tanh", hidden=(4,), recurrent=True, steps=2)
    assert tanh.operations(np.array([0.0, -3.0]), 5) == 3 * 4 + 2 * 16 + 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(neuron="perceptron"), "neuron='perceptron' is not one of"),
        (dict(hidden=()), "use neuron='linear'"),
        (dict(hidden=(0,)), "hidden=0 must be an integer from 1"),
        (dict(steps=0), "steps=0"),
        (dict(code="spikes"), "code='spikes' is not one of normalised, population"),
        (dict(readout="vote"), "readout='vote'"),
        (dict(tau_trace=0.0), "tau_trace=0.0 ms must be positive"),
        (dict(tau_trace=(3.0, -1.0)), "tau_trace=-1.0 ms must be positive"),
        (dict(tau_trace=()), r"tau_trace=\(\) has no time constant"),
        (dict(drive=-1.0), "drive=-1.0"),
        (dict(clip=0.0), "clip=0.0"),
        (dict(per_input=1), "per_input=1"),
        (dict(values={"tau": -3.0}), "tau=-3.0 ms must be positive"),
        (dict(values={"tau": [1.0, 2.0]}), r"values\['tau'\] of shape \[2\] needs one hidden"),
        (dict(neuron="linear", recurrent=True), "a linear policy has no neurons"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ValueError, match=message) as error:
        Policy(3, FORCES, **values)
    assert "\n" not in str(error.value)


def test_bad_types_are_named():
    with pytest.raises(TypeError, match="speed"):
        Policy(3, FORCES, values={"speed": 1.0})
    with pytest.raises(TypeError, match=r"values\['tau'\] must be numbers, not \['a', 'b'\]"):
        Policy(3, FORCES, hidden=(2,), values={"tau": ["a", "b"]})
    with pytest.raises(TypeError, match=r"theta must be an array, not \[0.0, "):
        Policy(3, FORCES, hidden=(1,)).unpacked([0.0] * 8)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Policy: values must be a Mapping, not \[1\]"):
        Policy(3, FORCES, values=[1])  # type: ignore[arg-type]
    for name in ("recurrent", "persistent"):
        with pytest.raises(TypeError, match=f"Policy: {name} must be True or False, not 'no'"):
            Policy(3, FORCES, **{name: "no"})
    with pytest.raises(TypeError, match="policy must be a Policy, not None"):
        SpikingPolicy(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="actions must be Actions, not int"):
        Policy(3, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"observations must be \[T, B, 3\]"):
        SpikingPolicy(Policy(3, FORCES))(torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match="give both low and high"):
        Actions(1, low=(0.0,))
    with pytest.raises(ValueError, match="must be finite, low below high"):
        Actions(1, low=(-np.inf,), high=(np.inf,))
    with pytest.raises(ValueError, match=r"low and high must be \[n=2\]"):
        Actions(2, low=(0.0,), high=(1.0,))


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_values_of_each_neuron_come_in_any_form(kind):
    policy = Policy(3, FORCES, hidden=(3,), values={"tau": kind([5.0, 10.0, 20.0])})
    assert policy == Policy(3, FORCES, hidden=(3,), values={"tau": (5.0, 10.0, 20.0)})
    for wrong in ([5.0, 10.0], [[5.0, 10.0, 20.0]], [[1.0, 2.0, 3.0]] * 3):
        with pytest.raises(ValueError, match=r"values\['tau'\] of shape .* needs one hidden layer"):
            Policy(3, FORCES, hidden=(3,), values={"tau": kind(wrong)})
    with pytest.raises(ValueError, match="needs one hidden layer of that size, not"):
        Policy(3, FORCES, hidden=(3, 3), values={"tau": kind([5.0, 10.0, 20.0])})


def test_a_value_may_be_a_tensor_of_any_kind():
    for value in (np.array(5.0), torch.tensor(5.0), torch.nn.Parameter(torch.tensor(5.0))):
        assert Policy(3, FORCES, values={"tau": value}).values == {"tau": 5.0}
    each = torch.tensor([5.0, 6.0], dtype=torch.bfloat16)
    assert Policy(3, FORCES, hidden=(2,), values={"tau": each}).values == {"tau": (5.0, 6.0)}
    for wrong in (["5", "10"], [[1.0], [1.0, 2.0]], [True, False]):
        with pytest.raises(TypeError, match=r"values\['tau'\] must be numbers"):
            Policy(3, FORCES, hidden=(2,), values={"tau": wrong})


def test_which_policies_are_noisy():
    noisy = {kind: Policy(3, FORCES, neuron=kind, hidden=(2,)).noisy for kind in kinds()}
    assert noisy.pop("escape_lif")
    assert not any(noisy.values())


def test_statistics_are_those_of_all_observations_however_they_come():
    rng = np.random.default_rng(0)
    x = rng.normal(1e4, 3.0, size=(1000, 2))
    whole, parts = ObservationStatistics.empty(2), ObservationStatistics.empty(2)
    whole.add(x)
    for part in np.split(x, [1, 2, 10, 400]):
        parts.add(part)
    for found in (whole, parts):
        np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-12)
        np.testing.assert_allclose(1 / found.scale, x.std(0, ddof=1), rtol=1e-7)  # far from 0
    constant = ObservationStatistics.empty(1)
    assert (constant.scale, constant.centre) == (1.0, 0.0)
    constant.add(np.full((5, 1), 2.0))
    assert (constant.scale, constant.centre) == (0.0, 2.0)
