# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make this checkout importable as the collection polyvirt.core, wherever it is.

Python and Ansible both look for ``ansible_collections/polyvirt/core`` in a directory. If the checkout is not in such a
place, a symbolic link to it is created in the cache. As a script, this prints the path for ANSIBLE_COLLECTIONS_PATH.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
INSIDE = Path("ansible_collections", "polyvirt", "core")


def cache():
    """Return the directory for everything that can be created again."""
    return Path(os.environ.get("POLYVIRT_CACHE") or Path.home() / ".cache" / "polyvirt")


def collections_path():
    """Return the directory for ``sys.path`` or ANSIBLE_COLLECTIONS_PATH; creates the link if it is needed."""
    if CHECKOUT.parts[-3:] == INSIDE.parts:
        return CHECKOUT.parents[2]
    # Several checkouts share one cache, so each has its own link.
    root = cache() / "links" / hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]
    link = root / INSIDE
    link.parent.mkdir(parents=True, exist_ok=True)
    if not (link.is_symlink() and link.readlink() == CHECKOUT):
        # Created with a temporary name and renamed, because two runs may do this at the same time.
        temporary = link.with_name(f"{link.name}.{os.getpid()}")
        temporary.symlink_to(CHECKOUT)
        temporary.replace(link)
    return root


if __name__ == "__main__":
    sys.stdout.write(f"{collections_path()}\n")
