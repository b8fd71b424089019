# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the constraints of a test environment: exact package versions for each supported Python version.

Usage: python scripts/constraints.py REQUIREMENTS PYTHON... >CONSTRAINTS, with one interpreter of each minor version:
       python scripts/constraints.py tests/requirements.txt python3.11 python3.12 python3.13 >tests/constraints.txt
"""

from __future__ import annotations

import json
import subprocess
import sys

_HEADER = """\
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by scripts/constraints.py from {requirements}. A run of the tests next month uses the same versions.
"""


def resolved(python, requirements):
    """Return (minor version of ``python``, {package: version}) of the packages that pip would install."""
    command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    done = subprocess.run([*command, "-r", requirements], check=True, stdout=subprocess.PIPE)
    report = json.loads(done.stdout)
    packages = (package["metadata"] for package in report["install"])
    return report["environment"]["python_version"], {one["name"].lower(): one["version"] for one in packages}


def lines(by_python):
    """Yield the constraints, with markers if versions differ between Pythons. The newest one covers later Pythons."""
    newest = list(by_python)[-1]
    for package in sorted({package for packages in by_python.values() for package in packages}):
        versions = {python: packages.get(package) for python, packages in by_python.items()}
        if len(set(versions.values())) == 1:
            yield f"{package}=={versions[newest]}"
            continue
        for python, version in versions.items():
            relation = ">=" if python == newest else "=="
            if version is not None:
                yield f'{package}=={version} ; python_version {relation} "{python}"'


def main(requirements, *pythons):
    by_python = dict(resolved(python, requirements) for python in pythons)
    print(_HEADER.format(requirements=requirements), end="")
    print("\n".join(lines(by_python)))


if __name__ == "__main__":
    main(*sys.argv[1:])
