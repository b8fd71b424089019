# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many code lines each room may have. scripts/count.py counts them, without comments and documentation.

A change that needs more lines finds others that can go. docs/decisions.md says which commits set a number, and lists
how each room has changed.
"""

from __future__ import annotations

_UTILS = "plugins/module_utils"
#: Counted apart: a product of its own, which users can run too.
SIMULATOR = ("extensions/simulators/", "tests/simulators/", "tests/unit/simulators/")
#: {room: (the beginnings of its paths, code lines at most)}
ROOMS = {
    "_drivers": ((f"{_UTILS}/_drivers/",), 26_000),
    "_hosts": ((f"{_UTILS}/_hosts/",), 2_650),
    "_core, _kit, _engine, _front": (
        tuple(f"{_UTILS}/{room}/" for room in ("_core", "_kit", "_engine", "_front")),
        11_500,
    ),
    "_tools, _ports": ((f"{_UTILS}/_tools/", f"{_UTILS}/_ports/"), 8_350),
    "_media": ((f"{_UTILS}/_media/",), 4_350),
    "plugin_utils, action": (("plugins/plugin_utils/", "plugins/action/"), 5_700),
    "product without the simulator": (("",), 62_200),
}
#: Files of module_utils at most: each is loaded, packed and found by somebody.
FILES = 427
#: Lines of tests for 100 lines of product at most, both without the simulator.
TESTS_PER_HUNDRED = 190
#: {task of the libvirt test driver: (files, functions)} of module_utils that it passes (tests/gates/walk.py).
WALK = {"changed CPU count": (65, 445), "no change": (50, 307)}
#: A walk may pass this many times as much: versions of Python and ansible-core differ by a few functions.
WALK_SLACK = 1.05


def counts(lines):
    """{room: code lines} of {path: code lines}."""
    product = {path: number for path, number in _counted(lines).items() if not path.startswith("tests/")}
    return {
        room: sum(number for path, number in product.items() if path.startswith(beginnings))
        for room, (beginnings, _most) in ROOMS.items()
    }


def files_of_module_utils(lines):
    return sum(path.startswith(f"{_UTILS}/") for path in lines)


def tests_per_hundred(lines):
    """Lines of tests for 100 lines of product."""
    counted = _counted(lines)
    tests = sum(number for path, number in counted.items() if path.startswith("tests/"))
    return 100 * tests / (sum(counted.values()) - tests)


def table(lines):
    """[(what is counted, how much there is, how much there may be)]"""
    rooms = counts(lines)
    return [
        *((room, rooms[room], most) for room, (_beginnings, most) in ROOMS.items()),
        ("files of module_utils", files_of_module_utils(lines), FILES),
        ("lines of tests for 100 of product", tests_per_hundred(lines), TESTS_PER_HUNDRED),
    ]


def exceeded(lines):
    """One sentence for each budget that is exceeded."""
    return [f"{what}: {found:,.6g}, budget {most:,}" for what, found, most in table(lines) if found > most]


def _counted(lines):
    return {path: number for path, number in lines.items() if not path.startswith(SIMULATOR)}
