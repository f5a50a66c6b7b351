#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest after tests of the demo device: nothing is left of them.  Then
# the module goes, with all that it has, and comes again, and works.
status=0
fail() {
	echo "FAILED: $*"
	status=1
}

# Of each device but its own buffer, if it has one.
for buffers in /sys/kernel/debug/dma_custom/*/buffers; do
	[ -e "$buffers" ] || fail "there is no $buffers"
	name=${buffers%/buffers}
	own=$(cat "/sys/bus/platform/devices/${name##*/platform:}/buffer_size")
	left=$(awk -v own="$own" 'NR > 1 && !($2 == own && !found++)' "$buffers")
	[ -z "$left" ] || fail "buffers are left in $buffers: $left"
done

rmmod dmademo || fail "the module stays"
for left in /dev/dmademo* /sys/kernel/debug/dma_custom/*dmademo*; do
	[ ! -e "$left" ] || fail "$left stays"
done

# Not on arm64, where what kmemleak needs itself could leave no room for large
# buffers, nor where it is off.  It does not look at what is younger than 5 s, and says
# only what has not changed since it looked the last time.
leaks=/sys/kernel/debug/kmemleak
if [ "$(uname -m)" = x86_64 ] && ! grep -q kmemleak=off /proc/cmdline; then
	sleep 6
	if ! echo scan >$leaks || ! sleep 1 || ! echo scan >$leaks; then
		fail "kmemleak does not work"
	elif grep . $leaks; then
		fail "memory has leaked"
	else
		echo "ok: kmemleak has found nothing"
	fi
fi

load-dmademo || fail "the module does not come again"
dmademo info || fail "no device after that"
dmademo demo || fail "the device does not work after that"
exit $status
