# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far an installation of Windows is: by its log only if the log and the disk are of this installation."""

from __future__ import annotations

import json
from pathlib import Path

from collection_path import CHECKOUT
from suite.by_ansible import run_ansible

_CREATED, _BEFORE, _AFTER = "2026-11-01T12:00:00Z", 1793534399, 1793534401
_WRITTEN, _EMPTY = 1 << 30, 1 << 20
# (last change of the log, bytes on the disk): what is found after a last line in the log.
_CASES = {
    (_AFTER, _WRITTEN): "complete",
    (_AFTER, None): "complete",
    (_BEFORE, _WRITTEN): "interrupted",
    (_AFTER, _EMPTY): "interrupted",
}
# Another image than that of the installation. A prepared one has this name only if it or its source was changed.
_MEDIA = {"": "installed", "/other.iso": "installed", "C:\\Images\\Windows.No-Prompt-012345678901.iso": "changed"}


def test_last_line_counts_only_for_the_vm_that_wrote_it(tmp_path):
    iso = {"iso": "/iso/windows.iso"}
    vm = {**iso, "created": _CREATED, "state": "stopped"}
    cases = [{"log": log, "vm": {**vm, "counters": {"disk_used": used}}} for log, used in _CASES]
    cases += [{"log": _BEFORE, "vm": {**vm, "iso": iso, "counters": {}}} for iso in _MEDIA]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(CHECKOUT / "roles/unattended_install/vars/main.yml")],
        "vars": {
            "unattended_install_platform": "libvirt",
            "unattended_install_medium": {**iso, "boot_iso": "/iso/windows.iso"},
            "__unattended_install_ended": {"stdout_lines": ["polyvirt-installed"]},
            "__unattended_install_log": {"stat": {"mtime": "{{ item.log }}"}},
            "__unattended_install_info": {"vms": ["{{ item.vm }}"]},
        },
        "tasks": [{"ansible.builtin.debug": {"msg": "stage={{ __unattended_install_windows_stage }}"}, "loop": cases}],
    }
    Path(tmp_path, "site.yml").write_text(json.dumps([play]), encoding="utf-8")
    done = run_ansible(tmp_path, "ansible-playbook", ["-i", "localhost,", "-c", "local", tmp_path / "site.yml"])
    assert [line.split("stage=")[1].split('"')[0] for line in done.stdout.splitlines() if '"msg": "stage=' in line] == [
        *_CASES.values(),
        *_MEDIA.values(),
    ], done.stdout
