"""Losses whose errors start the backward pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ZERO = np.float32(0.0)
ONE = np.float32(1.0)


def cross_entropy(start: Any, stop: Any, counts: Any, logits: Any, labels: Any, losses: Any, errors: Any) -> None:
    """Compute the mean cross-entropy loss of each replica, and its errors δ = (onehot - softmax)/B.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        logits: (R, B, classes).
        labels: (R, B) int64, from 0 to classes - 1.
        losses: takes the mean of log Σ exp(logits) - logits[label], (R,) float64; NaN where a label is not a class.
        errors: takes δ, (R, B, classes).
    """
    loss_and_errors(start, stop, logits, labels, losses, errors)


def loss_and_errors(start: Any, stop: Any, logits: Any, labels: Any, losses: Any, errors: Any) -> None:
    """Loop over replicas and examples, outside the kernel: only helpers are free of Numba's reference counts."""
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
            # exp(logit - largest) cannot overflow, and softmax does not change
            top = row[0]
            for k in range(1, classes):
                top = max(top, row[np.uintp(k)])
            total = ZERO
            for k in range(classes):
                answer[np.uintp(k)] = np.float32(math.exp(row[np.uintp(k)] - top))
                total += answer[np.uintp(k)]
            # the sum over a batch is a float64, so that its rounding does not grow with B
            mean += math.log(total) - (row[np.uintp(label)] - top)
            for k in range(classes):
                answer[np.uintp(k)] *= -share / total
            answer[np.uintp(label)] += share
        losses[np.uintp(r)] = mean / batch
