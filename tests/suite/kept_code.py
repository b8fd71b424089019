# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled code in files, for processes that would compile the same text again."""

from __future__ import annotations

import marshal
import os
from hashlib import blake2b


def kept_code(folder, text, compile_text):
    """The code that ``compile_text()`` returns; ``text``, as bytes, decides it. Its file is in ``folder``, a Path."""
    kept = folder / blake2b(text, digest_size=16).hexdigest()
    try:
        return marshal.loads(kept.read_bytes())
    except OSError:
        code = compile_text()
    # Several tasks may compile the same text at the same time.
    temporary = kept.with_name(f"{kept.name}.{os.getpid()}")
    folder.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(marshal.dumps(code))
    temporary.replace(kept)
    return code
