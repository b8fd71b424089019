# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversion of settings to the description in a Vagrantfile, and back."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.table import (
    config_of,
    description_of,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

MIB, GIB = 1 << 20, 1 << 30
ALL_SETTINGS = {
    "provider": "virtualbox",
    "box": "debian/bookworm64",
    "architecture": "amd64",
    "box_version": ">= 12",
    "box_url": "file:///a.box",
    "box_checksum": "sha256:0a",
    "os_type": "debian-12",
    "hostname": "web.example",
    "cpus": 2,
    "memory": 1 * GIB,
    "gui": False,
    "linked_clone": True,
    "description": "first <&> ü",
    "tags": ("a", "b"),
    "fleet": "shop",
    "owner": "anna",
    "expires": Expiry("8h", 1_800_000_000, is_stored=True),
    "native": {"vm.boot_timeout": 600},
    "disks": {"primary": {"size": 20 * GIB}},
    "networks": {
        "0": {"type": "nat"},
        "1": {"type": "hostonly", "address": "192.168.56.10"},
        "2": {"type": "bridged", "source": "br0", "mac": "52:54:00:00:00:01"},
    },
    "port_forwards": {"web": {"protocol": "tcp", "host_port": 8080, "guest_port": 80}},
    "shared_folders": {"src": {"host_path": "/srv", "guest_path": "/src", "type": "nfs"}},
    "provisioners": ({"inline": "true", "env": {"B": "c"}},),
}


def test_settings_are_the_same_after_writing_and_parsing():
    text = vagrantfile.render({"machines": [description_of("web", ALL_SETTINGS)], "environment": {"A": "b"}})
    described = vagrantfile.description(text)
    assert config_of(described["machines"][0], described["environment"]) == {**ALL_SETTINGS, "environment": {"A": "b"}}


@pytest.mark.parametrize("key", sorted(set(ALL_SETTINGS) - {"provider", "networks"}))
def test_each_setting_may_be_omitted(key):
    config = {name: value for name, value in ALL_SETTINGS.items() if name != key}
    parsed = config_of(description_of("web", config))
    assert not parsed[key] or parsed[key] == {"primary": {}}
    assert {name: parsed[name] for name in config} == config


def test_nics_are_in_numerical_order():
    networks = {
        "0": {"type": "nat"},
        **{str(number): {"type": "hostonly", "mac": f"m{number}"} for number in range(1, 12)},
    }
    assert config_of(description_of("web", {"provider": "libvirt", "networks": networks}))["networks"] == networks
