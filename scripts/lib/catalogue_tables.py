# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create tables of the catalogue: what each operating system needs, and what exists for vmd."""

from __future__ import annotations

_MEDIA = {"iso": "ISO image", "netboot": "network installer", "disk": "installer on a disk"}


def needs_lines(entries):
    """Return the table of memory, disk and CPU; versions with the same needs share a line."""
    lines = ["| image | memory | disk | disk of its image | CPU |", "|---|---|---|---|---|"]
    names = {}
    for entry in entries:
        names.setdefault(_needs(entry), []).append(f"`{entry['name']}`")
    return [*lines, *(f"| {', '.join(found)} | {' | '.join(needs)} |" for needs, found in names.items())]


def _needs(entry):
    least, more = entry["minimum"], entry["recommended"]
    sizes = sorted({one["image"]["virtual_size"] for one in entry["media"] if "virtual_size" in one.get("image", {})})
    pairs = (f"{least[what]}; recommended {more[what]}" for what in ("memory", "disk"))
    return (*pairs, ", ".join(sizes) or "not known", least.get("cpu", "any"))


def vmd_lines(entries, image_of):
    """Return the table of what vmd can run; ``image_of`` returns the cell of the table of images for an entry."""
    lines = ["| image | `image:` on vmd | media of its vendor | first user | serial console |", "|---|---|---|---|---|"]
    for entry in (one for one in entries if "vmd" in one["platforms"]):
        media = ", ".join(_MEDIA[kind] for kind in _MEDIA if any(one["type"] == kind for one in entry["media"]))
        console = f"`{entry['serial_console']}`" if entry.get("serial_console") else "–"
        user = f"`{entry['login_user']}`" if entry.get("login_user") else "–"
        lines.append(f"| `{entry['name']}` | {image_of(entry)} | {media or '–'} | {user} | {console} |")
    return lines
