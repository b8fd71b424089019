# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step of a task is carried out twice in a row, as when the answer to the first time was lost."""

from __future__ import annotations

import re
from contextlib import contextmanager
from unittest import mock

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle import one_by_one

#: What is chosen by chance or by the clock: ids, MACs, the numbers in them, times, chosen ports.
_BY_CHANCE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b"
    r"|\b080027[0-9A-Fa-f]{6}\b|\b08:00:27(?::[0-9a-f]{2}){3}\b"
)
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d[-:]\d\d[-:][\d.-]+Z?|\b2\d{4}\b|(?<=\"created\":)[\d.]+")


@contextmanager
def each_step_twice():
    """Errors are raised at the end, too: the engine forgives some of them, and no step should need that."""
    once, errors = one_by_one._carry_out, []

    def twice(driver, vm, steps):
        try:
            once(driver, vm, [step for step in steps for _time in range(2)])
        except Exception as error:
            errors.append(error)
            raise

    with mock.patch.object(one_by_one, "_carry_out", twice):
        yield
    assert errors == []


def comparable(text, folder):
    """A text without what differs from run to run: each id becomes its number of appearance."""
    numbers = {}
    text = text.replace(str(folder), "FOLDER")
    text = _BY_CHANCE.sub(
        lambda found: f"ID{numbers.setdefault(found[0].lower().replace(':', ''), len(numbers))}", text
    )
    return _TIMES.sub("TIME", text)
