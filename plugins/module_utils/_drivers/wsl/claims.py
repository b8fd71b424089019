# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: what the distributions of a user hold: their directories. Images and exports are files of a task."""

from __future__ import annotations

from ..._core.model import STOPPED
from ..._core.sharing.claims import DELETE, FILE, NEW, SNAPSHOT, WRITE, Claim, Held, HoldsClaims
from ..._core.sharing.losses import sources_not_read
from ..._tools.windows_files import key_of
from ..._tools.wsl import export_file, folder_of, is_path

_FOLDER = "install_location"


class WslClaims(HoldsClaims):
    """The claims of all distributions of one user."""

    unread = sources_not_read(not_here="saved_memory snapshots undefined below alone backups records", unknown="open")

    def __init__(self, driver):
        self._driver = driver

    def read_place(self):
        return self._driver.about.get("computer") or "", "wsl"

    def owner_id(self, own):
        return super().owner_id(own.casefold())  # WSL ignores the case of names and ids.

    def file_identity(self, path):
        return key_of(path) if is_path(path) else None  # Other sources of images are names in the online list.

    def held_now(self, wanted):
        # The steps are carried out with what was planned, such as whether the file of an export exists.
        planned = self._driver.host
        self._driver.observe([], frozenset({"power"}))
        now, self._driver.host = self._driver.host, planned
        return [self._of_distro(raw) for raw in now.distros.values()]

    def takes_now(self, plan, step):
        return self.takes(plan, step)  # Its names follow from the settings.

    def held(self, wanted):
        return [self._of_distro(raw) for raw in self._driver.host.distros.values()]

    def _of_distro(self, raw):
        name, folder = raw["DistributionName"], folder_of(raw)
        claims = (Claim(FILE, self.identity(folder), WRITE, _FOLDER, folder, remedy="Set another directory."),)
        also = self.owner_id(name) if self._driver.is_unfinished(raw) else None
        return Held(self.owner_id(raw["PSChildName"]), name, STOPPED, claims, also)

    def step_files(self, plan, step):
        values = {change.field: change.new for change in step.changes}
        if step.verb in ("create", "clone"):
            values = step.arguments["config"]
        yield from ((NEW, option, values[option]) for option in self._driver.file_options if values.get(option))
        folder = plan.before.config.get(_FOLDER)
        if folder and (step.verb == "delete" or (step.verb == "configure" and values.get(_FOLDER))):
            yield DELETE, _FOLDER, folder
        source = step.arguments["source"] if step.verb == "clone" else None
        if source is not None and source.config.get(_FOLDER):
            yield SNAPSHOT, "clone", source.config[_FOLDER]  # The export stops the source: its start waits.

    def takes(self, plan, step):
        """Return the temporary files of a clone: its own, or those that an interrupted task may have left."""
        name, folders = plan.before.name, ()
        if step.verb == "delete":
            folders = (plan.before.config.get(_FOLDER), self._driver.folder(name))
        elif step.verb in ("create", "clone"):
            folders = (step.arguments["config"].get(_FOLDER),)
        return [export_file(folder, name) for folder in folders if folder]
