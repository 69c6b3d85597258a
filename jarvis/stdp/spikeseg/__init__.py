"""SpikeSEG: a network that learns without labels and locates objects.

`network` contains the encoder, and `steps` its spiking convolution and pooling. `decoder` traces
class spikes back to pixels, `instances` separates objects (HULK: Hierarchical Unravelling of Linked
Kernels; SMASH: Similarity Matching through Active Spike Hashing), and `segmentation` evaluates the
result.
"""
