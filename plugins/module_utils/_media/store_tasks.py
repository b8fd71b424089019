# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules image and image_info do: fetch images before a VM needs them, remove them, and list them.

``driver`` is that of a platform with images on its host (on_host.py): an image is fetched as for a new VM, and the VMs
that need it for their disks are those that hold its file (``Lookup.are_used``).
"""

from __future__ import annotations

from datetime import date
from shlex import quote

from .._core.errors import InvalidInput, PolyvirtError, Refused
from .._core.frozen import replace
from .._core.model import Policy, Request
from .._core.options.identity import listed
from .._core.options.image_names import PATH, names_of, read_image
from .._core.record.mark import name_of_image
from .._core.record.reader import Damaged, read
from .._core.sharing.claims import BASE, DELETE, FILE, UNREADABLE, WITHOUT_VM, Claim
from .._core.sharing.world import World
from .._ports import files, permits
from .._ports.clock import today
from .store import Stored

#: The end of the name of the record beside an image that role guest_image has created.
RECORD = ".polyvirt.json"
SHOWN = ("name", "path", "architecture", "digest", "size", "format", "fetched", "checked", "golden")


# Fetching -------------------------------------------------------------------------------------------------------------


def present(driver, params, check, approval):
    """Have the images of all names in the store; returns the result of the module."""
    config = {option: params[option] for option in ("architecture", "firmware") if params.get(option)}
    images = [_resolved(driver, name, params, config) for name in params["name"]]
    missing = [image for image in images if _is_missing(image)]
    for image in missing:
        driver.images.check_fetch(image, f"name: {image['name']}")
    permit(approval, [("fetch", name_of_image(image), image["source"], image.get("digest")) for image in missing])
    done = []
    if not check:
        for image in missing:
            try:
                driver.images.fetch(image)
            except PolyvirtError as error:
                if not done:
                    raise
                return {**_fetched(driver, done), "failed": True, "msg": str(error)}
            done.append(image)
    return _fetched(driver, images)


def _resolved(driver, name, params, config):
    images = driver.images  # It checks the directory.
    asked = {key: params[key] for key in ("checksum", "refresh", "headers", "require_signature")}
    asked = {**asked, "source": name, "catalogue": (params["catalogue"] or {}).get(name)}
    form = read_image(name, (), "name", names_of(asked)).form
    if form == PATH:
        raise InvalidInput(
            f"name: {name} is a path, so it exists already.", "Set names of the catalogue, or addresses (https://...)."
        )
    policy = Policy(timeout=params["timeout"])
    return images.image(Request(name, config=config, creation={"image": asked}, policy=policy), form, "name")


def _is_missing(image):
    return image["fetch"] is not None


def _fetched(driver, images):
    """The result of a task that has fetched, or in check mode would fetch, what is missing of ``images``."""
    stored = {image["source"]: _stored(driver, image) for image in images}
    new = {image["source"] for image in images if _is_missing(image)}
    users, problem = _users_if_known(driver, [one for path, one in stored.items() if path not in new])
    warnings = [warning for image in images for warning in image["warnings"]]
    return {
        "changed": bool(new),
        "images": [shown(one, [] if path in new else users(path)) for path, one in stored.items()],
        "diff": diff(driver, [path for path in stored if path not in new], stored),
        "warnings": list(dict.fromkeys([*warnings, *problem])),
    }


def _stored(driver, image):
    """The Stored of an image. A store may not record all that the task knows."""
    if _is_missing(image):
        return image["fetch"].stored
    return replace(driver.images.store.at(image["source"]), name=image["name"], digest=image["digest"])


# Removing -------------------------------------------------------------------------------------------------------------


def absent(driver, params, check, approval):
    """Remove all versions of the named images, and what killed downloads have left; returns the module's result."""
    images = driver.images
    names = set(map(images.store.recorded_name, params["name"]))
    asked = params.get("architecture")
    found = [one for one in images.store.all() if images.store.recorded_name(one.name) in names]
    stored = [one for one in found if asked in (None, one.architecture)]
    users = ImageUsers(driver, stored, DELETE)
    _check_unused(users, stored)
    images.check_removal(stored)
    leftovers = images.leftovers()
    paths = [*(one.path for one in stored), *leftovers]
    permit(approval, [("delete", path) for path in paths])
    if not check:
        images.store.remove(stored, leftovers)
    return {
        "changed": bool(paths),
        "images": [shown(one, []) for one in stored],
        "diff": diff(driver, paths, []),
        "warnings": list(users.warnings),
    }


def absent_file(driver, path, check, approval):
    """Remove the image at ``path``, which is in no store, and its record; returns the module's result.

    The record is that of the role guest_image. It fails if somebody needs the image, or if the record does not prove
    that this collection created it.
    """
    record = f"{path}{RECORD}"
    found = [one for one in (path, record) if files.exists(one) or permits.special_kind(one)]
    stored = Stored(path, path, "", "", "", "", "", None, 0)
    users = ImageUsers(driver, [stored] if path in found else [], DELETE)
    needed, unknown, unproven = users.of(path), users.unreadable(), _unproven(path, record) if path in found else ""
    if unproven or needed or unknown:
        message = f"path: {path} {unproven or _why_needed(needed, unknown)}"
        failed = {"failed": True, "msg": f"{message} Nothing was removed.", "recorded": not unproven}
        return {**failed, "changed": False, "images": [shown(stored, needed)], "warnings": list(users.warnings)}
    driver.images.check_removal([stored] if path in found else [])
    permit(approval, [("delete", one) for one in found])
    with permits.also(found):
        for one in () if check else found:
            files.remove(one)
    images = [shown(stored, [])] if path in found else []
    warnings = list(users.warnings)
    return {"changed": bool(found), "images": images, "diff": diff(driver, found, []), "warnings": warnings}


