"""Synapses taken away for good, while a network trains: the smallest weights, and their future."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from jarvis.support.checks import check_integer, check_number

_SHARE = "the share of synapses to keep"


def density_after(epoch: int, target: float, *, iterative: bool = True, step: float = 0.1) -> float:
    """Which share of the synapses to keep after an epoch.

    ``max(target, 1 - step (epoch - 1))``: nothing goes after the first epoch, then `step` less
    after each, down to `target`. With ``iterative=False`` it is `target` from the first on.

    Args:
        epoch: epochs done: 1, 2, ...
        target: share to end with, in (0, 1].
        iterative: whether to get there little by little.
        step: by how much the share falls an epoch.

    Raises:
        ValueError: for a value out of range.

    Source: Landsmeer et al. 2025, arXiv:2512.10011 (``--sparse``, ``--sparse_iter``).

    Example:
        >>> [density_after(epoch, 0.65) for epoch in (1, 2, 4, 5, 30)]
        [1.0, 0.9, 0.7, 0.65, 0.65]
    """
    check_number("target", target, above=0, at_most=1, why=_SHARE)
    check_integer("epoch", epoch, at_least=1, why="it counts the epochs done")
    check_number("step", step, above=0, at_most=1)
    # Rounded, for 1 - 3 * 0.1 is a little more than 0.7.
    return max(target, round(1.0 - step * (epoch - 1), 12)) if iterative else target


def mask_of(model: nn.Module, name: str) -> Tensor | None:
    """Which synapses of the weight called `name` are left, a bool tensor; None if none can go."""
    owner, _, leaf = name.rpartition(".")
    return dict(model.get_submodule(owner).named_buffers(recurse=False)).get(f"{leaf}_mask")


class Pruner:
    """Prunes the smallest weights of a model, for good.

    Each weight gets a mask, a buffer ``<name>_mask`` beside it, which is therefore saved in the
    model's `state_dict`. What a mask takes away is 0, and so are its gradient and the optimiser's
    moments of it: no further step brings it back. Delays learned for such a synapse stay where
    they are, since what it sends is 0.

    A copy of the model (`copy.deepcopy`, pickle) keeps its zeros and its masks, but nothing holds
    them there: make a `Pruner` for it before it learns on.

    To resume, make the model, the optimiser and the pruner first, then load their states.

    Args:
        model: what the weights belong to.
        names: the weights to prune, as in ``model.named_parameters()``. Each is ranked by itself.
        optimizer: whose moments to clear.
        recurrent: those of `names` that connect a population with itself without self-loops: their
            diagonal is no synapse, and is 0 from now on.

    Raises:
        ValueError: for a name that is no parameter of the model.

    Source: Landsmeer et al. 2025, arXiv:2512.10011, where what is pruned may grow again.

    Example:
        >>> layer = nn.Linear(10, 4)
        >>> pruner = Pruner(layer, ["weight"])
        >>> pruner.prune(0.25)
        {'weight': 0.25}
        >>> int((layer.weight != 0).sum())
        10
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        optimizer: torch.optim.Optimizer | None = None,
        *,
        recurrent: Sequence[str] = (),
    ) -> None:
        self.optimizer = optimizer
        self._model = model
        self._weights: dict[str, nn.Parameter] = {}
        for name in recurrent:
            if name not in names:
                raise ValueError(f"recurrent: {name!r} is not one of names={list(names)}")
        known = dict(model.named_parameters())
        for name in names:
            if name not in known:
                raise ValueError(f"names: {name!r} is no parameter of the model: {list(known)}")
            weight = self._weights[name] = known[name]
            if mask_of(model, name) is None:
                owner, _, leaf = name.rpartition(".")
                mask = torch.ones_like(weight, dtype=torch.bool)
                if name in recurrent:
                    if weight.dim() != 2 or weight.shape[0] != weight.shape[1]:
                        raise ValueError(
                            f"recurrent: {name!r} must be [n, n]; it is {tuple(weight.shape)}"
                        )
                    mask.fill_diagonal_(False)
                model.get_submodule(owner).register_buffer(f"{leaf}_mask", mask)
            # The mask is looked up at each call: loading a state or moving the model changes it.
            weight.register_hook(lambda grad, name=name: grad * self._mask(name))
        self._recurrent = tuple(recurrent)
        self._apply()

    def _mask(self, name: str) -> Tensor:
        mask = mask_of(self._model, name)
        assert mask is not None
        return mask

    @property
    def masks(self) -> dict[str, Tensor]:
        """Which synapses are left, by weight: bool tensors, shaped as the weights."""
        return {name: self._mask(name) for name in self._weights}

    def _n_synapses(self, name: str) -> int:
        weight = self._weights[name]
        return weight.numel() - (len(weight) if name in self._recurrent else 0)

    @property
    def densities(self) -> dict[str, float]:
        """The share of synapses that is left, by weight."""
        return {name: int(mask.sum()) / self._n_synapses(name) for name, mask in self.masks.items()}

    def _targets(self, density: float | Mapping[str, float]) -> dict[str, float]:
        if not isinstance(density, Mapping):
            density = dict.fromkeys(self._weights, density)
        for name, value in density.items():
            if name not in self._weights:
                raise ValueError(f"density: {name!r} is not one of {list(self._weights)}")
            check_number("density", value, above=0, at_most=1, why=_SHARE)
        return dict(density)

    @torch.no_grad()
    def prune(self, density: float | Mapping[str, float]) -> dict[str, float]:
        """Keep the largest weights of each matrix, and clear the others for good.

        Args:
            density: share of the matrix's synapses to keep, in (0, 1]; or one for each name. Never
                less than one synapse is kept; a density above the present one changes nothing.

        Returns:
            the share that is left, by weight.

        Raises:
            ValueError: for a density out of range, or an unknown name.
        """
        for name, value in self._targets(density).items():
            weight, mask = self._weights[name], self._mask(name)
            keep = max(1, round(value * self._n_synapses(name)))
            size = torch.where(mask, weight.abs(), -1.0).flatten()
            # Stable: equal weights go by their place, so that the same run prunes the same.
            last = torch.argsort(size, descending=True, stable=True)[keep:]
            mask.view(-1)[last] = False
        self._apply()
        return self.densities

    @torch.no_grad()
    def _apply(self) -> None:
        """Clear weights, gradients and moments where there is no synapse."""
        for name, weight in self._weights.items():
            gone = ~self._mask(name)
            weight.masked_fill_(gone, 0.0)
            if weight.grad is not None:
                weight.grad.masked_fill_(gone, 0.0)
            state = {} if self.optimizer is None else self.optimizer.state.get(weight, {})
            for moment in state.values():
                if isinstance(moment, Tensor) and moment.shape == weight.shape:
                    moment.masked_fill_(gone, 0.0)

    @contextmanager
    def pruned(self, density: float | Mapping[str, float]) -> Iterator[dict[str, float]]:
        """The model as `prune` would leave it, for as long as the block lasts: to evaluate.

        Masks, weights, gradients and moments are all as they were afterwards.

        Example:
            >>> layer = nn.Linear(10, 4)
            >>> with Pruner(layer, ["weight"]).pruned(0.1):
            ...     print(int((layer.weight != 0).sum()))
            4
            >>> int((layer.weight != 0).sum())
            40
        """
        optimizer, self.optimizer = self.optimizer, None
        before = [
            (w, w.detach().clone(), w.grad, self._mask(name), self._mask(name).clone())
            for name, w in self._weights.items()
        ]
        for weight, *_ in before:
            weight.grad = None
        try:
            yield self.prune(density)
        finally:
            self.optimizer = optimizer
            with torch.no_grad():
                for weight, values, grad, mask, kept in before:
                    weight.copy_(values)
                    weight.grad = grad
                    mask.copy_(kept)
