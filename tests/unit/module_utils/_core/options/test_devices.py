# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of the option devices: one way of writing each ID, and what is no ID."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import describe

PLAIN = {name: option.default for name, option in VM.items()} | {"name": ["web"]}


def given(*devices):
    (request,) = requests({**PLAIN, "devices": list(devices)}, VM)
    return request.config["devices"]


@pytest.mark.parametrize(
    ("kind", "text", "key"),
    [
        ("pci", "0000:01:00.0", "pci 0000:01:00.0"),
        ("pci", "01:00.1", "pci 0000:01:00.1"),
        ("pci", " 0001:0A:1F.7", "pci 0001:0a:1f.7"),
        ("pci", "01:00", "pci 0000:01:00"),
        ("pci", "10DE:1EB8", "pci 10de:1eb8"),
        ("usb", "0x046d:0xC52b", "usb 046d:c52b"),
        ("usb", "1-4.2", "usb 1-4.2"),
    ],
)
def test_id_has_one_way_of_writing(kind, text, key):
    assert given({"type": kind, "id": text}) == {key: {"type": kind, "id": key.split()[1]}}


def test_mapping_identifies_a_device():
    assert given({"type": "usb", "mapping": "key"}) == {"usb key": {"type": "usb", "mapping": "key"}}
    assert list(given({"type": "usb", "mapping": "a"}, {"type": "pci", "mapping": "a"})) == ["usb a", "pci a"]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"type": "pci", "id": "1-4"}, r"devices\[1\].id: '1-4' does not identify a PCI device"),
        ({"type": "pci", "id": "0000:01:20.0"}, "does not identify a PCI device"),
        ({"type": "pci", "id": "0000:01:00.8"}, "does not identify a PCI device"),
        ({"type": "usb", "id": "0000:01:00.0"}, "does not identify a USB device. Set the vendor and product"),
        ({"type": "usb", "id": "0-1"}, "does not identify a USB device"),
        ({"type": "usb", "id": ""}, r"devices\[1\].id: it is empty"),
        ({"type": "usb"}, r"devices\[1\]: neither id nor mapping is set"),
        ({"type": "usb", "id": "1-4", "mapping": "key"}, r"devices\[1\]: id and mapping are both set"),
        ({"type": "pci", "id": "01:00.0"}, "devices: pci 0000:01:00.0 is listed twice"),
    ],
)
def test_what_identifies_no_device_is_rejected(entry, text):
    with pytest.raises(InvalidInput, match=text):
        given({"type": "pci", "id": "0000:01:00.0"}, entry)


def test_results_list_devices_as_in_a_task():
    found = {"usb 1-4": {"type": "usb", "id": "1-4"}, "pci gpu1": {"type": "pci", "mapping": "gpu1"}}
    settings = describe(Vm("web", power="stopped", config={"devices": found}), "proxmox")["settings"]
    assert settings["devices"] == [{"type": "pci", "mapping": "gpu1"}, {"type": "usb", "id": "1-4"}]
