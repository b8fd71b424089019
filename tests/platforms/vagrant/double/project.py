# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Vagrantfile of a command, and Vagrant's data directory (.vagrant)."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from typing import NamedTuple

from . import texts
from .output import EarlyFailure, Failure

#: The file of the disk that a box of VirtualBox contains.
BOX_DISK = "box-disk001.vmdk"
_DESCRIPTION = "# polyvirt.core: "
_BEGIN, _END = re.compile(r" do \||^ *if ", re.MULTILINE), re.compile(r"^ *end$", re.MULTILINE)
_DEFINE = re.compile(r"""^[^#\n]*\.vm\.define[ (]+[:"']([\w.-]+)["']?(.*)$""", re.MULTILINE)
_BOX = re.compile(r"""^[^#\n]*\.vm\.box *= *["']([^"']+)["']""", re.MULTILINE)
_PROVIDER = re.compile(r"""^[^#\n]*\.vm\.provider[ (]+[:"'](\w+)""", re.MULTILINE)


class Machine(NamedTuple):
    """A VM of the Vagrantfile; ``folder`` contains one directory of files for each provider.

    A graceful halt powers the VM off after ``patience`` seconds. ``size`` contains ``cpus`` and ``memory`` (MiB), if
    the Vagrantfile sets them.
    """

    name: str
    box: str
    provider: str
    autostart: bool
    folder: str
    patience: int
    size: dict


class Project:
    """The files that a command uses according to its environment variables."""

    def __init__(self, environment):
        self.folder = environment.get("VAGRANT_CWD") or os.getcwd()
        if not os.path.isdir(self.folder):
            raise EarlyFailure(f"{texts.NO_FOLDER}\n\n{self.folder}")
        self.file = os.path.join(self.folder, environment.get("VAGRANT_VAGRANTFILE") or "Vagrantfile")
        self.dotfile = environment.get("VAGRANT_DOTFILE_PATH") or os.path.join(self.folder, ".vagrant")
        self.home = environment.get("VAGRANT_HOME") or os.path.expanduser("~/.vagrant.d")
        self._default = environment.get("VAGRANT_DEFAULT_PROVIDER")

    def machines(self):
        """All machines, in the order of the Vagrantfile."""
        if not os.path.isfile(self.file):
            raise Failure("NoEnvironmentError", texts.NO_PROJECT)
        with open(self.file, encoding="utf-8") as file:
            text = file.read()
        # The only check of Ruby's syntax: each block has an "end".
        if len(_BEGIN.findall(text)) != len(_END.findall(text)):
            raise EarlyFailure(texts.SYNTAX.format(file=self.file))
        line = next((line for line in text.split("\n") if line.startswith(_DESCRIPTION)), None)
        described = json.loads(line[len(_DESCRIPTION) :])["machines"] if line else _read(text)
        return [self._machine(found) for found in described]

    def _machine(self, found):
        # The environment variable wins over the Vagrantfile (force_default, environment.rb of Vagrant 2.3.4).
        provider = self._default or found.get("provider") or "virtualbox"
        folder = os.path.join(self.dotfile, "machines", found["name"])
        patience = (found.get("native") or {}).get("vm.graceful_halt_timeout", 60)
        size = {key: found[key] for key in ("cpus", "memory") if found.get(key)}
        box, autostart = found.get("box", ""), found.get("autostart", True)
        return Machine(found["name"], box, provider, autostart, folder, patience, size)


def _read(text):
    """The VMs of a Vagrantfile that a user wrote, if it has the usual form."""
    box, provider = _BOX.search(text), _PROVIDER.search(text)
    common = {"box": box[1] if box else "", "provider": provider[1] if provider else None}
    found = [{"name": name, "autostart": "autostart: false" not in rest} for name, rest in _DEFINE.findall(text)]
    return [{**common, **one} for one in found or [{"name": "default"}]]


def provider_of(machine):
    """(provider, VM id) if a provider has created the VM, else (None, None)."""
    for provider in sorted(os.listdir(machine.folder)) if os.path.isdir(machine.folder) else ():
        if not os.path.isdir(os.path.join(machine.folder, provider)):
            continue
        identifier = read(machine, provider, "id")
        if identifier:
            return provider, identifier
    return None, None


def read(machine, provider, name):
    try:
        with open(os.path.join(machine.folder, provider, name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(machine, provider, files):
    folder = os.path.join(machine.folder, provider)
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def write_created(project, machine, provider, identifier):
    """Write the files that exist after ``up`` created a VM."""
    folder = f"boxes/{machine.box.replace('/', '-VAGRANTSLASH-')}/0/{provider}"
    box = {"name": machine.box, "version": "0", "provider": provider, "directory": folder}
    if provider == "virtualbox":
        _add_box(os.path.join(project.home, folder))
    number = uuid.uuid4().hex
    _add_to_index(project, number, machine)
    write(machine, provider, {
        "id": identifier,
        "index_uuid": number,
        "box_meta": json.dumps(box, separators=(",", ":")),
        "creator_uid": str(os.getuid()),
        "synced_folders": "{}",
        "vagrant_cwd": project.folder,
    })  # fmt: skip


def _add_box(folder):
    """The description of a box of VirtualBox, which names its disk."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "box.ovf"), "w", encoding="utf-8") as file:
        file.write(f'<References><File ovf:href="{BOX_DISK}" ovf:id="file1" ovf:size="9"/></References>')


def _add_to_index(project, number, machine):
    """Add a VM to the machine index in Vagrant's home. Deleted VMs stay in it, which the real one allows, too."""
    path = os.path.join(project.home, "data", "machine-index", "index")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    known = {"version": 1, "machines": {}}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    entry = {
        "name": machine.name,
        "vagrantfile_path": project.folder,
        "vagrantfile_name": [os.path.basename(project.file)],
    }
    known["machines"][number] = entry
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(known, file)
    os.replace(f"{path}.new", path)


def forget(machine, provider):
    """Empty the VM's directory, as Vagrant does if the provider no longer has the VM."""
    folder = os.path.join(machine.folder, provider)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)
