# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the table of errors of other modules from the README of their tests, which its own test keeps up to date."""

from __future__ import annotations

import re

_SECTION = re.compile(r"^## (.+)\n\n((?:.+\n)+)\n((?:\|.*\n)+)", re.MULTILINE)
#: | number | what the user wants to do | the peer | this collection | test |
_ROW = re.compile(r"^\| D\d+ \| (.*) \| (.*) \| (.*) \| `\w+` \|$", re.MULTILINE)


def peer_lines(checkout):
    """Return a table for each collection, each below a sentence with the modules and their version."""
    text = (checkout / "tests" / "peers" / "README.md").read_text(encoding="utf-8")
    lines = []
    for title, introduction, table in _SECTION.findall(text):
        modules = re.match(r".*? \d[\d.]*(?=,)", " ".join(introduction.split()))[0]
        lines += ["", f"### {title}", "", f"{modules}.", "", "| the user wants to ... | the module | this collection |"]
        lines += ["|---|---|---|", *(f"| {' | '.join(row)} |" for row in _ROW.findall(table))]
    return [*lines, ""]
