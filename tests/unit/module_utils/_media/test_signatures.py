# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media are verified with real signatures; nothing with a wrong one is kept."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._media import install_medium as product

from unit.module_utils._media.server import ISO, NAME, checksum

GPG, SIGNIFY = shutil.which("gpg"), shutil.which("signify-openbsd") or shutil.which("signify")
with_gpg = pytest.mark.skipif(not GPG, reason="gpg is not installed; `scripts/test.sh unit` installs it")
with_signify = pytest.mark.skipif(
    not SIGNIFY, reason="signify-openbsd is not installed; `scripts/test.sh unit` installs it"
)


class Signer:
    """Somebody with a new OpenPGP key."""

    def __init__(self, folder, server):
        self._home, self._server = folder, server
        folder.mkdir(mode=0o700)
        self._gpg(
            "--passphrase", "", "--quick-generate-key", f"Vendor {folder.name} <v@example.org>", "ed25519", "sign"
        )
        listed = self._gpg("--with-colons", "--list-keys").decode()
        self.key = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
        server.files[f"/key-{folder.name}"] = self._gpg("--armor", "--export")
        self.key_url = f"{server.url}/key-{folder.name}"

    def _gpg(self, *words, data=b""):
        command = [GPG, "--homedir", str(self._home), "--batch", "--yes", *words]
        return subprocess.run(command, input=data, check=True, capture_output=True).stdout

    def detached(self, data):
        return self._gpg("--detach-sign", data=data)

    def clear(self, data):
        return self._gpg("--clear-sign", data=data)

    def signature(self, **more):
        return {"tool": "gpg", "key": self.key, "key_url": self.key_url, **more}

    def close(self):
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False, capture_output=True)


@pytest.fixture(name="signer")
def _signer(tmp_path, server):
    signer = Signer(tmp_path / "gpg", server)
    yield signer
    signer.close()


@with_gpg
def test_detached_signature_of_the_list(cache, server, signer):
    server.files["/r/SUMS.sign"] = signer.detached(server.files["/r/SUMS"])
    done = cache(signature=signer.signature(file="SUMS.sign"), require_signature=True)
    assert (done["signature"], done["warnings"]) == ("verified", [])
    assert cache.read() == ISO


@with_gpg
def test_clear_signed_list(cache, server, signer):
    server.files["/r/SUMS"] = signer.clear(server.files["/r/SUMS"])
    assert cache(signature=signer.signature())["signature"] == "verified"


@with_gpg
def test_only_the_signed_part_of_a_list_counts(cache, server, signer):
    """Text around a clear-signed message has no signature."""
    evil = f"{checksum(b'evil')}  d-1.9.9.iso\n".encode()
    server.files["/r/d-1.9.9.iso"] = b"evil"
    server.files["/r/SUMS"] = evil + signer.clear(server.files["/r/SUMS"]) + evil
    try:
        done = cache(signature=signer.signature())
    except PolyvirtError:
        assert cache.files() == []
    else:
        assert done["path"] == str(cache.folder / NAME)


@with_gpg
def test_signature_of_the_file_itself(cache, server, signer):
    server.files[f"/r/{NAME}.asc"] = signer.detached(ISO)
    signature = signer.signature(file=f"{NAME}.asc", signs="file")
    assert cache(signature=signature)["signature"] == "verified"
    server.files[f"/r/{NAME}.asc"] = signer.detached(b"another")
    # The first time, the file is in the cache, as if gpg was missing when it came; the second time, it is not.
    for _again in range(2):
        assert f"{NAME}.asc: has no valid signature by {signer.key}" in cache.error(signature=signature)
        assert cache.files() == []


@with_gpg
def test_wrong_signature_is_an_error_and_nothing_is_kept(cache, server, signer):
    server.files["/r/SUMS.sign"] = signer.detached(server.files["/r/SUMS"])
    server.files["/r/SUMS"] += b"\n"
    error = cache.error(signature=signer.signature(file="SUMS.sign"))
    assert f"SUMS.sign: has no valid signature by {signer.key}" in error
    assert "BAD signature" in error
    assert cache.files() == []


@with_gpg
def test_signature_by_another_key_is_an_error(cache, server, signer, tmp_path):
    """The address of the key has another key now: only its fingerprint counts."""
    other = Signer(tmp_path / "other", server)
    try:
        server.files["/r/SUMS.sign"] = other.detached(server.files["/r/SUMS"])
        signature = signer.signature(file="SUMS.sign", key_url=other.key_url)
        assert f"has no valid signature by {signer.key}" in cache.error(signature=signature)
    finally:
        other.close()


