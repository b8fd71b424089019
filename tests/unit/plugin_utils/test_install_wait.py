# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for an installer: parsing its console, and the end of the wait. Time advances only by requested pauses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import install_wait
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.install_progress import (
    Progress,
    last_lines,
    progress_of,
)
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks import progress_messages
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.platforms import Part

STATUS = (
    "\x1b[H\x1b[7m\x1b[m\x1b[32m\x1b[40m[      \x1b[37m\x1b[31m (\x1b[37m1*installer\x1b[31m)\x1b[37m  2 shell  4- log"
    "      \x1b[32m][\x1b[34m Nov 22 \x1b[37m13:02 \x1b[32m]\r\n\x1b[0m"
)
WORKING = f"{STATUS}Detecting network hardware  ... 2%... 95%... 100%\r\nFormatting partitions  {STATUS}... 2%"
ERROR = (
    f"{WORKING}... 8%\r\n{'-' * 76}\r\n!! ERROR: Bad archive mirror\r\n\r\nAn error has been detected while trying"
    f" to use the specified Debian archive mirror.\r\n\r\n[Press enter to continue] {STATUS}"
)
QUESTION = (
    "Detecting disks  ... 5%\n"
    + "-" * 76
    + "\nThe installer failed to download a file from the mirror.\n  1: Retry [*],  2: Change mirror,\n"
    "Prompt: '?' for help, default=1> "
)
DONE = f"{WORKING}... 100%\r\nRunning late commands ... 90%\r\npolyvirt-installed\r\n{STATUS}Finishing ... 99%"
PANIC = "[   18.1] Kernel panic - not syncing: Fatal exception in interrupt\n[   18.2] Rebooting in 10 seconds.."
OPENBSD = (
    'What timezone are you in? \nQuestion has no answer in response file: "what timezone are you in"\n'
    "failed; check /tmp/ai/ai.log\n"
)


#: How the installers show errors and questions, and what of it is the title. Written after their sources.
FAILURES = [
    (
        "kickstart",
        "\x1b[20;1HInstalling libgcc.x86_64 (3/331)\x1b[21;1H"
        "There was an error running the kickstart script at line 30.  This is a fatal error and installation will be "
        "aborted.  The details of this error are:\r\n\r\nsh: x: not found"
        "\r\n\x1b[24;1HPane is dead (status 1)",
        "There was an error running the kickstart script at line 30",
    ),
    (
        "kickstart",
        "[   34.5] anaconda[2628]: The exact error message is:\n\nNon interactive installation failed: no disk.\n\n"
        "The installer will now terminate.\n",
        "Non interactive installation failed: no disk.",
    ),
    (
        "kickstart",
        "\nAn error occurred during reading the kickstart file:\nUnknown command: foo\n\n"
        "The installer will now terminate.",
        "An error occurred during reading the kickstart file: Unknown command: foo",
    ),
    (
        "kickstart",
        "[  199.1] dracut-initqueue[450]: Warning: dracut-initqueue timeout - starting timeout scripts\r\n"
        "[  200.1] dracut-initqueue[450]: Warning: anaconda: failed to fetch stage2 from http://m.example.org/9\r\n"
        "\r\nEntering emergency mode. Exit the shell to continue.\r\n\r\ndracut:/# ",
        "anaconda: failed to fetch stage2 from http://m.example.org/9",
    ),
    (
        "kickstart",
        "[  199.1] dracut-initqueue[450]: Warning: dracut-initqueue timeout - starting timeout scripts\r\n"
        "Entering emergency mode. Exit the shell to continue.\r\ndracut:/# ",
        "dracut-initqueue timeout",
    ),
    (
        "kickstart",
        "1) Start VNC\n2) Use text mode\n\nPlease make a selection from the above ['c' to continue, 'q' to quit]: ",
        "Please make a selection from the above ['c' to continue, 'q' to quit]:",
    ),
    (
        "autoinstall",
        "start: subiquity/Install/postinstall/install_x: installing x\r\n"
        "finish: subiquity/Install/postinstall/install_x: FAIL: Command '[x]' returned non-zero exit status 100.\r\n"
        "start: subiquity/ErrorReporter/x/add_info:\r\nAn error occurred. Press enter to start a shell\r\n",
        "subiquity/Install/postinstall/install_x: FAIL: Command '[x]' returned non-zero exit status 100.",
    ),
    (
        "autoinstall",
        "finish: subiquity/Filesystem/apply_autoinstall_config: '/dev/sda1'\n"
        "start: subiquity/ErrorReporter/1/add_info:\nfinish: subiquity/ErrorReporter/1/add_info: written to 1.crash\n"
        "An error occurred. Press enter to start a shell\n",
        "subiquity/Filesystem/apply_autoinstall_config: '/dev/sda1'",
    ),
    ("autoinstall", "\n\nContinue with autoinstall? (yes|no)\n", "Continue with autoinstall?"),
    ("alpine", "x: not found\n\npolyvirt-failed: the script ended with 127\n", "the script ended with 127"),
]
STEPS = [
    ("kickstart", "Warning: dracut-initqueue timeout - starting timeout scripts", ""),
    (
        "kickstart",
        "\x1b[9;1HInstalling glibc.x86_64 (2/331)\x1b[10;1HInstalling bash.x86_64 (3/331)",
        "Installing bash.x86_64 (3/331)",
    ),
    (
        "autoinstall",
        "start: subiquity/Install/install/curtin_install: \r\nfinish: x: \r\n",
        "subiquity/Install/install/curtin_install",
    ),
    ("alpine", "Creating file systems...\nInstalling system on /dev/vda3:\n", "Installing system on /dev/vda3:"),
    ("alpine", "echo polyvirt-failed: x", ""),
]


