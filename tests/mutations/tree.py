# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the checkout with a mutation, and pytest in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collection_path import cache
from gates import shape

_PASSED, _FAILED, _NO_TESTS = 0, 1, 5
#: The parameters of a test may contain what separates its id from the reason.
_VERDICT = re.compile(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - .*)?$", re.MULTILINE)
_LAST_LINES = 15
#: The tests of this directory need a world, which this command creates.
_SUITE, _IN_A_WORLD = "tests/suite/", ("scripts/test.sh", "run")


class NotATestFailure(Exception):
    """pytest ended for another reason than a failing test: nothing is known about the mutation."""


@dataclass(frozen=True)
class Tree:
    """One folder in which copies are made one after the other, always at the same path.

    The path ends as Python and Ansible expect a collection, so no link leads to it.
    """

    checkout: Path
    work: Path
    name: str

    @property
    def root(self):
        return self.work / self.name / "ansible_collections" / "polyvirt" / "core"

    @contextmanager
    def copy(self, *mutations):
        """The checkout as it is now, with ``mutations`` applied, for the time of the block."""
        for name in shape.files_of(self.checkout):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(self.checkout / name, target)
        # Some tests ask git which files there are.
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)
        try:
            for path, content in [mutation.apply(self.root) for mutation in mutations]:
                _replace(path, content)
            yield
        finally:
            shutil.rmtree(self.work / self.name)
            # scripts/test.sh stores bytecode there.
            shutil.rmtree(cache() / "pycache" / self.root.relative_to("/"), ignore_errors=True)

    def pytest(self, paths, limit, options=("-x",)):
        """The ids of the failed tests; raises NotATestFailure. None fails if no test of ``paths`` is in a belt."""
        others = [path for path in paths if not path.startswith(_SUITE)]
        failed = self._run((sys.executable, "-m", "pytest"), others, limit, options)
        # Last, because a world takes longer than most tests.
        if failed and "-x" in options:
            return failed
        return failed + self._run(_IN_A_WORLD, [path for path in paths if path.startswith(_SUITE)], limit, options)

    def _run(self, command, paths, limit, options):
        if not paths:
            return []
        words = [*command, "-q", "--tb=short", "-o", f"cache_dir={self.work}/pytest", *options]
        # No bytecode: a mutated file may have the size and the second of the one before.
        environment = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.work / "hypothesis"),
        }
        code, output = _run([*words, *paths], self.root, environment, limit)
        if code == _NO_TESTS and "--quick" in options and " deselected" in output:
            return []
        found = _VERDICT.findall(output)
        if code not in (_PASSED, _FAILED) or bool(found) != (code == _FAILED):
            last = "\n".join(output.rstrip().splitlines()[-_LAST_LINES:])
            raise NotATestFailure(f"{command[0]} ended with {code}:\n{last}")
        return found


def _replace(path, content):
    mode = path.stat().st_mode
    path.unlink()  # A hard link to the file of the checkout.
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:  # Another file system.
        shutil.copy2(source, target)


def _run(words, folder, environment, limit):
    """(exit code, output); nothing that the command started survives it."""
    began = time.monotonic()
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _none = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise NotATestFailure(f"pytest had not ended after {time.monotonic() - began:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, output
