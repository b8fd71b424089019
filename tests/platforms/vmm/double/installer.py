# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD's installer in a guest: it reads its answers from the RAM disk of its kernel.

Most questions are recorded (golden/install.json). The questions about sets, and the effects of their answers, are
written from the script install.sub.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from . import media
from .response_file import Answers, Unanswered

_MENU = "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? "
_FAILED = f"failed; check /tmp/ai/ai.log\r\n{_MENU}"
_SETS = ("base", "comp", "man", "game", "xbase", "xshare", "xfont", "xserv")
_SIGNATURE = "Directory does not contain SHA256.sig"


class _Failed(Exception):
    """The installer fails with this message."""


@cache
def _recorded():
    """The recorded questions with their defaults, up to those about sets."""
    path = Path(__file__).resolve().parents[1] / "golden" / "install.json"
    asked = json.loads(path.read_text(encoding="utf-8"))["profiles"]["http-admin"]
    places = [place for place, (text, _default) in enumerate(asked) if text.startswith("Location of sets")]
    return asked[: places[0]]


def boot(host, vm, state, asks=""):
    """Start the installer: an Installer that has read its answers, or None if the VM starts no installer.

    ``asks`` is an additional question.
    """
    try:
        with host.open(vm["boot"]) as file:
            files = media.ram_disk(file.read())
    except (KeyError, OSError):
        return None
    return None if files is None else Installer(host, vm, state, files, asks)


