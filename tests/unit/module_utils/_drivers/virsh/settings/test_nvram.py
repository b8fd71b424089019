# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVRAM files as qcow2: created from the template of the firmware before the definition, which names the files."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import nvram
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.firmware import (
    read_firmware,
    read_secure_boot,
    write_firmware,
    write_secure_boot,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.storage import Storage
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import qemu_firmware
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.claimed import run_guard
from unit.module_utils._drivers.virsh.answers import machine_xml
from unit.module_utils._tools.test_qemu_firmware import DEBIAN

TEMPLATE = b"variables" + bytes(64 * 1024 - 9)


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    """A driver whose host has Debian's firmware, with a template of 64 KiB."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    for place, text in enumerate(DEBIAN):
        (folder / f"{place}.json").write_text(text.replace("/f/", f"{tmp_path}/"), encoding="utf-8")
    (tmp_path / "plain_VARS.fd").write_bytes(TEMPLATE)
    monkeypatch.setattr(qemu_firmware, "FOLDERS", (str(tmp_path / "none"), str(folder)))
    return SimpleNamespace(storage=Storage(QemuImg(Commands()), str(tmp_path)), firmware=folder)


def uefi():
    definition = Definition(machine_xml())
    write_firmware(definition, Change("firmware", "bios", "uefi"))
    return definition


def content(path, tmp_path):
    copy = tmp_path / "copy.raw"
    QemuImg(Commands()).convert(str(path), "qcow2", str(copy), "raw")
    return copy.read_bytes()


def test_file_is_created_from_the_template(host, tmp_path):
    definition = uefi()
    path, is_new = nvram.create_nvram(definition, host.storage, "web", "qcow2")
    assert (path, is_new) == (f"{tmp_path}/web.nvram.qcow2", True)
    assert content(path, tmp_path) == TEMPLATE
    assert definition.native("os/nvram") == path
    assert definition.native("os/nvram@format") == nvram.read_format(definition) == "qcow2"
    assert definition.native("os/loader") == f"{tmp_path}/plain_CODE.fd"
    # libvirt 12.8 starts no VM with a raw template, and finds no firmware with features and a qcow2 template.
    assert definition.native("os/nvram@templateFormat") == "qcow2"
    assert [definition.native(one) for one in ("os/nvram@template", "os@firmware")] == [None, None]
    assert definition.root.findall("os/firmware") == []
    assert (read_firmware(definition), read_secure_boot(definition)) == ("uefi", False)
    # A step that is sent again finds the file of the first time.
    assert nvram.create_nvram(uefi(), host.storage, "web", "qcow2") == (path, False)


def test_raw_file_is_left_to_libvirt(host, tmp_path):
    definition = uefi()
    assert nvram.create_nvram(definition, host.storage, "web", "raw") == (f"{tmp_path}/web.nvram", False)
    assert (nvram.read_format(definition), definition.native("os/loader")) == ("raw", None)
    assert not (tmp_path / "web.nvram").exists()


def test_conversion_keeps_what_the_guest_has_stored(host, tmp_path):
    definition, written = uefi(), b"boot entries" + TEMPLATE[12:]
    nvram.place_nvram(definition, host.storage, "web")
    (tmp_path / "web.nvram").write_bytes(written)
    vm, previous = Vm("web", id="u"), (f"{tmp_path}/web.nvram", "raw")
    changes = [Change("nvram_format", "raw", "qcow2")]
    path = nvram.place_new_nvram(host, vm, definition, changes, previous)
    assert content(path, tmp_path) == written


def test_another_firmware_starts_with_its_own_template(host, tmp_path):
    definition, vm = uefi(), Vm("web", id="u")
    (tmp_path / "web.nvram-secure.qcow2").write_bytes(b"of the firmware before")
    changes = [Change("secure_boot", True, False)]
    path = nvram.place_new_nvram(host, vm, definition, changes, (f"{tmp_path}/web.nvram-secure.qcow2", "qcow2"))
    assert content(path, tmp_path) == TEMPLATE


def test_own_file_of_before_keeps_its_snapshots(host, tmp_path):
    definition, vm = uefi(), Vm("web", id="u")
    path, _is_new = nvram.create_nvram(definition, host.storage, "web", "qcow2")
    Commands().run(["qemu-img", "snapshot", "-c", "s", path])
    own = vm.having(mark={"id": "u", "nvram": [path]})
    (tmp_path / "web.nvram").write_bytes(b"newer" + TEMPLATE[5:])
    changes = [Change("nvram_format", "raw", "qcow2")]
    nvram.place_new_nvram(host, own, uefi(), changes, (f"{tmp_path}/web.nvram", "raw"))
    assert content(path, tmp_path).startswith(b"newer")
    assert host.storage.qemu_img.info(path).snapshots == ("s",)


@pytest.mark.usefixtures("may_destroy")  # The helper that reads an image writes a copy of it.
def test_reset_writes_the_template_and_keeps_snapshots(host, tmp_path):
    definition = uefi()
    path, _is_new = nvram.create_nvram(definition, host.storage, "web", "qcow2")
    (tmp_path / "other.fd").write_bytes(b"another" + TEMPLATE[7:])
    Commands().run(["qemu-img", "snapshot", "-c", "s", path])
    definition.root.find("os/nvram").set("template", str(tmp_path / "other.fd"))
    definition.root.find("os/nvram").set("templateFormat", "raw")
    assert nvram.reset_qcow2(host, definition, "web")
    assert content(path, tmp_path).startswith(b"another")
    del definition.root.find("os/nvram").attrib["template"]
    assert nvram.reset_qcow2(host, definition, "web")
    assert content(path, tmp_path) == TEMPLATE
    assert host.storage.qemu_img.info(path).snapshots == ("s",)


def test_secure_boot_is_known_without_features(host, tmp_path):
    definition = uefi()
    write_secure_boot(definition, Change("secure_boot", False, True))
    definition.set("os/loader", "/f/secure_CODE.fd").set("type", "pflash")
    path = nvram.place_nvram(definition, host.storage, "web", "qcow2")
    assert path == f"{tmp_path}/web.nvram-secure.qcow2"
    assert definition.native("os@firmware") is None
    assert (read_firmware(definition), read_secure_boot(definition)) == ("uefi", True)


def test_raw_file_again_is_left_to_libvirt(host, tmp_path):
    definition = uefi()
    nvram.create_nvram(definition, host.storage, "web", "qcow2")
    path = nvram.place_nvram(definition, host.storage, "web", "raw")
    assert definition.root.find("os/nvram").attrib == {"format": "raw"}
    assert path == f"{tmp_path}/web.nvram"


@pytest.mark.parametrize("attributes", [{}, {"format": "qcow2", "templateFormat": "qcow2", "template": "/f/vars"}])
def test_reset_that_libvirt_does_itself(host, attributes):
    definition = uefi()
    definition.set("os/nvram", "/n/web.nvram").attrib.update(attributes)
    assert not nvram.reset_qcow2(host, definition, "web")


def check(host, name, config):
    run_guard(nvram.check_nvram, host, Vm(name), Step("create", arguments={"config": config}))


def test_host_without_firmware_is_rejected(host):
    for file in host.firmware.iterdir():
        file.unlink()
    error = r"web: {} for the machine type q35 .* Install UEFI firmware .* set nvram_format: raw"
    for config, what in (({}, "firmware: no UEFI firmware"), ({"secure_boot": True}, "secure_boot: .* Secure Boot")):
        with pytest.raises(Unsupported, match=error.format(what)):
            check(host, "web", {"nvram_format": "qcow2", **config})


def test_file_of_somebody_else_is_rejected(host, tmp_path):
    config = {"nvram_format": "qcow2"}
    nvram.create_nvram(uefi(), host.storage, "web", "qcow2")
    check(host, "web", config)  # An interrupted task may have left it.
    QemuImg(Commands()).create(str(tmp_path / "db.nvram.qcow2"), "qcow2", len(TEMPLATE))
    with pytest.raises(Refused, match=r"db: .*db\.nvram\.qcow2 already exists"):
        check(host, "db", config)
