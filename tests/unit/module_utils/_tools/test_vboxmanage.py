# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of VBoxManage: when a call fails, the message and the kind of error, on recorded calls of 7.2.22."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from platforms.virtualbox.double.commands import COMMANDS
from unit.module_utils._engine.world import FakeClock
from unit.module_utils._tools.vbox_recordings import call_that_prints, calls, recorded

PREDICATES = (vboxmanage.is_not_found, vboxmanage.is_held)


@pytest.fixture(autouse=True)
def _of_a_plan():
    """The calls of these tests are those of a plan that lists all of them."""
    with permits.granted(permits.ANYTHING):
        yield


class FakeCommands(Commands):
    """Commands that end with the given exit code and output."""

    def __init__(self, rc=0, stdout="", stderr=""):
        self._end = (rc, stdout, stderr)
        self.calls = 0

    def find(self, name_or_path, hint=None):
        return name_or_path

    def run(self, argv, **options):
        self.calls += 1
        return Completed(tuple(argv), *self._end)


def replaying(call):
    """A tool; all its calls have the result of the recorded call."""
    return VBoxManage(FakeCommands(call.rc, call.stdout, call.stderr))


def failure(call):
    with pytest.raises(errors.CommandFailed) as caught:
        replaying(call).run(*call.argv[1:])
    return caught.value


@pytest.mark.parametrize("call", calls(), ids=lambda call: " ".join(call.argv[1:3]))
def test_exactly_the_calls_that_print_an_error_fail(call):
    if "VBoxManage: error: " in call.stderr or call.rc != 0:
        assert failure(call).rc == call.rc
    else:
        assert replaying(call).run(*call.argv[1:]) == call.stdout


def test_vm_without_snapshots_is_not_an_error():
    call = call_that_prints("This machine does not have any snapshots\n")
    snapshots = VBoxManage(FakeCommands(1, "This machine does not have any snapshots\n", ""))
    assert call.rc == 1
    assert snapshots.read("snapshot", "u", "list", "--machinereadable") == ""


def test_list_with_an_inaccessible_vm_is_read():
    stderr = (
        "VBoxManage: error: Runtime error opening '/v/gone.vbox' for reading VERR_FILE_NOT_FOUND (File not found.).\n"
    )
    tool = VBoxManage(FakeCommands(0, recorded("list-long-vms-inaccessible"), stderr))
    assert "<inaccessible!>" in tool.read("list", "--long", "vms")


def test_output_cut_off_by_the_locale_is_an_error():
    with pytest.raises(errors.CommandFailed, match=r"incomplete line.*UTF-8"):
        VBoxManage(FakeCommands(0, recorded("list-vms-locale-c"))).read("list", "vms")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Failed to create medium",
            "Failed to create medium; Could not create the medium storage unit '/home/v/vms/a.vdi'.; "
            "VDI: cannot create image '/home/v/vms/a.vdi' (VERR_ALREADY_EXISTS)",
        ),
        ("Unknown option: --nosuch", "Unknown option: --nosuch"),
        ("Invalid command 'nosuch'", "Invalid command 'nosuch'"),
        ("driverless mode", "Cannot attach to 'intnet' in driverless mode (VERR_SUP_DRIVERLESS)"),
        ("Machine in invalid state 8", "Machine in invalid state 8 -- guru meditation."),
        ("Machine delete failed", "Machine delete failed; Cannot close medium"),
        ("The object functionality is limited", "The object functionality is limited"),
    ],
)
def test_error_message_omits_progress_usage_and_internal_details(text, reason):
    message = failure(call_that_prints(text)).message
    assert f" failed: {reason}" in message
    for noise in ("%...", "Usage", "Details:", "Context:", "Oracle", "\n"):
        assert noise not in message


def test_repeated_error_lines_are_shown_once():
    assert failure(call_that_prints("Unknown option: --nosuch")).message.count("Unknown option") == 1


def test_error_contains_the_command_and_virtualboxs_error_code():
    call = call_that_prints("while it is locked")
    assert failure(call).message.startswith(
        f"VBoxManage unregistervm {call.argv[2]} --delete failed: Cannot unregister"
    )
    assert "VBOX_E_INVALID_OBJECT_STATE" in failure(call).stderr


def test_error_contains_a_name_with_a_line_break():
    stderr = (
        "VBoxManage: error: Could not find a registered machine named 'a\nb'\n"
        "VBoxManage: error: Details: code VBOX_E_OBJECT_NOT_FOUND (0x80bb0001), component VirtualBoxWrap\n"
    )
    assert failure(Completed(("VBoxManage", "x"), 1, "", stderr)).message.endswith("named 'a; b'.")


def test_failure_without_output_reports_the_exit_code():
    call = next(call for call in calls() if call.argv[1:] == ("showvminfo",))
    assert call.stderr == ""
    assert "exit code 1 without an error message" in failure(call).message


def test_fatal_error_of_the_runtime_is_reported():
    call = Completed(("VBoxManage", "x"), 3, "", "VBoxManage: fatal error: RTR3Init: VERR_NO_TRANSLATION\n")
    assert failure(call).message == "VBoxManage x failed: RTR3Init: VERR_NO_TRANSLATION"


