"""Fashion-MNIST, from a folder, from the cache, or from the network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mho.data.dataset import Dataset
from mho.data.idx import IdxFiles
from mho.data.source import Source

CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FASHION_MNIST = IdxFiles(
    name="fashion_mnist",
    title="Fashion-MNIST",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    packed={
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    unpacked={},  # its authors publish checksums of the packed files only
    sizes={
        "train-images-idx3-ubyte": (60_000, 28, 28),
        "train-labels-idx1-ubyte": (60_000,),
        "t10k-images-idx3-ubyte": (10_000, 28, 28),
        "t10k-labels-idx1-ubyte": (10_000,),
    },
    beside=False,  # MNIST's files have the same names
)


def fashion_mnist(folder: Path | None = None) -> Dataset:
    """Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf 2017, arXiv 1708.07747; MIT licence): clothes in MNIST's form.

    60,000 training and 10,000 test images (1, 28, 28) of 10 classes. Looks in `folder` and its subfolder fashion_mnist
    if given, else in the subfolder fashion_mnist of `$MHO_DATA`, then in the user's cache; what is not there is
    downloaded to the cache, checked by the published checksums, and kept. Unpacked files are known by their sizes only.

    Raises:
        DataMissing: where neither file nor network is to be had, saying where to put which files.
        InvalidValue: for a file that is not what its name says.
    """
    return dataclasses.replace(FASHION_MNIST.load(folder), symbols=CLASSES)


DATA_SET = Source(load=fashion_mnist, example=(1, 28, 28), folder=True, here=FASHION_MNIST.is_here)
