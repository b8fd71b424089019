# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the remedy for the error of another program by the English text that it prints in the C locale. Pure."""

from __future__ import annotations

import re


def remedy_for(remedies, output):
    """Return the remedy of the first row with a text that ``output`` contains, or None.

    ``remedies`` are rows (texts, remedy). In a text, "..." stands for any characters of one line.
    """
    return next((remedy for texts, remedy in remedies if any(_is_in(text, output) for text in texts)), None)


def _is_in(text, output):
    return re.search(".*".join(map(re.escape, text.split("..."))), output) is not None
