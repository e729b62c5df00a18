"""How the values of pixels, of any type and range, come to 8 bits."""

from common.data.arrays.levels import Levels, extremes

import numpy as np
import pytest


def levels_of(values):
    low, high, broken = extremes(values)
    assert not broken
    return Levels.of(values.dtype, low, high)


def to_bytes(values):
    return levels_of(values).to_bytes(values)


EVERY = np.arange(256)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "kept", [lambda v: v / 255, lambda v: v / 127.5 - 1, lambda v: v], ids=["0..1", "-1..1", "255"]
)
def test_floats_come_back_to_the_bytes_that_they_were(kind, kept):
    assert np.array_equal(to_bytes(kept(EVERY).astype(kind)), EVERY)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_whole_numbers_of_8_bits_stay_as_they_are_whatever_their_type(kind):
    for values in (EVERY.astype(kind), np.array([0, 70, 100], kind)):
        assert np.array_equal(to_bytes(values), values) and levels_of(values).understood is None


def test_16_bits_that_are_filled_lose_their_lower_byte():
    values = np.arange(1 << 16, dtype=np.uint16)
    assert np.array_equal(to_bytes(values), values >> 8)
    assert levels_of(values).understood == "values of 16 bits scaled to 8"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([0, 512, 1023], np.uint16), "values from 0 to 1,023 scaled to 8 bits"),  # 10 bits in 16
        (np.array([-1024, 988, 3000], np.int16), "values from -1,024 to 3,000 scaled to 8 bits"),  # as of a CT
        (np.array([0, 8, 16], np.float64), "values from 0 to 16 scaled to 8 bits"),  # scikit-learn's digits
        (np.array([0, 8, 16], np.uint8), "values from 0 to 16 scaled to 8 bits"),
        (np.array([-2.1, 0.3, 2.7], np.float32), "values from -2.1 to 2.7 scaled to 8 bits"),  # standardised
        (np.array([0.0, 0.15, 0.3]), "values from 0 to 0.3 scaled to 8 bits"),
        (np.array([-128, 0, 127], np.int8), "values from -128 to 127 scaled to 8 bits"),
    ],
)
def test_what_fills_no_usual_range_is_scaled_by_its_own(values, said):
    first, middle, last = to_bytes(values)
    assert (first, last) == (0, 255) and middle in (127, 128) and levels_of(values).understood == said


@pytest.mark.parametrize("kind", [np.uint8, bool, np.int64])
def test_zeros_and_ones_become_black_and_white(kind):
    values = np.array([0, 1, 1, 0], kind)
    assert to_bytes(values).tolist() == [0, 255, 255, 0]
    assert levels_of(values).understood == "values from 0 to 1 scaled to 8 bits"


@pytest.mark.parametrize("value", [0, 7, 0.5, 1e300])
def test_one_value_throughout_is_no_division_by_zero(value):
    assert len(set(to_bytes(np.full(5, value)).tolist())) == 1


def test_the_widest_floats_are_no_overflow():
    assert to_bytes(np.array([-1.7e308, 1.7e308])).dtype == np.uint8


def test_extremes_are_of_the_finite_values_and_the_others_are_counted():
    assert extremes(np.array([np.nan, 3.0, -2.0, np.inf, -np.inf])) == (-2.0, 3.0, 3)
    assert extremes(np.array([np.nan])) == (np.inf, -np.inf, 1)
    assert extremes(np.array([], np.uint8))[2] == 0


def test_a_hot_pixel_that_leaves_the_rest_in_the_dark_is_said():
    values = np.random.default_rng(0).integers(0, 1024, (100, 28, 28)).astype(np.uint16)

    def doubt():
        levels = levels_of(values)
        return levels.doubt(np.bincount(levels.to_bytes(values).ravel(), minlength=256))

    assert doubt() is None
    values[3, 3, 3] = 60_000
    assert doubt().startswith("nearly all values lie between 0 and 1,024: if the images are too dark")


def test_a_few_bright_strokes_on_black_are_no_outliers():
    values = np.zeros((100, 28, 28))
    values[:, 10:14, 14] = 1.0
    levels = levels_of(values)
    assert levels.doubt(np.bincount(levels.to_bytes(values).ravel(), minlength=256)) is None
