# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this checkout can be found as the collection polyvirt.core, wherever it lies.

Python and Ansible both look for ``ansible_collections/polyvirt/core`` below a folder. A checkout seldom lies so;
then a link in the cache leads to it. Run as a script this prints the folder, for ANSIBLE_COLLECTIONS_PATH.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
INSIDE = Path("ansible_collections", "polyvirt", "core")


def cache():
    """The one folder for everything that can be made again."""
    return Path(os.environ.get("POLYVIRT_CACHE") or Path.home() / ".cache" / "polyvirt")


def collections_path():
    """The folder to put on ``sys.path`` or ANSIBLE_COLLECTIONS_PATH; makes the link if it is needed."""
    if CHECKOUT.parts[-3:] == INSIDE.parts:
        return CHECKOUT.parents[2]
    # Several checkouts share one cache, so each has a link of its own.
    root = cache() / "links" / hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]
    link = root / INSIDE
    link.parent.mkdir(parents=True, exist_ok=True)
    if not (link.is_symlink() and link.readlink() == CHECKOUT):
        # Made aside and renamed: two runs may come here at the same moment.
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.symlink_to(CHECKOUT)
        fresh.replace(link)
    return root


if __name__ == "__main__":
    sys.stdout.write(f"{collections_path()}\n")
