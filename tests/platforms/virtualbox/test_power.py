# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop on the real VirtualBox: no display, a poweroff that fails or hangs, autostart."""

from __future__ import annotations

import shlex

import pytest

from platforms.virtualbox.tasks import task


def in_front(box, *rules):
    """An executable that records and forwards all calls; ``rules`` are (pattern, shell command to run first)."""
    cases = "".join(f"{pattern}) {command} ;;\n" for pattern, command in rules)
    notes, program = box.folder / "calls", box.folder / "front" / "VBoxManage"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {shlex.quote(str(notes))}\ncase "$*" in\n{cases}esac\n'
        f'exec {shlex.quote(str(box.executable))} "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


def last_calls(box, word):
    return [line for line in (box.folder / "calls").read_text(encoding="utf-8").splitlines() if word in line]


FAILS = "echo 'VBoxManage: error: Invalid machine state: Starting (must be Running, Paused or Stuck)' >&2; exit 1"
HANGS = "exec sleep 60"


@pytest.mark.parametrize("command", [FAILS, HANGS], ids=["fails", "hangs"])
def test_poweroff_that_fails_ends_the_process(box, command):
    """The driver then ends the VM's process (startvm --type emergencystop)."""
    uuid = box.make("deaf", "ignores")
    program = in_front(box, ("controlvm*poweroff", command))

    box.run("startvm", uuid, "--type", "headless")
    box.wait_for(uuid, "running")
    stopped = task(box, "deaf", state="stopped", config={}, executable=program).succeeded().vm
    assert (stopped["state"], stopped["reason"], box.state(uuid)) == ("stopped", "aborted", "aborted")
    assert last_calls(box, "emergencystop")
    assert not last_calls(box, "acpipowerbutton")


def test_vm_that_would_wait_for_another_host_is_not_started(box):
    """VBoxManage startvm does not return while the teleporter waits; the VM is then teleporting (incoming)."""
    uuid = box.make("web", "ignores")
    box.run("modifyvm", uuid, "--teleporter", "on", "--teleporter-port", 6000)
    for check in (True, False):
        done = task(box, "web", state="started", config={}, check=check)
        done.refused("web: its teleporter is enabled", "VBoxManage modifyvm web --teleporter off")
    assert box.state(uuid) == "poweroff"
    box.run("modifyvm", uuid, "--teleporter", "off")
    task(box, "web", state="started", config={}).succeeded()


def test_start_type_gui_without_a_display_is_explained(box):
    uuid = box.make("web")
    done = task(box, "web", state="started", config={}, start_type="gui")
    done.failed("web: ", "VERR_FILE_NOT_FOUND", "DISPLAY", "start_type: headless")
    assert box.state(uuid) == "poweroff"


def test_autostart_is_enabled_while_the_vm_runs(box_of_root):
    box = box_of_root
    uuid = box.make("web", "ignores")
    box.run("startvm", uuid, "--type", "headless")
    wanted = {"autostart": True, "native": {"autostart-delay": 7}}
    assert task(box, config=wanted).succeeded().changed
    output = box.run("showvminfo", uuid, "--machinereadable")
    assert 'autostart-enabled="on"\nautostart-delay=7\n' in output
    assert not task(box, config=wanted).succeeded().changed
    assert box.state(uuid) == "running"


def test_autostart_is_disabled_only_while_the_vm_is_stopped(box_of_root):
    """On a running VM, VBoxManage switches autostart on for every value, and reports success."""
    box = box_of_root
    uuid = box.make("web", "ignores")
    box.run("modifyvm", uuid, "--autostart-enabled", "on")
    box.run("startvm", uuid, "--type", "headless")
    box.run("controlvm", uuid, "autostart-enabled", "off")
    assert 'autostart-enabled="on"' in box.run("showvminfo", uuid, "--machinereadable")
    task(box, config={"autostart": False}).refused("autostart", "allow_restart")
    assert task(box, config={"autostart": False}, allow_restart=True).succeeded().changed
    assert 'autostart-enabled="off"' in box.run("showvminfo", uuid, "--machinereadable")
    assert box.state(uuid) == "running"


def test_host_without_autostart_is_reported_before_any_change(box):
    """VBoxManage itself prints an error and ends with 0."""
    uuid = box.make("web", "ignores")
    box.run("startvm", uuid, "--type", "headless")
    done = box.call("controlvm", uuid, "autostart-enabled", "on")
    assert (done.returncode, "database is not set" in done.stderr) == (0, True)
    for config in ({"autostart": True}, {"native": {"autostop-type": "savestate"}}):
        done = task(box, config=config, allow_restart=True)
        done.refused("setproperty autostartdbpath", next(iter(config)))
        assert not any(step["done"] for step in done.vm["steps"])
