# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role libvirt_host tries KVM with a few instructions, on hosts of each architecture."""

from __future__ import annotations

import os
import subprocess

import pytest

from collection_path import CHECKOUT

SCRIPT = CHECKOUT / "roles" / "libvirt_host" / "files" / "read.sh"


@pytest.mark.parametrize(
    ("machine", "emulator", "virsh", "expected"),
    [
        ("aarch64", "exit 0", "exit 1", ["kvm yes"]),
        ("aarch64", "exit 0", "exit 0", ["kvm yes"]),
        ("aarch64", "echo no EL2 >&2; exit 1", "exit 0", ["kvm_problem no EL2;"]),
        ("aarch64", "exit 85", "exit 0", ["kvm_problem "]),
        (
            "aarch64",
            "exit 124",
            "exit 0",
            ["kvm_problem a VM did not execute its first instructions within 30 seconds."],
        ),
        ("aarch64", "exit 0", "case $* in *domcap*) echo no kvm; exit 1;; esac", ["kvm_problem no kvm;"]),
        ("x86_64", "exit 85", "exit 1", ["kvm yes"]),
        ("x86_64", "exit 0", "exit 0", ["kvm_problem "]),
        ("riscv64", "exit 0", "exit 0", []),
    ],
)
def test_kvm_is_tried(tmp_path, machine, emulator, virsh, expected):
    """What QEMU does with the instructions of arm64, tests/suite/test_arm64.py shows."""
    programs = {"uname": f"echo {machine}", "virsh": virsh, f"qemu-system-{machine}": emulator}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    before, _mark, text = SCRIPT.read_text(encoding="utf-8").partition("# A device is no proof")
    functions = before[before.index("has() {") : before.index("id -u")]
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", "-c", f"{functions}#{text.replace('/dev/kvm', str(tmp_path / 'virsh'))}"]
    done = subprocess.run(command, capture_output=True, text=True, env=path, check=True)
    assert done.stdout.splitlines() == ["device yes", *expected]
