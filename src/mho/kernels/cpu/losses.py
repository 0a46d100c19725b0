"""Losses whose errors start the backward pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ZERO = np.float32(0.0)
ONE = np.float32(1.0)


def cross_entropy(start: Any, stop: Any, counts: Any, logits: Any, labels: Any, losses: Any, errors: Any) -> None:
    """For replicas `start` to `stop`: the mean loss, and its errors (onehot - softmax) / batch.

    logits and errors (R, B, classes) float32, labels (R, B) int64, losses (R,) float64: NaN where a label is no class.
    """
    soften(start, stop, logits, labels, losses, errors)


def soften(start: Any, stop: Any, logits: Any, labels: Any, losses: Any, errors: Any) -> None:
    """Return the loop, apart from the kernel."""
    batch, classes = logits.shape[1], logits.shape[2]
    share = ONE / np.float32(batch)
    for r in range(start, stop):
        mean = 0.0
        for b in range(batch):
            row, answer = logits[np.uintp(r), np.uintp(b)], errors[np.uintp(r), np.uintp(b)]
            label = labels[np.uintp(r), np.uintp(b)]
            if label < 0 or label >= classes:
                mean = math.nan
                continue
            top = row[0]
            for k in range(1, classes):
                top = max(top, row[np.uintp(k)])
            total = ZERO
            for k in range(classes):
                answer[np.uintp(k)] = np.float32(math.exp(row[np.uintp(k)] - top))
                total += answer[np.uintp(k)]
            mean += math.log(total) - (row[np.uintp(label)] - top)
            for k in range(classes):
                answer[np.uintp(k)] *= -share / total
            answer[np.uintp(label)] += share
        losses[np.uintp(r)] = mean / batch
