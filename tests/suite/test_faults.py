# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which messages and logs prove a bug of a platform itself. Only with such a proof, a test is run again."""

from __future__ import annotations

import os
import subprocess

import pytest

from platforms.virtualbox import faults, real
from platforms.virtualbox.platform import Platform
from platforms.virtualbox.registry import Registry

#: An error of VirtualBox 7.2.22 without VT-x, in one of some hundred saves of memory.
ASSERTED = (
    "80%...90%...E_ACCESSDENIED\nVBoxManage: error: Failed to save machine state.\n"
    "VBoxManage: error: Assertion failed: [SUCCEEDED(hrc)] at '/build/reproducible-path/virtualbox-7.2.22-dfsg/src/VBox"
    "/Main/src-server/MachineImpl.cpp' (10409) in nsresult Machine::i_saveStorageControllers(settings::Storage&).\n"
    "VBoxManage: error: COM RC=E_ACCESSDENIED (0x80070005).\n"
)
ENDED, CUT = "00:00:21 Console: Machine state changed to 'PoweredOff'\nVBoxHeadless: exiting\n", "00:00:21 SVM: Loading"


@pytest.fixture(name="folder")
def _folder(tmp_path):
    for name, text in (("ended", ENDED), ("cut", CUT)):
        log = tmp_path / name / "Logs" / "VBox.log"
        log.parent.mkdir(parents=True)
        log.write_text(text, encoding="utf-8")
    return tmp_path


def test_failed_assertion_of_virtualbox_is_a_proof(tmp_path):
    (proof,) = faults.proofs(ASSERTED, tmp_path, [])
    assert proof.startswith("Assertion failed: [SUCCEEDED(hrc)]")
    assert proof.endswith("MachineImpl.cpp' (10409)")


def test_call_that_never_ends_is_a_proof_and_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(real, "PATIENCE", 0.5)
    root = tmp_path / "root"
    for folder in ("dev", "proc", "tmp"):
        (root / folder).mkdir(parents=True)
    box = real.VirtualBox(root, tmp_path / "registry", user=os.getuid())
    box.executable.write_text(
        f"#!/bin/sh\nVBOX_IPC_SOCKETID=$(cat {box.folder}/registry/name) exec sleep 60\n", encoding="utf-8"
    )
    with pytest.raises(AssertionError, match="VBoxManage controlvm web poweroff has not ended") as caught:
        box.call("controlvm", "web", "poweroff")
    assert box.processes() == []
    box.__exit__()
    assert faults.proofs(str(caught.value), tmp_path, []) == [f"VBoxManage controlvm web poweroff {faults.HUNG}"]


@pytest.mark.parametrize("said", ["AssertionError: assert 'running' == 'saved'", "VBoxManage: error: E_ACCESSDENIED"])
def test_other_output_is_no_proof(tmp_path, said):
    assert faults.proofs(said, tmp_path, []) == []


def test_truncated_log_of_a_stopped_vm_is_a_proof(folder):
    assert faults.proofs("", folder, []) == [f"{folder / 'cut' / 'Logs' / 'VBox.log'} ends in the middle"]
    assert faults.proofs("", folder, ["cut"]) == []


class _Stopped(Registry):
    """A registry with one VM, ``pvc-cut``, which is stopped."""

    def run(self, *words):
        assert words == ("list", "vms")
        return '"pvc-cut" {706f6c79-0000-4000-8000-000000000001}\n'

    def state(self, uuid):
        return "poweroff"

    def processes(self, program=""):
        return real.processes_in(self.folder, program)


def test_log_is_no_proof_while_a_process_writes_it(tmp_path):
    platform = Platform()
    platform.box = _Stopped(tmp_path)
    log = platform.storage / "pvc-cut" / "Logs" / "VBox.log"
    for folder in (log.parent, tmp_path / "registry"):
        folder.mkdir(parents=True)
    log.write_text(CUT, encoding="utf-8")
    (tmp_path / "registry" / "name").write_text("polyvirt-x\n", encoding="ascii")
    words = ["sh", "-c", "read -r line", "--comment", "pvc-cut", "--startvm"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env={**os.environ, "VBOX_IPC_SOCKETID": "polyvirt-x"}):
        assert platform.faults("") == []
    assert platform.faults("") == [f"{log} ends in the middle"]
