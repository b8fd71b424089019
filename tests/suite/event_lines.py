# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the events of the callback plugin, each of which must be valid by the schema of the guide."""

from __future__ import annotations

import json
from functools import cache

from jsonschema import Draft202012Validator

from collection_path import CHECKOUT

SCHEMA = CHECKOUT / "docs/events.schema.json"


@cache
def validator():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def read_events(path):
    """The events in a file; it does not exist if there are none."""
    if not path.exists():
        return []
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    problems = [f"{error.json_path}: {error.message}" for one in events for error in validator().iter_errors(one)]
    assert problems == []
    return events
