# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step of a task is carried out twice in a row, as when the answer to the first time was lost; and what then is
compared."""

from __future__ import annotations

import re
from contextlib import contextmanager
from unittest import mock

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._kit import one_by_one

#: What is chosen by chance or by the clock: ids, MACs, the numbers in them, times, chosen ports. MACs that a test gives
#: end in 00:00 and two digits.
_BY_CHANCE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b"
    r"|\b080027[0-9A-Fa-f]{6}\b|\b(?:52:54:00|08:00:27|bc:24:11):(?!00:00)[0-9a-f]{2}(?::[0-9a-f]{2}){2}\b",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d[-:]\d\d[-:][\d.-]+Z?| \d\d:\d\d:\d\d)|\b2\d{4}\b|(?<=\"created\":)[\d.]+"
    r"|(?<=suspend-)\d+|(?<=time=)\d+"
)


def twice(once):
    """A ``_carry_out`` (one_by_one) that has ``once`` carry out each step two times."""

    def carry_out(driver, vm, steps):
        for number, step in enumerate(steps):
            try:
                for _time in range(2):
                    once(driver, vm, (step,))
            except PolyvirtError as error:
                error.steps_done = number
                raise

    return carry_out


@contextmanager
def each_step_twice():
    """Do this for all tasks of this process; yields the errors of steps. The engine forgives some of them."""
    errors, carry_out = [], twice(one_by_one._carry_out)

    def noting(driver, vm, steps):
        try:
            carry_out(driver, vm, steps)
        except Exception as error:
            errors.append(error)
            raise

    with mock.patch.object(one_by_one, "_carry_out", noting):
        yield errors


def comparable(text, folder):
    """A text without what differs from run to run: each id becomes its number of appearance."""
    numbers = {}
    text = text.replace(str(folder), "FOLDER")
    text = _BY_CHANCE.sub(
        lambda found: f"ID{numbers.setdefault(found[0].lower().replace(':', ''), len(numbers))}", text
    )
    return _TIMES.sub("TIME", text)
