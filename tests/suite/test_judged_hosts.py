# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host, a machine type or a topology lacks: the task is rejected in check mode, and names what to do."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

from suite.test_judged import NAME, agree, rejected

ABSENT_TASK = {"name": [NAME], "state": "absent", "stop_mode": "force"}
_DISKS = [{"slot": "vda", "size": "1M"}]
#: {what the host lacks: (its files, options, words of the remedy)}
LACKING = {
    "firmware": ("/usr/share/qemu/firmware", {"firmware": "uefi"}, "Install UEFI firmware"),
    "Secure Boot": ("/usr/share/qemu/firmware", {"firmware": "uefi", "secure_boot": True}, "q35 for secure_boot"),
    "TPM emulator": ("/usr/bin/swtpm", {"tpm": True}, "swtpm and swtpm-tools"),
    "Secure Boot of the machine type": (
        None, {"firmware": "uefi", "secure_boot": True, "native": {"os/type@machine": "pc"}}, "q35 for secure_boot",
    ),
    "watchdog of the machine type": (
        None, {"watchdog": {"model": "itco"}, "native": {"os/type@machine": "pc"}}, "watchdog.model: i6300esb",
    ),
    "machine type with firmware": (
        None, {"firmware": "uefi", "native": {"os/type@machine": "nope"}}, "machine type q35",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "options", "remedy"), LACKING.values(), ids=LACKING)
def test_what_the_host_lacks_is_rejected_before_a_new_vm_is_created(qemu, carry, path, options, remedy):
    qemu.clean()
    with _hidden(path) if path else nullcontext():
        rejected(qemu, carry, {**qemu.creation, "disks": _DISKS, **options}, remedy)
    assert qemu.files() == []


@pytest.mark.parametrize(("path", "options", "remedy"), list(LACKING.values())[:3], ids=list(LACKING)[:3])
def test_what_the_host_lacks_is_rejected_before_a_vm_is_stopped(qemu, carry, path, options, remedy):
    qemu.clean()
    agree(qemu, carry, {**qemu.creation, "disks": _DISKS})
    qemu.move(NAME, RUNNING)
    with _hidden(path):
        rejected(qemu, carry, {**options, "allow_restart": True, "stop_mode": "force"}, *options, remedy)


@contextmanager
def _hidden(path):
    """A file or directory of the world that is empty for libvirt."""
    kind = ["-t", "tmpfs", "tmpfs"] if os.path.isdir(path) else ["--bind", "/dev/null"]
    subprocess.run(["mount", *kind, path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def test_topology_of_a_running_vm_does_not_limit_its_next_start(qemu, carry):
    qemu.clean()
    topology = {f"cpu/topology@{name}": value for name, value in {"sockets": "2", "cores": "1", "threads": "1"}.items()}
    agree(qemu, carry, {**qemu.creation, "disks": _DISKS, "cpus": 2, "native": topology})
    rejected(qemu, carry, {"cpus": 3}, "topology")
    qemu.move(NAME, RUNNING)
    agree(qemu, carry, {"native": {"cpu/topology": None}})
    agree(qemu, carry, {"cpus": 3})
