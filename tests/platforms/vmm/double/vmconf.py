# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse vm.conf: the meaning of each line. registration.py contains the meaning of whole blocks for vmd."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from . import sizes
from .host import path_in
from .lexer import Lexer
from .vmconf_globals import LONGEST_INTERFACE, Reader, kind_of
from .vmconf_grammar import DIALECT, GRAMMAR, SINCE

MAX_DISKS = MAX_NICS = 4
LONGEST_NAME = 63
_LONGEST_PATH = 1023
_QCOW2 = b"QFI\xfb"
_ALLOWED = ("boot", "memory", "interface", "disk", "cdrom", "instance")
LARGEST_MEMORY = {"7.4": 32 << 30}
DEFAULT_LARGEST_MEMORY = 128 << 30


def _new_nic():
    return {"local": False, "up": True, "locked": False, "lladdr": ""}


@dataclass
class Block:
    """One ``vm`` block."""

    name: str
    parent: str = ""
    is_disabled: bool = False
    has_devices: bool = False
    memory: int = 0
    disks: list = field(default_factory=list)
    cdrom: str = ""
    boot_device: str = ""
    nics: list = field(default_factory=list)
    next_nic: dict = field(default_factory=_new_nic)
    nic_count: int = 0
    owner: tuple = (0, -1)
    allowed: list = field(default_factory=list)
    allowed_owner: tuple = (0, 0)
    sev: bool = False


@dataclass
class Verdict:
    """The result of parsing a file: whether it is valid, the messages, and the unused macros."""

    is_good: bool
    messages: list
    unused: list


def read(path, host, registry=None, largest_memory=DEFAULT_LARGEST_MEMORY, release="7.7"):
    """Parse the file at ``path``; returns a Verdict. Blocks are added to ``registry``, if it is given.

    ``host`` has ``read(path)``, ``resolve(path)``, ``head(path)``, ``users`` and ``groups``. OSError if the file cannot
    be read.
    """
    lexer = Lexer(_dialect(release), host.read)
    lexer.open(path)
    is_complete = GRAMMAR.parse(lexer, _Reader(lexer, host, registry, largest_memory))
    return Verdict(is_complete and not lexer.errors, lexer.messages, lexer.unused())


def report(verdict):
    """The text that ``vmd -n`` prints."""
    lines = [f"vmd: {message}\n" for message in verdict.messages]
    lines += [f"warning: macro '{name}' not used\n" for name in verdict.unused]
    return "".join([*lines, *(["configuration OK\n"] if verdict.is_good else [])])


def _dialect(release):
    words = {word for word, since in SINCE.items() if release >= since}
    return replace(DIALECT, keywords=DIALECT.keywords | words)


