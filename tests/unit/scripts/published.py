# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as it is published: built from a copy of the checkout, and installed into an empty directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from collection_path import CHECKOUT


class Copy:
    """A copy of what git would commit, as a collection in a directory of its own."""

    def __init__(self, folder):
        self.path = folder / "ansible_collections" / "polyvirt" / "core"
        self._folder = folder
        command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (CHECKOUT / name).is_file() and not name.startswith("tests/"):
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(CHECKOUT / name, self.path / name)

    def set_version(self, version):
        file = self.path / "galaxy.yml"
        text = re.sub(r"^version: .*$", f"version: {version}", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        file.write_text(text, encoding="utf-8")

    def run(self, program, *words):
        programs = Path(sys.executable).parent
        around = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self._folder),
        }
        done = subprocess.run(
            [programs / program, *words], cwd=self.path, env=around, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def releases(self):
        return yaml.safe_load((self.path / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))["releases"]

    def sections(self):
        return re.findall(r"^v(\d\S*)$", (self.path / "CHANGELOG.rst").read_text(encoding="utf-8"), re.MULTILINE)

    def build(self):
        """Build the collection, and return its file."""
        self.run("ansible-galaxy", "collection", "build", "--force", "--output-path", self._folder)
        (path,) = self._folder.glob("polyvirt-core-*.tar.gz")
        return path


class Installed:
    """The published collection in an empty directory, for an environment with a version of ansible-core."""

    def __init__(self, tarball, environment, folder):
        self.programs, self._folder = environment / "bin", folder
        self.path = folder / "collections/ansible_collections/polyvirt/core"
        (folder / "ansible.cfg").touch()
        done = self.run("ansible-galaxy", "collection", "install", "--offline", tarball, "-p", folder / "collections")
        assert done.returncode == 0, done.stdout + done.stderr

    def environment(self):
        """The environment in which Ansible finds this collection and no other one, and nothing of the user's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHONPATH"))}
        return {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(self._folder / "collections"),
            "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
            "ANSIBLE_CONFIG": str(self._folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(self._folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, program, *words, **environment):
        return subprocess.run(
            [self.programs / program, *words], cwd=self._folder, env={**self.environment(), **environment},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
