# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which firmware is chosen from descriptions like those of Debian's package ovmf."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_firmware import choose

Q35 = "pc-q35-10.0"


def described(name, *features, machines=("pc-q35-*",), device="flash", **mapping):
    return json.dumps({
        "interface-types": ["uefi"],
        "mapping": {
            "device": device,
            "executable": {"filename": f"/f/{name}_CODE.fd", "format": "raw"},
            "nvram-template": {"filename": f"/f/{name}_VARS.fd", "format": "raw"},
            **mapping,
        },
        "targets": [{"architecture": "x86_64", "machines": list(machines)}],
        "features": list(features),
    })  # fmt: skip


ENROLLED = described("enrolled", "requires-smm", "secure-boot", "enrolled-keys")
SECURE = described("secure", "requires-smm", "secure-boot")
PLAIN = described("plain", machines=["pc-i440fx-*", "pc-q35-*"])
DEBIAN = [ENROLLED, SECURE, PLAIN]


@pytest.mark.parametrize(
    ("texts", "machine", "secure_boot", "loader", "secure"),
    [
        (DEBIAN, Q35, True, "/f/enrolled_CODE.fd", True),
        (DEBIAN, Q35, False, "/f/plain_CODE.fd", False),
        ([described("first"), PLAIN], Q35, False, "/f/first_CODE.fd", False),
        ([described("stateless", mode="stateless"), PLAIN], Q35, False, "/f/plain_CODE.fd", False),
        ([described("rom", device="memory"), PLAIN], Q35, False, "/f/plain_CODE.fd", False),
        (["", "{}", "[]", "no JSON", PLAIN], Q35, False, "/f/plain_CODE.fd", False),
    ],
)
def test_first_fitting_firmware_is_chosen(texts, machine, secure_boot, loader, secure):
    found = choose(texts, "x86_64", machine, secure_boot)
    assert (found.loader, found.secure, found.template) == (loader, secure, loader.replace("CODE", "VARS"))


@pytest.mark.parametrize(("machine", "secure_boot"), [("pc-i440fx-10.0", True), ("microvm", False)])
def test_machine_type_without_firmware(machine, secure_boot):
    assert choose(DEBIAN, "x86_64", machine, secure_boot) is None


def test_other_architecture():
    assert choose(DEBIAN, "aarch64", Q35, False) is None
