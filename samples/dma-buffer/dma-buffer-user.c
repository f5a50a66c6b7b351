// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps /dev/dma-buffer, fills it, and writes it to a file without a copy.
 * Usage: dma-buffer-user FILE [BYTES]
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t size = argc > 2 ? strtoul(argv[2], NULL, 0) : 64 << 20, i;
	int dev = open("/dev/dma-buffer", O_RDWR);
	int file = argc > 1 ? open(argv[1], O_WRONLY | O_CREAT | O_DIRECT, 0600) : -1;
	unsigned long *buf;

	if (argc < 2)
		errx(2, "usage: dma-buffer-user FILE [BYTES]");
	if (dev < 0 || file < 0)
		err(1, "%s", dev < 0 ? "/dev/dma-buffer" : argv[1]);
	buf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dev, 0);
	if (buf == MAP_FAILED)
		err(1, "mmap of %zu bytes", size);
	for (i = 0; i < size / sizeof(*buf); i++)
		buf[i] = i;
	for (i = 0; i < size / sizeof(*buf); i++)
		if (buf[i] != i)
			errx(1, "byte %zu is wrong", i * sizeof(*buf));
	if (write(file, buf, size) != (ssize_t)size)
		err(1, "write with O_DIRECT");
	printf("%zu bytes mapped, verified, and written with O_DIRECT\n", size);
	return 0;
}
