# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fakes of virsh with recorded answers, for tests of the driver's parsing and of the commands that it sends."""

from __future__ import annotations

import fcntl
import os
import struct
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, remedy_for
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import VirshDriver
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition, target_of
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh_remedies import REMEDIES

RECORDED = Path(__file__).parents[3] / "fixtures" / "virsh" / "9.0.0"
LIST = ("list", "--all", "--uuid", "--name")
#: The storage pools that are inactive.
POOLS = ("pool-list", "--inactive", "--name")
SAVED = ("list", "--all", "--uuid", "--with-managed-save")
#: What else is listed with all definitions: storage pools, and VMs with snapshots or checkpoints.
NEEDS = (
    ("pool-list", "--all", "--name"),
    ("list", "--all", "--uuid", "--with-snapshot"),
    ("list", "--all", "--uuid", "--with-checkpoint"),
)
UUID = "d7188e7f-d4e4-48f6-9735-fb974a8262cf"
MAC = "52:54:00:d4:9a:10"
#: What a mark says that was recorded on this host.
HERE = {"host": os.uname().nodename}


def recorded(name):
    return (RECORDED / name).read_text(encoding="utf-8")


def machine_xml(*replacements):
    """The recorded definition of the VM m1 with replacements (old, new); each old text must exist."""
    text = recorded("vm1-dumpxml-inactive.xml")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text


def with_devices(*elements):
    """The replacement that adds devices at the end of the list."""
    return ("  </devices>", "".join(elements) + "  </devices>")


def with_metadata(text):
    return ("  </metadata>", f"{text}  </metadata>")


def of_vms(*vms):
    """The answers of a libvirt that has these VMs: the XML of each, or (running, stored) where they differ."""
    answers = {LIST: ""}
    for vm in vms:
        running, stored = (vm, vm) if isinstance(vm, str) else vm
        one = Definition(stored)
        answers[LIST] += f"{one.uuid} {one.name}\n"
        answers["dumpxml", one.uuid], answers["dumpxml", one.uuid, "--inactive"] = running, stored
    return answers


@contextmanager
def opened_elsewhere(path):
    """Lock an image as another QEMU does that has it open (F_OFD_SETLK, which belongs to the handle)."""
    with open(path, "rb") as file:
        fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 201, 1, 0))
        yield


#: What libvirt reports of a host with an emulator of its own architecture.
CAPABILITIES = """<capabilities><host><cpu><arch>x86_64</arch></cpu></host>
<guest><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>"""


class FakeVirsh:
    """Returns the given answers by command; no VM is suspended unless they say so. ``done`` are the arguments of all
    commands that were run, ``sent`` their standard inputs, ``limits`` is {command: timeout in seconds} if it is not the
    default.
    """

    uri = "qemu:///system"

    def __init__(self, answers=()):
        nothing = dict.fromkeys((SAVED, POOLS, *NEEDS), "")
        self.answers = {**nothing, **{tuple(words): answer for words, answer in dict(answers).items()}}
        self.done, self.sent, self.limits, self.processes = [], [], {}, 0

    def batch(self, requests, timeout=None):
        self.processes += 1
        return [self._answer(words) for words in requests]

    def run(self, *words, stdin=None, timeout=None):
        self.processes += 1
        self.done.append(words)
        if timeout is not None:
            self.limits[words[0]] = timeout
        if words[0] == "define":
            self._remember(stdin)
        if stdin is not None:
            self.sent.append(stdin)
        answer = self._answer(words) if words in self.answers or _reads(words) else Answer("", None)
        if answer.error:
            remedy = remedy_for(REMEDIES, answer.error)
            raise CommandFailed(("virsh", *words), 1, answer.error, remedy=remedy)
        return answer.stdout

    def _answer(self, words):
        answer = self.answers[tuple(words)]
        return answer if isinstance(answer, Answer) else Answer(answer, None)

    def _remember(self, text):
        """A definition that was stored is read back."""
        read = ("dumpxml", Definition(text).uuid, "--inactive", "--security-info")
        if read in self.answers:
            self.answers[read] = text

    def defined(self, times=1):
        """The definition that was sent to be stored, the last one of several; there must be exactly so many."""
        assert [words for words in self.done if words[0] == "define"] == [("define", "/dev/stdin")] * times
        return Definition(self.sent[-1])


