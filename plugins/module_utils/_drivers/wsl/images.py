# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: images by name or address: a name of the online list, which WSL downloads itself, or a vendor's archive.

The list does not say which version some of its names are. The installed system says so: another version is removed.
An archive (.wsl, or a tarball) is downloaded and verified by the controller, and copied to the host.
"""

from __future__ import annotations

from ..._core.errors import InvalidInput, NotFound, Refused
from ..._core.frozen import replace
from ..._core.options.image_names import NAME, ONLINE, names_of, read_image
from ..._core.record.mark import image_in, name_of_image, parsed
from ..._media.choose import WSL, Needs, resolve
from ..._media.names import base_of, created_from, media_of, with_image
from ..._media.windows.copy import ImagesOnWindows
from ..._tools.wsl import INSTALLED, MARK, check, in_shell
from .configure import stopped_again

#: wsl.exe installs the architecture of its host: the names of the online list are the same for all.
_ALL = {"amd64", "arm64"}
_ONLINE = Needs(
    platform="WSL",
    architecture="amd64",
    formats=("online",),
    kind=WSL,
    alternative="Set the address or path of an archive (.wsl or a tarball).",
)
_ARCHIVES = ("wsl", "tar", "tar.gz", "tar.xz")
_VERSION = ". /etc/os-release && echo $VERSION_ID"
#: Suboptions that concern the download of a file, and why they cannot be set for a name of the online list.
_OF_FILES = {
    "checksum": "WSL verifies what it downloads.",
    "headers": "WSL sends no headers.",
    "require_signature": "WSL verifies what it downloads by a checksum.",
}


# Names of the online list ---------------------------------------------------------------------------------------------


def _media_of(asked):
    """Return (media of the online list, files) that the catalogue has of a name."""
    media = [one for one in asked["catalogue"]["media"] if one["type"] == WSL]
    return [one for one in media if not one.get("file")], [one for one in media if one.get("file")]


def _has(online, names):
    """Return whether the online list has one of the media; a list that cannot be read is reported by WSL itself."""
    known = None if names is None else {name.lower() for name in names}
    return any(known is None or one["image"]["online_name"].lower() in known for one in online)


def _from_list(request, name, names, archives):
    asked = request.creation["image"]
    published = {one["architecture"] for one in _media_of(asked)[0]}
    # That of the host is read only if one of them is not published.
    needs = _ONLINE if published == _ALL else replace(_ONLINE, architecture=archives.architecture)
    medium = resolve(media_of(asked), needs, f"{request.label}: image: {name}").medium
    online_name = medium["image"]["online_name"]
    if not _has([medium], names):
        raise NotFound(
            f"{request.label}: image: {asked['source']}: the online list of this host has no '{online_name}'.",
            f"It has {', '.join(names)}. {_ONLINE.alternative}",
        )
    is_stated = medium["image"].get("version_stated", True)
    return created_from(request, online_name, version=None if is_stated else asked["catalogue"].get("version"))


def _check_no_file(asked, about):
    for option, why in _OF_FILES.items():
        if asked.get(option):
            raise InvalidInput(
                f"{about}.{option}: it is of a file, and WSL installs '{asked['source']}' from its online list. {why}",
                "Omit it, or set the address or path of an archive as image.",
            )


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
        f"Set image: {image['source']} for any version. {_ONLINE.alternative}",
    )


def _sent(calls):
    return (yield calls)


# Files ----------------------------------------------------------------------------------------------------------------


def _begun(driver, request):
    """The image of a distribution that an interrupted task has registered from a file, or None.

    It is only completed, whatever the vendor publishes now, and whether or not the file still exists.
    """
    raw, asked = driver.host.find(request.name), request.creation["image"]
    if raw is None or raw.get("State") != INSTALLED or not driver.is_unfinished(raw):
        return None
    inputs, name = (parsed(raw.get(MARK)) or {}).get("inputs", {}), name_of_image(asked)
    if not inputs.get("fetched") or inputs.get("image") != name:
        return None
    # Without a separator, it is not taken for a path that has to exist.
    return {**asked, **image_in(inputs), "source": base_of(name), "fetch": None, "warnings": ()}


class Archives(ImagesOnWindows):
    """The archives that a host keeps. They are a user's, as distributions are."""

    #: An archive is unpacked.
    are_used = False

    def __init__(self, driver):
        super().__init__(driver, "LOCALAPPDATA", _ARCHIVES)

    def needs(self, _request):
        return replace(_ONLINE, architecture=self.architecture, formats=_ARCHIVES)

    def resolved(self, request):
        """Return the request with a name of the online list, or a file on the host, as its image; a path as it is."""
        begun = _begun(self._driver, request)
        if begun:
            return with_image(request, begun)
        asked, about = request.creation["image"], f"{request.label}: image"
        names = self._driver.online_names() if "://" not in asked["source"] else None
        image = read_image(asked["source"], (ONLINE,), about, names_of(asked), names)
        if image.form == NAME:
            online, files = _media_of(asked)
            if _has(online, names) or not files:
                _check_no_file(asked, about)
                return _from_list(request, image.value, names, self)
        elif image.form == ONLINE:
            _check_no_file(asked, about)
            return request
        return self.of_form(request, image.form)

    def image(self, request, form, option):
        asked = request.creation["image"]
        if form == NAME:
            online, files = _media_of(asked)
            if online and not files:
                raise Refused(
                    f"{option}: {asked['source']}: WSL itself downloads it from its online list for each distribution.",
                    "There is nothing to fetch before.",
                )
            # Names of the online list have no file, and need no architecture.
            catalogue = {**asked["catalogue"], "media": files} if files else asked["catalogue"]
            request = with_image(request, {**asked, "catalogue": catalogue})
        return super().image(request, form, option)
