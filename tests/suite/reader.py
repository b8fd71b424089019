# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of a guide, who types its blocks in an empty directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from collection_path import CHECKOUT
from install.newcomer import blocks, typed
from suite.by_ansible import configured
from suite.limits import scaled


def sections(document):
    """{heading: text} of a guide; the text before the first heading has the key ''."""
    page = (CHECKOUT / document).read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    return dict(zip(["", *headings], re.split(r"^## .*$", page, flags=re.MULTILINE)))


class Reader:
    """Somebody in an empty directory; ``environment`` is added to that of the tests."""

    def __init__(self, folder, environment):
        self.folder = folder / "place"
        self.folder.mkdir()
        path = f"{Path(sys.executable).parent}:{environment.get('PATH', os.environ['PATH'])}"
        self._environment = {**os.environ, **configured(folder), **environment, "PATH": path, "COLUMNS": "1000"}

    def type(self, text, is_wanted=lambda code: True):
        """Type the blocks of a text: (tasks that changed something in each run, output)."""
        return self.run("".join(typed(*block) for block in blocks(text) if is_wanted(block[1])))

    def run(self, script):
        done = subprocess.run(
            ["bash", "-e"], input=script, cwd=self.folder, env=self._environment, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=scaled(600),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        runs = done.stdout.split("PLAY RECAP")[1:]
        return [sum(map(int, re.findall(r"changed=(\d+)", run))) for run in runs], done.stdout
