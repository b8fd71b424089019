# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that installers accept or reject, from the lists of their vendors. Each list says where it is from."""

# ruff: noqa: SIM905 - one name in each line would be two hundred lines
from __future__ import annotations

from zoneinfo import ZoneInfo

#: Users and groups of a new system. Most systems have most of them.
_RESERVED = frozenset(
    "root daemon operator bin build sshd www nobody ftp sys sync games man lp mail news uucp proxy backup list irc adm"
    " tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip src gnats shadow utmp video plugdev staff users"
    " nogroup wheel halt shutdown installer".split()
)
#: The file reserved-usernames of user-setup 1.95 (Debian 12; the same in Debian 13), without the names above.
_DEBIAN = frozenset(
    "www-data sasl netplan ftn mysql tac-plus alias qmail qmaild qmails qmailr qmailq qmaill qmailp asterisk vpopmail"
    " vchkpw slurm hacluster haclient grsec-tpe grsec-sock-all grsec-sock-clt grsec-sock-srv grsec-proc ceph opensrf"
    " libvirt-qemu admin Debian-exim bind crontab cupsys dcc dhcp dictd dnsmasq dovecot fetchmail firebird fuse gdm"
    " haldaemon hplilp identd input jwhois klog kvm lpadmin messagebus mythtv netdev powerdev radvd render saned sbuild"
    " scanner slocate ssh ssl-cert sslwrap statd syslog telnetd tftpd".split()
)
_RESERVED_BY = {
    "preseed": _DEBIAN,
    # The file reserved-usernames of subiquity, of 2026: that of Debian with two more.
    "autoinstall": _DEBIAN | {"maas", "sgx"},
    # Answers to the question for a user that are no user (user_setup in install.sub).
    "openbsd": frozenset(["n", "no", "y", "yes"]),
}
#: Layouts of Alpine's package kbd-bkeymaps, which has those layouts of xkeyboard-config that have a variant
#: (xkeyboard-config 2.35). Without fi: the package renames its only keymap of this name.
ALPINE_KEYBOARDS = frozenset(
    "af al am ara at az ba bd be bg br brai by ca ch cm cn cz de dk dz ee epo es fo fr gb ge gh gr hr hu id ie il in iq"
    " ir is it jp ke kg kr kz la latam lk lt lv ma md me mk ml mm mt my ng nl no ph pk pl pt ro rs ru se si sk sy th tj"
    " tm tr tw ua us uz vn".split()
)


def is_reserved(user, installer):
    """Return whether a user of this name already exists in the new system, or is rejected by the installer."""
    return installer != "windows" and (user in _RESERVED or user in _RESERVED_BY.get(installer, ()))


def is_time_zone(name):
    """Return whether the controller knows a time zone; True for all names if it has no time zones."""
    return _has_zone(name) or not _has_zone("UTC")


def _has_zone(name):
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, not a time zone, or, with some Pythons, a directory
        return False
    return True
