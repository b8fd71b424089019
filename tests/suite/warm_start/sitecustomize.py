# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python runs this file at its start: a module that Ansible transfers runs in a fork of a process (warm_ansible.py)."""

import os
import sys

#: The environment of Python and the socket of the server, separated by a colon.
_SERVER = os.environ.get("POLYVIRT_TEST_WARM_MODULES", "")


def _runs_warm():
    """Whether this process runs a module that Ansible has transferred, with the Python and the user of the server."""
    prefix, _colon, socket = _SERVER.partition(":")
    words = sys.orig_argv
    return (
        # Pipelined, the module is on standard input, and Python has no arguments.
        (len(words) == 1 or (len(words) == 2 and os.path.basename(words[1]).startswith("AnsiballZ_")))
        and prefix == sys.prefix
        and os.stat(socket).st_uid == os.geteuid()
    )


if _SERVER and _runs_warm():
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "platforms"))
    import warm_client

    warm_client.run(_SERVER.partition(":")[2], "suite.transferred", *sys.orig_argv[1:])
