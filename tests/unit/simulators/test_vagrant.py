# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Vagrant says what the real one said, and goes wrong when told to."""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import (
    vagrant,
    vagrant_folder,
    vagrant_output,
    vagrantfile,
)

from platforms.vagrant import double_project
from platforms.vagrant.session import PROJECT, transcript
from platforms.virtualbox import double_registry as vbox
from suite.limits import wait_until
from unit.module_utils._engine.world import FakeClock
from unit.module_utils._tools.vagrant_recordings import recorded, session_transcript

#: What libvirt is told about a new machine, line by line: nobody reads it.
_SETTINGS = re.compile(
    r"^TIME,web,ui,info,==> web: (?: -- .*|Creating domain with the following settings\.\.\.)\n", re.M
)


def project(provider, **machine):
    return {"machines": [{"name": "web", "provider": provider, "box": "polyvirt/fast", **machine}]}


@pytest.fixture(name="double")
def _double(tmp_path):
    """A project with one machine of libvirt."""
    found = double_project.Vagrant(tmp_path / "libvirt", "proj")
    found.write(vagrantfile.render(project("libvirt")))
    return found


def tool_of(played, **options):
    environment = played.environment()
    file = environment.pop("VAGRANT_VAGRANTFILE")
    return vagrant.Vagrant(Commands(), environment.pop("VAGRANT_CWD"), file, environment=environment,
                           executable=str(played.executable), **options)  # fmt: skip


def state(played, name="web"):
    return vagrant_output.statuses(vagrant_output.rows(played.call("status", "--machine-readable").stdout))[name].state


def dotfile(played):
    return str(played.project / ".vagrant")


def test_a_session_is_word_for_word_the_recorded_one(tmp_path):
    played = double_project.Vagrant(tmp_path, "pvv-session")
    played.write(vagrantfile.render(PROJECT))
    assert transcript(played.call, tmp_path) == _SETTINGS.sub("", session_transcript())


def test_it_is_a_program_like_the_real_one(double):
    tool = tool_of(double)
    assert tool.version() == (2, 3, 4)
    tool.run("up", "web")
    assert vagrant_output.statuses(tool.read("status"))["web"].state == "running"
    assert vagrant_output.ssh_configs(tool.read("ssh-config"))["web"].port == 22
    made = vagrant_folder.created_vms(files, dotfile(double))["web"]
    assert (made.provider, made.box, made.is_provisioned) == ("libvirt", ("polyvirt/fast", "0"), True)
    assert double.calls() == [["--version"], ["up", "web"], ["status"], ["ssh-config"]]
    with pytest.raises(vagrant.VagrantFailed) as caught:
        tool.run("up", "nosuch")
    assert vagrant.is_unknown_vm(caught.value)


def test_status_forgets_a_machine_that_its_provider_does_not_know_and_a_copy_keeps_it(double, tmp_path):
    double.call("up")
    with_machine = vagrant_folder.created_vms(files, dotfile(double))
    double.change(machines={})
    vagrant_folder.copy(files, dotfile(double), str(tmp_path / "copy"))
    said = tool_of(double, dotfile=str(tmp_path / "copy")).read("status")
    assert vagrant_output.statuses(said)["web"].state == "not_created"
    assert vagrant_folder.created_vms(files, dotfile(double)) == with_machine
    assert state(double) == "not_created"
    assert vagrant_folder.created_vms(files, dotfile(double)) == {}


def test_a_halt_that_hangs_holds_the_machine_until_it_is_killed(double):
    double.call("up")
    double.change(guests={"web": "hangs"})
    with subprocess.Popen([double.executable, "halt"], env=double.environment(), stdout=subprocess.DEVNULL) as halting:
        double.wait_until_it_hangs("web")
        assert "another process is already executing an action" in double.call("up").stderr
        assert state(double) == "running"
        assert halting.poll() is None
        halting.kill()
    # What runs in its place ends a moment after it.
    wait_until(lambda: double.call("halt", "--force").returncode == 0, "the killed halt lets the machine go", 30)
    assert state(double) == "shutoff"