@pytest.mark.parametrize(
    ("installer", "console", "expected"),
    [
        ("preseed", "", Progress("working")),
        ("preseed", "[    0.689534] ... booting", Progress("working")),
        ("preseed", WORKING, Progress("working", "Formatting partitions")),
        ("preseed", ERROR, Progress("waiting", "Bad archive mirror")),
        (
            "preseed",
            QUESTION,
            Progress(
                "waiting",
                "The installer failed to download a file from the mirror. 1: Retry [*], 2: Change mirror, Prompt: '?'"
                " for help, default=1>",
            ),
        ),
        ("preseed", DONE, Progress("finished")),
        # A file that contains the marker is not the end.
        ("preseed", "echo polyvirt-installed", Progress("working")),
        ("preseed", PANIC, Progress("crashed", "Kernel panic - not syncing: Fatal exception in interrupt")),
        (
            "openbsd",
            OPENBSD,
            Progress("waiting", 'Question has no answer in response file: "what timezone are you in"'),
        ),
        ("openbsd", "install.site failed\nfailed; check /tmp/ai/ai.log\n", Progress("waiting", "install.site failed")),
        (
            "openbsd",
            "No sets. Continue without verification? [no] no\n\nfailed; check /tmp/ai/ai.log\n"
            "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? ",
            Progress("waiting", "No sets. Continue without verification? [no] no"),
        ),
        ("openbsd", "CONGRATULATIONS! Your OpenBSD install has been successfully completed!", Progress("finished")),
        ("kickstart", f"{WORKING}\npolyvirt-installed\n", Progress("finished")),
        ("windows", ERROR, Progress("working")),
        *((installer, text, Progress("waiting", title)) for installer, text, title in FAILURES),
        *((installer, text, Progress("working", step)) for installer, text, step in STEPS),
    ],
)
def test_progress_of_console(installer, console, expected):
    assert progress_of(installer, console) == expected


def test_last_lines_have_no_control_sequences():
    assert last_lines(ERROR, 1) == "[Press enter to continue]"


_ID = "0a1b2c3d-0000-4000-8000-000000000001"


