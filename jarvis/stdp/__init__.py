"""Spike-timing-dependent plasticity: rules, competition, and networks that learn by them.

`trace_rules` contains the pair, triplet and three-factor rules; `order_rule` contains the rule in
which only the order of spikes matters. `wta` implements competition between neurons, `conv`
implements convolutional layers that learn by STDP, and `reward` implements layers that make
decisions. `spikeseg` segments objects. `recipe`, `network`, `layerwise`, `stimuli` and `readout`
build a network, train it layer by layer and read it out.
"""

from jarvis.stdp.conv import ConvSTDP, Winners
from jarvis.stdp.layerwise import LayerwiseRun, fit_layers, load_weights, read_run
from jarvis.stdp.network import layer_input, make_layers, make_spikeseg, segment
from jarvis.stdp.order_rule import STDPConfig, STDPLearner, order_stdp
from jarvis.stdp.readout import (
    class_of_maps,
    grid_features,
    latency_features,
    layer_output,
    linear_readout,
)
from jarvis.stdp.recipe import (
    LAYERS,
    PAPERS,
    ConfigError,
    InputConfig,
    LayerConfig,
    Recipe,
    SegmentConfig,
    make_recipe,
    plain,
    read_recipe,
    restore_recipe,
)
from jarvis.stdp.reward import RewardRates, RewardSTDP
from jarvis.stdp.spikeseg.baseline import segment_by_density
from jarvis.stdp.spikeseg.decoder import decode
from jarvis.stdp.spikeseg.instances import Instance, hulk, smash, smash_scores, union_find
from jarvis.stdp.spikeseg.network import SpikeSEG, SpikeSEGOutput, SpikeSEGState
from jarvis.stdp.spikeseg.segmentation import PixelCounts, SceneScore, close_gaps, match
from jarvis.stdp.stimuli import DATASETS, Stimuli, load_stimuli, picture_events
from jarvis.stdp.trace_rules import (
    PairState,
    PairSTDP,
    ThreeFactorSTDP,
    TraceRule,
    TripletSTDP,
    outer,
    stdp_window,
)
from jarvis.stdp.wta import WTAConfig, WTAInhibition, WTAMode, pick_winners

__all__ = [
    "DATASETS",
    "LAYERS",
    "PAPERS",
    "ConfigError",
    "ConvSTDP",
    "InputConfig",
    "Instance",
    "LayerConfig",
    "LayerwiseRun",
    "PairSTDP",
    "PairState",
    "PixelCounts",
    "Recipe",
    "RewardRates",
    "RewardSTDP",
    "STDPConfig",
    "STDPLearner",
    "SceneScore",
    "SegmentConfig",
    "SpikeSEG",
    "SpikeSEGOutput",
    "SpikeSEGState",
    "Stimuli",
    "ThreeFactorSTDP",
    "TraceRule",
    "TripletSTDP",
    "WTAConfig",
    "WTAInhibition",
    "WTAMode",
    "Winners",
    "class_of_maps",
    "close_gaps",
    "decode",
    "fit_layers",
    "grid_features",
    "hulk",
    "latency_features",
    "layer_input",
    "layer_output",
    "linear_readout",
    "load_stimuli",
    "load_weights",
    "make_layers",
    "make_recipe",
    "make_spikeseg",
    "match",
    "order_stdp",
    "outer",
    "pick_winners",
    "picture_events",
    "plain",
    "read_recipe",
    "read_run",
    "restore_recipe",
    "segment",
    "segment_by_density",
    "smash",
    "smash_scores",
    "stdp_window",
    "union_find",
]
