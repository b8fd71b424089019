# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double as a program: ``python -m platforms.virtualbox.double FOLDER WORD…`` (README.md)."""

from __future__ import annotations

import signal
import sys

from .commands import call
from .failures import NeverEnds

try:
    answer = call(sys.argv[1], sys.argv[2:])
except NeverEnds:
    while True:
        signal.pause()
for stream, text in ((sys.stdout, answer.stdout), (sys.stderr, answer.stderr)):
    stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    stream.write(text)
sys.exit(answer.returncode)
