# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: the Definition of a VM in vm.conf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..._core.frozen import Frozen, replace
from ..._core.units import MIB
from ..._tools import vm_conf, vmctl
from ..._tools.marked_block import printed, quoted

#: Defaults of vmd for a VM, from its sources.
DEFAULT_MEMORY = 512 * MIB
LOCAL, SWITCH = "nat", "network"
NATIVE_FLAGS = ("sev", "seves")
NATIVE = (*NATIVE_FLAGS, "allow")


def slot_name(number):
    return f"disk{number}"


class Nic(Frozen):
    """A NIC. ``switch`` is None for a local interface.

    ``device`` and ``rest`` are parts of its statement that no option sets; they are kept.
    """

    switch: Optional[str] = None
    mac: Optional[str] = None
    device: str = ""
    rest: str = ""
    #: Whether vmd drops packets from other MAC addresses. In vm.conf, the word is a part of ``lladdr``.
    locked: bool = False

    def printed(self):
        words = [f"switch {quoted(self.switch)}"] if self.switch else []
        address = [*(["locked"] if self.locked else []), "lladdr", *([self.mac] if self.mac else [])]
        words += [" ".join(address)] if self.mac or self.locked else []
        words += [self.rest] if self.rest else []
        options = f" {{ {' '.join(words)} }}" if words else ""
        device = f" {self.device}" if self.device else ""
        return f"{'local ' if self.switch is None else ''}interface{device}{options}"


class Definition(Frozen):
    """The block of a VM. ``memory`` is in bytes; ``disks`` are (path, format), with format None if vmd detects it.

    An instance has what it inherits from its ``template``, the Definition of its ``parent``; its block does not.
    """

    name: str
    parent: Optional[str] = None
    template: Optional[Definition] = None
    enabled: bool = True
    memory: Optional[int] = None
    disks: Sequence = ()
    cdrom: str = ""
    boot: str = ""
    boot_device: str = ""
    nics: Sequence[Nic] = ()
    owner: str = ""
    native: Mapping = ()

    def _own(self):
        """Return this Definition without what it inherits. A block without any device is invalid, so it has memory."""
        template, count = self.template, len(self.nics)
        if template is None:
            return self
        while count and self.nics[count - 1 : count] == template.nics[count - 1 : count]:
            count -= 1
        same_memory = (self.memory or DEFAULT_MEMORY) == (template.memory or DEFAULT_MEMORY)
        return replace(
            self,
            template=None,
            memory=None if same_memory and self.disks else self.memory,
            cdrom="" if self.cdrom == template.cdrom else self.cdrom,
            nics=self.nics[:count],
        )

    def statements(self):
        """Return all statements of the block as [(keyword, text in the file)]."""
        if self.template is not None:
            return self._own().statements()
        found = [] if self.enabled else [("disable", "disable")]
        found += [("memory", f"memory {self.memory // MIB}M")] if self.memory else []
        for path, kind in self.disks:
            found.append(("disk", f"disk {quoted(path)}{f' format {kind}' if kind else ''}"))
        found += [("cdrom", f"cdrom {quoted(self.cdrom)}")] if self.cdrom else []
        found += [("boot", f"boot {quoted(self.boot)}")] if self.boot else []
        found += [("boot device", f"boot device {self.boot_device}")] if self.boot_device else []
        found += [("interface", nic.printed()) for nic in self.nics]
        found += [("owner", f"owner {self.owner}")] if self.owner else []
        native = dict(self.native)
        found += [("allow", f"allow instance {{ {', '.join(native['allow'])} }}")] if native.get("allow") else []
        found += [(flag, flag) for flag in NATIVE_FLAGS if native.get(flag)]
        return [(keyword, vm_conf.encoded(text)) for keyword, text in found]

    def printed(self):
        return printed(self.name, self.parent, self.statements())


def definition_of(block, blocks):
    """Return the Definition in a block of vm.conf; an instance inherits settings from its parent."""
    own = Definition(
        name=block.name,
        parent=block.parent,
        enabled=block.is_enabled,
        memory=_memory(block.last("memory")),
        disks=tuple(block.all("disk")),
        cdrom=block.last("cdrom", ""),
        boot=block.boot,
        boot_device=block.last("boot device", ""),
        nics=_nics(block),
        owner=block.last("owner", ""),
        native=_native(block),
    )
    parent = blocks.get(block.parent) if block.parent != block.name else None
    return _with_inherited(own, definition_of(parent, {**blocks, block.name: None})) if parent else own


def _with_inherited(own, parent):
    """Return an instance with what it inherits: memory, cdrom, owner and further NICs, but not disks and kernel."""
    user, group = (mine or theirs for mine, theirs in zip(_user_and_group(own.owner), _user_and_group(parent.owner)))
    return replace(
        own,
        template=parent,
        memory=own.memory or parent.memory,
        cdrom=own.cdrom or parent.cdrom,
        owner=f"{user}:{group}" if group else user,
        nics=(*own.nics, *parent.nics[len(own.nics) :]),
    )


def _user_and_group(owner):
    user, _colon, group = owner.partition(":")
    return user, group


def _memory(text):
    """Return a size of vm.conf in bytes, or None. Like vmd, round down to whole MiB."""
    size = vmctl.size((text or "").strip())
    return None if size is None else size // MIB * MIB


def _nics(block):
    nics = tuple(
        Nic(
            None if one["local"] else one.get("switch", ""),
            _mac(one.get("lladdr")),
            one.get("device", ""),
            " ".join(_rest(one)),
            bool(one.get("locked")),
        )
        for one in block.all("interface")
    )
    missing = max(map(int, filter(str.isdigit, block.all("interfaces"))), default=0) - len(nics)
    return (*nics, *[Nic("")] * max(0, missing))


def _mac(value):
    """Return a MAC address, or None: ``lladdr`` may have no value, and vmd ignores text after the address."""
    return next(iter(value.split()), None) if isinstance(value, str) else None


def _rest(nic):
    """Yield the parts of an interface statement that no option sets."""
    for keyword, value in nic.items():
        if keyword in ("up", "down"):
            yield keyword
        elif keyword in ("group", "rdomain"):
            yield f"{keyword} {value}"


def _native(block):
    allowed = [word for words in block.all("allow") for word in words]
    flags = {flag: True for flag in NATIVE_FLAGS if block.last(flag)}
    return {**({"allow": tuple(allowed)} if allowed else {}), **flags}


def fixed_mac(name, index):
    """Return a MAC address in vmd's range, always the same for a NIC: vmd would choose a new one at each reload."""
    import hashlib

    digest = hashlib.sha256(f"{name}/{index}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"fe:e1:bb:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"