class Waiting(install_wait.InstallWait):
    """A VM with a state and console text for each read; the last ones are repeated."""

    def __init__(self, reads):
        self.reads, self.now, self.shown = list(reads), 0, []
        self._task = SimpleNamespace(no_log=False)
        self.sleep = self._pass
        self.clock = self._time

    def _time(self):
        return self.now

    def _pass(self, seconds):
        self.now += seconds
        if len(self.reads) > 1:
            del self.reads[0]

    def _state(self, part, task_vars):
        state, _console, *used = self.reads[0]
        return (None, None, "no answer", None) if state is None else (state, *(used or [None]), None, _ID)

    def _console(self, options, part, running_id):
        return self.reads[0][1]


def wait(monkeypatch, *reads, installer="preseed", timeout=600, ends="stop", **more):
    waiting = Waiting(reads)
    monkeypatch.setattr(
        progress_messages.Display, "display", lambda _self, text: waiting.shown.append((waiting.now, text))
    )
    options = {
        "name": "web1",
        "installer": installer,
        "timeout": timeout,
        "ends": ends,
        "console_log": "/var/log/web1.log",
        **more,
    }
    return waiting, waiting._wait(Part("libvirt", "virsh_vm_info", {}), options, {}, 0)


def test_vm_that_stops_after_the_last_step_is_installed(monkeypatch):
    _waiting, result = wait(monkeypatch, ("running", WORKING), ("running", DONE), ("stopped", DONE))
    assert result == {"outcome": "finished"}


def test_vm_that_stops_before_the_last_step_is_not_installed(monkeypatch):
    _waiting, result = wait(monkeypatch, ("running", WORKING), ("stopped", WORKING))
    assert result["outcome"] == "failed"
    assert "web1: the installation failed: the VM is stopped, but the installation was not completed." in result["msg"]
    assert "The console is in /var/log/web1.log." in result["msg"]


def test_log_that_is_written_a_moment_later_is_read_again(monkeypatch):
    reads = [("running", WORKING), ("stopped", WORKING), ("stopped", DONE)]
    assert wait(monkeypatch, *reads)[1] == {"outcome": "finished"}
    _waiting, result = wait(monkeypatch, ("running", WORKING), ("stopped", WORKING), timeout=1)
    assert result["outcome"] == "failed"


def test_vm_that_was_deleted_is_not_installed(monkeypatch):
    _waiting, result = wait(monkeypatch, ("absent", DONE))
    assert result["title"] == "the VM is absent, but the installation was not completed."


@pytest.mark.parametrize(("console", "title"), [(ERROR, "Bad archive mirror"), (PANIC, "Kernel panic - not syncing")])
def test_error_ends_the_wait_with_its_title(monkeypatch, console, title):
    waiting, result = wait(monkeypatch, ("running", WORKING), ("running", console))
    assert (result["outcome"], waiting.now <= 20) == ("failed", True)
    assert result["title"].startswith(title)
    assert f"web1: the installation failed: {title}" in result["msg"]


def test_question_that_an_installer_answers_itself_is_not_an_error(monkeypatch):
    reads = [("running", ERROR), ("running", ERROR + "\nRetrying ... 10%"), ("stopped", DONE)]
    assert wait(monkeypatch, *reads)[1] == {"outcome": "finished"}


def test_progress_message_every_30_seconds(monkeypatch):
    waiting, result = wait(monkeypatch, ("running", WORKING), timeout=100)
    assert result["outcome"] == "timeout"
    assert "The last step was: Formatting partitions. Run it again to wait longer." in result["msg"]
    assert [now for now, _text in waiting.shown] == [10, 40, 70]
    assert waiting.shown[0][1] == "web1: installing: Formatting partitions (10 s)"


def test_each_step_is_shown(monkeypatch):
    next_step = WORKING.replace("Formatting partitions", "Installing the base system")
    waiting, _result = wait(monkeypatch, ("running", WORKING), ("running", WORKING), ("running", next_step), timeout=25)
    assert waiting.shown == [
        (10, "web1: installing: Formatting partitions (10 s)"),
        (20, "web1: installing: Installing the base system (20 s)"),
    ]


