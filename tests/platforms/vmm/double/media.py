# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``rdsetroot``, ``vnconfig``, ``mount``, ``umount``, ``makefs`` and ``stty``, as far as installations need them.

The kernel of an installer consists of one line and its RAM disk. A RAM disk has a fixed size, and is a tar archive:
``mount`` unpacks it, and ``umount`` packs it again.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile

from . import options
from .options import Failure

_HEAD = b"\x7fELF bsd.rd\n"
RAM_DISK = 64 << 10
_UNITS, _LONGEST_PATH = 4, 89


def kernel(files=()):
    """The uncompressed kernel of an installer, with ``files`` ({name: bytes}) in its RAM disk."""
    return _HEAD + _packed(dict(files))


def ram_disk(data):
    """{name: bytes} of the files in a kernel's RAM disk, or None if it is not an installer's kernel."""
    if not data.startswith(_HEAD):
        return None
    with tarfile.open(fileobj=io.BytesIO(data[len(_HEAD) :])) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive.getmembers() if one.isfile()}


def _packed(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    if len(stream.getvalue()) > RAM_DISK:
        raise Failure("umount: the RAM disk is full\n")
    return stream.getvalue().ljust(RAM_DISK, b"\0")


def _read(world, path):
    with world.host.open(path) as file:
        return file.read()


def _write(world, path, data):
    with open(world.host.place(path), "wb") as file:
        file.write(data)


def _need_root(world, program):
    if world.host.uid:
        raise Failure(f"{program}: /dev/vnd0c: Permission denied\n")


def rdsetroot(world, words):
    """``rdsetroot [-x] KERNEL IMAGE``: insert the RAM disk, or extract it."""
    found, names = options.parse(words, "dsx")
    if len(names) != 2:
        return 1, "", "usage: rdsetroot [-dsx] bsd [fs]\n"
    data = _read(world, names[0])
    if not data.startswith(_HEAD):
        return 1, "", f"rdsetroot: {names[0]}: no rd_root_image\n"
    if ("x", None) in found:
        _write(world, names[1], data[len(_HEAD) :])
        return 0, "", ""
    image = _read(world, names[1])
    if len(image) != RAM_DISK:
        return 1, "", "rdsetroot: fs image too big\n"
    _write(world, names[0], _HEAD + image)
    return 0, "", ""


def vnconfig(world, words):
    """``vnconfig [DEVICE] FILE``, ``vnconfig -u DEVICE``, ``vnconfig -l``."""
    _need_root(world, "vnconfig")
    found, names = options.parse(words, "kK:lo:S:t:uv")
    letters = {letter for letter, _value in found}
    with world.state.open() as state:
        known = state["vnds"]
        if "l" in letters:
            return 0, "".join(_line(unit, known.get(unit)) for unit in _units()), ""
        if "u" in letters:
            return _release(known, names[0])
        unit = names[0] if len(names) == 2 else next((one for one in _units() if one not in known), None)
        if unit is None:
            return 1, "", "vnconfig: no devices available\n"
        path = world.host.place(names[-1])
        if unit in known or not os.path.isfile(path):
            reason = "Device busy" if unit in known else "No such file or directory"
            return 1, "" if len(names) == 2 else f"{unit}\n", f"vnconfig: VNDIOCSET: {reason}\n"
        known[unit] = {"file": path, "inode": os.stat(path).st_ino, "mounted": ""}
        return 0, "" if len(names) == 2 else f"{unit}\n", ""


def _units():
    return [f"vnd{number}" for number in range(_UNITS)]


def _line(unit, one):
    if one is None:
        return f"{unit}: not in use\n"
    return f"{unit}: covering {one['file'][:_LONGEST_PATH]} on sd0a, inode {one['inode']}\n"


def _release(known, unit):
    if unit not in known or known[unit]["mounted"]:
        reason = "Device busy" if unit in known else "Device not configured"
        return 1, "", f"vnconfig: VNDIOCCLR: {reason}\n"
    del known[unit]
    return 0, "", ""


def mount(world, words):
    """``mount DEVICE DIRECTORY``: only partition a of vnd(4)."""
    _need_root(world, "mount")
    _found, names = options.parse(words, "fo:rst:uvw")
    device, folder = names
    unit = re.fullmatch(r"/dev/(vnd[0-9]+)a", device)
    with world.state.open() as state:
        one = state["vnds"].get(unit[1]) if unit else None
        if one is None:
            return 1, "", f"mount_ffs: {device} on {folder}: Device not configured\n"
        if one["mounted"]:
            return 1, "", f"mount_ffs: {device} on {folder}: Device busy\n"
        one["mounted"] = world.host.place(folder)
        with open(one["file"], "rb") as file:
            files = ram_disk(_HEAD + file.read())
        for name, content in files.items():
            _write(world, os.path.join(folder, name), content)
    return 0, "", ""


def umount(world, words):
    """``umount DIRECTORY``."""
    _need_root(world, "umount")
    _found, names = options.parse(words, "afvt:")
    folder = world.host.place(names[0])
    with world.state.open() as state:
        one = next((one for one in state["vnds"].values() if one["mounted"] == folder), None)
        if one is None:
            return 1, "", f"umount: {names[0]}: not currently mounted\n"
        files = {name: _read(world, os.path.join(folder, name)) for name in os.listdir(folder)}
        with open(one["file"], "r+b") as file:
            file.write(_packed(files))
        one["mounted"] = ""
    shutil.rmtree(folder)
    os.mkdir(folder)
    return 0, "", ""


def makefs(world, words):
    """``makefs -t cd9660 -o rockridge IMAGE DIRECTORY``."""
    found, names = options.parse(words, "B:b:F:f:M:m:N:o:S:s:T:t:x")
    if dict(found).get("t") != "cd9660" or len(names) != 2:
        return 1, "", "makefs: only -t cd9660 IMAGE DIRECTORY is simulated\n"
    rock_ridge = ["-R"] if "rockridge" in dict(found).get("o", "").split(",") else []
    image, folder = (world.host.place(name) for name in names)
    command = ["xorriso", "-as", "mkisofs", "-quiet", *rock_ridge, "-o", image, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, "", done.stderr if done.returncode else ""


def stty(world, words):
    """Do nothing: terminals have no settings here."""
    del world, words
    return 0, "", ""
