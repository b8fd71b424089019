# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regular expressions that are compiled when they are first used: a task uses few of those that it imports."""

from __future__ import annotations

import re


class Pattern:
    """Has the methods of ``re.compile(text, flags)``."""

    def __init__(self, text, flags=0):
        self._text, self._flags = text, flags

    def __getattr__(self, name):
        found = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)  # The next access finds it here.
        return found
