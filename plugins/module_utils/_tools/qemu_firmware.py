# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptions of firmware that packages install for QEMU and libvirt: JSON files, in the order of their names."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

from .._core.frozen import Frozen

#: Directories of the descriptions. A file replaces the one of the same name in a directory before it.
FOLDERS = ("/usr/share/qemu/firmware", "/etc/qemu/firmware")


class Firmware(Frozen):
    """The files of one UEFI firmware: its code, and the template of its NVRAM with the format of that."""

    loader: str
    loader_format: str
    template: str
    template_format: str
    secure: bool


def choose(texts, architecture, machine, secure_boot):
    """Return the first Firmware for a machine type, or None. ``texts`` are the descriptions in their order.

    With ``secure_boot`` it checks signatures by enrolled keys; without, it has no Secure Boot at all.
    """
    for text in texts:
        try:
            described = json.loads(text)
            if _fits(described, architecture, machine, secure_boot):
                return _firmware(described)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # An empty file hides another one, and libvirt skips broken ones, too.
    return None


def _fits(described, architecture, machine, secure_boot):
    features = set(described["features"])
    if "uefi" not in described["interface-types"] or described["mapping"].get("device") != "flash":
        return False
    if described["mapping"].get("mode", "split") != "split":
        return False
    if not any(_is_for(target, architecture, machine) for target in described["targets"]):
        return False
    return {"secure-boot", "enrolled-keys"} <= features if secure_boot else "secure-boot" not in features


def _is_for(target, architecture, machine):
    return target["architecture"] == architecture and any(fnmatchcase(machine, one) for one in target["machines"])


def _firmware(described):
    code, template = described["mapping"]["executable"], described["mapping"]["nvram-template"]
    return Firmware(
        code["filename"],
        code["format"],
        template["filename"],
        template["format"],
        secure="requires-smm" in described["features"],
    )
