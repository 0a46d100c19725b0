"""Augmentations of images in training, one per file.

A file of this room registers its augmentation by a constant AUGMENTATION; its name is the file's.
"""

from mho.imports import inhabitants
from mho.training.augmentations.base import Augmentation, Augmented

AUGMENTATIONS: dict[str, Augmentation] = inhabitants(__name__, __path__, "AUGMENTATION")

__all__ = ["AUGMENTATIONS", "Augmentation", "Augmented"]
