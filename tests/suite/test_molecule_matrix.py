# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario of molecule with hosts that are named by their images: from the names to guests that answer by SSH."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from suite.media_server import Vendor
from suite.provisioning import variables_of_guest

#: The names of the hosts, and the images that they name.
HOSTS = {"debian-12": "debian-12", "debian-13-web.libvirt": "debian-13"}


@pytest.fixture(name="vendor")
def _vendor(qemu, tmp_path, monkeypatch):
    """A vendor with two images, both of which contain the fast guest."""
    qemu.clean()
    qemu.start_network()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    vendor, image = Vendor(), tmp_path / "published.qcow2"
    source = qemu.guest["image"]["source"]
    subprocess.run(["qemu-img", "convert", "-c", "-f", "qcow2", "-O", "qcow2", source, str(image)], check=True)
    for place, name in enumerate(HOSTS.values()):
        vendor.publish_as(name, image.read_bytes() + bytes(512 * place))
    yield vendor
    vendor.close()


@pytest.fixture(name="store")
def _store(qemu):
    store = qemu.storage / "pvg-images"
    yield store
    shutil.rmtree(store, ignore_errors=True)


def _variables(qemu, vendor, store, folder):
    """Variables of all hosts; none says which image or which platform."""
    variables = variables_of_guest(qemu, folder / "key")
    for name in ("vm_image", "vm_image_linked", "vm_ssh_key_file", "vm_known_hosts_folder", "ansible_become"):
        del variables[name]
    return {**variables, "polyvirt_mirrors": vendor.mirrors, "polyvirt_image_directory": str(store)}


@pytest.mark.full
def test_hosts_named_by_their_images(qemu, vendor, store, tmp_path, ansible_playbook):
    (tmp_path / "inventory").mkdir()
    inventory = {"all": {"hosts": dict.fromkeys(HOSTS), "vars": _variables(qemu, vendor, store, tmp_path)}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    words = ["-i", tmp_path / "hosts.json", "-i", tmp_path / "inventory"]
    around = {"environment": {"MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path)}, "folder": tmp_path}
    leftover = _Leftover(qemu, tmp_path, around)
    try:
        leftover.create()
        code, output = ansible_playbook(*words, "polyvirt.core.molecule_create", **around)
        assert code == 0, output
        assert not leftover.exists(), output
        written = yaml.safe_load((tmp_path / "inventory" / "polyvirt.yml").read_text(encoding="utf-8"))
        assert sorted(written["all"]["hosts"]) == sorted(HOSTS)
        answers = {host: _say(host, words, around) for host in HOSTS}
        for host, image in HOSTS.items():
            assert re.search(f"molecule-[0-9a-f]{{8}}-{image}", answers[host]), answers[host]
            (base,) = _base_of(qemu, host)
            assert re.fullmatch(f"{image}-[0-9a-f]{{12}}.qcow2", Path(base).name)
            assert Path(base).parent == store
    finally:
        code, output = ansible_playbook(*words, "polyvirt.core.molecule_destroy", **around)
        leftover.delete()
    assert code == 0, output
    assert [name for name in qemu.virsh("list", "--all", "--name").split() if "-debian-1" in name] == []


class _Leftover:
    """A running VM of the scenario that has expired. Its disk is empty, so it ignores each request to shut down."""

    def __init__(self, qemu, folder, around):
        self._qemu, self._around = qemu, around
        self._fleet = f"molecule-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
        self._name = f"{self._fleet}-leftover"

    def create(self):
        self._run(**self._qemu.creation, fleet=self._fleet, expires="0m", state="started")
        assert self.exists()

    def exists(self):
        return self._name in self._qemu.virsh("list", "--all", "--name").split()

    def delete(self):
        self._run(state="absent", stop_mode="force")

    def _run(self, **options):
        arguments = json.dumps({**self._qemu.connection, "name": self._name, **options})
        _ansible("localhost", "-m", "polyvirt.core.virsh_vm", "-a", arguments, around=self._around)


def _say(host, words, around):
    """The host name of a guest, by SSH with the connection variables that the playbook has written."""
    return _ansible(*words, host, "-m", "ansible.builtin.raw", "-a", "hostname", around=around)


def _ansible(*words, around):
    command = ["ansible", *map(str, words)]
    done = subprocess.run(
        command, env={**os.environ, **around["environment"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _base_of(qemu, host):
    (name,) = [name for name in qemu.virsh("list", "--name").split() if name.endswith(f"-{host}")]
    return qemu.backing_files({"stored": qemu.virsh("dumpxml", name, "--inactive")})
