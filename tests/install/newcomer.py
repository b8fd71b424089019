# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new user on a bare Debian: an empty home directory, and servers on loopback with all that commands download."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

from collection_path import CHECKOUT
from suite.limits import scaled
from suite.media_server import Vendor
from unit.module_utils._media.server import Server

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"# (\S+\.yml)\n")
_SETTINGS = """\
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
"""


class Galaxy:
    """A server of collections that has only this one, as it is in the checkout."""

    def __init__(self, folder):
        words = ["ansible-galaxy", "collection", "build", "--force", "--output-path", folder, CHECKOUT]
        subprocess.run(words, check=True, stdout=subprocess.PIPE, timeout=scaled(120))
        (archive,) = Path(folder).glob("polyvirt-core-*.tar.gz")
        self.server, version = Server(), archive.name.removesuffix(".tar.gz").rpartition("-")[2]
        here = "/api/v3/collections/polyvirt/core/"
        self._publish("/api/", {"available_versions": {"v3": "v3/"}})
        self._publish(here, {"highest_version": {"version": version}})
        listed = {"data": [{"version": version}], "meta": {"count": 1}, "links": {"next": None}}
        self._publish(f"{here}versions/?limit=100", listed)
        about = {
            "version": version,
            "href": f"{here}versions/{version}/",
            "namespace": {"name": "polyvirt"},
            "collection": {"name": "core"},
            "download_url": f"{self.server.url}/{archive.name}",
            "artifact": {"sha256": hashlib.sha256(archive.read_bytes()).hexdigest()},
            "metadata": {"dependencies": {}},
            "signatures": [],
        }
        self._publish(f"{here}versions/{version}/", about)
        self.server.files[f"/{archive.name}"] = archive.read_bytes()

    def _publish(self, path, answer):
        self.server.files[path] = json.dumps(answer).encode()


class Newcomer:
    """A root user with an empty home directory, and with an empty directory for the files of each document."""

    def __init__(self, folder):
        root = Path(os.environ["POLYVIRT_PACKAGES"]).parent
        self.home, self.place, self.vendor, galaxy = folder / "home", None, Vendor(), Galaxy(folder)
        self.home.mkdir(mode=0o755)
        accounts = Path("/etc/passwd")
        accounts.write_text(accounts.read_text().replace(":/root:", f":{self.home}:", 1), encoding="utf-8")
        Path("/etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{root}/source ./\n", encoding="utf-8")
        Path("/etc/apt/apt.conf.d/90tests").write_text(_SETTINGS, encoding="utf-8")
        subprocess.run(["apt-get", "-q", "update"], check=True, stdout=subprocess.PIPE)
        self.environment = {
            "HOME": str(self.home),
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"file://{root}/wheels",
            "ANSIBLE_GALAXY_SERVER": f"{galaxy.server.url}/api/",
            "ANSIBLE_NOCOLOR": "1",
        }

    def go_to(self, place):
        """Work in this new directory from now on."""
        self.place = place
        place.mkdir()

    def publish(self, image, name="debian-13"):
        """Let the vendor have this image under a name of the catalogue."""
        self.vendor.publish(Path(image).read_bytes())
        self.vendor.publish_as(name)

    def publish_archive(self):
        """Let the vendor also have debian-13 as an archive with a raw disk, for hosts without qemu-img."""
        folder, file, packed = "/images/cloud/trixie/latest", "debian-13-generic-amd64.tar.xz", io.BytesIO()
        disk = bytes(510) + b"\x55\xaa" + bytes((1 << 24) - 512)
        with tarfile.open(fileobj=packed, mode="w:xz") as archive:
            member = tarfile.TarInfo("disk.raw")
            member.size = len(disk)
            archive.addfile(member, io.BytesIO(disk))
        self.vendor.server.files[f"{folder}/{file}"] = packed.getvalue()
        sums = f"{hashlib.sha512(packed.getvalue()).hexdigest()}  {file}\n"
        known = self.vendor.server.files.get(f"{folder}/SHA512SUMS", b"")
        self.vendor.server.files[f"{folder}/SHA512SUMS"] = known + sums.encode()

    def write(self, path, variables):
        """Write variables for Ansible below the directory."""
        file = self.place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(variables), encoding="utf-8")

    def program(self, path, script=""):
        """Create an executable of sh that stands for a command of another system."""
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def run(self, script, environment=()):
        """The output of a script of bash, which must not fail. What it leaves in the background is ended."""
        around = {**self.environment, **dict(environment)}
        script = f"trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n{script}"
        # Its own process group: a runner also ends what a step has left in the background with nohup.
        with subprocess.Popen(
            ["bash", "-e"], cwd=self.place, env=around, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            try:
                output, _errors = process.communicate(script, timeout=scaled(1500))
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, output
        return output


def blocks(markdown):
    """(language, code) of each block of a document."""
    return _FENCE.findall(markdown)


def typed(language, code):
    """A block as commands for bash: files that begin with their name are written, commands are run as they are."""
    named = _NAMED.match(code)
    if language == "yaml" and named:
        return f"cat > {named[1]} <<'END_OF_FILE'\n{code}END_OF_FILE\n"
    assert language == "sh", code
    return code
