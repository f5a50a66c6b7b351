# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Run in the guest by scripts/drivers: the programs of tests/drivers, with the names of
# the devices whose buffers they ask for.
insmod /bin/uio_dmem_device.ko || exit 1
# pci_device DRIVER
pci_device() { cd "/sys/bus/pci/drivers/$1" && echo 0000:*; }
USB=$(pci_device xhci_hcd) SOUND=$(pci_device snd_intel8x0)
# It takes a while until the disk has been found.
tries=0
until USBFS=$(echo /dev/bus/usb/*/002) && [ -e "$USBFS" ]; do
	tries=$((tries + 1))
	[ $tries -lt 60 ] || { echo "FAIL: no USB disk"; exit 1; }
	sleep 1
done
export USB USBFS SOUND DISK=/dev/vda
mappings_test && camera_test || exit 1
rmmod uio_dmem_device
