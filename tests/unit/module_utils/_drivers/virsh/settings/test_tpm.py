# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TPM: an existing one counts, whatever its model."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.hardware import write_tpm
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import machine_xml


def written(text, new):
    definition = Definition(text)
    write_tpm(definition, Change("tpm", not new, new))
    return definition


@pytest.mark.parametrize(("architecture", "model"), [("x86_64", "tpm-crb"), ("aarch64", None)])
def test_new_tpm_is_emulated(architecture, model):
    definition = written(machine_xml(("arch='x86_64'", f"arch='{architecture}'")), True)
    assert definition.native("devices/tpm@model") == model
    assert definition.root.find("devices/tpm/backend").attrib == {"type": "emulator", "version": "2.0"}
