"""Arrays of given sizes: which a layer takes, copies of it, and files of sizes."""

from __future__ import annotations

import pytest

from mho.cells import Replicated
from mho.config import RPU
from mho.errors import InvalidValue
from mho.hardware import (
    GOKMEN_2017,
    ArraySize,
    network_time,
    parse_size,
    read_sizes,
)
from tests.helpers.plans import by_name, plan

LARGE = GOKMEN_2017[:1]


def test_a_layer_takes_the_fastest_array_that_holds_it_and_then_the_smallest():
    sizes = [
        ArraySize(rows=64, columns=64, t_meas=10.0),
        ArraySize(rows=16, columns=26, t_meas=10.0),
        ArraySize(rows=16, columns=25, t_meas=1.0),
        ArraySize(rows=4096, columns=4096, t_meas=80.0),
    ]
    layers = by_name(network_time(plan("lenet"), sizes))
    assert layers["conv1"].size == sizes[1]
    assert layers["conv2"].size == sizes[3]
    assert all(layer.fits for layer in layers.values())
    sizes.append(ArraySize(rows=9000, columns=9000, t_meas=0.5))
    assert {layer.size for layer in network_time(plan("lenet"), sizes).layers} == {sizes[-1]}


def test_what_no_array_holds_is_spread_and_says_so():
    layers = by_name(network_time(plan("alexnet")))
    fc6 = layers["fc6"]
    assert (fc6.fits, fc6.tiles, fc6.tile_out, fc6.tile_inputs, fc6.forward) == (False, 3, 4096, 3072, 80.0)
    assert layers["fc7"].fits
    # one column more than the large array has
    assert by_name(network_time(plan("vgg16")))["fc7"].tiles == 2
    small = network_time(plan("lenet"), [ArraySize(rows=20, columns=100, t_meas=5.0)])
    assert [layer.tiles for layer in small.layers] == [1, 2 * 5, 7 * 6, 2]
    assert small.layers[1].arrays == 10


def test_tiles_of_the_rpu_are_kept_and_devices_take_rows():
    rows = plan("lenet", layers={"conv2": RPU(cell=Replicated(13)), "fc1": RPU(tile=(64, 257))})
    layers = by_name(network_time(rows))
    assert (layers["conv2"].row.cross_points, layers["conv2"].size.rows) == (416 * 401, 512)
    assert (layers["fc1"].tiles, layers["fc1"].tile_out, layers["fc1"].tile_inputs) == (4, 64, 257)
    assert layers["fc1"].size.rows == 512
    # 300 rows hold 23 weights of 13 devices
    cut = by_name(network_time(rows, [ArraySize(rows=300, columns=512, t_meas=10.0)]))["conv2"]
    assert (cut.fits, cut.down, cut.across, cut.tile_out) == (False, 2, 1, 16)
    with pytest.raises(InvalidValue, match="conv2: a weight of 13 devices does not fit arrays of at most 12 rows"):
        network_time(rows, [ArraySize(rows=12, columns=512, t_meas=10.0)])


def test_copies_divide_the_vectors_of_an_image():
    time = network_time(plan("alexnet"), LARGE, copies={"conv1": 4, "conv*": 2})
    layers = by_name(time)
    assert layers["conv1"].vectors == 757  # 3,025 / 4, rounded up
    assert layers["conv1"].forward == 757 * 80
    assert layers["conv2"].forward == 365 * 80
    assert layers["conv1"].cross_points == 4 * 96 * 363
    assert layers["fc6"].copies == 1
    # four copies are not enough for K2 to set the pace, five are
    assert time.bottleneck.row.layer == "conv1"
    assert network_time(plan("alexnet"), LARGE, copies={"conv1": 5}).bottleneck.row.layer == "conv2"
    with pytest.raises(InvalidValue, match="conv1 is 0; give an integer of at least 1"):
        network_time(plan("alexnet"), copies={"conv1": 0})


def test_a_layer_has_no_more_copies_than_vectors():
    time = network_time(plan("lenet"), copies={"*": 100})
    assert [layer.copies for layer in time.layers] == [100, 64, 1, 1]
    with pytest.raises(
        InvalidValue, match=r"fc\* is 2, and its layers have at most 1 vectors to share; give at most 1"
    ):
        network_time(plan("lenet"), copies={"fc*": 2})


def test_nothing_to_place_is_refused():
    with pytest.raises(InvalidValue, match="no array to put layers on"):
        network_time(plan("lenet"), [])
    with pytest.raises(InvalidValue, match="no layer is on arrays"):
        network_time([])


def test_array_sizes_are_read_from_options_and_files(tmp_path):
    assert parse_size("512x256:10") == ArraySize(rows=512, columns=256, t_meas=10.0)
    assert parse_size(" 512 × 256 : 2.5 ns").t_meas == 2.5
    assert (parse_size("512x512:10").name, parse_size("512x256:10").name) == ("512²", "512×256")
    file = tmp_path / "arrays.toml"
    file.write_text(
        "[[array]]\nrows = 4096\ncolumns = 4096\nt_meas = 80\n[[array]]\nrows=512\ncolumns=512\nt_meas=10.0\n"
    )
    assert read_sizes(file) == GOKMEN_2017
    file.write_text(
        "[[array]]\nrow = 4\ncolumns = 0\nt_meas = 80\n[[array]]\nrows = 1\ncolumns = 1\nt_meas = 0\n[size]\n"
    )
    with pytest.raises(InvalidValue) as caught:
        read_sizes(file)
    for part in ("'size'", "array 1", "row: no such field; did you mean 'rows'", "array 2", "t_meas is 0", "[[array]]"):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["512x512", "512:10", "0x512:10", "512x512:0", "512x512:1.2.3", "ax4:1"])
def test_array_sizes_in_another_form_are_refused(text):
    with pytest.raises(InvalidValue, match="--array"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "array = 3", "array = []", "[[array]", "\udcff"])
def test_files_without_arrays_are_refused(text, tmp_path):
    (tmp_path / "a.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidValue, match=r"a\.toml"):
        read_sizes(tmp_path / "a.toml")
    with pytest.raises(InvalidValue, match=r"there is no file .*b\.toml"):
        read_sizes(tmp_path / "b.toml")
