# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m suite.warm_playbook WORD...``: ansible-playbook with these words, in a fork of a process that has it."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

from ansible import constants
from ansible.cli import playbook

from suite import kept_of_plays


def main():
    # Ansible creates it when it is imported, and deletes it when a process ends.
    constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(dir=os.path.dirname(constants.DEFAULT_LOCAL_TMP))
    atexit.register(shutil.rmtree, constants.DEFAULT_LOCAL_TMP, ignore_errors=True)
    os.symlink(kept_of_plays.ARCHIVES, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
    sys.exit(playbook.main(["ansible-playbook", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
else:
    kept_of_plays.load_plugins()
    kept_of_plays.load_collection()
    kept_of_plays.keep_templates()
