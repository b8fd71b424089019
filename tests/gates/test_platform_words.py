# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No option of one platform alone is named in the core."""

from __future__ import annotations

import importlib

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as shared

from collection_path import CHECKOUT
from gates.platform_words import EXCEPT, OF_THE_CORE, found, words

UTILS = CHECKOUT / "plugins" / "module_utils"
CORE = sorted(
    path.relative_to(UTILS).as_posix()
    for path in (
        *UTILS.glob("_*.py"),
        *UTILS.glob("_core/**/*.py"),
        *UTILS.glob("_kit/*.py"),
        *UTILS.glob("_engine/**/*.py"),
    )
)


def _own():
    """Every mapping of options that the platforms' options.py define."""
    for path in sorted(UTILS.glob("_drivers/*/options.py")):
        name = f"ansible_collections.polyvirt.core.plugins.module_utils._drivers.{path.parent.name}.options"
        module = importlib.import_module(name)
        yield module.VM
        yield getattr(module, "SNAPSHOT", {})


WORDS = words(_own(), {**shared.VM, **shared.SNAPSHOT})


def test_the_words_are_those_of_all_platforms():
    assert {"max_memory", "reset_nvram", "graphics_controller", "provisioners", "box", "pool", "bridge"} <= WORDS
    assert not WORDS & {*shared.VM, *OF_THE_CORE}


@pytest.mark.parametrize("path", CORE)
def test_core_names_no_platform_option(path):
    assert found(path, (UTILS / path).read_text(encoding="utf-8"), WORDS) == []


@pytest.mark.parametrize("path", EXCEPT)
def test_an_exception_is_needed(path):
    source = (UTILS / path).read_text(encoding="utf-8")
    assert all(found("elsewhere.py", source, {word}) for word in EXCEPT[path])


@pytest.mark.parametrize(
    "source",
    [
        'SIZES = ("memory", "max_memory")',
        "def f(params):\n    return params.reset_nvram",
        "policy = Policy(serial_log=1)",
        "def f(provisioners):\n    return 1",
        "class Policy:\n    template: bool = False",
        "raise Refused(f'{name}: the node is away')",
        "def start_type():\n    pass",
    ],
)
def test_a_word_of_a_platform_is_found(source):
    assert len(found("_core/planner/plan.py", source, WORDS)) == 1


@pytest.mark.parametrize(
    "source", ['"""Such as the node."""', "def f():\n    '''A box.'''\n    return 1", "boxes = nodes = 'pools'"]
)
def test_examples_in_documentation_and_other_words_pass(source):
    assert found("_core/planner/plan.py", source, WORDS) == []
