# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the catalogue: the name of the online list, and the version that it has to have.

The list does not say which version some of its names are. The installed system says so: another version is removed.
"""

from __future__ import annotations

from ..._core.errors import NotFound, Refused
from ..._core.image_names import ONLINE
from ..._media.named import created_from, medium_of
from ..._media.resolve import WSL, Needs
from ..._tools.wsl import check, in_shell
from .configure import stopped_again

#: wsl.exe installs the architecture of its host: the names of the online list are the same for all.
_NEEDS = Needs(
    platform="WSL",
    architecture="amd64",
    formats=("online", "wsl"),
    kind=WSL,
    alternative="Download an archive (.wsl or a tarball) to the Windows host, and set its path.",
)
_VERSION = ". /etc/os-release && echo $VERSION_ID"


def resolved(driver, request):
    """Return the request with the name of the online list as its image; paths and names of the list are unchanged."""
    names = driver.online_names()
    medium = medium_of(request, _NEEDS, ONLINE, names)
    if medium is None:
        return request
    online_name, catalogue = medium["image"]["online_name"], request.creation["image"]["catalogue"]
    if names and online_name.lower() not in map(str.lower, names):
        raise NotFound(
            f"{request.label}: image: {request.creation['image']['source']}: the online list of this host has no"
            f" '{online_name}'.",
            f"It has {', '.join(names)}. {_NEEDS.alternative}",
        )
    is_stated = medium["image"].get("version_stated", True)
    return created_from(request, online_name, version=None if is_stated else catalogue.get("version"))


def check_version(driver, vm, raw, image):
    """Raise Refused, like a step, if a new distribution has another version than its image must have."""
    version = (image or {}).get("version")
    if not version:
        return
    reading = [in_shell(driver.host.file, raw["DistributionName"], _VERSION, reads=True)]
    result = yield from stopped_again(driver, raw, _sent(reading))
    check(result.answers[0], vm.name, "--exec /bin/sh")
    found = result.answers[0].bytes("stdout").decode("utf-8", "replace").strip()
    if f"{found}.".startswith(f"{version}."):
        return
    raise Refused(
        f"{vm.name}: image: {image['name']}: the online list does not say which version '{image['source']}' is, and it"
        f" has installed version {found or 'unknown'}. So the distribution was removed.",
        f"Set image: {image['source']} for any version. {_NEEDS.alternative}",
    )


def _sent(calls):
    return (yield calls)
