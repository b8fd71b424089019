# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests of the rows on the product of an earlier commit: a test that passes there shows nothing.

Usage: run.py COMMIT [ROW...]. Exit code 1: a test did not fail there. An error, such as the import of a module that the
product did not have, is no failure.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proof.moved import place_moved
from proof.rows import rows, tests_of

CHECKOUT = Path(__file__).resolve().parents[2]
#: What users get. Tests, doubles and scripts stay those of today.
PRODUCT = ("plugins", "roles", "playbooks")
#: From the outcome that decides to the one that counts only if it is the only one.
_ORDER = ("failure", "error", "passed", "skipped")


def git(*words, folder=CHECKOUT):
    subprocess.run(["git", "-C", folder, *words], check=True, stdout=subprocess.DEVNULL)


def put_product(tree, commit):
    """Replace the product in ``tree`` by that of ``commit``; files that it did not have are removed."""
    git("rm", "-rqf", *PRODUCT, folder=tree)
    git("checkout", "-q", commit, "--", *PRODUCT, folder=tree)
    place_moved(tree)


def run_tests(tree, tests):
    """Run tests in one world; return {dotted name of a case: (outcome, first line of its error)}."""
    report = Path(tree) / "proof.xml"
    # A file that cannot be imported ends a run that names one of its functions, but not one that selects it.
    # Sorted, because pytest finds the fixtures of a directory only for files that follow each other.
    files = sorted({test.partition("::")[0] for test in tests})
    names = " or ".join(re.split("[:/]", test)[-1] for test in tests)
    # The real VirtualBox takes minutes for what its double shows in seconds.
    names = f"({names}) and not [virtualbox]"
    # Some tests record counts, which only the older format of a report can contain.
    words = ["-q", "--continue-on-collection-errors", "-k", names, "-o", "junit_family=xunit1", "--junitxml", report]
    subprocess.run([Path(tree) / "scripts" / "test.sh", "run", *words, *files], check=False, stdout=sys.stderr)
    if not report.exists():
        return {}
    return {_name(case): _outcome(case) for case in ElementTree.parse(report).iter("testcase")}


def _name(case):
    # The case of a file that cannot be imported has no class, and the name of the file.
    return ".".join(filter(None, (case.get("classname"), case.get("name"))))


def _outcome(case):
    for child in case:
        if child.tag in ("failure", "error", "skipped"):
            # The error of a file that cannot be imported is the last line of the text.
            text = child.get("message") if child.tag != "error" else (child.text or "").strip().splitlines()[-1]
            return child.tag, (text or "").partition("\n")[0]
    return "passed", ""


def outcome_of(test, cases):
    """Return the worst outcome of the cases of a test, and the reason. A test that did not run is an error."""
    dotted = test.replace(".py", "").replace("::", ".").replace("/", ".")
    own = [
        found
        for name, found in cases.items()
        if name.partition("[")[0] == dotted or f"{name}.".startswith(f"{dotted}.")
    ]
    file = dotted.removesuffix(test.partition(".py")[2].replace("::", "."))
    own = own or [found for name, found in cases.items() if name == file]
    return min(own, key=lambda found: _ORDER.index(found[0]), default=("error", "did not run"))


def show(name, results):
    """Print the outcomes of a row; return whether each of its tests fails."""
    print(name)
    for test, (kind, reason) in results.items():
        print(f"   {kind} {test}: {reason}"[:250])
    return all(kind == "failure" for kind, _reason in results.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[[], *rows()])
    options = parser.parse_args()
    wanted = {name: tests_of(parts) for name, parts in rows().items() if not options.rows or name in options.rows}
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "-q", "--detach", tree, "HEAD")
        try:
            put_product(tree, options.commit)
            cases = run_tests(tree, dict.fromkeys(test for tests in wanted.values() for test in tests))
        finally:
            git("worktree", "remove", "--force", tree)
    shown = [show(name, {test: outcome_of(test, cases) for test in tests}) for name, tests in wanted.items()]
    return 0 if all(shown) else 1


if __name__ == "__main__":
    sys.exit(main())
