"""What one image costs a network, before anything is exported or measured."""

import math

import keras


def multiplications(backbone: keras.Model) -> int:
    """Multiplications of one image with the backbone's kernels, at every position of the maps.

    It ranks networks by cost; how long they take depends on the engine and is measured there.
    """
    total = 0
    for layer in backbone.layers:
        if isinstance(layer, keras.Model):
            total += multiplications(layer)
            continue
        kernels = [weight.shape for weight in layer.weights if len(weight.shape) > 1]
        if kernels:
            output = keras.tree.flatten(layer.output)[0]  # attention has further ones
            positions = math.prod(output.shape[1:-1])
            total += positions * sum(math.prod(shape) for shape in kernels)
    return total
