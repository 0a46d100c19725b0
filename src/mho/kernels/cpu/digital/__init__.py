"""Digital operations between arrays: activations, gates of recurrent layers, pooling, losses, and sums of vectors.

They are of the online driver and of the transfers of cells. As the other modules of `mho.kernels.cpu` these are
templates; they import none of them.
"""
