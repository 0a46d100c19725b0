"""MNIST, from a folder, from the cache, or from the network."""

from __future__ import annotations

from pathlib import Path

from mho.data.dataset import Dataset
from mho.data.idx import IdxFiles
from mho.data.source import Source

MNIST = IdxFiles(
    name="mnist",
    title="MNIST",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    packed={
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    # the training images have two: the published file, and a lossless copy in which grey level 1 became 0
    unpacked={
        "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", "2120c626b3f721358a650005d9261aaf"),
        "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624",),
        "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea",),
        "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637",),
    },
    sizes={},
    beside=True,
)


def mnist(folder: Path | None = None) -> Dataset:
    """MNIST (Y. LeCun, C. Cortes, C. Burges): 60,000 training and 10,000 test images (1, 28, 28), digits 0 to 9.

    Looks in `folder` if given, else in `$MHO_DATA` and its subfolder mnist, then in the user's cache; what is
    not there is downloaded to the cache, checked, and kept. Files may be packed (.gz) or not.

    Raises:
        DataMissing: where neither file nor network is to be had, saying where to put which files.
        InvalidValue: for a file that is not what its name says.
    """
    return MNIST.load(folder)


DATA_SET = Source(load=mnist, example=(1, 28, 28), folder=True, here=MNIST.is_here)