class Installer:
    """One run. ``shown`` is its output until it writes to the disk; ``is_answered``: all questions have answers."""

    def __init__(self, host, vm, state, files, asks):
        self._host, self._vm, self._state, self._files, self._asks = host, vm, state, files, asks
        self._answers = Answers(files.get("auto_install.conf", b"").decode())
        self._lines, self._values, self._sets = [], {}, []
        self.site, self.is_answered = None, False
        version = state["release"]
        self._version, self._short = version, version.replace(".", "")
        self.shown = f"Welcome to the OpenBSD/amd64 {version} installation program.\r\n{self._run()}"

    def _run(self):
        if "auto_install.conf" not in self._files:
            return _MENU
        self._lines.append("Starting non-interactive mode in 5 seconds...")
        try:
            self._ask_all()
            self._ask_locations()
        except Unanswered as error:
            return "\r\n".join([*self._lines, "", str(error), _FAILED])
        except _Failed as error:
            return "\r\n".join([*self._lines, str(error), _FAILED])
        self.is_answered = True
        return "\r\n".join([*self._lines, ""])

    def finished(self, site_fails):
        """(further output, the installed system as a dict, or None if the last script failed)."""
        if site_fails and self.site is not None:
            return f"install.site failed\r\n{_FAILED}", None
        console = "Relinking to create unique kernel... done.\r\n"
        console += "\r\nCONGRATULATIONS! Your OpenBSD install has been successfully completed!\r\nrebooting...\r\n"
        left_over = [line.text for line in self._answers.unused]
        return console, {"answers": self._values, "sets": self._sets, "site": self.site, "left_over": left_over}

    # Questions --------------------------------------------------------------------------------------------------------

    def _ask(self, question, default=""):
        answer = self._answers.take(question, default)
        shown = "<provided>" if question.startswith("Password") else answer
        self._lines.append(f"{question} {f'[{default}] ' if default else ''}{shown}")
        self._values[question] = answer
        return answer

    def _ask_all(self):
        user, address = "admin", "autoconf"
        for question, default in _recorded():
            if "admin" in question and user == "no":
                continue
            if question.startswith("DNS domain") and address not in ("autoconf", "dhcp", "none"):
                self._ask("Default IPv4 route? (IPv4 address or 'none')")
            answer = self._ask(question.replace("admin", user), default.replace("admin", user))
            if question.startswith("Setup a user"):
                user = answer
            elif question.startswith("IPv4 address"):
                address = answer
                if address not in ("autoconf", "dhcp", "none"):
                    self._ask("Netmask for vio0?", "255.255.255.0")
            elif question.startswith("URL to auto"):
                self._fetch_template(answer)
        if self._asks:
            self._ask(self._asks)

    def _fetch_template(self, url):
        if url.startswith("file:///") and url.removeprefix("file:///") not in self._files:
            raise _Failed(f"ftp: Can't open file {url.removeprefix('file://')}: No such file or directory")

    # Sets -------------------------------------------------------------------------------------------------------------

    def _ask_locations(self):
        drive, default = ("cd0 " if self._vm.get("cdrom") else ""), "http"
        while True:
            answer = self._ask(f"Location of sets? ({drive}disk http nfs or 'done')", default)
            if answer == "done":
                break
            if answer == "http":
                self._from_http()
            elif answer == "cd0" and drive:
                self._from_cd()
            else:
                raise _Failed(f"'{answer}' is not a valid choice.")
            default = "done"
        for needed in ("bsd", f"base{self._short}.tgz"):
            question = f"Are you *SURE* your install is complete without '{needed}'?"
            if needed not in self._sets and self._ask(question, "no") != "yes":
                raise _Failed("")

    def _from_http(self):
        self._ask("HTTP proxy URL? (e.g. 'http://proxy:8080', or 'none')", "none")
        self._ask("HTTP Server? (hostname, list#, 'done' or '?')")
        self._ask("Server directory?", f"pub/OpenBSD/{self._version}/amd64")
        if not self._state["network"]:
            raise _Failed("Unable to get a verified list of distribution sets.")
        official = ["bsd", "bsd.rd", *(f"{name}{self._short}.tgz" for name in _SETS)]
        signed = ["SHA256.sig"] if self._state["mirror_is_signed"] else []
        self._install(["INSTALL.amd64", *signed, *official], official)

    def _from_cd(self):
        place = self._ask("Pathname to the sets? (or 'done')", f"{self._version}/amd64")
        with tempfile.TemporaryDirectory() as folder:
            image = self._host.place(self._vm["cdrom"])
            command = ["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", folder]
            subprocess.run(command, capture_output=True, check=True)
            sets = Path(folder, place)
            if not sets.is_dir():
                raise _Failed(f"The directory '{place}' does not exist.")
            names = sorted(path.name for path in sets.iterdir())
            for name in self._install(names, []):
                self._extract((sets / name).read_bytes())

    def _install(self, names, preselected):
        """Ask which sets to install, and whether to continue without verification; returns the chosen sets."""
        own = [f"site{self._short}.tgz", f"site{self._short}-{self._hostname()}.tgz"]
        known = [name for name in names if name in preselected or name in own]
        if not known:
            raise _Failed(f"and found no OpenBSD/amd64 {self._version} sets.")
        question = "INSTALL.amd64 not found. Use sets found here anyway?"
        if "INSTALL.amd64" not in names and self._ask(question, "no") == "no":
            return []
        chosen = [name for name in known if name in preselected or name == own[1]]
        while (words := self._ask("Set name(s)? (or 'abort' or 'done')", "done").split()) != ["done"]:
            for word in words:
                matching = [name for name in known if fnmatchcase(name, word.lstrip("+-"))]
                chosen = [name for name in known if (name in chosen or name in matching)]
                chosen = [name for name in chosen if not (word.startswith("-") and name in matching)]
        unsigned = " ".join(name for name in chosen if name not in preselected)
        issue = _SIGNATURE if "SHA256.sig" not in names else f"Unverified sets: {unsigned}" if unsigned else ""
        if issue and self._ask(f"{issue}. Continue without verification?", "no") != "yes":
            raise _Failed("")
        self._lines += [f"Installing {name}  100% |*************************|  00:01" for name in chosen]
        self._sets += chosen
        return chosen

    def _hostname(self):
        return self._values["System hostname? (short form, e.g. 'foo')"]

    def _extract(self, data):
        """Read install.site from a set, if root can run it."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for one in archive.getmembers():
                if one.name.removeprefix("./") == "install.site" and one.mode & 0o100 and one.uid == 0:
                    self.site = archive.extractfile(one).read().decode()
