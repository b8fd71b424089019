# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source with programs in place of ansible-inventory and virsh; tests/suite/test_events.py has real ones."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import shlex
import stat
import subprocess
import sys

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.texts import is_harmless

from suite.event_source import PATH, running
from suite.templates import TEMPLATES

_INVENTORY = """\
#!/bin/sh
echo "$@" >> readings
. ./answer
sleep $pause & echo $! >> pids
wait
cat listed.json
. ./answer
echo "$said" >&2
exit $code
"""
_VIRSH = """\
#!/bin/sh
echo "$@" >> virsh-started
exec cat reports
"""
SOON = 0.05
_WORD = "s3cret-of-a-vm"


class Programs:
    """Both programs, and what they answer."""

    def __init__(self, folder):
        self.folder = folder
        for name, text in (("ansible-inventory", _INVENTORY), ("virsh", _VIRSH)):
            path = folder / name
            path.write_text(text, encoding="utf-8")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        os.mkfifo(folder / "reports")
        self._answers = {"pause": 0, "code": 0, "said": ""}
        self.answer()
        self.list()

    def answer(self, **answers):
        self._answers.update(answers)
        lines = [f"{name}={shlex.quote(str(value))}\n" for name, value in self._answers.items()]
        self.write("answer", "".join(lines))

    def write(self, name, text):
        """Replace a file at once: a program may be reading it."""
        (self.folder / "new").write_text(text, encoding="utf-8")
        (self.folder / "new").rename(self.folder / name)

    def list(self, unread=(), **states):
        """List VMs of the source ``hv``, by name and state; and a host that is no VM."""
        hostvars = {
            name: {
                "polyvirt_name": {"__ansible_unsafe": name},
                "polyvirt_id": f"id-{name}",
                "polyvirt_source": "hv",
                "polyvirt_state": state,
                "polyvirt_description": _WORD,
                "ansible_password": _WORD,
            }
            for name, state in states.items()
        }
        listed = {"_meta": {"hostvars": {**hostvars, "hv1": {"ansible_host": "x"}}}}
        if unread:
            listed["all"] = {"vars": {"polyvirt_unread_sources": list(unread)}}
        self.write("listed.json", json.dumps(listed))

    def lines(self, name):
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    async def read_again(self, source, times=2):
        """Wait until the inventory was read once from the beginning to the end."""
        count = len(self.lines("readings")) + times
        await source.until(lambda: len(self.lines("readings")) >= count)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return Programs(tmp_path)


def test_changes_between_readings_are_events_once(programs):
    async def watch():
        programs.list(web="stopped", db="running")
        async with running(inventory="site.polyvirt.yml", interval=SOON) as source:
            await programs.read_again(source)
            programs.list(web="running", new="stopped")
            reported = await source.sent(3)
            await programs.read_again(source)
            return reported, source.taken()

    reported, again = asyncio.run(watch())
    assert (reported, again) == ([("vm.deleted", "db"), ("vm.started", "web"), ("vm.created", "new")], [])
    assert programs.lines("readings")[0] == "-i site.polyvirt.yml --list --export --flush-cache"


def test_event_has_the_identity_of_the_vm_and_no_secrets(programs):
    async def watch():
        programs.list(web="running")
        async with running(inventory=["a", "b"], interval=SOON) as source:
            await programs.read_again(source)
            programs.list(web="failed")
            await source.until(lambda: source.events)
            return source.events[0]

    event = asyncio.run(watch())
    vm = {"name": "web", "id": "id-web", "source": "hv", "state": "failed", "host": "web"}
    assert event.pop("time").endswith("+00:00")
    unset = dict.fromkeys(("platform", "fleet", "tags", "owner", "expires"))
    assert event == {"event": "vm.crashed", "vm": {**vm, **unset}, "previous_state": "running", "reason": None}
    assert _WORD not in json.dumps(event)


@pytest.mark.parametrize("template", TEMPLATES)
def test_event_contains_no_template(programs, template):
    """ansible-rulebook writes events into extra variables, which every version of Ansible renders."""
    name = TEMPLATES[template]

    async def watch():
        programs.list(**{name: "running"})
        async with running(inventory="a", interval=SOON) as source:
            await programs.read_again(source)
            programs.list(**{name: "failed"})
            await source.until(lambda: source.events)
            return source.events[0]

    event = asyncio.run(watch())
    assert "lookup__pipe__ _touch _file___" in event["vm"]["name"]
    assert is_harmless("".join(str(value) for value in event["vm"].values()))


@pytest.mark.parametrize(
    ("fail", "logged"),
    [
        (lambda programs: programs.answer(said="ERROR! no route to hv", code=4), "exit code 4: ERROR! no route to hv"),
        (lambda programs: programs.write("listed.json", "not json"), "is not JSON"),
        (lambda programs: programs.list(unread=["hv"]), "these sources cannot be read: hv"),
    ],
    ids=["failed", "not JSON", "unread"],
)
def test_source_that_is_down_sends_nothing_and_then_what_has_changed(programs, caplog, fail, logged):
    caplog.set_level(logging.WARNING)

    async def watch():
        programs.list(web="running", db="running")
        async with running(inventory="x", interval=SOON) as source:
            await programs.read_again(source)
            fail(programs)
            await programs.read_again(source, 3)
            assert source.events == []
            programs.list(web="running", db="stopped")
            programs.answer(code=0, said="")
            reported = await source.sent(1)
            await programs.read_again(source)
            return reported, source.taken()

    assert asyncio.run(watch()) == ([("vm.stopped", "db")], [])
    messages = [record.getMessage() for record in caplog.records if record.name == "polyvirt.core.vms"]
    assert [text for text in messages if logged in text] == messages[:1]
    assert messages[1:] == ["inventory: it can be read again."]