def test_vm_that_has_not_stopped_yet_after_the_last_step(monkeypatch):
    waiting, _result = wait(monkeypatch, ("running", DONE), timeout=50)
    assert waiting.shown[0][1] == "web1: all steps are done; waiting until the VM stops (10 s)"


def test_single_failed_reads_are_not_an_error(monkeypatch):
    reads = [(None, WORKING), (None, WORKING), ("running", DONE), ("stopped", DONE)]
    assert wait(monkeypatch, *reads)[1] == {"outcome": "finished"}
    result = wait(monkeypatch, (None, WORKING))[1]
    assert (result["outcome"], result["msg"]) == ("unknown", "web1: no answer")


def test_manual_installation_ends_with_the_vm(monkeypatch):
    waiting, result = wait(monkeypatch, *[("running", "")] * 5, ("stopped", ""), installer="manual")
    assert result == {"outcome": "finished"}
    assert "install it at its console" in waiting.shown[0][1]


def test_installer_that_restarts_the_vm(monkeypatch):
    done = "CONGRATULATIONS! Your OpenBSD install has been successfully completed!"
    assert wait(monkeypatch, ("running", done), installer="openbsd", ends="restart")[1] == {"outcome": "finished"}


def test_windows_that_is_off_without_its_last_line_is_not_installed(monkeypatch):
    _waiting, result = wait(monkeypatch, ("stopped", ""), installer="windows", console_log=None, ends="restart")
    assert result["title"] == "the VM is stopped, but the installation was not completed."
    reads = [("running", ""), ("running", "polyvirt-installed\r\n")]
    result = wait(monkeypatch, *reads, installer="windows", console_log=None, ends="restart")[1]
    assert result == {"outcome": "finished"}


@pytest.mark.parametrize(
    ("platform", "installer", "running_id", "is_read"),
    [
        ("hyperv", "windows", _ID, True),
        ("hyperv", "windows", None, False),
        ("hyperv", "manual", _ID, False),
        ("libvirt", "windows", _ID, False),
    ],
)
def test_report_of_windows_is_read_from_hyperv(platform, installer, running_id, is_read):
    action, sent = install_wait.InstallWait.__new__(install_wait.InstallWait), []
    action._low_level_execute_command = lambda command: sent.append(command) or {"stdout": "polyvirt-installed"}
    options = {"console_log": None, "installer": installer}
    found = action._console(options, Part(platform, "", {}), running_id)
    assert (found == "polyvirt-installed", len(sent), _ID in "".join(sent)) == (is_read, is_read, is_read)


MIB = 1 << 20


def _windows(monkeypatch, *used):
    """The end of the wait for an installer, by what its disks use at each read."""
    reads = [("running", "", one) for one in used]
    return wait(monkeypatch, *reads, installer="windows", start_timeout=300)


def test_installer_that_writes_nothing_has_not_started(monkeypatch):
    waiting, result = _windows(monkeypatch, MIB)
    assert (result["failed"], result["outcome"], waiting.now) == (True, "not_started", 300)
    assert "web1: the installer has not started" in result["msg"] and "with boot_key_seconds" in result["msg"]


@pytest.mark.parametrize(
    "used",
    [
        (MIB, MIB, 2 * MIB),
        # The next run continues to wait for an installer that has written much, and pauses.
        (900 * MIB,),
        # The platform does not report it.
        (None,),
    ],
)
def test_installer_that_writes_may_take_its_time(monkeypatch, used):
    waiting, result = _windows(monkeypatch, *used)
    assert (result["outcome"], waiting.now) == ("timeout", 600)


def test_use_of_the_disks_is_read_only_if_it_matters():
    action = install_wait.InstallWait.__new__(install_wait.InstallWait)
    action._default_platform = lambda _task_vars: "libvirt"
    options = {"name": "web1", "options": {}, "platform": "libvirt"}
    facets = [action._part({**options, **more}, {}).arguments["facets"] for more in ({}, {"start_timeout": 300})]
    assert facets == [["power"], ["power", "counters"]]
