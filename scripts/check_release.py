# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a commit can be released as a version: python3 scripts/check_release.py VERSION.

The version must be that of galaxy.yml, and the newest one of the changelog, which must contain every fragment.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
#: As Galaxy accepts them: semantic versioning.
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")


def problems(checkout, version):
    """Return what prevents the release, as texts; an empty list if nothing does."""
    metadata = yaml.safe_load((checkout / "galaxy.yml").read_text(encoding="utf-8"))
    changelog = yaml.safe_load((checkout / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))
    releases = changelog["releases"]
    if not _VERSION.fullmatch(version):
        return [f"{version} is not a version such as 1.0.0 or 1.0.0-rc.1."]
    found = []
    if str(metadata["version"]) != version:
        found.append(f"galaxy.yml has the version {metadata['version']}, not {version}.")
    if version not in releases:
        return [*found, f"changelogs/changelog.yaml has no entry {version}: run antsibull-changelog release."]
    known = {one for release in releases.values() for one in release.get("fragments", ())}
    fragments = {path.name for path in (checkout / "changelogs" / "fragments").glob("*.yml")}
    if fragments - known:
        left = ", ".join(sorted(fragments - known))
        found.append(f"These fragments are in no release: {left}. Run antsibull-changelog release again.")
    if "-" not in version and not releases[version].get("changes", {}).get("release_summary"):
        found.append(f"The entry {version} of the changelog has no release_summary.")
    if f"\nv{version}\n" not in (checkout / "CHANGELOG.rst").read_text(encoding="utf-8"):
        found.append(f"CHANGELOG.rst has no section v{version}: run antsibull-changelog generate.")
    return found


def main(arguments, checkout=CHECKOUT):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    found = problems(checkout, arguments[0])
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
