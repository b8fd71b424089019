# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a directory of Debian packages a source for apt: ``package_source.py FOLDER`` writes its index, ``Packages``.

The line of sources.list is then ``deb [trusted=yes] file:FOLDER ./``.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path


def entry(path):
    """Return the entry of a package in the index."""
    control = subprocess.run(["dpkg-deb", "--field", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{control}Filename: ./{path.name}\nSize: {path.stat().st_size}\nSHA256: {digest}\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "Packages").write_text("\n".join(map(entry, sorted(folder.glob("*.deb")))), encoding="utf-8")
