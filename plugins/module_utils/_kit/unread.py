# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the settings of a VM contain a part of the platform's own definition of it. Pure.

A list of what the settings contain would be incomplete, so each part is changed, and the settings are read again.
"""

from __future__ import annotations

from functools import partial

#: No definition has two numbers with this difference by chance.
_FAR = 1000


def is_read(change, value, read, before, alike=()):
    """Whether another ``value`` of a part leads to other settings, and each of the values that are ``alike``, too.

    ``change(value)`` sets the part and returns a function that undoes it. ``read()`` returns the settings, which are
    ``before`` now.
    """
    alternatives = [_others(value), *((one,) for one in alike if one != value)]
    return all(any(differs(partial(change, one), read, before) for one in values) for values in alternatives)


def _others(value):
    """Other values of a part. Those of a number are smaller and larger: it may be the place in an order."""
    if value.isdecimal():
        return (str(int(value) + _FAR), str(int(value) - _FAR))
    return (f"~{value}",)


def differs(change, read, before):
    """Whether the settings are others after ``change()``, which returns a function that undoes it."""
    undo = change()
    try:
        return read() != before
    except Exception:  # A reader that does not know the value has its own error, and has read it.
        return True
    finally:
        undo()
