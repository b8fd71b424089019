# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches and errors of real virsh on test:///default, which needs neither a daemon nor root."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools import virsh

pytestmark = pytest.mark.usefixtures("may_destroy")

UNUSUAL_NAMES = ["a b", "x;y", "it's", 'q"u', "back\\slash", "-lead", "--all", "ü€", "#x", "$HOME", "54"]


class Counted(Commands):
    """Real commands; ``calls`` are their arguments."""

    def __init__(self):
        self.calls = []

    def run(self, argv, **options):
        self.calls.append(argv)
        return super().run(argv, **options)


class FakeCommands(Commands):
    """A virsh with a given result, for errors that the test driver cannot cause."""

    def __init__(self, stderr, rc=1):
        self._completed = Completed(("virsh", "-q", "-c", "qemu:///system", "list"), rc, "", stderr)

    def find(self, name_or_path, hint=None):
        return name_or_path

    def run(self, argv, **options):
        return self._completed


@pytest.fixture(name="connection")
def _connection():
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    return virsh.Virsh(Counted(), "virsh", "test:///default")


def define_all(folder, names):
    for index, name in enumerate(names):
        path = folder / f"{index}.xml"
        text = name.replace("&", "&amp;").replace("<", "&lt;")
        path.write_text(
            f"<domain type='test'><name>{text}</name><memory>1024</memory><os><type>hvm</type></os></domain>",
            encoding="utf-8",
        )
        yield ("define", str(path))


def test_each_command_of_a_batch_has_its_own_answer(connection):
    answers = connection.batch([("domstate", "test"), ("domstate", "nosuch"), ("net-list", "--all", "--name")])
    assert answers == [
        virsh.Answer("running\n", None),
        virsh.Answer("", "failed to get domain 'nosuch'"),
        virsh.Answer("default\n", None),
    ]


def test_many_reads_are_one_process(connection):
    assert len(connection.batch([("domstate", "test")] * 300)) == 300
    assert len(connection._commands.calls) == 1


def test_empty_batch_starts_no_process(connection):
    assert connection.batch([]) == []
    assert connection._commands.calls == []


@pytest.mark.parametrize("name", UNUSUAL_NAMES)
def test_virsh_parses_quoted_words_unchanged(connection, tmp_path, name):
    *_before, state, reading = connection.batch(
        [*define_all(tmp_path, [name]), ("domstate", "--", name), ("domid", "--", name)]
    )
    assert state == virsh.Answer("shut off\n", None)
    assert reading.stdout.strip() == "-"


@pytest.mark.parametrize("name", ["no'where", "no\\where", "", "no\nwhere", "polyvirt-0;", "no where"])
def test_error_of_an_unusual_name_belongs_to_its_command(connection, name):
    before, failed, after = connection.batch([("domstate", "test"), ("domstate", "--", name), ("domstate", "test")])
    assert failed.error and failed.stdout == ""
    assert before == after == virsh.Answer("running\n", None)


def test_batch_larger_than_one_argument_is_split(connection):
    names = [f"{'é' * 4000}{index}" for index in range(40)]
    answers = connection.batch([("domstate", name) for name in names])
    assert [answer.error for answer in answers] == [f"failed to get domain '{name}'" for name in names]
    assert len(connection._commands.calls) == 3
    assert all(len(argv[-1].encode()) <= 120 * 1024 for argv in connection._commands.calls)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("nosuchcommand",), "unknown command: 'nosuchcommand'"),
        (("list", "--bogus"), "command 'list' doesn't support option --bogus"),
        (("domstate",), "command 'domstate' requires <domain> option"),
    ],
)
def test_unknown_command_or_option_fails_the_batch(connection, words, error):
    with pytest.raises(errors.CommandFailed) as caught:
        connection.batch([("domstate", "test"), words])
    assert caught.value.stderr == error


def test_run_returns_the_output(connection):
    assert connection.run("domstate", "test", "--reason") == "running (unknown)\n"


def test_run_passes_input_unchanged(connection, tmp_path):
    xml = "<domain type='test'><name>it's</name><memory>1</memory><os><type>hvm</type></os></domain>"
    assert connection.run("define", "/dev/stdin", stdin=xml).strip() == ""
    with pytest.raises(errors.CommandFailed) as caught:
        connection.run("define", "/dev/stdin", stdin=xml.replace("hvm</type>", "</type>"))
    assert xml not in str(caught.value)


def test_error_contains_the_command_the_uri_and_virshs_message(connection):
    with pytest.raises(errors.CommandFailed) as caught:
        connection.run("start", "test")
    assert str(caught.value) == "virsh start test on test:///default failed: Domain is already active"
    assert caught.value.stderr == "Domain is already active"


def test_hanging_virsh_is_killed(connection):
    with pytest.raises(errors.Timeout) as caught:
        connection.run("event", "--event", "lifecycle", "--loop", timeout=1)
    assert "event --event lifecycle" in str(caught.value)


