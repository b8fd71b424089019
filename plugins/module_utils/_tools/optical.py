# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognizes ISO images by their signature."""

from __future__ import annotations

from .._ports import files

#: Signatures of ISO 9660 and UDF.
_DESCRIPTORS = (b"CD001", b"BEA01")
_DESCRIPTOR_AT = 32769


def is_iso(path):
    """Whether a file is an ISO 9660 or UDF image."""
    return any(files.starts_with(path, signature, _DESCRIPTOR_AT) for signature in _DESCRIPTORS)