@pytest.mark.parametrize("missing", ["machine", "snapshot", "medium", "controller", "slot", "shared_folder"])
def test_missing_objects_are_distinguished_by_kind(missing):
    errors_by_kind = {
        "machine": "Could not find a registered machine with UUID {",
        "snapshot": "Could not find a snapshot with UUID {",
        "medium": "Could not find file for the medium '",
        "controller": "Could not find a storage controller named '",
        "slot": "No storage device attached to device slot ",
        "shared_folder": "Could not find a shared folder named '",
    }
    error = failure(call_that_prints(errors_by_kind[missing])).stderr
    assert {kind for kind in errors_by_kind if vboxmanage.is_not_found(error, kind)} == {missing}


@pytest.mark.parametrize(
    ("predicate", "text"),
    [
        (vboxmanage.is_not_found, "Could not find a registered machine with UUID {"),
        (vboxmanage.is_held, "already locked for a session"),
        (vboxmanage.is_held, "already locked by a session"),
        (vboxmanage.is_held, "while it is locked"),
    ],
)
def test_recorded_error_matches_only_its_predicate(predicate, text):
    error = failure(call_that_prints(text)).stderr
    assert [each for each in PREDICATES if each(error)] == [predicate]


def test_read_is_retried_for_a_limited_time_while_the_daemon_starts():
    commands, clock = FakeCommands(1, "", "VBoxManage: error: Failed to create the VirtualBox object!\n"), FakeClock()
    with pytest.raises(errors.CommandFailed, match="Failed to create the VirtualBox object!"):
        VBoxManage(commands, clock=clock).read("list", "vms")
    assert (commands.calls, 10 < clock.now() < 20) == (11, True)


def test_incomplete_output_is_read_again_a_few_times():
    commands, clock = FakeCommands(0, "whole or not\n", "VBoxManage: error: The object is not ready\n"), FakeClock()
    assert VBoxManage(commands, clock=clock).read("list", "vms") == "whole or not\n"
    assert (commands.calls, 0 < clock.now() < 1) == (4, True)


def test_read_with_a_permanent_error_is_not_retried():
    commands, clock = FakeCommands(1, "", "VBoxManage: error: The object functionality is limited\n"), FakeClock()
    with pytest.raises(errors.CommandFailed, match="functionality is limited"):
        VBoxManage(commands, clock=clock).read("list", "vms")
    assert (commands.calls, clock.now()) == (1, 0)


@pytest.mark.parametrize("predicate", [*PREDICATES, vboxmanage.is_locked])
def test_predicates_are_false_without_a_matching_error(predicate):
    assert not predicate(None)
    assert not predicate("The graphics controller does not support the given feature")


def test_oldest_supported_version_is_accepted():
    assert VBoxManage(FakeCommands(0, "6.1.0r135406\n")).version() == (6, 1, 0)


def test_other_program_of_that_name_is_rejected():
    with pytest.raises(errors.Unavailable, match="reports no version: 'hello'"):
        VBoxManage(FakeCommands(0, "hello\n")).version()


def test_missing_virtualbox_names_the_remedy():
    with pytest.raises(errors.Unavailable, match="Install VirtualBox") as caught:
        VBoxManage(Commands(), "VBoxManage-that-is-not-here").run("list", "vms")
    assert caught.value.why == "not_on_path"


@pytest.mark.parametrize(("text", "doubtful"), [
    ("Failed to save machine state", 1),
    ("Code NS_ERROR_CALL_FAILED (0x800706be) - Call to remote object failed (extended info not available)", 1),
    ("Code NS_ERROR_ABORT (0x80004004) - Operation aborted (extended info not available)", 1),
    # Also seen when the VM's process ends after the change.
    ("The object is not ready", 1),
    ("Machine 'x' is not currently running", 0),  # Of 6.1, without a full stop.
    ("Could not find a registered machine named 'x'", 0),
    ("The machine 'x' is already locked for a session (or being unlocked)", 0),
    ("Already paused", 0),
    ("Invalid machine state: Paused", 0),
    ("Machine in invalid state 8 -- guru meditation.", 0),
    ("The machine is not mutable or running (state is Saved)", 0),
    ("Cannot delete the current state of the running machine (machine state: Running)", 0),
])  # fmt: skip
def test_failed_change_may_have_been_made_unless_it_was_rejected(text, doubtful):
    before = change_counter.count()
    with pytest.raises(errors.CommandFailed):
        VBoxManage(FakeCommands(1, "", f"VBoxManage: error: {text}\n")).run("modifyvm", "x", "--cpus", "2")
    assert change_counter.count() == (before[0], before[1] + doubtful)


# The registry ---------------------------------------------------------------------------------------------------------

HOME = {"HOME": "/home/v"}
OWN, SOCKET = {**HOME, "VBOX_USER_HOME": "/srv/own"}, {"VBOX_IPC_SOCKETID": "own"}
OTHER = {**HOME, "VBOX_USER_HOME": "/srv/other"}


