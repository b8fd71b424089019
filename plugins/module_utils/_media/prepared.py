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

from .._core.errors import Refused
from .._core.frozen import replace
from .._ports import files, partial_files
from .._ports.clock import Clock, today
from .._ports.progress import report
from .download import downloading
from .on_host import NO_PROMPT
from .store import Stored
from .windows_medium import disc_at, no_prompt_edit


def missing(images, iso):
    """Return the Stored that has to be created for an ISO image, or None if it exists.

    Raises Refused if the image cannot be prepared, or if there is too little space.
    """
    wanted, about = _wanted(images, iso), f"skip_boot_prompt: {iso}"
    if images.has_medium(wanted):
        return None
    _edit(iso)
    images.store.check_free(wanted.path)
    images.store.check_space(images.bytes_of_medium(iso), about, f" for {wanted.path}")
    return wanted


def prepare(images, iso, patience):
    """Return the path of the prepared image, after it was created unless it exists; other tasks wait ``patience`` s."""
    wanted, store = _wanted(images, iso), images.store
    if images.has_medium(wanted):
        return wanted.path
    edit = _edit(iso)
    files.make_folder(store.directory)
    with downloading(wanted.path, "", Clock().now() + patience) as part:
        if images.has_medium(wanted):
            return wanted.path
        store.check_free(wanted.path)
        report(f"{iso}: prepare it without its prompt")
        new = f"{part}.{wanted.format}"
        try:
            # Programs keep the mode of an existing file: nobody else can read the incomplete one.
            files.write_atomically(new, b"", 0o600)
            images.write_medium(iso, new, edit)
            if files.version(iso) != wanted.made_from:
                raise Refused(f"skip_boot_prompt: {iso} was changed while this task read it.", "Run the task again.")
            # A private image can contain an answer file or a product key.
            store.add(new, replace(wanted, file_size=files.size(new)), partial_files.may_everybody_read(iso))
        finally:
            files.remove(new)
            files.remove(part)
    return wanted.path


def _wanted(images, iso):
    version = files.version(iso)
    if not version:
        raise Refused(
            f"skip_boot_prompt: {iso} does not exist or cannot be seen.", "Check the path and its permissions."
        )
    digits = hashlib.sha256(json.dumps([iso, version]).encode()).hexdigest()
    name = os.path.splitext(os.path.basename(iso))[0] + NO_PROMPT.strip("-")
    return Stored(
        path=images.store.path_of(name, digits, images.medium_format),
        name=iso,
        architecture="",
        file=os.path.basename(iso),
        format=images.medium_format,
        address=iso,
        fetched=today().isoformat(),
        checked="none",
        file_size=0,
        size=version[0],
        made_from=version,
    )


def _edit(iso):
    edit = no_prompt_edit(disc_at(iso))
    if edit is None:
        raise Refused(
            f"skip_boot_prompt: {iso} has no program that starts Windows Setup under UEFI without a key press"
            " (efi/microsoft/boot/efisys_noprompt.bin), or does not start efisys.bin.",
            "Use the ISO image of the vendor, or omit skip_boot_prompt and press a key in the console.",
        )
    return edit
