# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers, on recorded output of Vagrant."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrant_output as output
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant_output import Failure, Row, Ssh, Status
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant_states import state

from unit.module_utils._tools.vagrant_recordings import calls, recorded


def rows_of(*words, says=""):
    return output.rows(recorded(*words, says=says).stdout)


def test_rows():
    text = "1,web,ui,info,a%!(VAGRANT_COMMA) b\\nc,d\nplain, text\n2,,x,\n[ (Rate: 0/s)\r\x1b[K\n3,db,state,running\r\n"
    assert output.rows(text) == [
        Row("web", "ui", ("info", "a, b\nc", "d")),
        Row(None, "x", ("",)),
        Row("db", "state", ("running",)),
    ]


def test_no_recorded_row_is_lost():
    compared = 0
    for call in calls():
        if "--machine-readable" in call.argv:
            numbered = [line for line in call.stdout.split("\n") if line[:10].isdigit()]
            assert len(output.rows(call.stdout)) == len(numbered)
            compared += len(numbered)
    assert compared > 50


def test_statuses():
    found = output.statuses(rows_of("status", "--machine-readable", says="web,state"))
    assert found == {"web": Status("libvirt", "not_created"), "db": Status("libvirt", "not_created")}
    assert list(found) == ["web", "db"]
    found = output.statuses(rows_of("status", "--machine-readable", says="state,paused"))
    assert found == {"default": Status("libvirt", "paused")}
    assert output.statuses(rows_of("status", "--machine-readable", says="NoEnvironmentError")) == {}


@pytest.mark.parametrize(
    ("words", "says", "kind", "begins"),
    [
        (("status", "--machine-readable"), "NoEnvironment", "NoEnvironmentError", "A Vagrant environment or target"),
        (
            ("up", "--machine-readable"),
            "Locked",
            "MachineActionLockedError",
            "An action 'up' was attempted on the machine",
        ),
        (("up", "--provider=libvirt", "--machine-readable"), "", "BoxAddShortNotFound", "The box 'no/such' could not"),
    ],
)
def test_failures(words, says, kind, begins):
    found = output.failure(rows_of(*words, says=says))
    assert found.kind == kind
    assert found.text.startswith(begins)
    assert "VAGRANT_COMMA" not in found.text


def test_successful_command_has_no_failure():
    assert output.failure(rows_of("up", "--machine-readable", "--no-color")) is None
    assert output.failure(output.rows("1,,error-exit,VagrantPlugins::X::Errors::Y,a\n")) == Failure("Y", "a")


@pytest.mark.parametrize(
    ("words", "says", "lines"),
    [
        (
            ("status",),
            "syntax error",
            [
                "There is a syntax error in the following Vagrantfile. The syntax error",
                "message is reproduced below for convenience:",
                "FOLDER/bad/Vagrantfile:1: syntax error, unexpected end-of-input",
            ],
        ),
        (("status",), "working directory", None),
        (("validate",), "shouldn't exist", ["There are errors in the configuration of this machine. Please fix"]),
    ],
)  # fmt: skip
def test_error_texts(words, says, lines):
    if lines is None:
        call = next(call for call in calls() if says in call.stderr)
        lines = ["The working directory for Vagrant doesn't exist! This is the", "specified working directory:",
                 "/nonexistent-dir"]  # fmt: skip
    else:
        call = recorded(*words, says=says)
    assert output.error_text(call.stderr).split("\n")[: len(lines)] == lines


def test_error_text_has_no_control_characters():
    assert output.error_text("\x1b[31mred\x1b[0m\n\n  10%\r 20%\r\x1b[Kdone  \n") == "red\ndone"


def test_error_text_has_no_stack_trace():
    trace = "/usr/share/x.rb:51:in `block in execute': undefined method `include?' (NoMethodError)\n\tfrom /a.rb:1\n"
    assert output.error_text(trace) == "undefined method `include?' (NoMethodError)"


def test_ssh_configs():
    key = "FOLDER/proj/.vagrant/machines/default/libvirt/private_key"
    found = output.ssh_configs(rows_of("ssh-config", "--machine-readable"))
    assert found == {"default": Ssh("192.168.121.81", 22, "vagrant", key)}


def test_quoted_path_of_a_key_file():
    text = 'Host web\\n  HostName 10.0.0.5\\n  Port 2222\\n  IdentityFile "/my keys/a\'b%!(VAGRANT_COMMA)c"\\n'
    assert output.ssh_configs(output.rows(f"1,web,ssh-config,{text}")) == {
        "web": Ssh("10.0.0.5", 2222, None, "/my keys/a'b,c")
    }


def test_snapshots():
    assert output.snapshots(rows_of("snapshot", "list", "--machine-readable")) == {"default": ["s1"]}


SNAPSHOTS = """\
1,web,metadata,provider,libvirt
1,web,ui,output,==> web:\x20
1,web,ui,detail,first one
1,web,ui,detail,==> web: two
1,db,ui,output,==> db: No snapshots have been taken yet!
1,db,ui,detail,    db: You can take a snapshot using `vagrant snapshot save`. Note that\\n    db: not all
1,old,ui,info,==> old: VM not created. Moving on...
1,new,ui,output,
1,new,ui,detail,s
"""


def test_message_about_a_vm_without_snapshots_is_not_a_snapshot():
    found = output.snapshots(output.rows(SNAPSHOTS))
    assert found == {"web": ["first one", "==> web: two"], "db": [], "old": [], "new": ["s"]}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Vagrant 2.3.4\n", (2, 3, 4)),
        ("Vagrant 2.4.10.dev\n", (2, 4, 10)),
        ("Installed Version: 2.4.1\n", (2, 4, 1)),
        ("", None),
        ("vagrant: broken", None),
    ],
)
def test_version(text, numbers):
    assert output.version(text) == numbers


@pytest.mark.parametrize(
    ("provider", "word", "power", "passing"),
    [
        ("libvirt", "not_created", "absent", False),
        ("libvirt", "running", "running", False),
        ("libvirt", "inaccessible", "running", False),
        ("virtualbox", "inaccessible", "unknown", False),
        ("libvirt", "shutoff", "stopped", False),
        ("libvirt", "shutting_down", "running", True),
        ("libvirt", "preparing", "unknown", True),
        ("virtualbox", "poweroff", "stopped", False),
        ("virtualbox", "aborted-saved", "suspended", False),
        ("virtualbox", "gurumeditation", "failed", False),
        ("hyperv", "off", "stopped", False),
        ("hyperv", "saved", "suspended", False),
        ("vmware_desktop", "not_running", "stopped", False),
        ("proxmox", "stopped", "stopped", False),
        ("libvirt", "poweroff", "unknown", False),
        ("docker", "running", "running", False),
        ("docker", "hibernated", "unknown", False),
    ],
)
def test_states(provider, word, power, passing):
    assert state(provider, word) == (power, passing)
