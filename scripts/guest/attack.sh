#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest: what a user to whom the demo devices were opened might try.
status=0
mkdir -p /etc
echo 'nobody:x:65534:65534::/tmp:/bin/sh' >/etc/passwd
chmod 666 /dev/dmademo*
su nobody -c 'dmademo_attack_test -T frozen' || status=1
chmod 600 /dev/dmademo*
# Only who manages containers can freeze one.
dmademo_attack_test -t frozen || status=1
exit $status
