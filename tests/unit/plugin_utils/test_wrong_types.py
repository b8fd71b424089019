# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of wrong types for each option of each module: a message, never an error of Python."""

from __future__ import annotations

import importlib

import pytest
from ansible.parsing.dataloader import DataLoader

from collection_path import CHECKOUT
from unit.plugin_utils.test_in_process import Action

VALUES = (5, True, "text", ["a"], [5], [None], [{"a": {}}], {"a": 1})
#: Beginnings of Python's own messages.
_OF_PYTHON = ("argument of type", "object is not", "has no attribute", "indices must be", "not supported between")


def places(spec, before=()):
    """Yield [(option, its specification)] for each option and each of its suboptions."""
    for name, option in spec.items():
        place = (*before, (name, option))
        yield place
        yield from places(option.get("options") or {}, place)


def arguments(place, value):
    """The arguments of a task with this value at a place."""
    for name, option in reversed(place):
        is_inside = (name, option) != place[-1]
        value = {name: [value] if is_inside and option.get("elements") == "dict" else value}
    return value


def declaration_of(name):
    return importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}").MODULE


def different_places():
    """Return {module: places}, each place with the first module that has it: many modules share their options."""
    found, known = {}, set()
    for name in sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py")):
        for place in places(declaration_of(name).argument_spec):
            kind = tuple((one, option.get("type"), option.get("elements")) for one, option in place)
            if kind not in known:
                known.add(kind)
                found.setdefault(name, []).append(place)
    return found


PLACES = different_places()


@pytest.mark.parametrize("name", PLACES)
def test_value_of_a_wrong_type_is_rejected_with_a_message(name, record_property):
    class Task(Action):
        module = declaration_of(name)

        def __init__(self, **task):
            super().__init__(**task)
            self._loader = DataLoader()

        def _run_here(self, params):
            return {"accepted": True}

    for place in PLACES[name]:
        for value in VALUES:
            given = arguments(place, value)
            result = Task(args=given, action=f"polyvirt.core.{name}").done()
            assert result.get("accepted") or result["failed"], given
            assert not any(text in str(result.get("msg")) for text in _OF_PYTHON), (given, result["msg"])
    record_property("summary", f"values of wrong types in {name}: {len(PLACES[name]) * len(VALUES)}")
