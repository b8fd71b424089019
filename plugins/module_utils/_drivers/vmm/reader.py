# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read OpenBSD's vmd: vm.conf defines the VMs, and vmctl status lists those that vmd knows.

vmd renumbers its VMs whenever it starts, so the id of a VM is its name, which is unique.
"""

from __future__ import annotations

from ..._core.errors import NotFound
from ..._core.model import Observation
from ..._ports import files
from ..._ports.ceiling import call_timeout
from ..._ports.command import Commands
from ..._tools import vm_conf
from ..._tools.vmctl import Vmctl
from .marked_block import split
from .observe import Found, observed_vm, with_addresses
from .traits import vmm_traits


def make_reader(params):
    """Return the reader for the parameters of an info module."""
    return connected(VmmReader, params)


def connected(kind, params):
    """Return a reader or driver (``kind`` is its class) for the parameters of a module."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    tool = Vmctl(commands, params["executable"])
    return kind(tool, commands, params)


class VmmReader:
    """vmd on this host, for one task that only reads. ``options`` are those of the task."""

    def __init__(self, tool, commands, options):
        self.tool, self.commands, self.options = tool, commands, options
        self.config_file, self._native_keys = options["config_file"], tuple(options.get("native") or ())
        #: The Found of the last observation; plans are based on it.
        self.found = None
        #: Names of the VMs that this task has started, until vmctl lists them.
        self.starting = set()

    def traits(self):
        return vmm_traits(self)

    def observe(self, targets, facets):
        self.found = found = self.read_found()
        names = [name for name in found.names("unfinished" in facets) if _is_wanted(name, targets)]
        vms = [observed_vm(found, name, self._native_keys) for name in names]
        if "addresses" in facets:
            vms = with_addresses(self, found, vms)
        return Observation(vms=vms, known=tuple(found.names()))

    def host_facts(self):
        from .host import host_facts

        return host_facts(self.commands, self.tool, self.config_file)

    def read_found(self):
        """Read vm.conf and vmctl status; return them as Found."""
        rows = self.tool.status()
        configuration = vm_conf.read(self.config_file, read_text)
        parts = split(configuration.texts.get(self.config_file, ""), self.config_file)
        if set(configuration.blocks) - set(rows):
            # vmctl does not list a VM for a moment while it starts or stops.
            rows = {**rows, **self.tool.status()}
        self.starting -= set(rows)
        return Found(configuration, parts, rows, frozenset(self.starting))


def _is_wanted(name, targets):
    return targets is None or any(name == (target.id or target.name) for target in targets)


def read_text(path):
    """Return a file as Latin-1 text, so that each byte is one character; None if it does not exist."""
    try:
        return files.read(path).decode("latin-1")
    except NotFound:
        return None
