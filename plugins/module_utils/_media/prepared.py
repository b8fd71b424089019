# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images of Windows without their prompt ("Press any key to boot from CD or DVD"), in the image store of a host.

Under UEFI, the image of the vendor waits some seconds for a key, and then starts nothing. It also contains a program
without the prompt, so the prepared image differs in the four bytes that name the program. Each ISO image is prepared
once, for all VMs; another file with the same path (size, time, inode) is another one.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import partial

from .._core.errors import Refused
from .._core.frozen import Frozen
from .._ports.clock import today
from .on_host import NO_PROMPT
from .store import Stored
from .windows_medium import no_prompt_edit


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


def _edit(medium):
    edit = no_prompt_edit(medium.disc)
    if edit is None:
        raise Refused(
            f"skip_boot_prompt: {medium.path} has no program that starts Windows Setup under UEFI without a key press"
            " (efi/microsoft/boot/efisys_noprompt.bin), or does not start efisys.bin.",
            "Use the ISO image of the vendor, or set boot_key_seconds instead of skip_boot_prompt.",
        )
    return edit
