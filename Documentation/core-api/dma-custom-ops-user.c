// SPDX-License-Identifier: GPL-2.0
/*
 * Zero copy from a mapped DMA buffer, for Documentation/core-api/dma-custom-ops.rst.
 * O_DIRECT is in samples/dma-buffer/dma-buffer-user.c.
 */
#include <linux/io_uring.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* For IORING_OP_READ_FIXED and IORING_OP_WRITE_FIXED. */
int register_mapping(int ring, void *buf, size_t size)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };

	return syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
}

/* The error queue of the socket reports when the kernel has sent the data. */
ssize_t send_mapping(int sock, void *buf, size_t size)
{
	int one = 1;

	if (setsockopt(sock, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		return -1;
	return send(sock, buf, size, MSG_ZEROCOPY);
}
