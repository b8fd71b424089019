# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the packages that the commands of documents install: ``named_packages.py apt|pip``, one in a line.

The tests run these commands in a world without a network (tests/install), with packages that were downloaded before.
"""

from __future__ import annotations

import re
import sys

from collection_path import CHECKOUT

_DOCUMENTS = ("docs/first-steps.md", "docs/examples/ci/*.yml")
_COMMANDS = {
    "apt": re.compile(r"\bapt(?:-get)? install (.*)"),
    "pip": re.compile(r"\bpip(?:x inject [a-z-]+|x?\"? install) (.*)"),
}


def packages(kind):
    """Return the packages that commands of this kind install, without options and comments."""
    files = [path for pattern in _DOCUMENTS for path in CHECKOUT.glob(pattern)]
    found = [one for path in files for one in _COMMANDS[kind].findall(path.read_text(encoding="utf-8"))]
    words = [word.strip("\"'") for line in found for word in line.partition("#")[0].split()]
    return sorted({word for word in words if not word.startswith("-")})


if __name__ == "__main__":
    print(*packages(sys.argv[1]), sep="\n")
