# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook lab on a simulated OpenBSD host: its network, its rules, and its VMs, which remain stopped."""

from __future__ import annotations

import json
import sys

import pytest

from platforms.vmm.role_play import RoleHost
from suite.by_ansible import has_changed

pytestmark = pytest.mark.full

NAMES = ["lab-web", "lab-app", "lab-db"]
_WEB, _APP, _DB = (f"10.50.0.{last}" for last in (11, 12, 13))


class _Playbook:
    def __init__(self, host, folder, ansible_playbook):
        self.host, self._folder, self._ansible_playbook = host, folder, ansible_playbook

    def run(self, *words, **variables):
        """(exit code, whether anything was changed, output)."""
        options = {"config_file": str(self.host.file("/etc/vm.conf")), "image": None, "disks": [{"size": "64M"}]}
        options["storage_path"] = str(self._folder / "disks")
        own = {
            **self.host.places(), "ansible_python_interpreter": sys.executable, "ansible_connection": "local",
            "ansible_become": False, "lab_hypervisor": "openbsd", "vm_state": "stopped", "vm_stop_mode": "force",
            "vm_module_options": options, "vm_known_hosts_folder": str(self._folder / "known_hosts"), **variables,
        }  # fmt: skip
        (self._folder / "variables.json").write_text(json.dumps(own), encoding="utf-8")
        code, output = self._ansible_playbook(
            "-i", "openbsd,", "polyvirt.core.lab", "-e", f"@{self._folder / 'variables.json'}", *words,
            environment=self.host.environment(),
        )  # fmt: skip
        assert not self.host.not_recorded(), self.host.not_recorded()
        return code, has_changed(output), " ".join(output.split())


@pytest.fixture(name="playbook")
def _playbook(tmp_path, ansible_playbook):
    (tmp_path / "disks").mkdir()
    return _Playbook(RoleHost(tmp_path, None).start_vmd(), tmp_path, ansible_playbook)


def test_lab_is_created_and_removed(playbook):
    host, before = playbook.host, playbook.host.look()
    code, changed, output = playbook.run()
    assert (code, changed) == (0, True), output
    look = host.look()
    assert [name for name in NAMES if name not in look["vms"]] == []
    for source, to, port in ((_WEB, _APP, 8080), (_APP, _DB, 5432)):
        for direction in ("in", "out"):
            assert f"pass {direction} on tap inet proto tcp from {source} to {to} port = {port}" in look["anchor"]
    assert "block drop in on tap inet from 10.50.0.0/24 to 10.0.0.0/8" in look["anchor"]
    assert look["anchor"].count("port = ") == 4 + look["anchor"].count("port = 53")
    code, changed, output = playbook.run()
    assert (code, changed) == (0, False), output
    code, changed, output = playbook.run(lab_state="absent")
    assert (code, changed, host.look() == before) == (0, True, True), output


def test_check_mode_changes_nothing(playbook):
    before = playbook.host.look()
    code, changed, output = playbook.run("--check")
    assert (code, changed, playbook.host.look() == before) == (0, True, True), output
    assert "A run without check mode creates the VMs lab-web" in output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"lab_hypervisor": "none"}, "lab_hypervisor is 'none'. Set it to one host"),
        ({"lab_subnet": "10.50.0.0/30"}, "lab_subnet is '10.50.0.0/30'."),
        ({"lab_state": "gone"}, "lab_state is 'gone'. Set present or absent."),
    ],
)
def test_wrong_options_are_rejected_before_the_first_change(playbook, variables, message):
    code, changed, output = playbook.run(**variables)
    assert (code != 0, changed) == (True, False), output
    assert message in output
