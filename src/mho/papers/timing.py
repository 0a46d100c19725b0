"""Estimates of the time that experiments take on this machine, from some steps of each."""

from __future__ import annotations

import time

import torch
from torch.nn import functional as F

from mho.data import Dataset
from mho.runs import Experiment
from mho.runs.build import build
from mho.training import AnalogSGD, choose_driver, sizes_of

WARM, TIMED, TESTED = 30, 60, 250
"""Numbers of images: trained before the clock starts, trained on the clock, and tested."""


def seconds_an_epoch(experiment: Experiment, data: Dataset) -> float:
    """Return the seconds that an epoch takes, its test included, from a few images with the initial weights.

    The first call for a device law may compile kernels, which is not counted.
    """
    settings = experiment.training
    part = data.first(settings.train_images, settings.test_images)
    model = build(experiment, sizes_of(data))
    optimizer = AnalogSGD(model, lr=settings.lr)
    driver = choose_driver(model, optimizer, F.cross_entropy, sample=part.train_images[:1], prefer=settings.driver)
    count = len(part.train_labels)
    began = 0.0
    for step in range(WARM + TIMED):
        if step == WARM:
            began = time.perf_counter()
        place = step % count
        driver.step(part.train_images[place : place + 1], part.train_labels[place : place + 1])
    train = (time.perf_counter() - began) / TIMED

    model.eval()
    with torch.no_grad():
        for _ in range(2):
            began = time.perf_counter()
            model(part.test_images[:TESTED])
            test = (time.perf_counter() - began) / len(part.test_images[:TESTED])
    return train * count + test * len(part.test_labels)
