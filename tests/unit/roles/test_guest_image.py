# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role guest_image with a downloaded image; the address is a file of this host."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from collection_path import CHECKOUT

pytestmark = pytest.mark.full

QEMU_IMG = shutil.which("qemu-img")
RESULT = {"ansible.builtin.debug": {"msg": "result {{ guest_image_result | to_json }}"}}


class Images:
    """A directory of images, and the role that downloads into it."""

    def __init__(self, play, folder):
        self._play, self._folder = play, folder
        self.image = folder / "images" / "debian.qcow2"
        self.source = folder / "source.qcow2"
        self.make("8M")

    def make(self, size, *arguments):
        self.source.unlink(missing_ok=True)
        subprocess.run([QEMU_IMG, "create", "-q", "-f", "qcow2", *arguments, self.source, size], check=True)

    def variables(self, **more):
        return {
            "guest_image_path": str(self.image),
            "guest_image_url": f"file://{self.source}",
            "guest_image_checksum": f"sha256:{hashlib.sha256(self.source.read_bytes()).hexdigest()}",
            **more,
        }

    def run(self, *arguments, facts=None, environment=None, **more):
        """(exit code, output, guest_image_result or None)."""
        host = {"ansible_python_interpreter": sys.executable, **self.variables(**more)}
        tasks = [{"ansible.builtin.import_role": {"name": "polyvirt.core.guest_image"}}, RESULT]
        if facts:
            tasks.insert(0, {"ansible.builtin.set_fact": {**facts, "cacheable": True}})
        code, output = self._play({"host": host}, *tasks, arguments=arguments, environment=environment or {})
        printed = output.partition('"msg": "result ')[2].partition('}"')[0]
        return code, output, json.loads(f"{printed}}}".replace("\\", "")) if printed else None

    def files(self):
        return sorted(path.name for path in self.image.parent.iterdir()) if self.image.parent.exists() else []


@pytest.fixture(name="images")
def _images(play, tmp_path):
    return Images(play, tmp_path)


def test_life_of_a_downloaded_image(images):
    """Check mode creates nothing, the second run changes nothing, another image replaces only with permission."""
    code, output, result = images.run("--check")
    assert (code, result["changed"], images.files()) == (0, True, []), output
    for is_changed in (True, False):
        code, output, result = images.run()
        assert code == 0, output
        assert result == {"path": str(images.image), "format": "qcow2", "size": 8 << 20, "changed": is_changed}
    assert images.files() == ["debian.qcow2", "debian.qcow2.polyvirt.json"]
    # Nothing of the collection itself is in the record, so no release of it replaces an image.
    given = images.variables()
    known = json.dumps([given["guest_image_url"], given["guest_image_checksum"]])
    record = json.loads(images.image.with_name("debian.qcow2.polyvirt.json").read_text(encoding="utf-8"))
    assert record["fingerprint"] == hashlib.sha256(known.encode()).hexdigest()
    first = images.image.read_bytes()
    images.make("16M")
    code, output, _result = images.run()
    assert (code, images.image.read_bytes()) == (2, first)
    assert "already exists and was created from other variables or changed since" in output
    code, output, result = images.run(guest_image_replace=True)
    assert (code, result["size"], result["changed"]) == (0, 16 << 20, True), output
    assert images.image.read_bytes() == images.source.read_bytes()


@pytest.mark.parametrize("fault", ["checksum", "backing file"])
def test_unsuitable_image_leaves_nothing(images, fault):
    if fault == "checksum":
        more, message = {"guest_image_checksum": f"sha256:{'0' * 64}"}, f"but it must be {'0' * 64}."
    else:
        images.make("8M", "-F", "raw", "-b", "/etc/hostname", "-u")
        more, message = {}, "has a backing file (/etc/hostname)"
    code, output, _result = images.run(**more)
    assert (code, images.files()) == (2, []), output
    assert message in output


def test_openbsd_gets_the_tool_as_a_package(images, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("mv", "sh"):
        os.symlink(shutil.which(name), programs / name)
    package = programs / "pkg_add"
    package.write_text(
        f'#!{shutil.which("sh")}\n[ "$*" = "-I qemu" ] && {shutil.which("ln")} -s {QEMU_IMG} {programs}\n'
    )
    package.chmod(0o755)
    code, output, result = images.run(facts={"os_family": "OpenBSD"}, environment={"PATH": str(programs)})
    assert (code, result["changed"]) == (0, True), output
    assert (programs / "qemu-img").is_symlink()


@pytest.mark.parametrize(("machine", "is_possible"), [("x86_64", True), ("aarch64", True), ("riscv64", False)])
def test_image_is_built_on_hosts_of_two_architectures(images, machine, is_possible):
    facts = {"os_family": "Debian", "distribution": "Debian", "architecture": machine}
    build = {"guest_image_source": "debian", "guest_image_url": "", "guest_image_checksum": ""}
    code, output, result = images.run("--check", facts=facts, **build)
    assert (code == 0, bool(result and result["changed"])) == (is_possible, is_possible), output
    assert ("only on Debian or a descendant of it, on x86_64 or aarch64" in " ".join(output.split())) != is_possible


@pytest.mark.parametrize(
    ("machine", "kernel", "loader"),
    [
        ("x86_64", "linux-image-cloud-amd64", ["grub-pc-bin"]),
        ("aarch64", "linux-image-cloud-arm64", ["grub-efi-arm64-bin", "dosfstools", "mtools"]),
    ],
)
def test_image_has_the_kernel_of_its_architecture(play, machine, kernel, loader):
    path = CHECKOUT / "roles/guest_image/vars/main.yml"
    shown = (
        "{{ [__guest_image_base_packages[0], __guest_image_loader_builders[__guest_image_architecture]] | to_json }}"
    )
    facts = {"ansible_facts": {"architecture": machine}}
    tasks = [
        {"ansible.builtin.include_vars": {"file": str(path)}},
        {"ansible.builtin.debug": {"msg": shown}, "vars": facts},
    ]
    code, output = play({"host": {"ansible_python_interpreter": sys.executable}}, *tasks)
    assert (code, json.dumps([kernel, loader]) in output.replace("\\", "")) == (0, True), output


def test_guest_knows_its_own_name_without_dns():
    """Without a line in /etc/hosts, each sudo waits for a DNS server that may not answer."""
    folder = CHECKOUT / "roles/guest_image/files/debian/guest/etc/cloud/cloud.cfg.d"
    assert yaml.safe_load((folder / "90_polyvirt.cfg").read_text(encoding="utf-8"))["manage_etc_hosts"] is True