@pytest.mark.parametrize("call", [lambda it: it.batch([("list",), ("version",)]), lambda it: it.run("list", "--all")])
def test_missing_connection_is_reported_once_with_the_uri(call):
    commands = Counted()
    with pytest.raises(errors.Unavailable) as caught:
        call(virsh.Virsh(commands, "virsh", "qemu+tcp://127.0.0.1:1/system"))
    assert caught.value.why == "not_responding"
    assert str(caught.value).startswith(
        "libvirt cannot be reached at qemu+tcp://127.0.0.1:1/system: "
        "unable to connect to server at '127.0.0.1:1': Connection refused"
    )
    assert len(commands.calls) == 1


@pytest.mark.parametrize(
    "last",
    [
        "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
        "internal error: Unable to get system bus connection: Could not connect: No such file or directory",
        "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'",
    ],
)
def test_missing_permission_is_reported_with_a_hint(last):
    stderr = f"error: failed to connect to the hypervisor\nerror: {last}\n"
    with pytest.raises(errors.Unavailable, match="become") as caught:
        virsh.Virsh(FakeCommands(stderr), "virsh", "qemu:///system").run("list")
    assert last in str(caught.value)


def test_virsh_that_crashes_during_a_batch_is_an_error():
    with pytest.raises(errors.CommandFailed, match=r"virsh was killed \(signal 11\)"):
        virsh.Virsh(FakeCommands("", rc=-11), "virsh", "qemu:///system").batch([("list",)])


def test_log_lines_of_libraries_are_not_an_error():
    commands = FakeCommands("2026-11-20 07:00:00.000+0000: 1: warning : something\n", rc=0)
    assert virsh.Virsh(commands, "virsh", "qemu:///system").run("list") == ""


def test_missing_virsh_names_the_packages():
    with pytest.raises(errors.Unavailable, match="libvirt-clients") as caught:
        virsh.Virsh(Commands(), "virsh-that-is-not-here", "test:///default").run("list")
    assert caught.value.why == "not_on_path"


@pytest.mark.parametrize(
    ("predicate", "text"),
    [
        (virsh.is_not_found, "failed to get domain 'N'"),
        (virsh.is_unsupported, "this function is not supported by the connection driver: virDomainAttachDevice"),
        (virsh.is_unsupported, "unsupported flags (0x4) in function testDomainUndefineFlags"),
    ],
)
def test_recorded_error_matches_only_its_predicate(predicate, text):
    every = {virsh.is_not_found, virsh.is_unsupported}
    assert {each for each in every if each(text)} == {predicate}
    assert not predicate(None)


def test_missing_network_is_not_a_missing_domain():
    text = "Failed to start domain 'web'\nNetwork not found: no network with matching name 'nonet'"
    assert not virsh.is_not_found(text)
    assert virsh.is_not_found(text, "network")


def test_not_found_of_other_kinds():
    assert virsh.is_not_found("Domain snapshot not found: no domain snapshot with matching name 's'", "snapshot")
    assert virsh.is_not_found("metadata not found: Requested metadata element is not present", "metadata")
    assert not virsh.is_not_found("Domain snapshot not found: no domain snapshot with matching name 's'")


class RecordedTimeouts:
    """Records the timeout of each command."""

    def __init__(self):
        self.timeouts = []

    def find(self, name, hint):
        return name

    def run(self, argv, stdin=None, timeout=None, writes=False):
        self.timeouts.append(timeout)
        return Completed(tuple(argv), 0, "", "")


def test_every_call_has_a_timeout_and_changes_a_longer_one():
    commands = RecordedTimeouts()
    connection = virsh.Virsh(commands, "virsh", "qemu:///system")
    connection.run("start", "web")
    connection.run("managedsave", "web", timeout=3600)
    with pytest.raises(errors.CommandFailed):  # The output is empty, without the marks between commands.
        connection.batch([("list",)])
    change, save, read = commands.timeouts
    assert 60 <= read < change < save == 3600


# As recorded with libvirt 9.0.0 when the daemon ended while virsh waited for its answer.
DISCONNECTED = "error: Disconnected from qemu:///system due to end of file\nerror: failed to get domain 'x'\n"


def test_vm_does_not_count_as_missing_if_the_connection_was_lost():
    with pytest.raises(virsh.ConnectionLost, match="Disconnected from qemu:///system due to end of file") as caught:
        virsh.Virsh(FakeCommands(DISCONNECTED), "virsh", "qemu:///system").batch([("domstate", "x")])
    assert not virsh.is_not_found(caught.value.stderr)
    assert virsh.may_pass(caught.value)


