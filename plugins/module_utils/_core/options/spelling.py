# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The known name that a user has misspelt. Pure."""

from __future__ import annotations

#: Accepts swapped, missing and added letters and missing endings: "memroy" for memory, but not "web2" for web1.
SIMILAR = 0.8


def nearest(name, known, cutoff=SIMILAR):
    """Return the other known name that is most similar to ``name``, whatever their case, or None."""
    from difflib import get_close_matches  # Only errors need it.

    lower = {str(one).lower(): one for one in known if one != name}
    similar = get_close_matches(str(name).lower(), lower, n=1, cutoff=cutoff)
    return lower[similar[0]] if similar else None


def did_you_mean(name, known):
    """Return the remedy for a name that does not exist: "Did you mean web1? ", or an empty text."""
    similar = nearest(name, known)
    return "" if similar is None else f"Did you mean {similar}? "
