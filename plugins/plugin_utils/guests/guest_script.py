# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that reads the status of a guest: for any POSIX shell, with tools that every guest has.

Its output has one section per command. A section is empty if the guest lacks the tool. Tested with dash, bash and
busybox; on OpenBSD and FreeBSD it uses what their manuals describe.
"""

from __future__ import annotations

import re

#: MARK begins the line with the name of a section; the section END shows that the output is complete.
MARK, END = "#polyvirt:", "end"

# Of a task, only names of services become a part of it. With TZ, dates are in UTC; with LC_ALL, texts are in English.
SCRIPT = r"""
LC_ALL=C TZ=UTC0 PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL TZ PATH
exec 2>/dev/null </dev/null
section() { printf '\n#polyvirt:%s\n' "$1"; }
value() { section "$1"; sysctl -n "$1"; }
system=$(uname -s)
cpu() { if [ "$system" = Linux ]; then grep '^cpu' /proc/stat; else sysctl -n kern.cp_time; fi; }
section uname; uname -s; uname -r; uname -m; uname -n
section cpu_before; cpu; sleep 1
section cpu_after; cpu
section os-release; cat /etc/os-release
section date; date +%s
if [ "$system" = Linux ]; then
  section uptime; cat /proc/uptime
  section loadavg; cat /proc/loadavg
  section meminfo; cat /proc/meminfo
else
  for name in kern.boottime vm.loadavg hw.ncpu hw.ncpuonline hw.physmem hw.pagesize vm.stats.vm.v_page_count \
    vm.stats.vm.v_free_count vm.stats.vm.v_inactive_count; do value "$name"; done
  section vmstat; [ "$system" = OpenBSD ] && vmstat -s
fi
section df; df -kPl || df -kP
section addresses; ip -o addr show || ifconfig -a
section sockets
case $system in
  Linux) ss -ltnup || netstat -ltnup || netstat -ltnu ;;
  FreeBSD) sockstat -46l ;;
  *) netstat -an -f inet; netstat -an -f inet6 ;;
esac
runs() {
  if [ -d /run/systemd/system ]; then systemctl is-active --quiet "$1"
  elif [ "$system" = OpenBSD ]; then rcctl check "$1"
  elif command -v rc-service; then rc-service "$1" status
  elif [ "$system" = FreeBSD ]; then service "$1" onestatus
  else service "$1" status; fi >/dev/null
}
section services; for name in $polyvirt_services; do runs "$name"; printf '%s %s\n' "$?" "$name"; done
section end
exit 0
"""
#: Names that mean nothing else to a shell or to a service manager.
SERVICE = re.compile(r"[A-Za-z0-9][\w@.:-]*", re.ASCII)


def script(services):
    """Return the script, which also reports whether these services run; their names match SERVICE."""
    return f"polyvirt_services='{' '.join(services)}'\n{SCRIPT}"
