# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source of ansible-rulebook: changes of VMs on all platforms."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vms
short_description: Changes of virtual machines as events
version_added: 1.0.0
description:
  - Sends an event when a virtual machine (VM) was created, started, stopped, paused, resumed, suspended or deleted, has
    crashed, or has expired (option C(expires) of the modules for VMs).
  - The VMs are those of inventory files of the plugin polyvirt.core.vms, on all platforms that it supports. The
    inventory is read at an interval by C(ansible-inventory), without its cache, and compared with what is known.
  - The first reading sends no events, except for VMs that have expired. A source of the inventory that cannot be read
    sends none until it can be read again; then what changed in the meantime is sent. Nothing is sent twice, except that
    V(vm.still_expired) and V(vm.still_crashed) are sent at each reading for VMs that nobody has ended or started yet.
  - With O(libvirt_uris), the libvirt daemon reports changes of power states immediately (C(virsh event)), also those
    that are over before the next reading, and the reason of a stop. Without it, a crash of the emulator looks like a
    normal stop.
  - Events contain no settings of the VMs, and therefore no secrets.
author:
  - polyvirt contributors (@polyvirt)
options:
  inventory:
    description:
      - The inventory file, or a list of files and directories, as for C(ansible-inventory -i).
      - Its sources must not select VMs by state, because a VM that is not listed is a deleted one.
    type: raw
    required: true
  interval:
    description: Seconds between two readings.
    type: int
    default: 60
  timeout:
    description: Seconds after which a reading is given up.
    type: int
    default: 120
  libvirt_uris:
    description:
      - The URI of the libvirt daemon for each source of the inventory whose changes are to be reported immediately,
        such as V({libvirt-hv1: qemu+ssh://root@hv1/system}). It must lead to the same daemon as the source.
      - C(virsh) must be installed where ansible-rulebook runs, and must connect without a prompt. Until it can, the
        changes are found at the interval only.
    type: dict
    default: {}
notes:
  - ansible-core and the libraries of the platforms must be installed where ansible-rulebook runs, such as in the
    decision environment. Secrets of the inventory are read by it, such as from environment variables or a vault with
    C(ANSIBLE_VAULT_PASSWORD_FILE).
"""

EXAMPLES = r"""
- name: Restart crashed VMs
  hosts: all
  sources:
    - name: VMs
      polyvirt.core.vms:
        inventory: /etc/polyvirt/site.polyvirt.yml
        interval: 30
        libvirt_uris:
          libvirt: qemu:///system
          libvirt-hv1: qemu+ssh://root@hv1.example.com/system
  rules:
    - name: A VM has crashed
      condition: event.event == "vm.crashed"
      action:
        run_playbook:
          name: polyvirt.core.restart_vm
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import Any

# ansible-rulebook runs this file alone, without the collection's packages.
sys.path.insert(0, str(Path(__file__).absolute().parents[7]))

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_events import KnownVms
from ansible_collections.polyvirt.core.plugins.module_utils._core.texts import harmless
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import virsh, virsh_events

LOGGER = logging.getLogger("polyvirt.core.vms")
#: Options of a VM in its events: {name in the event: variable of the inventory}. Nothing else, so no secrets.
_FACTS = {
    name: f"polyvirt_{name}"
    for name in ("name", "id", "platform", "source", "state", "fleet", "tags", "owner", "expires")
}
#: Sources that the inventory plugin could not read.
_UNREAD = "polyvirt_unread_sources"
_INSTALL = "Install ansible-core where ansible-rulebook runs."
#: A reading that fails must not look like one without VMs.
_ENVIRONMENT = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
#: Seconds: virsh that still runs then is connected; before virsh is started again; of several reports in a row; for
#: the end of a program.
_CONNECTED, _AGAIN, _TOGETHER, _END = 1, 3, 0.2, 5
_LONGEST_REASON = 500
#: A line of output can be the whole inventory.
_LONGEST_LINE = 1 << 30


class Unreadable(Exception):
    """What could not be read, as a sentence."""


@dataclass(frozen=True)
class Settings:
    """The arguments of the source."""

    inventory: Sequence
    interval: int = 60
    timeout: int = 120
    libvirt_uris: Mapping = field(default_factory=dict)


async def main(queue: Any, args: Mapping) -> None:
    """Send events to ``queue`` until it is cancelled."""
    await Source(queue, settings_of(args)).run()


# Arguments ------------------------------------------------------------------------------------------------------------


def settings_of(args):
    """Return the Settings. ansible-rulebook checks no arguments and sets no defaults. Raises ValueError."""
    given = {name: value for name, value in args.items() if name != "eda_feedback_queue" and value is not None}
    known = {"inventory": _paths, "interval": _seconds, "timeout": _seconds, "libvirt_uris": _uris}
    for name in set(given) - set(known):
        near = get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known arguments are {', '.join(known)}."
        raise ValueError(f"polyvirt.core.vms: {name} is not an argument. {hint}")
    if "inventory" not in given:
        raise ValueError("polyvirt.core.vms: inventory is not set. Set the path of an inventory file.")
    return Settings(**{name: known[name](name, value) for name, value in given.items()})


def _wrong(name, wanted):
    # Without the value: it may be an address with a password.
    return ValueError(f"polyvirt.core.vms: {name} is not valid. Set {wanted}.")


def _paths(name, value):
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not paths or not all(isinstance(one, str) and one for one in paths):
        raise _wrong(name, "the path of an inventory file, or a list of paths")
    return paths


def _seconds(name, value):
    is_whole = isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit())
    if isinstance(value, bool) or not is_whole or int(value) < 1:
        raise _wrong(name, "a whole number of seconds, at least 1")
    return int(value)


def _uris(name, value):
    words = [one for pair in value.items() for one in pair] if isinstance(value, Mapping) else [None]
    if not all(isinstance(one, str) and one for one in words):
        raise _wrong(name, "a dictionary of sources of the inventory and the URIs of their libvirt")
    return value


# Watching -------------------------------------------------------------------------------------------------------------


class Source:
    """Reads the inventory again and again, follows libvirt daemons, and sends what is new."""

    def __init__(self, queue, settings):
        self._queue, self._settings = queue, settings
        self._known, self._found = KnownVms(), asyncio.Queue()
        self._must_read, self._reported, self._problems = asyncio.Event(), set(), {}

    async def run(self):
        """Run until cancelled: a source that ends would end the rulebook."""
        uris = self._settings.libvirt_uris.items()
        jobs = [self._send(), self._read_again_and_again(), *(self._follow(source, uri) for source, uri in uris)]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            # Unlike gather(), it does not cancel them too: cancelled twice, they would not end their programs.
            ended, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()

    async def _send(self):
        while True:
            await self._queue.put(await self._found.get())
            await asyncio.sleep(0)

    def _add(self, events):
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        for event in events:
            self._found.put_nowait({**_plain(event), "time": now})

    def _log(self, label, problem):
        """Log a problem once, until it is another one or over."""
        if problem != self._problems.get(label):
            LOGGER.warning("%s: %s", label, problem or "it can be read again.")
        self._problems[label] = problem

    async def _read_again_and_again(self):
        while True:
            self._must_read.clear()
            self._reported.clear()
            try:
                vms, unread = await self._read()
                self._log("inventory", f"these sources cannot be read: {', '.join(unread)}" if unread else None)
                self._add(self._known.observed(vms, unread, frozenset(self._reported)))
                self._add(self._known.expired(datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")))
                LOGGER.info("inventory: %s VMs are known.", len(vms))
            except Unreadable as error:
                self._log("inventory", str(error))
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._must_read.wait(), self._settings.interval)
                await asyncio.sleep(_TOGETHER)

    async def _read(self):
        """Return the VMs of the inventory, and the sources that it could not read. Raises Unreadable."""
        program = shutil.which("ansible-inventory") or str(Path(sys.executable).with_name("ansible-inventory"))
        inventories = [word for path in self._settings.inventory for word in ("-i", path)]
        words = [program, *inventories, "--list", "--export", "--flush-cache"]
        try:
            output, errors, code = await asyncio.wait_for(_run(words), self._settings.timeout)
        except asyncio.TimeoutError:
            raise Unreadable(f"ansible-inventory did not finish within {self._settings.timeout} seconds.") from None
        except OSError as error:
            raise Unreadable(f"ansible-inventory could not be run: {error.strerror}. {_INSTALL}") from error
        if code != 0:
            raise Unreadable(f"ansible-inventory failed with exit code {code}: {_last_of(errors)}")
        try:
            listed = json.loads(output, object_hook=lambda one: one.get("__ansible_unsafe", one))
        except ValueError:
            raise Unreadable("The output of ansible-inventory is not JSON.") from None
        unread = listed.get("all", {}).get("vars", {}).get(_UNREAD, [])
        return vms_of(listed.get("_meta", {}).get("hostvars", {})), unread

    async def _follow(self, source, uri):
        """Read the reports of a libvirt daemon; start virsh again if it ends, as it does with the daemon."""
        while True:
            try:
                words = [*virsh.Virsh(Commands(), "virsh", uri).argv, *virsh_events.ARGUMENTS]
                async with _Running(words) as process:
                    await self._reports(source, process)
                    # All that is left: with a lost connection, virsh writes no more.
                    errors = await process.stderr.read()
                self._log(source, f"virsh event has ended: {_last_of(errors)}")
            except (PolyvirtError, OSError) as error:
                self._log(source, str(error))
            await asyncio.sleep(min(_AGAIN, self._settings.interval))

    async def _reports(self, source, process):
        line = asyncio.ensure_future(process.stdout.readline())
        try:
            await asyncio.wait([line], timeout=_CONNECTED)
            if not line.done() or line.result():
                # Connected. What has changed before is found by a reading.
                self._log(source, None)
                self._must_read.set()
            while text := await line:
                self._report(source, virsh_events.report(text.decode("utf-8", "surrogateescape")))
                line = asyncio.ensure_future(process.stdout.readline())
        finally:
            line.cancel()
            await asyncio.gather(line, return_exceptions=True)

    def _report(self, source, report):
        if report is None:
            return
        self._reported.add((source, report.name))
        events = None
        if report.power is not None:
            events = self._known.reported(source, report.name, report.power, report.has_crashed, report.reason)
        if events is None:
            self._must_read.set()
        self._add(events or ())


def _plain(value):
    """Return ``value`` without templates: ansible-rulebook writes events into extra variables, where no text is marked.

    Whoever may edit a VM chooses its name, owner and tags, and a guest can bring its VM to the failed state.
    """
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return harmless(value) if isinstance(value, str) else value


def vms_of(hostvars):
    """Return the VMs of an inventory as they are in events; hosts that are no VMs of the plugin are left out."""
    listed = [(name, variables) for name, variables in hostvars.items() if "polyvirt_source" in variables]
    return [
        {**{key: variables.get(variable) for key, variable in _FACTS.items()}, "host": name}
        for name, variables in listed
    ]


# Programs -------------------------------------------------------------------------------------------------------------


class _Running:
    """A program that runs while the context is open; at its end, all processes that it started are killed."""

    def __init__(self, words):
        self._words = words

    async def __aenter__(self):
        starting = asyncio.ensure_future(self._start())
        try:
            self._process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._process = await starting
            await self._end()
            raise
        return self._process

    async def __aexit__(self, *_error):
        await self._end()

    def _start(self):
        return asyncio.create_subprocess_exec(
            *self._words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
            limit=_LONGEST_LINE,
            # No process of it can prompt on a terminal, and all of them can be killed together.
            start_new_session=True,
        )

    async def _end(self):
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        # To the end of its output, which a process that has left the group may keep open.
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._process.communicate(), _END)
        await self._process.wait()


async def _run(words):
    """Return (output, errors, exit code)."""
    async with _Running(words) as process:
        output, errors = await process.communicate()
        return output, errors, process.returncode


def _last_of(errors):
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:_LONGEST_REASON] if lines else "no error message."
