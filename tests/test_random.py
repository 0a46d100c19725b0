"""Random streams: published and pinned known answers, and the statistics that the physics rests on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from mho import random
from mho.kernels.reference.trains import bernoulli
from mho.random import Operation, mix, normal, philox, stream_key, threshold, uniform, vector_keys

KEY = (0xA4093822, 0x299F31D0)
EVERY_BIT = 0xFFFFFFFF
MILLION = 1_000_000


def words(*values: int) -> list[np.ndarray]:
    return [np.array([value], np.uint32) for value in values]


def counters(n: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + n, dtype=np.uint32)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two samples in units of its standard error 1/√n."""
    return float(np.corrcoef(a, b)[0, 1] * np.sqrt(a.size))


def bit_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of every bit of a with every bit of b (32, 32), in standard errors 1/√n."""
    signs = [
        ((v[:, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)) * np.float32(2) - np.float32(1) for v in (a, b)
    ]
    return signs[0].T @ signs[1] / np.sqrt(a.size)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((EVERY_BIT,) * 4, (EVERY_BIT,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            KEY,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, answer):
    assert tuple(int(word[0]) for word in philox(*words(*counter), *words(*key))) == answer


# Pinned: a change of any of these changes every result ever published with mho.


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ((0, 0), [0x00000000, 0x042741D6, 0x0F244C9E, 0x127F588F, 0xF904EB67]),
        (KEY, [0x4AAE6011, 0xF0A8EB6D, 0x88EA1BDE, 0xB553C671, 0x1CE07600]),
    ],
)
def test_mix_never_changes(key, answer):
    drawn = mix(np.array([0, 1, 64, EVERY_BIT, 12345], np.uint32), *words(*key))
    assert drawn.dtype == np.uint32
    assert drawn.tolist() == answer


@pytest.mark.parametrize(
    ("seed", "array", "operation", "answer"),
    [
        (0, 0, Operation.DEVICES, [0xB1C1834E, 0x7EDD2652]),
        (7, random.array_number("conv2"), Operation.UPDATE, [0xC09654B0, 0xA72D54C3]),
        (2**63 - 1, 2**64 - 1, Operation.DROPOUT, [0xC47152C3, 0xCBD26A9C]),
    ],
)
def test_stream_keys_never_change(seed, array, operation, answer):
    assert stream_key(seed, array, operation).tolist() == answer


def test_names_operations_and_vector_keys_never_change():
    assert random.array_number("conv2") == 0x12CDF365F51A69AF
    assert [int(operation) for operation in Operation] == list(range(10))
    key = stream_key(7, random.array_number("conv2"), Operation.UPDATE)
    drawn = vector_keys(key[:1], key[1:], np.array([2**40 + 3], np.uint64), np.uint32(1))
    assert [int(word[0]) for word in drawn] == [0x2CE46394, 0x89C5D5AF, 0xA340E912, 0x6015716F]


def test_draws_never_change():
    bits = np.array([0, 1, 0x80000000, 0x12345678, 0x9ABCDEF1], np.uint32)
    normals = ["0x1.95a136p+2", "-0x1.95a136p+2", "0x1.59576cp-1", "0x1.ce04e8p+0", "-0x1.093a5ap-1"]
    assert normal(bits).tolist() == [float.fromhex(value) for value in normals]
    assert uniform(bits).tolist() == [
        float.fromhex(value) for value in ("0x1p-24", "0x1p-24", "0x1.000002p-1", "0x1.23457p-4", "0x1.3579bep-1")
    ]
    # float32 values print to 8 digits; compared as float32 they are exact
    assert random.field_normals(3, 5, "dw_min", 3).tolist() == np.float32([0.21169408, -0.8341635, -0.4935255]).tolist()
    assert random.initial_uniforms(3, 5, 3).tolist() == np.float32([-0.52008, -0.79949105, 0.45377004]).tolist()


# Normal numbers


@pytest.mark.parametrize("sign", [0, 1])
def test_the_most_extreme_normals_are_finite_monotone_and_below_6_5(sign):
    z = normal((counters(4096) << np.uint32(1)) | np.uint32(sign)) * (1 - 2 * sign)
    assert np.isfinite(z).all()
    assert z.max() < 6.5
    assert (np.diff(z) < 0).all()


def test_the_smallest_normals_are_zero_to_rounding():
    z = normal(np.uint32(EVERY_BIT) - counters(8192))
    # 4,096 steps of 2⁻³² at density 1/√(2π) make 2.4e-6; the fit adds its 6e-6
    assert np.abs(z).max() < 1e-5


def test_normals_invert_phi():
    grid = np.unique(
        np.concatenate([np.linspace(0, 2**31 - 1, 200_000), np.geomspace(1, 2**31 - 1, 200_000)]).astype(np.uint32)
    )
    exact = -special.ndtri((grid + 0.5) / 2**32)
    # the fits' 5.6e-6 and 2.4e-6, and float32 rounding near the tails
    assert np.abs(normal(grid << np.uint32(1)) - exact).max() < 1e-5
    assert np.array_equal(normal((grid << np.uint32(1)) | np.uint32(1)), -normal(grid << np.uint32(1)))


def test_a_million_normals_pass_kolmogorov_smirnov():
    assert stats.kstest(normal(mix(counters(MILLION), *words(*KEY))), "norm").pvalue > 0.01


# Uniform numbers and thresholds


def test_uniforms_lie_inside_zero_and_one_at_the_extremes():
    u = uniform(np.array([0, 511, 512, EVERY_BIT - 511, EVERY_BIT], np.uint32))
    assert u.dtype == np.float32
    assert u.min() == 2.0**-24
    assert u.max() == 1 - 2.0**-24


@pytest.mark.parametrize(("probability", "answer"), [(0.0, 0), (1.0, 2**31), (0.5, 2**30)])
def test_thresholds_are_exact_at_the_ends(probability, answer):
    assert int(threshold(np.float32(probability))) == answer


def test_thresholds_bias_no_probability_of_1e_4_or_more_by_1e_5():
    p = np.geomspace(1e-4, 1, 10_001).astype(np.float32)
    assert np.abs(threshold(p) / 2**31 / p.astype(np.float64) - 1).max() < 1e-5


@pytest.mark.parametrize("p", [1e-4, 0.03, 0.7])
def test_bits_below_a_threshold_have_its_probability(p):
    n = 8 * MILLION
    hits = int(((mix(counters(n), *words(*KEY)) >> np.uint32(1)) < threshold(np.float32(p))).sum())
    # 4 standard errors of a binomial number
    assert abs(hits - n * p) < 4 * np.sqrt(n * p * (1 - p))


# Quality of the mix: lines of 128 counters under the keys of consecutive vectors, as the kernels use it


@pytest.mark.parametrize("step", [1, 2, 64, 128, 256, 128 * 401], ids=lambda step: f"{step} counters")
def test_bits_of_neighbouring_slots_and_lines_are_uncorrelated(step):
    n = 200_000
    drawn = bit_correlations(mix(counters(n), *words(*KEY)), mix(counters(n, step), *words(*KEY)))
    # the largest of 1,024 normal numbers: beyond 5 with probability 6e-4
    assert np.abs(drawn).max() < 5


@pytest.mark.parametrize("apart", [1, 2, 64, 2**32], ids=lambda apart: f"{apart} vectors")
@pytest.mark.parametrize("pair", [0, 1], ids=["columns", "rows"])
def test_bits_of_neighbouring_vectors_are_uncorrelated(apart, pair):
    key = stream_key(1, 2, Operation.UPDATE)
    numbers = np.arange(400, dtype=np.uint64)
    first, second = (
        np.concatenate(vector_keys(key[:1], key[1:], n, np.uint32(0))).reshape(4, -1)[2 * pair : 2 * pair + 2]
        for n in (numbers, numbers + np.uint64(apart))
    )
    lines = counters(500)[:, None] * np.uint32(128)
    drawn = bit_correlations(mix(lines, *first).ravel(), mix(lines, *second).ravel())
    assert np.abs(drawn).max() < 5


@pytest.mark.parametrize("other", [(0x13198A2E, KEY[1]), (KEY[0], 0x03707344), (KEY[0], KEY[1] ^ 1)])
def test_keys_that_share_a_word_give_unrelated_bits(other):
    base = mix(counters(200_000), *words(*KEY))
    assert np.abs(bit_correlations(base, mix(counters(200_000), *words(*other)))).max() < 5


@pytest.mark.parametrize("byte", range(4))
def test_bytes_are_uniform(byte):
    drawn = (mix(counters(MILLION), *words(*KEY)) >> np.uint32(8 * byte)) & np.uint32(255)
    p = stats.chisquare(np.bincount(drawn, minlength=256)).pvalue
    assert 1e-3 < p < 1 - 1e-3


@pytest.mark.parametrize("p", [1e-4, 0.004, 0.3, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("slots", [1, 10, 32])
def test_slots_of_a_line_are_independent_and_have_their_probability(slots, p):
    n = 40_000
    drawn = bernoulli(np.full(n, p, np.float32), slots, *words(*KEY))
    # 4 standard errors each: every slot's share, the correlation of neighbours, the variance of a line's sum
    share = np.sqrt(p * (1 - p) / n)
    assert np.abs(drawn.mean(axis=0) - p).max() <= 4 * share
    if 0.3 <= p < 0.99 and slots > 1:
        assert abs(correlation(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())) < 4
        assert drawn.sum(axis=1).var() / (slots * p * (1 - p)) == pytest.approx(1, abs=4 * np.sqrt(2 / n))


def test_vector_keys_repeat_as_32_bit_words_but_not_as_64():
    n = 2**20
    key = stream_key(0, random.array_number("conv1"), Operation.UPDATE)
    k0, k1, k2, k3 = (
        word.astype(np.uint64) for word in vector_keys(key[:1], key[1:], np.arange(n, dtype=np.uint64), np.uint32(0))
    )
    assert np.unique(k0).size < n
    assert np.unique(k0 << np.uint64(32) | k1).size == n
    assert np.unique(k2 << np.uint64(32) | k3).size == n


def test_keys_differ_by_seed_array_operation_vector_and_block():
    name = {"seed": 1, "array": 2, "operation": Operation.UPDATE, "vector": 3, "block": 4}
    others = [
        name,
        name | {"seed": 1 + 2**32},
        name | {"array": 2 + 2**32},
        name | {"operation": Operation.FORWARD},
        name | {"vector": 3 + 2**32},
        name | {"block": 5},
    ]
    keys = set()
    for other in others:
        key = stream_key(other["seed"], other["array"], other["operation"])
        drawn = vector_keys(key[:1], key[1:], np.array([other["vector"]], np.uint64), np.uint32(other["block"]))
        keys.add(tuple(int(word[0]) for word in drawn))
    assert len(keys) == len(others)


def test_fields_of_a_law_are_drawn_apart_and_whatever_the_others_are():
    a, b = (random.field_normals(0, 1, field, 100_000) for field in ("w_max", "w_min"))
    assert abs(correlation(a, b)) < 4
    assert np.array_equal(random.field_normals(0, 1, "w_max", 100), a[:100])
