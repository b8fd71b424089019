# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The maximum duration of one call to a platform: for calls that hang, long enough for normal ones."""

from __future__ import annotations

import os

from .._core import errors

_SECONDS, _VARIABLE = 3600, "POLYVIRT_CALL_TIMEOUT"
RAISE_CALL_TIMEOUT = "Check why the platform is slow; if the operation needs more time, increase call_timeout."


def call_timeout(requested):
    """Return the time limit of a call in seconds: ``requested``, else the environment variable, else an hour."""
    text = os.environ.get(_VARIABLE) or ""
    if requested or not text:
        return requested or _SECONDS
    if not text.isdigit() or not int(text):
        raise errors.InvalidInput(f"{_VARIABLE}: '{text}' is not a number of seconds.", "Set 1 or more.")
    return int(text)
