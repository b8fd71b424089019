# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images on a host, and those of Windows that are prepared without their prompt, in the image store of the host.

The prompt is "Press any key to boot from CD or DVD". Under UEFI, the image of the vendor waits some seconds for a key,
and then starts nothing. It also contains a program without the prompt, so the prepared image differs in the four bytes
that name the program. Each ISO image is prepared once, for all VMs; another file with the same path (size, time, inode)
is another one. The store is imported by those tasks only that use such an image.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from functools import partial

from .._core.errors import PolyvirtError, Refused
from .._core.frozen import Frozen
from .._ports import files
from .._ports.clock import today

#: Part of the names of prepared ISO images.
NO_PROMPT = ".no-prompt-"
_PROGRAM, _SILENT_PROGRAM = ("efi/microsoft/boot/efisys.bin", "efi/microsoft/boot/efisys_noprompt.bin")
#: The entry in the boot catalogue with the sector of what it starts.
_SECTOR_AT = 8


class Medium(Frozen):
    """An ISO image on a host. ``key`` is the same for all spellings of its path, and ``file`` the name of the file.

    ``version`` changes when the file is replaced; it is empty if there is none, and None if that cannot be seen.
    ``disc`` is what is on it (disc.py).
    """

    path: str
    key: str
    file: str
    version: object
    disc: object


class Edit(Frozen):
    """Bytes of an ISO image to replace, so that it starts without a key press. Empty ``old``: it does already."""

    at: int
    old: bytes
    new: bytes


def medium_of(path):
    """Return the ISO image that an image in an optical drive stands for, if it was prepared from it.

    One that was prepared from an earlier file of this name, or changed since, stands for itself: it has the content of
    neither.
    """
    if not path or NO_PROMPT not in path:
        return path
    from .store import FolderStore

    try:
        stored = FolderStore(os.path.dirname(path)).at(path)
    except PolyvirtError:
        return path
    if not stored or not stored.made_from or files.version(stored.name) != list(stored.made_from):
        return path
    return stored.name if files.version(path) == list(stored.seen or ()) else path


def missing(images, iso):
    """Return the Stored that has to be created for an ISO image, or None if it exists.

    Raises Refused if the image cannot be prepared, or if there is too little space.
    """
    medium = images.medium(iso)
    wanted = _wanted(images, medium)
    if images.store.found_or_free(wanted.path, partial(images.has_medium, wanted)):
        return None
    _edit(medium)
    images.store.check_space(images.bytes_of_medium(wanted), f"skip_boot_prompt: {iso}", f" for {wanted.path}")
    return wanted


def prepare(images, iso, patience):
    """Return the path of the prepared image, after it was created unless it exists; other tasks wait ``patience`` s."""
    medium = images.medium(iso)
    wanted = _wanted(images, medium)
    if not images.has_medium(wanted):
        images.add_medium(wanted, _edit(medium), patience)
    return wanted.path


def changed_meanwhile(iso):
    """Return the error about an ISO image that another file has replaced while it was copied."""
    return Refused(f"skip_boot_prompt: {iso} was changed while this task read it.", "Run the task again.")


def _wanted(images, medium):
    if not medium.version:
        raise Refused(
            f"skip_boot_prompt: {medium.path} does not exist or cannot be seen.", "Check the path and its permissions."
        )
    from .store import Stored

    digits = hashlib.sha256(json.dumps([medium.key, medium.version]).encode()).hexdigest()
    name = os.path.splitext(medium.file)[0] + NO_PROMPT.strip("-")
    return Stored(
        path=images.store.path_of(name, digits, images.medium_format),
        name=medium.path,
        architecture="",
        file=medium.file,
        format=images.medium_format,
        address=medium.path,
        fetched=today().isoformat(),
        checked="none",
        file_size=0,
        size=medium.version[0],
        made_from=medium.version,
    )


def no_prompt_edit(disc):
    """The Edit of the boot catalogue that starts the medium under UEFI without a key press, or None if it has none.

    The medium contains two programs for it: one asks for a key, the other one does not. Both are known by their names.
    """
    asks, silent = disc.find(_PROGRAM), disc.find(_SILENT_PROGRAM)
    if asks is None or silent is None or None in (asks.sector, silent.sector):
        return None
    entries = [one for one in disc.boot_entries() if one.bootable and one.sector in (asks.sector, silent.sector)]
    if len(entries) != 1:
        return None
    old, new = (struct.pack("<I", one.sector) for one in (asks, silent))
    is_done = entries[0].sector == silent.sector
    return Edit(entries[0].at + _SECTOR_AT, b"" if is_done else old, new)


def _edit(medium):
    edit = no_prompt_edit(medium.disc)
    if edit is None:
        raise Refused(
            f"skip_boot_prompt: {medium.path} has no program that starts Windows Setup under UEFI without a key press"
            " (efi/microsoft/boot/efisys_noprompt.bin), or does not start efisys.bin.",
            "Use the ISO image of the vendor, or set boot_key_seconds instead of skip_boot_prompt.",
        )
    return edit
