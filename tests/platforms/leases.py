# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease in a mark, read without the code under test."""

from __future__ import annotations


def lease_in(mark):
    """{option: value} of a mark, or of anything that stores a lease as a mark does."""
    return {"owner": mark.get("owner", ""), "expires": mark.get("expires", {}).get("at")}
