"""ResNet-8 for images of 32×32."""

from __future__ import annotations

from typing import final

from mho.models.network import Network
from mho.models.residual import SmallResNet


@final
class ResNet8(SmallResNet):
    """Residual network of 8 layers: images (B, 3, 32, 32) to logits (B, 10); 75,290 parameters.

    K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016, arXiv 1512.03385, section 4.2: the family of 6n + 2 layers for CIFAR-10
    with n = 1, and shortcuts without parameters (option A). Batch normalisation is digital.
    """

    blocks = 1


NETWORK = Network(ResNet8, (3, 32, 32))
