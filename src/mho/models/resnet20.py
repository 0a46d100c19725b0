"""ResNet-20 for images of 32×32."""

from __future__ import annotations

from typing import final

from mho.models.network import Network
from mho.models.residual import SmallResNet


@final
class ResNet20(SmallResNet):
    """Residual network of 20 layers: images (B, 3, 32, 32) to logits (B, 10); 269,722 parameters.

    K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016, arXiv 1512.03385, section 4.2 and Table 6 (0.27 million parameters, test
    error 8.75 %): the family of 6n + 2 layers for CIFAR-10 with n = 3, and shortcuts without parameters (option A),
    as there. Batch normalisation is digital. The paper trains with batches of 128, a rate of 0.1 that falls to a tenth
    twice, momentum 0.9, weight decay 1e-4, and crops and flips of the images.
    """

    blocks = 3


NETWORK = Network(ResNet20, (3, 32, 32))
