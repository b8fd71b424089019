# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that others can edit: what is not as the schema says is damaged, with a reason."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.reader import (
    Damaged,
    is_number,
    is_text,
    list_of,
    optional,
    read,
)

SCHEMA = {"name": is_text, "size": optional(is_number), "parts": optional(list_of(is_number))}


@pytest.mark.parametrize(
    "record",
    [
        {"v": 1, "name": "a"},
        {"v": 2, "name": "a", "size": 2**63 - 1, "parts": [0, 1], "other": [[None]]},
        {"v": 1, "name": "a", "size": None, "parts": [], "rate": 1.5, "least": -1},
    ],
)
def test_record_is_read_as_it_was_written(record):
    assert read(json.dumps(record), SCHEMA, [1, 2]) == record


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"v":1,"name":"a","size":' + "9" * 20 + "}", "not valid JSON"),
        ('{"v":1,"name":"a","size":1e999}', "not valid JSON"),
        ('{"v":1,"name":"a","size":-Infinity}', "not valid JSON"),
        ('{"v":1,"name":"a","size":NaN}', "not valid JSON"),
        ('{"v":1,"name":"' + "a" * (1 << 20) + '"}', "longer than"),
        ('{"v":1,"name":"a\\u0000"}', "longer than"),
        ('{"v":1,"name":"a","size":' + str(2**63) + "}", "key 'size'"),
        ("[]", "not a dictionary"),
        ("null", "not a dictionary"),
        ('{"v":1,"name":"a","b":' + "[" * 10 + "]" * 10 + "}", "too many levels"),
        ('{"name":"a"}', "version 'None' is unknown"),
        ('{"v":3,"name":"a"}', "version '3' is unknown"),
        ('{"v":true,"name":"a"}', "version 'True' is unknown"),
        ('{"v":[1],"name":"a"}', "version '[1]' is unknown"),
        ('{"v":1}', "key 'name'"),
        ('{"v":1,"name":1}', "key 'name'"),
        ('{"v":1,"name":"a","size":"1"}', "key 'size'"),
        ('{"v":1,"name":"a","size":true}', "key 'size'"),
        ('{"v":1,"name":"a","size":-1}', "key 'size'"),
        ('{"v":1,"name":"a","parts":{"a":1}}', "key 'parts'"),
        ('{"v":1,"name":"a","parts":[1,"1"]}', "key 'parts'"),
    ],
)  # fmt: skip
def test_anything_else_is_damaged(text, reason):
    with pytest.raises(Damaged, match=reason.replace("[", "\\[")):
        read(text, SCHEMA, [1, 2])


def test_record_without_a_version_has_the_default_one():
    assert read('{"name":"a"}', SCHEMA, [1], default=1) == {"name": "a"}
