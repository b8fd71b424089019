# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs, with real ones."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, command
from ansible_collections.polyvirt.core.plugins.module_utils._ports.clock import call_timeout
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed

from suite.limits import scaled, wait_until


def test_exit_code_is_returned_and_not_raised():
    argv = ["sh", "-c", "echo out; echo err >&2; exit 3"]
    assert Commands().run(argv) == Completed(tuple(argv), 3, "out\n", "err\n")


def test_no_shell_is_used():
    assert Commands().run(["echo", "a  b; $HOME"]).stdout == "a  b; $HOME\n"


def test_locale_is_c_and_other_variables_are_kept(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("KEPT", "1")
    output = Commands().run(["env"]).stdout.splitlines()
    assert {"LC_ALL=C.UTF-8", "LANGUAGE=C", "KEPT=1"} <= set(output)


def test_input_and_output_keep_all_bytes():
    assert Commands().run(["cat"], stdin="ü€\udcff").stdout == "ü€\udcff"


def test_stdin_is_empty_by_default():
    assert Commands().run(["cat"], timeout=60).stdout == ""


@pytest.mark.parametrize(("timeout", "waited"), [(None, 1), (50, 1), (0.5, 0.5)])
def test_call_times_out_after_the_ceiling(timeout, waited):
    with pytest.raises(errors.Timeout) as caught:
        Commands(maximum=1).run(["sleep", "60"], timeout=timeout)
    assert caught.value.waited == waited
    assert ("increase call_timeout" in str(caught.value)) == (waited == 1)


@pytest.mark.parametrize(
    ("asked", "variable", "seconds"), [(5, "7", 5), (None, "7", 7), (None, "", 3600), (None, None, 3600)]
)
def test_call_timeout(monkeypatch, asked, variable, seconds):
    monkeypatch.delenv("POLYVIRT_CALL_TIMEOUT", raising=False)
    if variable is not None:
        monkeypatch.setenv("POLYVIRT_CALL_TIMEOUT", variable)
    assert call_timeout(asked) == seconds


def test_invalid_call_timeout(monkeypatch):
    monkeypatch.setenv("POLYVIRT_CALL_TIMEOUT", "long")
    with pytest.raises(errors.InvalidInput, match="POLYVIRT_CALL_TIMEOUT: 'long'"):
        call_timeout(None)


def test_timeout_kills_the_process_group_and_does_not_show_input(tmp_path):
    child = tmp_path / "child"
    argv = ["sh", "-c", f"sleep 3600 & echo $! > {child}; wait"]
    # The shell starts its child before the timeout, also if many processes wait for a CPU.
    limit = scaled(2)
    with pytest.raises(errors.Timeout) as caught:
        Commands().run(argv, stdin="hush", timeout=limit)
    assert "sleep 3600" in str(caught.value) and "hush" not in str(caught.value)
    assert caught.value.waited == limit
    number = int(child.read_text())
    wait_until(lambda: has_ended(number), f"process {number} has ended")


def has_ended(pid):
    """Return whether a process has ended; a zombie (a killed child that nobody waits for) counts as ended."""
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_long_command_is_shortened_in_messages():
    with pytest.raises(errors.Timeout) as caught:
        Commands().run(["sh", "-c", f"sleep 60 # {'x' * 1000}"], timeout=0.2)
    assert len(str(caught.value)) < 300


def test_find_returns_an_absolute_path():
    assert os.path.isabs(Commands().find("sh"))
    assert Commands().find("/bin/sh") == "/bin/sh"


def test_find_takes_a_path_or_name_from_the_environment(tmp_path, monkeypatch):
    program = tmp_path / "own"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("POLYVIRT_QEMU_IMG", str(program))
    assert Commands().find("qemu-img") == str(program)
    monkeypatch.setenv("POLYVIRT_QEMU_IMG", "sh")
    assert Commands().find("qemu-img") == Commands().find("sh")
    monkeypatch.setenv("POLYVIRT_QEMU_IMG", str(tmp_path / "gone"))
    with pytest.raises(errors.Unavailable, match="gone is not an executable program"):
        Commands().find("qemu-img")


def test_path_of_a_task_and_an_empty_variable_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYVIRT_SH", str(tmp_path / "gone"))
    assert Commands().find("/bin/sh") == "/bin/sh"
    monkeypatch.setenv("POLYVIRT_SH", "")
    assert os.path.basename(Commands().find("sh")) == "sh"


def test_find_distinguishes_missing_from_not_on_path(tmp_path):
    with pytest.raises(errors.Unavailable, match="Install it") as caught:
        Commands().find("polyvirt-no-such-tool", hint="Install it.")
    assert caught.value.why == "not_on_path"
    (tmp_path / "plain").write_text("")
    for path in (tmp_path / "none", tmp_path / "plain", tmp_path):
        with pytest.raises(errors.Unavailable) as caught:
            Commands().find(str(path))
        assert caught.value.why == "missing"


def test_program_that_cannot_start_is_unavailable(tmp_path):
    with pytest.raises(errors.Unavailable):
        Commands().run([str(tmp_path / "none")])


def test_additional_variables_are_set_for_one_program_only():
    output = Commands().run(["env"], environment={"POLYVIRT_MORE": "1", "LC_ALL": "de_DE.UTF-8"}).stdout.splitlines()
    assert {"POLYVIRT_MORE=1", "LC_ALL=C.UTF-8"} <= set(output)
    assert "POLYVIRT_MORE=1" not in Commands().run(["env"]).stdout.splitlines()


@pytest.mark.parametrize(("script", "counted"), [("exit 0", (1, 0)), ("exit 1", (0, 0)), ("kill -9 $$", (0, 1))])
def test_program_that_was_killed_may_have_changed_something(script, counted):
    certain, doubtful = change_counter.count()
    Commands().run(["sh", "-c", script], writes=True)
    assert change_counter.count() == (certain + counted[0], doubtful + counted[1])


def test_environments_of_the_processes_of_a_program(tmp_path, monkeypatch):
    program = shutil.copy(shutil.which("sleep"), tmp_path / "pv-daemon")
    with subprocess.Popen([program, "600"], env={"A": "1=2", "B": ""}) as process:
        wait_until(lambda: command.environments_of("pv-daemon")[1], lambda: "the process has started")
        assert command.environments_of("pv-daemon") == (os.environ, {process.pid: {"A": "1=2", "B": "", "": ""}})
        assert command.environments_of("pv-other")[1] == {}
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert command.environments_of("pv-daemon")[1] == {}, "a zombie has no environment"
    monkeypatch.setattr(command.sys, "platform", "darwin")
    assert command.environments_of("pv-daemon")[1] is None
