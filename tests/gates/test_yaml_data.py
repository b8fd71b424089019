# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML files that plugins read at run time: a merged key that is set again is a warning of Ansible in each task."""

from __future__ import annotations

import pytest
import yaml

from collection_path import CHECKOUT

FILES = sorted([*(CHECKOUT / "templates").rglob("*.yml"), *(CHECKOUT / "roles").glob("*/meta/*.yml")])


def keys_set_twice(node):
    """Return the keys of a YAML document that a mapping sets twice, its merged keys included."""
    if isinstance(node, yaml.SequenceNode):
        return [key for one in node.value for key in keys_set_twice(one)]
    if not isinstance(node, yaml.MappingNode):
        return []
    keys = keys_of(node)
    below = [key for _key, value in node.value for key in keys_set_twice(value)]
    return [*(key for key in set(keys) if keys.count(key) > 1), *below]


def keys_of(node):
    """Return the keys of a mapping, and of the mappings that it merges."""
    merged = [value for key, value in node.value if key.value == "<<"]
    maps = [one for value in merged for one in (value.value if isinstance(value, yaml.SequenceNode) else [value])]
    return [key.value for key, _value in node.value if key.value != "<<"] + [
        key for one in maps for key in keys_of(one)
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_no_key_is_set_twice(file):
    assert keys_set_twice(yaml.compose(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("a: 1\nb: {a: 1}", []),
        ("a: 1\na: 2", ["a"]),
        ("- &one {a: 1, b: 2}\n- {<<: *one, c: 3}", []),
        ("- &one {a: 1, b: 2}\n- {<<: *one, b: 3}", ["b"]),
        ("- {<<: &one {a: 1}, b: 2}\n- {<<: *one, b: 3}", []),
        ("x: {<<: [{a: 1}, {a: 2}]}", ["a"]),
    ],
)
def test_keys_set_twice_are_found(text, twice):
    assert keys_set_twice(yaml.compose(text)) == twice
