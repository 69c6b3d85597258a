"""SpikeSEG: a network that learns without labels and says where an object is.

`network` is the encoder, `steps` its spiking convolution and pooling, `decoder` traces class spikes
back to pixels, `instances` tells objects apart (HULK, SMASH), and `segmentation` measures how good
the result is.
"""
