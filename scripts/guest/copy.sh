#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest: sends a file of 64 MiB through the demo device in each of the
# $ways that it can be done, options of the program dmademo, one in each line, and
# compares what comes out.
: "${ways:?}"
dd if=/dev/urandom of=/tmp/file bs=1M count=64 2>/dev/null || exit
want=$(md5sum </tmp/file)
[ -n "$want" ] || exit
status=0
while read -r options; do
	[ -n "$options" ] || continue
	# shellcheck disable=SC2086 # they are words
	got=$(dmademo $options copy /tmp/file | md5sum)
	if [ "$got" = "$want" ]; then
		echo "ok: copy $options: md5 ${got%% *}"
	else
		echo "FAILED: copy $options: md5 ${got%% *} instead of ${want%% *}"
		status=1
	fi
done <<EOF
$ways
EOF
rm /tmp/file
exit $status