def fail_second_define(virsh, answer):
    """Let libvirt reject the complete definition of a new VM, which is stored after the one that names its files."""
    run, sent = virsh.run, []

    def run_or_fail(*words, **more):
        sent.extend(words[:1] if words[0] == "define" else ())
        if words[0] == "define" and len(sent) == 2:
            virsh.answers["define", "/dev/stdin"] = answer
        return run(*words, **more)

    virsh.run = run_or_fail


class StoringVirsh(FakeVirsh):
    """One VM that applies changes: definitions are stored, NICs and disks are attached and detached.

    ``fails_once`` are first words of commands that fail once, as if another client were changing the VM.
    """

    def __init__(self, uuid, stored, running=None, fails_once=()):
        super().__init__()
        self.stored, self.running, self.fails_once = Definition(stored), running and Definition(running), {*fails_once}
        self._uuid = uuid

    def batch(self, requests, timeout=None):
        return [Answer(self.run(*words), None) for words in requests]

    def run(self, *words, stdin=None, timeout=None):
        if words[0] in self.fails_once:
            self.fails_once.remove(words[0])
            raise CommandFailed(("virsh", *words), 1, "Timed out during operation: cannot acquire state change lock")
        self.done.append(words)
        if words[:2] == ("dumpxml", self._uuid):
            return (self.stored if "--inactive" in words or self.running is None else self.running).text()
        if words[0] == "list":
            return "" if words in (SAVED, *NEEDS) else f"{self._uuid} {self.stored.name}\n"
        if words[0] == "define":
            self.stored = Definition(stdin)
        elif words[0] in ("attach-device", "detach-device", "detach-disk"):
            self._plug(words, stdin)
        return ""

    def _plug(self, words, text):
        devices = self.running.devices
        if words[0] == "attach-device":
            devices.append(ET.fromstring(text))
        elif words[0] == "detach-device":
            mac = ET.fromstring(text).find("mac").get("address")
            devices.remove(next(one for one in devices.findall("interface") if one.find("mac").get("address") == mac))
        else:
            devices.remove(next(one for one in devices.findall("disk") if target_of(one) == words[2]))


def _reads(words):
    return words[0] in ("dumpxml", "list", "domstate", "capabilities")


def failed(text):
    return Answer("", text)


def driver_of(virsh, folder, **options):
    return VirshDriver(virsh, Commands(), {"storage_path": str(folder), **options})


def unknown_overlay(folder):
    """An overlay that names what is below it in a way that is not known here."""
    name = b'json:{"driver": "new"}'
    (folder / "top").write_bytes(struct.pack(">4sIQI52x", b"QFI\xfb", 2, 72, len(name)) + name)
    return f"{folder}/top"


def chain(images, folder, *names):
    """Create images, each on top of the previous one; returns their paths."""
    paths = [str(folder / name) for name in names]
    images.create(paths[0], "qcow2", 1 << 20)
    for backing, path in zip(paths, paths[1:]):
        images.overlay(path, backing, "qcow2")
    return paths


def domain(name, *drives, more="", nvram=""):
    """A definition; ``drives`` are (device, path, more XML within the disk), ``more`` whole disks."""
    disks = "".join(
        f"<disk type='file' device='{device}'><source file='{path}'/><target dev='vd{place}'/>{inner}</disk>"
        for place, (device, path, inner) in enumerate(drives)
    )
    named = f"<name>{name}</name><uuid>u-{name}</uuid><os><nvram>{nvram}</nvram></os>"
    return Definition(f"<domain>{named}<devices>{disks}{more}</devices></domain>")


def disk(path, more=""):
    return ("disk", path, more)


def volume(name, pool="p"):
    source = f"<source pool='{pool}' volume='{name}'/>"
    return f"<disk type='volume'><driver type='qcow2'/>{source}<target dev='vdz'/></disk>"
