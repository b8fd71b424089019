# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of Vagrant and their kinds, and its arguments and environment, on recorded calls."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant import Vagrant

from unit.module_utils._tools.vagrant_recordings import recorded

PREDICATES = {
    vagrant.is_locked: "MachineActionLockedError",
    vagrant.is_unknown_vm: "MachineNotFound",
    vagrant.is_no_project: "NoEnvironmentError",
    vagrant.is_provider_missing: "ProviderNotUsable",
    vagrant.is_other_provider: "ActiveMachineWithDifferentProvider",
    vagrant.is_box_missing: "BoxAddShortNotFound",
    vagrant.is_boot_timeout: "VMBootTimeout",
    vagrant.is_not_ready_for_ssh: "SSHNotReady",
    vagrant.is_snapshot_missing: "SnapshotNotFound",
    vagrant.is_existing_snapshot: "SnapshotConflictFailed",
}


class FakeCommands(Commands):
    """Commands that end with the given exit code and output, and record how they were started."""

    def __init__(self, rc=0, stdout="", stderr=""):
        self._end = (rc, stdout, stderr)
        self.started = None

    def find(self, name_or_path, hint=None):
        return name_or_path

    def run(self, argv, **options):
        self.started = (tuple(argv), options)
        return Completed(tuple(argv), *self._end)


def failure(rc=1, stdout="", stderr=""):
    with pytest.raises(errors.CommandFailed) as caught:
        Vagrant(FakeCommands(rc, stdout, stderr), "/project").run("up", "web")
    return caught.value


def test_environment_and_arguments_of_vagrant():
    commands = FakeCommands(stdout="1,web,state,running\n")
    tool = Vagrant(commands, "/project", "Vagrantfile.polyvirt", "/copy", {"VAGRANT_HOME": "/home/v"}, "/opt/vagrant")
    assert [row.data for row in tool.run("up", "web", timeout=3)] == [("running",)]
    argv, options = commands.started
    assert argv == ("/opt/vagrant", "up", "web", "--machine-readable")
    assert options["timeout"] == 3
    assert options["environment"] == {
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_CWD": "/project",
        "VAGRANT_DOTFILE_PATH": "/copy",
        "VAGRANT_HOME": "/home/v",
        "VAGRANT_NO_COLOR": "1",
        "VAGRANT_VAGRANTFILE": "Vagrantfile.polyvirt",
    }


def test_default_vagrantfile_and_dotfile_need_no_environment():
    commands = FakeCommands()
    Vagrant(commands, "/project").read("status")
    assert set(commands.started[1]["environment"]) == {"VAGRANT_CHECKPOINT_DISABLE", "VAGRANT_CWD", "VAGRANT_NO_COLOR"}


def test_locked_vm():
    call = recorded("up", "--machine-readable", says="Locked")
    error = failure(call.rc, call.stdout, call.stderr)
    assert vagrant.is_locked(error)
    assert error.message.startswith(
        "vagrant up web failed: An action 'up' was attempted on the machine 'default',\nbut"
    )
    assert error.stderr.endswith("try again.")


@pytest.mark.parametrize("predicate", PREDICATES, ids=lambda predicate: predicate.__name__)
def test_each_error_class_matches_only_its_predicate(predicate):
    error = failure(stdout=f"1,,ui,error,no\n1,,error-exit,Vagrant::Errors::{PREDICATES[predicate]},no\n")
    assert [other for other in PREDICATES if other(error)] == [predicate]
    assert not predicate(errors.CommandFailed(["vagrant"], 1, PREDICATES[predicate]))


def test_early_failure_is_reported_with_its_text():
    call = recorded("status", "--machine-readable", says="syntax error")
    error = failure(call.rc, call.stdout, call.stderr)
    assert error.kind is None
    assert "very early" not in error.message
    assert "FOLDER/bad/Vagrantfile:1: syntax error, unexpected end-of-input" in error.message


def test_failure_without_a_message_has_the_exit_code():
    assert failure(rc=137).message == "vagrant up web failed: exit code 137, without a message"


@pytest.mark.parametrize(
    ("commands", "kind", "message"),
    [
        (FakeCommands(stdout="Vagrant 2.1.9\n"), errors.Unsupported, "Vagrant 2.1.9. Install Vagrant 2.2 or later"),
        (
            FakeCommands(rc=1, stderr="Vagrant failed to initialize at a very early stage:\n\nbad\n"),
            errors.Unavailable,
            "no version: bad",
        ),
        (FakeCommands(), errors.Unavailable, "no version: nothing"),
    ],
)
def test_unusable_vagrant_is_rejected(commands, kind, message):
    with pytest.raises(kind, match=message):
        Vagrant(commands, "/project").version()
