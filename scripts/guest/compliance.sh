#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run in the guest by scripts/drivers: v4l2-compliance on the camera vivid-000, once for
# each size, WIDTHxHEIGHT.  Prints the result of each test, one a line, after
# "v4l2 SIZE: ".
mkdir -p /lib64
ln -sf /bin/ld-linux-x86-64.so.2 /lib64/
export LD_LIBRARY_PATH=/bin
for node in /sys/class/video4linux/video*; do
	[ "$(cat "$node/name")" != vivid-000-vid-cap ] || camera=/dev/${node##*/}
done
for size; do
	v4l2-ctl -d "$camera" --set-fmt-video="width=${size%x*},height=${size#*x}" || exit 1
	# Its version knows less than the kernel, so that some tests fail everywhere.
	v4l2-compliance -d "$camera" -s3 >/tmp/compliance 2>&1
	sed -n "s/^.*\(test .*\): \(OK\|FAIL\).*/v4l2 $size: \2 \1/p" /tmp/compliance
done
