# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules image and image_info: which options fit together, and what they do without a platform."""

from __future__ import annotations

import json
from datetime import date
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.modules import image, image_info

_WITH_PROGRAM = ("libvirt", "virtualbox", "vmd")
_TASK = SimpleNamespace(check_mode=False)


def _result(module, **params):
    defaults = {name: option.get("default") for name, option in module.MODULE.argument_spec.items()}
    return module.MODULE.result({**defaults, **params}, _TASK)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"platform": "virtualbox", "uri": "qemu:///system"}, "uri: virtualbox has no such option. Omit it."),
        ({"platform": "libvirt", "config_file": "/etc/vm.conf"}, "config_file: libvirt has no such option."),
        ({"platform": "vmd", "firmware": "uefi"}, "firmware is not supported on vmd."),
        ({"platform": "libvirt", "image_directory": "images"}, "image_directory: images is not an absolute path."),
        ({"platform": "libvirt", "api_host": "pve1"}, "api_host: libvirt has no such option. Omit it."),
        ({"platform": "hyperv", "node": "pve1"}, "node: hyperv has no such option. Omit it."),
        ({"platform": "hyperv", "image_directory": "images"}, "image_directory: 'images' is not an absolute path on W"),
        (
            {"platform": "proxmox", "image_directory": "/srv"},
            "image_directory is not supported on proxmox. Set image_storage to a storage with the content Import.",
        ),
        (
            {"platform": "wsl", "firmware": "bios"},
            "firmware is not supported on wsl. A distribution has no firmware and no devices.",
        ),
        ({"platform": "proxmox", "uri": "qemu:///system"}, "uri: proxmox has no such option. Omit it."),
        ({"platform": "proxmox", "name": ["debian-13"]}, "api_host is not set."),
        (
            {"platform": "libvirt", "name": ["a", "b"], "checksum": "sha256:00"},
            "checksum: it is that of a single image, but name has several.",
        ),
        (
            {"platform": "libvirt", "name": ["debian-31"], "catalogue": {"debian-31": {"names": ["debian-13"]}}},
            "name: there is no image named 'debian-31'. Did you mean debian-13?",
        ),
    ],
)
def test_wrong_options_are_rejected(params, message, monkeypatch):
    monkeypatch.delenv("PROXMOX_HOST", raising=False)
    own = {"executable": "/nowhere"} if params["platform"] in _WITH_PROGRAM else {}
    result = _result(image, **{"name": ["debian-13"], **own, **params})
    assert result["failed"]
    assert result["msg"].startswith(message)


@pytest.mark.parametrize("platform", _WITH_PROGRAM)
def test_missing_platform_does_not_hide_the_images(platform, tmp_path):
    (tmp_path / "tests-1-00.qcow2").write_bytes(b"12345")
    record = {"name": "tests-1", "architecture": "amd64", "file": "x", "format": "qcow2", "address": "https://example"}
    record.update(fetched=date.today().isoformat(), checked="none", file_size=5, digest=None, asked_checksum=None)
    (tmp_path / "tests-1-00.qcow2.json").write_text(json.dumps({**record, "size": None}), encoding="utf-8")
    result = _result(image_info, platform=platform, image_directory=str(tmp_path), executable="/nowhere/at-all")
    (found,) = result["images"]
    assert (found["name"], found["users"], found["file_size"], found["age"]) == ("tests-1", None, 5, 0)
    assert result["warnings"][0].startswith("It is not known which VMs use the images: ")
    removed = _result(
        image,
        platform=platform,
        image_directory=str(tmp_path),
        executable="/nowhere/at-all",
        name=["tests-1"],
        state="absent",
    )
    assert removed["failed"]
    assert len(list(tmp_path.iterdir())) == 2


def test_secret_of_the_cluster_is_not_shown():
    secret = "very-hidden-word"
    account = {"api_host": "127.0.0.1:1/x", "api_user": "me@pve", "api_token_id": "ci", "api_token_secret": secret}
    result = _result(image_info, platform="proxmox", **account)
    assert "is not a host name" in result["msg"]
    assert secret not in json.dumps(result)


def test_password_in_an_address_is_not_shown():
    result = _result(
        image, platform="libvirt", name=["https://user:topsecret@192.0.2.1:1/x.bin"], executable="/nowhere"
    )
    assert result["failed"]
    assert "topsecret" not in json.dumps(result)
