"""What a turn over a tile costs, with a mask and without, in one loop or in two."""

import numpy as np

from splashgen.compile import CompiledKernel
from splashgen.compile.loops import Loop
from splashgen.plan.loops import heavy, of_grain, tiles_cost


def kernel(*loops: Loop) -> CompiledKernel:
    return CompiledKernel("_dq", 0, 128, 0, 4, instructions=1000, loops=loops)


def test_one_loop_over_both_costs_what_two_do() -> None:
    """Of ten tiles three are masked."""
    two = kernel(Loop(200, 12, 30), Loop(300, 12, 30), Loop(40, 0))
    one = kernel(Loop(300, 12, 30, optional=100), Loop(40, 0))
    expected = np.array([7 * 200 + 3 * 300, 10 * 30])
    assert np.array_equal(tiles_cost(two, heavy, 10, 3), expected)
    assert np.array_equal(tiles_cost(one, heavy, 10, 3), expected)


def test_no_more_tiles_are_masked_than_there_are() -> None:
    one = kernel(Loop(300, 12, 30, optional=100))
    assert np.array_equal(tiles_cost(one, heavy, 2, 3), np.array([600, 60]))


def test_loops_over_rows_are_those_that_load_more() -> None:
    """Two loops over tiles, over rows one or two; the compiler may have put either first."""
    tiles, rows = (Loop(217, 8, 16), Loop(431, 8, 16)), (Loop(300, 8, 40), Loop(500, 8, 41))
    other = Loop(40, 0, 9)
    for loops in (*tiles, other, *rows), (*rows, *tiles, other):
        assert set(of_grain(kernel(*loops), False).loops) == {*tiles, other}
        assert set(of_grain(kernel(*loops), True).loops) == {*rows, other}
    assert set(of_grain(kernel(tiles[0], *rows), True).loops) == set(rows)
    assert of_grain(kernel(tiles[0]), True).loops == of_grain(kernel(tiles[0]), False).loops == tiles[:1]