#: Errors of libvirt 9.0.0 about its connection, without the line above: virsh prints that only if it notices in time.
BROKEN_OFF = [
    "End of file while reading data: Input/output error",
    "An error occurred, but the cause is unknown",
    "Cannot recv data: Connection reset by peer",
    "Cannot write data: Broken pipe",
    "internal error: client socket is closed",
    "internal error: connection closed due to keepalive timeout",
    "internal error: received hangup event on socket",
]


@pytest.mark.parametrize(("words", "doubtful"), [(("start", "x"), 1), (("domstate", "x"), 0)])
@pytest.mark.parametrize("error", [DISCONNECTED, *(f"error: Cannot start 'x'\nerror: {one}\n" for one in BROKEN_OFF)])
def test_change_may_have_been_made_if_the_connection_was_lost(error, words, doubtful):
    before = change_counter.count()
    with pytest.raises(virsh.ConnectionLost):
        virsh.Virsh(FakeCommands(error), "virsh", "qemu:///system").run(*words)
    assert change_counter.count() == (before[0], before[1] + doubtful)


@pytest.mark.parametrize("way", ["kill -9 $$", "exit 137"], ids=["itself", "in a wrapper"])
def test_change_may_have_been_made_if_virsh_was_killed(tmp_path, way):
    killed = tmp_path / "virsh"
    killed.write_text(f"#!/bin/sh\n{way}\n", encoding="utf-8")
    killed.chmod(0o755)
    before = change_counter.count()
    with pytest.raises(virsh.ConnectionLost, match=r"virsh start x on .* failed: virsh was killed \(signal 9\)"):
        virsh.Virsh(Commands(), str(killed), "qemu:///system").run("start", "x")
    assert change_counter.count() == (before[0], before[1] + 1)


def test_error_of_another_connection_is_an_answer():
    quoted = "error: operation failed: swtpm died and reported: End of file while reading data\n"
    with pytest.raises(errors.CommandFailed) as caught:
        virsh.Virsh(FakeCommands(quoted), "virsh", "qemu:///system").run("start", "x")
    assert not virsh.may_pass(caught.value)


def test_libvirt_cannot_be_reached_if_the_connection_ends_while_it_is_opened():
    refused = f"error: failed to connect to the hypervisor\nerror: {BROKEN_OFF[0]}\n"
    with pytest.raises(errors.Unavailable):
        virsh.Virsh(FakeCommands(refused), "virsh", "qemu+ssh://host/system").run("start", "x")


#: As recorded (libvirt 9.0.0): libvirt cannot load the memory of an internal snapshot, and the VM is off after that.
NOT_LOADED = (
    "error: Failed to revert snapshot s\n"
    "error: internal error: process exited while connecting to monitor: 2026-11-24T02:54:02.046140Z qemu-system-x86_64:"
    " Unknown savevm section or instance 'cpu_common' 1. Make sure that your current VM setup matches your saved VM"
    " setup, including any hotplugged devices\n"
)
CUT_OFF = "error: End of file while reading data: Input/output error\n"


@pytest.mark.parametrize(("command", "error", "doubtful"), [
    ("snapshot-revert", NOT_LOADED, 1),
    ("attach-device", CUT_OFF, 1),
    ("snapshot-delete", NOT_LOADED, 1),
    ("start", "error: Domain is already active\n", 0),
])  # fmt: skip
def test_command_that_failed_may_have_changed_something(command, error, doubtful):
    before = change_counter.count()
    with pytest.raises(errors.CommandFailed):
        virsh.Virsh(FakeCommands(error), "virsh", "qemu:///system").run(command, "x")
    assert change_counter.count() == (before[0], before[1] + doubtful)


def test_change_completed_before_the_connection_was_lost_succeeds():
    connection = virsh.Virsh(FakeCommands(DISCONNECTED.partition("error: failed")[0], rc=0), "virsh", "qemu:///system")
    assert connection.run("start", "x") == ""


@pytest.mark.parametrize(
    ("answer", "job"),
    [
        (virsh.Answer("Job type:         None        \n\n", None), ""),
        (virsh.Answer("Job type:         Unbounded   \nOperation:        Backup      \n", None), "backup"),
        (
            virsh.Answer("Job type:         Unbounded\nOperation:        Outgoing migration\n", None),
            "outgoing migration",
        ),
        (virsh.Answer("", "internal error: backup job data missing"), "backup"),
        (virsh.Answer("", "Requested operation is not valid: domain is not running"), ""),
        (virsh.Answer("", "this function is not supported by the connection driver: virDomainGetJobInfo"), ""),
        (virsh.Answer("", "failed to get domain 'x'"), ""),
    ],
)
def test_job_that_runs_on_a_vm(answer, job):
    """Recorded with libvirt 9.0.0."""
    assert virsh.job_in(answer) == job


def test_unknown_answer_about_a_job_is_an_error():
    with pytest.raises(errors.CommandFailed, match="access denied"):
        virsh.job_in(virsh.Answer("", "access denied"))