class _Reader(Reader):
    """All actions of the grammar; this class adds those of ``vm`` blocks."""

    def __init__(self, lexer, host, registry, largest_memory):
        super().__init__(lexer, host, registry)
        self.largest_memory = largest_memory
        # The kernel of a block that fails is used for the next block.
        self.kernel = None

    def vm_name(self, _vm, name, instance):
        self.block = Block(name)
        if instance is not None:
            if len(name) > LONGEST_NAME:
                self.reject(f"vm {name} name too long")
            # An instance may have no devices of its own, because it inherits those of its parent.
            self.block = Block(instance, name, has_devices=True)
        if len(self.block.name) > LONGEST_NAME:
            self.reject("vm name too long")

    def vm(self, *_symbols):
        block = self.block
        block.nics += [_new_nic() for _missing in range(block.nic_count - len(block.nics))]
        if self.registry:
            failure = self.registry.add_vm(block, self.kernel, self.lexer.remark)
            if failure:
                self.reject(f'vm "{block.name}" failed: {failure}')
        self.kernel = None

    def sev(self, _word):
        self.block.sev = True

    seves = sev

    def format(self, _format, word):
        if word.lower() not in ("raw", "qcow2"):
            self.reject(f"unrecognized disk format {word}")
        return word.lower()

    def disk(self, _disk, path, image_format):
        try:
            self.block.disks.append(self._disk(path, image_format))
        except _Unusable as reason:
            self.lexer.remark(str(reason))
            self.reject(f"failed to parse disks: {path}")
        self.block.has_devices = True

    def _disk(self, path, image_format):
        path = path_in(path)
        if len(self.block.disks) >= MAX_DISKS:
            raise _Unusable("too many disks")
        try:
            resolved = self.host.resolve(path)
        except OSError as reason:
            raise _Unusable(f"disk {path}: {reason.strerror}") from None
        if image_format is None:
            image_format = "qcow2" if self.host.head(resolved).startswith(_QCOW2) else "raw"
        if len(resolved) > _LONGEST_PATH:
            raise _Unusable("disk path too long")
        return [resolved, image_format]

    def boot(self, _boot, path):
        if self.kernel is not None:
            self.reject("kernel specified more than once")
        try:
            self.kernel = self.host.resolve(path_in(path))
        except OSError as reason:
            self.reject(f"kernel path not found: {reason.strerror}")
        self.block.has_devices = True

    def boot_device(self, _boot, _device, word):
        self.block.boot_device = word

    def cdrom(self, _word, path):
        if self.block.cdrom:
            self.reject("cdrom specified more than once")
        if len(path) > _LONGEST_PATH:
            self.reject("cdrom name too long")
        self.block.cdrom = path_in(path)
        self.block.has_devices = True

    def memory_number(self, _memory, number):
        self._memory(number, str(number))

    def memory_text(self, _memory, text):
        if self.block.memory:
            self.reject("argument specified more than once")
        try:
            number = sizes.read(text)
        except sizes.BadSize as reason:
            self.lexer.remark(f"invalid memory size: {text}: {reason}")
            self.reject(f"failed to parse size: {text}")
        self._memory(number, text)

    def _memory(self, number, text):
        if self.block.memory:
            self.reject("memory specified more than once")
        if number < sizes.MEGABYTE:
            self.lexer.remark("memory size must be at least 1MB")
            self.reject(f"failed to parse size: {text}")
        if number > self.largest_memory:
            self.lexer.remark(f"memory size too large (limit is {self.largest_memory >> 30}G)")
            self.reject(f"failed to parse size: {text}")
        self.block.memory = number // sizes.MEGABYTE * sizes.MEGABYTE
        self.block.has_devices = True

    def owner(self, _word, owner):
        self.block.owner = owner

    def allow(self, word):
        self.block.allowed = [known for known in _ALLOWED if known == word or known in self.block.allowed]

    def allow_owner(self, _word, owner):
        self.block.allowed_owner = owner

    # Interfaces -------------------------------------------------------------------------------------------------------

    def nic_count(self, _word, number):
        if self.block.nic_count:
            self.reject("interfaces specified more than once")
        if not 0 <= number <= MAX_NICS:
            self.reject(f"too many interfaces: {number}")
        self.block.nic_count = number
        self.block.has_devices = True

    def nic(self, local, _word, tap, _options):
        """Add a NIC. Its options have been read before, into the block's ``next_nic``."""
        nic, self.block.next_nic = self.block.next_nic, _new_nic()
        if len(self.block.nics) >= MAX_NICS:
            self.reject(f"too many interfaces: {MAX_NICS + 1}")
        nic["local"] = local is not None
        if tap is not None and tap != "tap" and kind_of(tap) != "tap":
            self.reject(f"invalid interface: {tap}")
        if tap is not None and len(tap) > LONGEST_INTERFACE:
            self.reject(f"interface name too long: {tap}")
        nic.update({"tap": tap} if tap else {})
        self.block.nics.append(nic)
        self.block.has_devices = True

    def nic_switch(self, _word, name):
        if len(name) > LONGEST_NAME:
            self.reject(f"switch name too long: {name}")
        self.block.next_nic["switch"] = name

    def nic_group(self, _word, name):
        self.block.next_nic["group"] = self.group_name(name)

    def address(self, text):
        octets = _octets(text)
        if octets is None:
            # The line break belongs to vmd's message.
            self.reject(f"invalid address: {text}\n")
        return octets

    def nic_address(self, locked, _word, octets):
        if locked:
            self.block.next_nic["locked"] = True
        self.block.next_nic["lladdr"] = ":".join(f"{octet:02x}" for octet in octets) if octets and any(octets) else ""

    def nic_rdomain(self, _word, number):
        self.block.next_nic["rdomain"] = self.table(number)

    def nic_link(self, word):
        self.block.next_nic["up"] = word == "up"


class _Unusable(Exception):
    """A disk cannot be used; the argument is the reason."""


def _octets(text):
    """The six octets of an Ethernet address, or None if it is not valid; text after a sixth separator is ignored."""
    octets, rest = [], text.lstrip(" \t\n\v\f\r")
    for position in range(6):
        found = re.match(r"[ \t\n\v\f\r]*\+?(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)", rest)
        if found is None or int(found.group(1), 16) > 255:
            return None
        after = rest[found.end() :]
        is_last = position == 5 and (not after or after[0] in " \t\n\v\f\r")
        if not after.startswith(":") and not is_last:
            return None
        octets.append(int(found.group(1), 16))
        rest = after[1:]
    return octets
