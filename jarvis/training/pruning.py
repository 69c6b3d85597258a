"""Permanent pruning of the smallest weights while a network trains."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from jarvis.support.checks import check_integer, check_number

_SHARE = "the fraction of synapses to keep"


def density_after(epoch: int, target: float, *, iterative: bool = True, step: float = 0.1) -> float:
    """The fraction of synapses to keep after an epoch.

    This fraction is ``max(target, 1 - step (epoch - 1))``: all synapses are kept after the first
    epoch, and the fraction decreases by `step` after each further epoch, down to `target`. With
    ``iterative=False`` it is `target` from the first epoch on.

    Args:
        epoch: number of epochs done: 1, 2, ...
        target: final fraction, in (0, 1].
        iterative: whether to prune gradually.
        step: decrease of the fraction per epoch.

    Raises:
        ValueError: for a value out of range.

    Source: Landsmeer et al. 2025, arXiv:2512.10011 (``--sparse``, ``--sparse_iter``).

    Example:
        >>> [density_after(epoch, 0.65) for epoch in (1, 2, 4, 5, 30)]
        [1.0, 0.9, 0.7, 0.65, 0.65]
    """
    check_number("target", target, above=0, at_most=1, why=_SHARE)
    epoch = check_integer("epoch", epoch, at_least=1, why="it counts the epochs done")
    check_number("step", step, above=0, at_most=1)
    # Rounded, because 1 - 3 * 0.1 is slightly more than 0.7.
    return max(target, round(1.0 - step * (epoch - 1), 12)) if iterative else target


def mask_of(model: nn.Module, name: str) -> Tensor | None:
    """The mask of the remaining synapses of the weight `name`, bool; None if it is not pruned."""
    owner, _, leaf = name.rpartition(".")
    return dict(model.get_submodule(owner).named_buffers(recurse=False)).get(f"{leaf}_mask")


class Pruner:
    """Permanently prunes the smallest weights of a model.

    Each weight gets a mask, the buffer ``<name>_mask`` in the same module, so that the mask is
    saved in the model's `state_dict`. Pruned weights are 0, and so are their gradients and the
    optimiser's moments, so no later step restores the weights. The delay learned for a pruned
    synapse stays unchanged, since the synapse transmits nothing.

    A copy of the model (`copy.deepcopy`, pickle) keeps its zeros and masks, but nothing enforces
    them: create a `Pruner` for the copy before training it further.

    To resume, create the model, the optimiser and the pruner first, then load their states.

    Args:
        model: the module that owns the weights.
        names: the weights to prune, as in ``model.named_parameters()``. The weights of each matrix
            are ranked separately.
        optimizer: the optimiser whose moments are cleared.
        recurrent: those `names` that connect a population to itself, but no neuron to itself: their
            diagonal contains no synapses and is set to 0.

    Raises:
        ValueError: for a name that is not a parameter of the model.

    Source: Landsmeer et al. 2025, arXiv:2512.10011, where pruned synapses may grow again.

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
                raise ValueError(f"names: {name!r} is not a parameter of the model: {list(known)}")
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
            # The mask is looked up in each call, because loading a state or moving the model
            # replaces it.
            weight.register_hook(lambda grad, name=name: grad * self._mask(name))
        self._recurrent = tuple(recurrent)
        self._apply()

    def _mask(self, name: str) -> Tensor:
        mask = mask_of(self._model, name)
        assert mask is not None
        return mask

    @property
    def masks(self) -> dict[str, Tensor]:
        """The masks of remaining synapses, by weight name: bool, with the shape of the weight."""
        return {name: self._mask(name) for name in self._weights}

    def _n_synapses(self, name: str) -> int:
        weight = self._weights[name]
        # A single recurrent neuron has no synapse; a count of 1 keeps its density defined.
        return max(1, weight.numel() - (len(weight) if name in self._recurrent else 0))

    @property
    def densities(self) -> dict[str, float]:
        """Remaining fraction of synapses, by weight name."""
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
        """Keep the largest weights of each matrix and permanently remove the others.

        Args:
            density: fraction of a matrix's synapses to keep, in (0, 1], or one fraction per name.
                At least one synapse is kept; a fraction above the current density changes nothing.

        Returns:
            the remaining fraction, by weight name.

        Raises:
            ValueError: for a density out of range, or an unknown name.
        """
        for name, value in self._targets(density).items():
            weight, mask = self._weights[name], self._mask(name)
            keep = max(1, round(value * self._n_synapses(name)))
            size = torch.where(mask, weight.abs(), -1.0).flatten()
            # The sort is stable: ties are broken by position, so the same run prunes the same
            # synapses.
            last = torch.argsort(size, descending=True, stable=True)[keep:]
            mask.view(-1)[last] = False
        self._apply()
        return self.densities

    @torch.no_grad()
    def _apply(self) -> None:
        """Set weights, gradients and moments to 0 where there is no synapse."""
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
        """A context, for evaluation, in which the model is pruned as with `prune`.

        Masks, weights, gradients and moments are restored afterwards.

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
