# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of OpenBSD's pfctl; ``install`` judges the answer files of its installer."""

from __future__ import annotations

from .pfctl import run

__all__ = ["run"]
