# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A double's executable: `perl warm_client.pl SENDMSG SOCKET MODULE WORD...`, as warm_client.py, but Perl starts in a tenth
# of the time of Python, and the suite calls doubles some ten thousand times. SENDMSG is the number of the system call
# sendmsg(2), which passes the streams of this process to the server; the Perl of a minimal Debian has no function for it.
use strict;
use warnings;

my ($sendmsg, $server, @words) = @ARGV;
my @environment = map { "$_=$ENV{$_}" } keys %ENV;
my $request = join "\0", readlink('/proc/self/cwd'), scalar @words, @words, @environment;

# The numbers of AF_UNIX and SOCK_STREAM; sockaddr_un.
socket(my $connection, 1, 1, 0) or die "socket: $!";
connect($connection, pack('S a108', 1, $server)) or die "connect to $server: $!";

# struct iovec with the size of the request; struct cmsghdr with SOL_SOCKET, SCM_RIGHTS and the streams; struct msghdr.
my $size = pack 'N', length $request;
my $part = pack 'P Q', $size, length $size;
my $streams = pack 'Q l5 x4', 28, 1, 1, 0, 1, 2;
my $message = pack 'Q Q P Q P Q Q', 0, 0, $part, 1, $streams, length $streams, 0;
syscall(0 + $sendmsg, fileno $connection, $message, 0) == length $size or die "sendmsg: $!";
for (my $sent = 0; $sent < length $request;) {
    $sent += syswrite($connection, $request, length($request) - $sent, $sent) // die "send: $!";
}

sysread $connection, my $code, 16;
exit 125 if !length $code;
kill 0 - $code, $$ if $code < 0;
exit $code;
