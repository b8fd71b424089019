# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trusted platform module: emulated by swtpm, version 2.0. One that is there already is taken as it is."""

from __future__ import annotations

import xml.etree.ElementTree as ET


def read_tpm(definition):
    return definition.root.find("devices/tpm") is not None


def write_tpm(definition, change):
    for tpm in definition.root.findall("devices/tpm"):
        definition.devices.remove(tpm)
    if change.new:
        is_pc = definition.native("os/type@arch") in ("x86_64", "i686")
        tpm = ET.SubElement(definition.devices, "tpm", {"model": "tpm-crb"} if is_pc else {})
        ET.SubElement(tpm, "backend", {"type": "emulator", "version": "2.0"})