def _with_daemon(monkeypatch, own, daemon):
    daemons = None if daemon is None else {77: daemon}
    monkeypatch.setattr(vboxmanage, "environments_of", lambda program: (own, daemons if program == "VBoxSVC" else {}))
    return FakeCommands(0, "x\n")


@pytest.mark.parametrize(
    ("own", "daemon", "texts"),
    [
        (OWN, OTHER, ["is /srv/own", "uses /srv/other: its process VBoxSVC (77)"]),
        (OWN, HOME, ["is /srv/own", "uses /home/v/.config/VirtualBox"]),
        (HOME, OTHER, ["is /home/v/.config/VirtualBox", "uses /srv/other"]),
        ({**OWN, **SOCKET}, {**OTHER, **SOCKET}, ["uses /srv/other"]),
        ({**OWN, "VBOX_IPC_SOCKETID": ""}, OTHER, ["uses /srv/other"]),
        (OWN, None, ["VBOX_USER_HOME is /srv/own", "does not report"]),
    ],
)
def test_registry_of_the_daemon_is_another_than_that_of_the_task(monkeypatch, own, daemon, texts):
    port = _with_daemon(monkeypatch, own, daemon)
    for call in (VBoxManage(port).read, VBoxManage(port).run):
        with pytest.raises(errors.Refused) as caught:
            call("list", "vms")
        assert all(text in caught.value.message for text in texts), caught.value.message
        assert "VBOX_IPC_SOCKETID" in caught.value.remedy
        assert port.calls == 1, "only the read is done"


@pytest.mark.parametrize(
    ("own", "daemon"),
    [
        (OWN, {**OWN, "HOME": "/other"}),
        ({**OWN, "VBOX_USER_HOME": "/srv//own/."}, OWN),
        ({**HOME, "XDG_CONFIG_HOME": "/home/v/.config"}, HOME),
        ({**OWN, **SOCKET}, OTHER),
        (OWN, {**OTHER, **SOCKET}),
        (HOME, None),
        ({**OWN, **SOCKET}, None),
    ],
)
def test_registry_of_the_daemon_is_that_of_the_task(monkeypatch, own, daemon):
    tool = VBoxManage(_with_daemon(monkeypatch, own, daemon))
    assert (tool.read("list", "vms"), tool.run("list", "vms")) == ("x\n", "x\n")


def test_older_default_registry_is_used_if_it_exists(monkeypatch, tmp_path):
    (tmp_path / ".VirtualBox").mkdir()
    older = {"VBOX_USER_HOME": str(tmp_path / ".VirtualBox")}
    assert VBoxManage(_with_daemon(monkeypatch, {"HOME": str(tmp_path)}, older)).read("list", "vms")


# What it may destroy --------------------------------------------------------------------------------------------------

ID, ANOTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
THINGS = frozenset({("vm", "whole"), ("memory", ID), ("state", ID), ("snapshot", ID, "s"), ("medium", ID)})


@pytest.mark.parametrize(
    "words",
    [
        ("unregistervm", ID, "--delete"),
        ("unregistervm", ID),
        ("discardstate", ANOTHER),
        ("snapshot", ANOTHER, "restore", "s"),
        ("snapshot", ID, "delete", "t"),
        ("snapshot", ID, "restorecurrent"),
        ("closemedium", "disk", ANOTHER, "--delete"),
        ("movevm", ID),
        ("sharedfolder", "modify", ID),
        ("dhcpserver", "remove"),
        ("snapshot",),
    ],
    ids=" ".join,
)
def test_command_that_is_in_no_plan(words):
    port = FakeCommands(0, "x\n")
    with permits.granted(Permit((), THINGS)):
        for call in (VBoxManage(port).run, VBoxManage(port).read):
            with pytest.raises(errors.Refused, match="does not list"):
                call(*words)
    assert port.calls == 0


@pytest.mark.parametrize(
    "words",
    [
        ("unregistervm", "whole", "--delete"),
        ("snapshot", "whole", "delete", "any"),
        ("discardstate", ID),
        ("snapshot", ID, "restore", "s"),
        ("snapshot", ID, "delete", "s"),
        ("closemedium", "disk", ID, "--delete"),
        ("closemedium", "disk", ANOTHER),
        ("snapshot", ANOTHER, "take", "delete"),
        ("modifyvm", ANOTHER, "--cpus", "2"),
    ],
    ids=" ".join,
)
def test_command_of_a_plan(words):
    with permits.granted(Permit((), THINGS)):
        assert VBoxManage(FakeCommands(0, "x\n")).run(*words) == "x\n"


def test_every_command_of_the_product_is_in_a_table():
    """Words of which the double knows that they are commands."""
    known = {word.split()[0] for word in vboxmanage._KNOWN | vboxmanage._DESTROYS.keys()}
    utils = Path(vboxmanage.__file__).parents[1]
    places = [*(utils / "_drivers" / "vbox").rglob("*.py"), utils / "_drivers" / "vagrant" / "in_virtualbox.py"]
    words = {
        node.value
        for file in (*places, *(utils / "_tools").glob("vboxmanage*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert (words & COMMANDS.keys()) <= known
    assert known - COMMANDS.keys() == {"--version"}
