# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests of the rows on the product of an earlier commit: a test that passes there shows nothing.

Usage: run.py COMMIT [ROW...]. Exit code 1: a row has no test that fails there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proof.rows import rows, tests_of

CHECKOUT = Path(__file__).resolve().parents[2]
#: What users get. Tests, doubles and scripts stay those of today.
PRODUCT = ("plugins", "roles", "playbooks")


def git(*words, folder=CHECKOUT):
    subprocess.run(["git", "-C", folder, *words], check=True, stdout=subprocess.DEVNULL)


def put_product(tree, commit):
    """Replace the product in ``tree`` by that of ``commit``; files that it did not have are removed."""
    git("rm", "-rqf", *PRODUCT, folder=tree)
    git("checkout", "-q", commit, "--", *PRODUCT, folder=tree)


def outcomes(tree, tests):
    """Return the outcome of tests: failure, error (such as a name that the product did not have) or passed."""
    report = Path(tree) / "proof.xml"
    command = [Path(tree) / "scripts" / "test.sh", "run", "-q", "--junitxml", report, *tests]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not report.exists():
        return "error"
    cases = ElementTree.parse(report).iter("testcase")
    kinds = [next((kind for kind in ("failure", "error") if case.find(kind) is not None), "passed") for case in cases]
    return next((kind for kind in ("failure", "error") if kind in kinds), "passed" if kinds else "error")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("rows", nargs="*")
    options = parser.parse_args()
    is_shown = True
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "-q", "--detach", tree, "HEAD")
        try:
            put_product(tree, options.commit)
            for name, parts in rows().items():
                if options.rows and name not in options.rows:
                    continue
                results = {test: outcomes(tree, [test]) for test in tests_of(parts)}
                print(name, *(f"{kind} {test}" for test, kind in results.items()), sep="\n   ", flush=True)
                is_shown = is_shown and any(kind != "passed" for kind in results.values())
        finally:
            git("worktree", "remove", "--force", tree)
    return 0 if is_shown else 1


if __name__ == "__main__":
    sys.exit(main())
