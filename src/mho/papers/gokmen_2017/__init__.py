"""T. Gokmen, M. Onen, W. Haensch, Front. Neurosci. 11:538 (2017): convolutional networks on arrays."""
