# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo uses KVM only if the CPU has virtualization. On other hosts, KVM pauses the guest while it boots."""

from __future__ import annotations

import subprocess

import pytest


@pytest.mark.parametrize(
    ("flags", "usable"),
    [("fpu vmx lm", True), ("fpu svm lm", True), ("fpu cx16 lm hypervisor", False), ("fpu svm_lock lm", False)],
)
def test_kvm_needs_virtualization_of_the_cpu(checkout, tmp_path, flags, usable):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n", encoding="utf-8")
    words = [checkout / "scripts" / "lib" / "kvm.sh", cpuinfo]
    done = subprocess.run(["bash", "-c", '. "$1"; has_cpu_virtualization "$2"', "bash", *words], check=False)
    assert (done.returncode == 0) is usable
