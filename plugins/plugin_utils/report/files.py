# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: written at once, so that nobody reads half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def read(folder, names):
    """{name: text, or None of a file that does not exist} of files in a directory; others may have written them."""
    paths = {name: Path(folder) / name for name in names}
    return {name: path.read_text("utf-8", errors="replace") if path.exists() else None for name, path in paths.items()}


def write(folder, texts):
    """Write {name: text} into a directory, which is created if needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _write(folder, name, text)


def _write(folder, name, text):
    handle, path = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        # A report has no secrets, and a web server or a collector of metrics has to read it.
        os.chmod(path, 0o644)
        os.replace(path, folder / name)
    except BaseException:
        os.unlink(path)
        raise
