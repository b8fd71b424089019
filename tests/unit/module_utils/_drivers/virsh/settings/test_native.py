# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The native option: paths that have their own option are rejected; a machine type equals its versioned name."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.native import same_native
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits

TRAITS = virsh_traits("QEMU", "9.0.0", local=True)


@pytest.mark.parametrize(
    ("found", "requested", "same"),
    [
        ("pc-q35-7.2", "q35", True),
        ("pc-q35-rhel9.4.0", "q35", True),
        ("pc-i440fx-7.2", "q35", False),
        ("pc-q35-7.2", "pc-q35-6.0", False),
        ("yes", True, True),
        ("no", False, True),
        ("2", 2, True),
        (None, None, True),
        (None, "x", False),
        ("pc-q35-7.2", None, False),
        ("pc-q35-7.2", "pc", False),
        pytest.param("pc-i440fx-7.2", "pc", True),
        ("virt-7.2", "virt", True),
        ("abcdef00-0000-0000-0000-00000000abcd", "ABCDEF00-0000-0000-0000-00000000ABCD", True),
        ("52:54:00:aa:bb:cc", "52:54:00:AA:BB:CC", True),
        ("lab", "LAB", False),
    ],
)
def test_equality_of_native_values(found, requested, same):
    assert same_native(found, requested) is same


@pytest.mark.parametrize(
    ("key", "option"),
    [
        ("uuid", "id"),
        ("name", "name"),
        ("currentMemory@unit", "memory"),
        ("metadata/x", "tags"),
        ("description", "description"),
        ("os/firmware/feature[@name='secure-boot']@enabled", "secure_boot"),
        ("os/boot[1]@dev", "boot_order"),
        ("devices/disk[2]/boot@order", "boot_order"),
        ("devices/interface[@type='network']/boot", "boot_order"),
        ("devices/tpm", "tpm"),
        ("cpu/feature[@name='svm']@policy", "nested_virtualization"),
        ('cpu/feature[@name="vmx"]', "nested_virtualization"),
    ],
)
def test_path_of_an_option_is_rejected(key, option):
    with pytest.raises(Refused, match=f"a: native: .* Use the option {option}"):
        TRAITS.normalize(Vm("a"), {"native": {key: "x"}})


@pytest.mark.parametrize(
    ("native", "word"),
    [
        ({"os//kernel": "x"}, "not a valid path"),
        ({"": "x"}, "not a valid path"),
        ({"devices/graphics@passwd": "x"}, "secret"),
        ({"os/kernel": ["x"]}, "not a plain value"),
    ],
)
def test_unsupported_values_are_rejected(native, word):
    with pytest.raises(Refused, match=f"a: native: .*{word}"):
        TRAITS.normalize(Vm("a"), {"native": native})


@pytest.mark.parametrize("key", ["os/loader", "os/loader@type", "os/nvram@template"])
@pytest.mark.parametrize("firmware", ["uefi", "bios"])
def test_firmware_files_cannot_be_combined_with_option(key, firmware):
    with pytest.raises(Refused, match=f"a: native: '{key}' and the option firmware cannot be combined"):
        TRAITS.normalize(Vm("a"), {"native": {key: "x"}, "firmware": firmware})