def test_a_deaf_guest_is_cut_off_by_a_halt_that_was_meant_kindly(double):
    double.clock = FakeClock()
    double.write(vagrantfile.render(project("libvirt", native={"vm.graceful_halt_timeout": 100})))
    double.call("up")
    double.change(guests={"web": "deaf"})
    halted = double.call("halt")
    said = recorded("halt", says="Halting domain")
    assert (halted.returncode, halted.stdout) == (said.rc, said.stdout)
    assert double.clock.now() == 100
    assert state(double) == "shutoff"


@pytest.mark.parametrize(
    ("known", "provider", "kind"),
    [
        ({"usable": []}, "hyperv", "ProviderNotUsable"),
        ({"known": ["virtualbox"], "usable": []}, "libvirt", "ProviderNotFound"),
    ],
)
def test_a_provider_that_is_not_there(double, known, provider, kind):
    double.change(**known)
    answer = double.call("up", f"--provider={provider}", "--machine-readable")
    assert vagrant_output.failure(vagrant_output.rows(answer.stdout)).kind == kind


def test_environment_goes_before_the_provider_of_the_file(tmp_path):
    played = double_project.Vagrant(tmp_path, "proj", usable=["libvirt", "virtualbox"])
    played.write(vagrantfile.render(project("virtualbox")))
    for provider in ("libvirt", ""):
        answer = played.call("status", "--machine-readable", VAGRANT_DEFAULT_PROVIDER=provider)
        assert f"provider-name,{provider or 'virtualbox'}" in answer.stdout


def double_of(folder, provider):
    played = double_project.Vagrant(folder / provider, "proj", usable=[provider])
    played.write(vagrantfile.render(project(provider)))
    return played


def test_machines_of_virtualbox_are_those_of_vboxmanage(tmp_path, monkeypatch):
    with vbox.VirtualBox(tmp_path / "vbox") as box:
        monkeypatch.setenv("PATH", f"{box.executable.parent}:/usr/bin:/bin")
        played = double_of(tmp_path, "virtualbox")
        played.call("up")
        identifier = vagrant_folder.created_vms(files, dotfile(played))["web"].id
        assert (state(played), box.state(identifier)) == ("running", "running")
        played.call("suspend")
        assert (state(played), box.state(identifier)) == ("saved", "saved")
        discarded = played.call("halt")
        assert (discarded.stdout, state(played)) == ("==> web: Discarding saved state of VM...\n", "poweroff")
        played.call("up")
        box.run("controlvm", identifier, "poweroff")
        assert state(played) == "poweroff"
        played.call("snapshot", "save", "web", "s1")
        listed = vagrant_output.snapshots(
            vagrant_output.rows(played.call("snapshot", "list", "--machine-readable").stdout)
        )
        assert listed == {"web": ["s1"]}
        played.call("destroy", "-f")
        assert box.call("list", "vms").stdout == ""


def test_a_file_that_somebody_wrote_by_hand(double):
    text = 'Vagrant.configure("2") do |config|\n  config.vm.box = "polyvirt/fast"\n{}end\n'
    double.write(text.format(""), "Vagrantfile")
    own = {"VAGRANT_VAGRANTFILE": ""}
    assert "state,not_created" in double.call("status", "--machine-readable", **own).stdout
    assert ",default,state," in double.call("status", "--machine-readable", **own).stdout
    double.write(text.format('  config.vm.define "db", autostart: false\n  config.vm.define :web\n'), "Vagrantfile")
    double.call("up", **own)
    assert set(vagrant_folder.created_vms(files, dotfile(double))) == {"web"}


@pytest.mark.parametrize(
    ("text", "environment", "told"),
    [
        ("Vagrant.configure do |c|\n", {}, "syntax error"),
        ("", {"VAGRANT_CWD": "/nonexistent-dir"}, "/nonexistent-dir"),
    ],
)
def test_what_ends_a_call_early(double, text, environment, told):
    double.write(text)
    answer = double.call("status", "--machine-readable", **environment)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("Vagrant failed to initialize at a very early stage:\n\n")
    assert told in answer.stderr
