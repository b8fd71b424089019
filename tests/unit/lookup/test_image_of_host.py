# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image, architecture and platform in the name of a host."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.catalogue_media import ARCHITECTURES
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.image_of_host import image_of_host

NAMES = ("arch", "debian-1", "debian-13", "rocky-10", "ubuntu-26.04", "opensuse-leap-16.0")
PLATFORMS = ("libvirt", "virtualbox", "wsl")


@pytest.mark.parametrize(
    "host,image,platform",
    [
        ("debian-13", "debian-13", ""),
        ("debian-13-web", "debian-13", ""),
        ("debian-13.virtualbox", "debian-13", "virtualbox"),
        ("debian-13-web.virtualbox", "debian-13", "virtualbox"),
        ("debian-13.example.virtualbox", "debian-13", "virtualbox"),
        ("debian-13.virtualbox.example.org", "debian-13", ""),
        ("debian-13.vbox", "debian-13", ""),
        ("debian-13-virtualbox", "debian-13", ""),
        ("Debian-13.Libvirt", "debian-13", "libvirt"),
        ("ubuntu-26.04", "ubuntu-26.04", ""),
        ("ubuntu-26.04.libvirt", "ubuntu-26.04", "libvirt"),
        ("opensuse-leap-16.0-db", "opensuse-leap-16.0", ""),
        ("arch.wsl", "arch", "wsl"),
        ("debian-1-3", "debian-1", ""),
        ("debian-133", "", ""),
        ("ubuntu-26.041", "", ""),
        ("debian", "", ""),
        ("web", "", ""),
        ("web-debian-13", "", ""),
        ("web.virtualbox", "", ""),
        ("archive", "", ""),
        ("rocky-10_db", "", ""),
        ("-", "", ""),
        ("", "", ""),
    ],
)
def test_name_of_host(host, image, platform):
    found = image_of_host(host, NAMES.__contains__, PLATFORMS)
    assert found == {"image": image, "architecture": "", "platform": platform}


@pytest.mark.parametrize(
    ("host", "architecture", "platform"),
    [
        ("debian-13-arm64", "arm64", ""),
        ("debian-13-amd64", "amd64", ""),
        ("debian-13-web-arm64", "arm64", ""),
        ("debian-13-web.arm64", "", ""),
        ("debian-13-arm64.libvirt", "arm64", "libvirt"),
        ("Debian-13-ARM64", "arm64", ""),
        ("debian-13-arm64-web", "", ""),
        ("debian-13-arm64.example.org", "", ""),
        ("debian-13.arm64", "", ""),
        ("debian-13arm64", None, ""),
        ("debian-13-aarch64", "", ""),
        ("debian-13-x86_64", "", ""),
        ("web-arm64", None, ""),
        ("arm64", None, ""),
    ],
)
def test_architecture_in_the_name_of_a_host(host, architecture, platform):
    """Only the last part after a dash is one, and only of a host with an image (None: it has none)."""
    found = image_of_host(host, NAMES.__contains__, PLATFORMS)
    image = "" if architecture is None else "debian-13"
    assert found == {"image": image, "architecture": architecture or "", "platform": platform}


def test_architectures_are_those_of_the_catalogue():
    assert image_of_host("arch-riscv64", NAMES.__contains__, PLATFORMS)["architecture"] == ""
    assert all(image_of_host(f"arch-{one}", NAMES.__contains__, ())["architecture"] == one for one in ARCHITECTURES)


def test_other_names_are_not_looked_up():
    asked = []
    image_of_host("../debian-13", asked.append, PLATFORMS)
    assert asked == []


def test_names_of_the_catalogue_and_of_the_users_directories(ansible_playbook, tmp_path):
    own = {
        "distribution": "debian",
        "title": "Own",
        "versions": [{"version": "13-own"}],
        "media": [{"type": "cloud", "file": "x.qcow2", "bases": ["https://x.example"], "checksums": "SHA256SUMS"}],
    }
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "own.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    expression = "query('polyvirt.core.image_of_host', 'debian-13.proxmox', 'debian-13-own-web', 'web') | to_json"
    copy = {"content": "{{ " + expression + " }}", "dest": str(tmp_path / "result")}
    tasks = [{"ansible.builtin.copy": copy}]
    for directory, image in (("catalogue", "debian-13-own"), (None, "debian-13")):
        variables = {"polyvirt_catalogue_directories": [str(tmp_path / directory)]} if directory else {}
        play = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
        code, output = ansible_playbook(tmp_path / "play.yml")
        assert code == 0, output
        assert json.loads((tmp_path / "result").read_text(encoding="utf-8")) == [
            {"image": "debian-13", "architecture": "", "platform": "proxmox"},
            {"image": image, "architecture": "", "platform": ""},
            {"image": "", "architecture": "", "platform": ""},
        ]
