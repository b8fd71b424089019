# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pfctl on the host in POLYVIRT_VMM_STATE; without this variable, on a host that is forgotten after the call."""

from __future__ import annotations

import os
import sys

from platforms.vmm.double import pf

text = sys.stdin.buffer.read().decode("latin-1") if "-" in sys.argv[1:] else ""
code, output, errors = pf.run(os.environ.get("POLYVIRT_VMM_STATE"), sys.argv[1:], stdin=text)
sys.stdout.buffer.write(output.encode("latin-1", "surrogateescape"))
sys.stderr.buffer.write(errors.encode("latin-1", "surrogateescape"))
sys.exit(code)