def test_reading_that_hangs_is_ended_with_all_its_processes(programs, caplog):
    async def watch():
        programs.answer(pause=3600)
        async with running(inventory="x", interval=SOON, timeout=1) as source:
            await programs.read_again(source, 2)
            programs.answer(pause=0)
            await source.until(lambda: "it can be read again" in caplog.text)

    asyncio.run(watch())
    assert "did not finish within 1 seconds" in caplog.text
    assert [pid for pid in programs.lines("pids") if _runs(pid)] == []


def test_cancelled_source_leaves_no_processes(programs):
    async def watch():
        programs.answer(pause=3600)
        async with running(inventory="x", libvirt_uris={"hv": "test:///default"}) as source:
            await source.until(lambda: programs.lines("pids") and programs.lines("virsh-started"))

    asyncio.run(watch())
    (pid,) = programs.lines("pids")
    assert not _runs(pid)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _says(file, name, *texts):
    """Report events of a VM, with no reading of the VMs in between."""
    os.write(file, "".join(f"event 'lifecycle' for domain '{name}': {text}\n" for text in texts).encode())


def test_reports_of_libvirt_are_events_at_once_and_virsh_is_started_again(programs):
    async def watch():
        programs.list(web="running")
        uris = {"hv": "qemu:///system"}
        async with running(inventory="x", interval=3600, libvirt_uris=uris) as source:
            await source.until(lambda: programs.lines("virsh-started"))
            file = os.open(programs.folder / "reports", os.O_WRONLY)
            # The first reading, and the one after virsh is connected.
            await source.until(lambda: len(programs.lines("readings")) == 2)
            programs.list(web="running")
            _says(file, "web", "Stopped Failed", "Started Booted")
            reported = [await source.sent(2)]
            programs.list(web="running", new="running")
            _says(file, "new", "Started Booted")
            reported.append(await source.sent(2))
            programs.list(web="paused", new="running")
            os.close(file)
            reported.append(await source.sent(1))
            # The reading may be complete before the new virsh runs.
            await source.until(lambda: len(programs.lines("virsh-started")) == 2)
            return reported

    assert asyncio.run(watch()) == [
        [("vm.crashed", "web"), ("vm.started", "web")],
        [("vm.created", "new"), ("vm.started", "new")],
        [("vm.paused", "web")],
    ]
    assert programs.lines("virsh-started")[0] == "-q -c qemu:///system event --loop --event lifecycle"


def test_programs_that_are_missing_are_logged_with_a_remedy(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    async def watch():
        async with running(inventory="x", libvirt_uris={"hv": "qemu:///system"}) as source:
            await source.until(lambda: caplog.text.count("Install ") == 2)

    asyncio.run(watch())
    assert "Install ansible-core" in caplog.text
    assert "Install virsh" in caplog.text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, ("inventory is not set",)),
        ({"inventory": None}, ("inventory is not set",)),
        ({"inventory": []}, ("inventory is not valid", "a list of paths")),
        ({"inventory": 3}, ("inventory is not valid",)),
        ({"inventory": "x", "intervall": 3}, ("intervall is not an argument", "Did you mean interval?")),
        ({"inventory": "x", "uri": 3}, ("uri is not an argument", "libvirt_uris")),
        ({"inventory": "x", "interval": 0}, ("interval", "at least 1")),
        ({"inventory": "x", "interval": True}, ("interval", "at least 1")),
        ({"inventory": "x", "timeout": "1m"}, ("timeout", "at least 1")),
        ({"inventory": "x", "libvirt_uris": ["qemu:///system"]}, ("libvirt_uris", "a dictionary")),
        ({"inventory": "x", "libvirt_uris": {"hv": ""}}, ("libvirt_uris", "a dictionary")),
    ],
)
def test_wrong_arguments(args, words):
    with pytest.raises(ValueError, match=r"^polyvirt\.core\.vms: ") as caught:
        runpy.run_path(str(PATH))["settings_of"](args)
    assert [word for word in words if word not in str(caught.value)] == []


def test_arguments_and_their_defaults():
    settings_of = runpy.run_path(str(PATH))["settings_of"]
    found = settings_of({"inventory": "x", "interval": "5", "eda_feedback_queue": object()})
    assert (found.inventory, found.interval, found.timeout, found.libvirt_uris) == (["x"], 5, 120, {})


def test_source_finds_the_collection_without_a_path_of_the_user():
    """As in ansible-rulebook, which knows no collections path."""
    code = f"import runpy; print(runpy.run_path({str(PATH)!r})['main'].__name__)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("main\n", "")
