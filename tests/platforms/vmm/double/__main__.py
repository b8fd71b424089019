# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated programs of OpenBSD: ``python -m platforms.vmm.double FOLDER PROGRAM WORD…`` (README.md)."""

from __future__ import annotations

import os
import sys

from .commands import call
from .options import NotRecorded


def _announce(text):
    sys.stderr.write(text)
    sys.stderr.flush()


try:
    answer = call(sys.argv[1], sys.argv[2:], os.environ, announce=_announce)
except NotRecorded as error:
    _announce(f"{error}\n")
    sys.exit(error.code)
for stream, text in ((sys.stdout, answer.stdout), (sys.stderr, answer.stderr)):
    stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    stream.write(text)
sys.exit(answer.returncode)