def _why_needed(users, unknown):
    if users:
        return f"is needed by {listed(users)}. Delete these first."
    return f"may be needed: {unknown.text.rstrip('.')}. {unknown.remedy}".rstrip()


def _unproven(path, record):
    """Return why it is not proven that this collection created the file; empty if the record fits it."""
    by_hand = f"If nobody needs it, remove it by hand: rm {quote(path)}."
    kind = permits.special_kind(path)
    if kind:
        return f"is {kind}, and only regular files are removed. {by_hand}"
    try:
        known = read(files.read(record).decode("utf-8", "replace"), {}, (1,), default=1)
    except (PolyvirtError, Damaged):
        known = {}
    if known.get("sha256") and (known.get("file_size"), known["sha256"]) == (files.size(path), files.digest(path)):
        return ""
    return f"has no record of this collection that fits it ({record}). {by_hand}"


def permit(approval, plan):
    """Let the approval of the task permit its plan, before anything is done."""
    names = [name for verb, name, *_details in plan if verb == "fetch" and not _details[-1]]
    obstacle = f"{listed(names)}: without a checksum, its content can be another one later." if names else ""
    approval.permit(plan, [(None, [f"{verb} {name}" for verb, name, *_details in plan])], obstacle)


def _check_unused(users, stored):
    for one in stored:
        names = users.of(one.path)
        files = users.files(one.path)
        if files:
            raise Refused(
                f"name: {one.name}: disk files that no VM has need {one.path}: {listed(files)}.",
                f"{users.unused_remedy} if nobody needs what is in them. Nothing was removed.",
            )
        if names:
            what, first = "disks", "Delete these VMs first"
            if one.made_from:
                what, first = "optical drives", 'Eject it from these VMs first (iso: ""), and delete snapshots with it'
            raise Refused(
                f"name: {one.name}: {what} of {listed(names)} need {one.path}.", f"{first}. Nothing was removed."
            )
    unreadable = users.unreadable()
    if unreadable is not None:
        raise Refused(f"name: {unreadable.text.rstrip('.')}.", f"{unreadable.remedy} Nothing was removed.".lstrip())


# Listing --------------------------------------------------------------------------------------------------------------


def report(driver, architecture=None):
    """Return the images of the store; a platform that is missing or does not answer is a warning."""
    stored = [one for one in driver.images.store.all() if architecture in (None, one.architecture)]
    users, problem = _users_if_known(driver, stored)
    return {
        "changed": False,
        "directory": driver.images.directory,
        "images": [
            {**shown(one, users(one.path)), "file_size": one.file_size, "age": _days_since(one.fetched)}
            for one in stored
        ],
        "warnings": problem,
    }


def _days_since(day):
    return (today() - date.fromisoformat(day)).days


def _users_if_known(driver, stored):
    """Return (function from a path to the names of its users, or None if they are unknown; [] or a warning)."""
    try:
        return ImageUsers(driver, stored, BASE).of, []
    except PolyvirtError as error:
        return (lambda _path: None), [f"It is not known which VMs use the images: {error}"]


def shown(stored, users):
    return {**{key: getattr(stored, key) for key in SHOWN}, "users": users}


def diff(driver, before, after):
    before, after = ("".join(f"{path}\n" for path in sorted(paths)) for paths in (before, after))
    header = driver.images.directory
    return {"before_header": header, "after_header": header, "before": before, "after": after}


# Who needs images -----------------------------------------------------------------------------------------------------


class ImageUsers:
    """Who needs ``stored`` images for disks: VMs, and disk files without a VM. With ``mode`` DELETE, more is read."""

    def __init__(self, driver, stored, mode):
        self._claims, held = driver.claims if driver.images.are_used else None, ()
        self.unused_remedy = self._claims and self._claims.unused_remedy
        self.warnings = self._claims.warnings if self._claims else []
        paths = [one.path for one in stored if self._claims]
        if paths:
            # As in a task about VMs: what all VMs hold is read after an observation.
            driver.traits()
            driver.observe([], frozenset({"power"}))
            held = self._claims.held([Claim(FILE, self._claims.identity(one), mode, "image", one) for one in paths])
        self._paths, self._world = paths, World(held)

    def of(self, path):
        """Return the names of the VMs that need an image, and the paths of such disk files."""
        return list(self._world.users("", self._claims.identity(path))) if self._claims else []

    def files(self, path):
        """Return the disk files that no VM has, and that need an image."""
        holders = self._world.holders("", FILE, self._claims.identity(path)) if self._claims else ()
        return [one.name for one in holders if {(one.option, one.mode) for one in one.claims} == {(WITHOUT_VM, BASE)}]

    def unreadable(self):
        """Return the Claim of what may need one of the images, or None."""
        wanted = [UNREADABLE, *map(self._claims.identity, self._paths)] if self._paths else []
        holders = [held for one in wanted for held in self._world.holders("", FILE, one)]
        unknown = (claim for held in holders for claim in held.claims if UNREADABLE in (claim.mode, claim.identity))
        return next((claim for claim in unknown if claim.identity in wanted), None)