@with_gpg
def test_key_of_the_host_is_used(cache, server, signer, tmp_path):
    server.files["/r/SUMS.sign"] = signer.detached(server.files["/r/SUMS"])
    (tmp_path / "key.asc").write_bytes(server.files.pop("/key-gpg"))
    done = cache(signature=signer.signature(file="SUMS.sign"), key_file=str(tmp_path / "key.asc"))
    assert done["signature"] == "verified"


@with_gpg
def test_missing_signature_is_an_error(cache, signer):
    assert "SUMS.sign: the server answers 404" in cache.error(signature=signer.signature(file="SUMS.sign"))


@with_gpg
@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("signs", ["checksums", "file"])
def test_unverified_signature_is_only_a_warning_unless_it_is_required(cache, server, signer, signs, published):
    """The server has no signature, or one of something else."""
    name = "SUMS.sign" if signs == "checksums" else f"{NAME}.asc"
    signature = signer.signature(file=name, signs=signs)
    if published:
        server.files[f"/r/{name}"] = signer.detached(b"another")
    found = f"{name}: has no valid signature by {signer.key}" if published else f"{name}: the server answers 404"
    for _again in range(2):
        done = cache(signature=signature, unverified=["signature"])
        (warning,) = done["warnings"]
        assert (done["signature"], cache.read()) == ("not_checked", ISO)
        assert warning.startswith(f"The signature of {NAME} was not checked. ") and found in warning
        assert warning.endswith("The catalogue marks this signature as unverified.")
    assert found in cache.error(signature=signature, unverified=["signature"], require_signature=True)
    assert found in cache.error(signature=signature, unverified=["firmware"])


@with_gpg
def test_unverified_signature_that_is_right_is_verified(cache, server, signer):
    server.files["/r/SUMS.sign"] = signer.detached(server.files["/r/SUMS"])
    done = cache(signature=signer.signature(file="SUMS.sign"), unverified=["signature"])
    assert (done["signature"], done["warnings"]) == ("verified", [])


@with_signify
def test_signify(cache, server, tmp_path):
    public, secret = tmp_path / "d-1-base.pub", tmp_path / "d-1-base.sec"
    subprocess.run([SIGNIFY, "-G", "-n", "-p", public, "-s", secret], check=True, capture_output=True)
    (tmp_path / "SUMS").write_text(f"SHA256 ({NAME}) = {checksum(ISO)}\n")
    words = [SIGNIFY, "-S", "-e", "-s", secret, "-m", tmp_path / "SUMS", "-x", tmp_path / "SUMS.sig"]
    subprocess.run(words, check=True, capture_output=True)
    server.files.update({"/r/SUMS.sig": (tmp_path / "SUMS.sig").read_bytes(), "/r/d-1-base.pub": public.read_bytes()})
    # The list that is not signed is not read.
    server.files["/r/SUMS"] = f"{checksum(b'evil')}  d-1.9.9.iso\n".encode()
    key_url = f"{server.url}/r/d-1-base.pub"
    signature = {"tool": "signify", "file": "SUMS.sig", "key": "d-1-base.pub", "key_url": key_url}
    assert cache(signature=signature, require_signature=True)["signature"] == "verified"
    assert cache.read() == ISO
    server.files["/r/SUMS.sig"] = server.files["/r/SUMS.sig"].replace(b") = ", b") =  ")
    assert "SUMS.sig: signify-openbsd: signature verification failed" in cache.error(signature=signature)


@pytest.mark.parametrize(("tool", "package"), [("gpg", "gnupg"), ("signify", "signify-openbsd")])
def test_without_the_tool_the_result_says_so(cache, monkeypatch, tool, package):
    monkeypatch.setattr(product.verify, "_PROGRAMS", {tool: ("no-such-program",)})
    signature = {"tool": tool, "key": "x", "key_url": "http://127.0.0.1:1/"}
    done = cache(signature=signature)
    assert done["signature"] == "not_checked"
    assert done["warnings"] == [
        f"The signature of {NAME} was not checked. {tool} is not installed on this host (package {package})."
    ]
    error = cache.error(signature=signature, require_signature=True)
    assert error.startswith(f"d-1.*.iso: its signature cannot be checked. {tool} is not installed")


def test_required_signature_that_does_not_exist_is_an_error(cache):
    assert "The vendor publishes no signature." in cache.error(require_signature=True)
    assert cache.files() == []
