# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes by itself: the core asks again. Everything else is final."""

from __future__ import annotations

from ..._lifecycle.errors import CommandFailed


class Busy(CommandFailed):
    """Somebody else works with the machine at this moment."""
