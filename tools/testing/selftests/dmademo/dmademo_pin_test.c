// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of I/O straight from and into mappings of /dev/dmademo0.  The kernel pins
 * their pages for it, and what is pinned is there until the I/O has ended, whoever
 * frees the buffer or unmaps it meanwhile.
 *
 * DMADEMO_DISK names a block device, or a file on a file system with O_DIRECT,
 * whose first 64 MiB may be overwritten.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <linux/errqueue.h>
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <io_uring/mini_liburing.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

#define MIB ((size_t)1 << 20)
#define SIZE (64 * MIB)

FIXTURE(pin) {
	int fd;
	int disk;	/* or -1 */
	int pfn;	/* page frame numbers, which are no pages that could be pinned */
	int uncached;	/* others may see something else, see the documentation */
	int cma;	/* not to be pinned for long; -1 if that is not known */
	struct dmademo_alloc a;
	unsigned char *p;
	unsigned char *copy; /* where what was read is looked at */
};

FIXTURE_VARIANT(pin) { uint32_t flags; };
FIXTURE_VARIANT_ADD(pin, coherent) { .flags = 0 };
FIXTURE_VARIANT_ADD(pin, cached) { .flags = DMADEMO_ALLOC_CACHED };

/* What debugfs says of where a buffer is from; -1 if it is not there. */
static int is_of_cma(uint64_t bus_addr)
{
	char path[256], line[128], source[16];
	unsigned long long addr;
	int ret = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/dma_custom/platform:%s/buffers", NAME);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %*u %15s", &addr, source) == 2 && addr == bus_addr)
			ret = !strcmp(source, "cma");
	if (f)
		fclose(f);
	return ret;
}

FIXTURE_SETUP(pin)
{
	const uint32_t bus_addr = geteuid() ? 0 : DMADEMO_ALLOC_BUS_ADDR;
	struct dmademo_info info;

	page_size = sysconf(_SC_PAGESIZE);
	self->fd = open(DEVICE, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, demo_info(self->fd, &info));
	if (is_direct(self->fd, &info))
		SKIP(return, "needs the custom DMA ops");
	self->pfn = info.mmap_mode == DMADEMO_MMAP_PFN;
	self->uncached = !variant->flags && !(info.flags & DMADEMO_INFO_COHERENT);
	ASSERT_EQ(0, demo_alloc_flags(self->fd, SIZE, variant->flags | bus_addr, &self->a));
	self->cma = is_of_cma(self->a.bus_addr);
	self->p = map(self->fd, &self->a);
	ASSERT_NE(NULL, self->p);
	number_pages(self->p, 0, SIZE / page_size);
	self->copy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->copy);
	self->disk = open(getenv("DMADEMO_DISK") ?: "", O_RDWR | O_DIRECT);
}

FIXTURE_TEARDOWN(pin)
{
	close(self->disk);
	munmap(self->copy, SIZE);
	close(self->fd);
}

/* What was read from the buffer is what had been written to it. */
static int is_right(const struct _test_data_pin *self, unsigned char *p)
{
	return self->uncached || are_numbered(p, 0, SIZE / page_size);
}

/* The driver frees the buffer, and what is free goes to the next owner. */
static int free_and_reuse(const struct _test_data_pin *self, uint32_t flags)
{
	struct dmademo_alloc next;
	unsigned char *p;

	if (demo_free(self->fd, self->a.handle) || demo_alloc_flags(self->fd, SIZE, flags, &next))
		return 0;
	p = map(self->fd, &next);
	if (!p)
		return 0;
	memset(p, 0xff, SIZE);
	return !munmap(p, SIZE) && !demo_free(self->fd, next.handle);
}

TEST_F(pin, o_direct)
{
	if (self->disk < 0)
		SKIP(return, "needs DMADEMO_DISK=, a disk to write to");
	if (self->pfn) {
		EXPECT_EQ(-1, pwrite(self->disk, self->p, SIZE, 0));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(-1, pread(self->disk, self->p, SIZE, 0));
		EXPECT_EQ(EFAULT, errno);
	} else {
		ASSERT_TRUE(free_and_reuse(self, variant->flags));
		ASSERT_EQ(SIZE, pwrite(self->disk, self->p, SIZE, 0));
		ASSERT_EQ(SIZE, pread(self->disk, self->copy, SIZE, 0));
		EXPECT_TRUE(is_right(self, self->copy));
		memset(self->p, 0, SIZE);
		ASSERT_EQ(SIZE, pread(self->disk, self->p, SIZE, 0));
		EXPECT_TRUE(is_right(self, self->p));
	}
}

/* A detour through the page cache pins nothing, and works always. */
TEST_F(pin, not_needed)
{
	if (self->disk < 0)
		SKIP(return, "needs DMADEMO_DISK=, a disk to write to");
	ASSERT_EQ(0, fcntl(self->disk, F_SETFL, 0));
	ASSERT_EQ(SIZE, pwrite(self->disk, self->p, SIZE, 0));
	ASSERT_EQ(0, fsync(self->disk));
	memset(self->p, 0, SIZE);
	ASSERT_EQ(SIZE, pread(self->disk, self->p, SIZE, 0));
	EXPECT_TRUE(are_numbered(self->p, 0, SIZE / page_size));
}

/* In a pipe, the pages have no user but the kernel. */
TEST_F(pin, vmsplice)
{
	struct iovec iov = { self->p, SIZE };
	size_t done;
	ssize_t n;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	if (self->pfn) {
		EXPECT_EQ(-1, vmsplice(fds[1], &iov, 1, 0));
		EXPECT_EQ(EFAULT, errno);
		return;
	}
	/* A pipe has room for so many pages if root says so. */
	ASSERT_LE((int)SIZE, fcntl(fds[1], F_SETPIPE_SZ, SIZE));
	for (done = 0; done < SIZE; done += n) {
		iov = (struct iovec){ self->p + done, SIZE - done };
		n = vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK);
		ASSERT_LT(0, n);
	}
	ASSERT_EQ(0, munmap(self->p, SIZE));
	ASSERT_TRUE(free_and_reuse(self, variant->flags));
	for (done = 0; done < SIZE; done += n) {
		n = read(fds[0], self->copy + done, SIZE - done);
		ASSERT_LT(0, n);
	}
	EXPECT_TRUE(is_right(self, self->copy));
	close(fds[0]);
	close(fds[1]);
}

/* A connection to ourselves: fds[0] to fds[1]. */
static int tcp_pair(int fds[2])
{
	struct sockaddr_in addr = { AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (s < 0 || fds[0] < 0 ||
	    bind(s, (struct sockaddr *)&addr, sizeof(addr)) || listen(s, 1) ||
	    getsockname(s, (struct sockaddr *)&addr, &len) ||
	    connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	fds[1] = accept(s, NULL, NULL);
	close(s);
	return fds[1] < 0 ? -1 : 0;
}

/* Waits for the note that the kernel needs the pages no more. */
static int zerocopy_done(int fd)
{
	struct pollfd poll_error = { .fd = fd };
	struct sock_extended_err *error;
	char control[128];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };

	if (poll(&poll_error, 1, 60000) != 1 || recvmsg(fd, &msg, MSG_ERRQUEUE) < 0 ||
	    !CMSG_FIRSTHDR(&msg))
		return 0;
	error = (struct sock_extended_err *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
	return error->ee_errno == 0 && error->ee_origin == SO_EE_ORIGIN_ZEROCOPY;
}

struct sender {
	int fd;
	unsigned char *p;
	ssize_t sent;
};

/* What is unmapped when all has been handed over is still on its way. */
static void *send_and_unmap(void *arg)
{
	struct sender *sender = arg;

	sender->sent = send(sender->fd, sender->p, SIZE, MSG_ZEROCOPY);
	munmap(sender->p, SIZE);
	return NULL;
}

TEST_F(pin, msg_zerocopy)
{
	struct sender sender = { .p = self->p };
	pthread_t thread;
	int fds[2], one = 1;

	if (tcp_pair(fds))
		SKIP(return, "needs a loopback network interface that is up");
	ASSERT_EQ(0, setsockopt(fds[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	if (self->pfn) {
		EXPECT_EQ(-1, send(fds[0], self->p, SIZE, MSG_ZEROCOPY));
		EXPECT_EQ(EFAULT, errno);
	} else {
		sender.fd = fds[0];
		ASSERT_EQ(0, pthread_create(&thread, NULL, send_and_unmap, &sender));
		EXPECT_TRUE(free_and_reuse(self, variant->flags));
		EXPECT_EQ(SIZE, recv(fds[1], self->copy, SIZE, MSG_WAITALL));
		pthread_join(thread, NULL);
		EXPECT_EQ(SIZE, sender.sent);
		EXPECT_TRUE(is_right(self, self->copy));
		EXPECT_TRUE(zerocopy_done(fds[0]));
	}
	close(fds[0]);
	close(fds[1]);
}

/* @opcode for each MiB, of a registered buffer or not. */
static int submit_all(struct io_uring *ring, int opcode, int disk, unsigned char *p)
{
	struct io_uring_sqe *sqe;
	size_t done;

	for (done = 0; done < SIZE; done += MIB) {
		sqe = io_uring_get_sqe(ring);
		if (!sqe)
			return 0;
		*sqe = (struct io_uring_sqe){
			.opcode = opcode, .fd = disk, .off = done,
			.addr = (uintptr_t)p + done, .len = MIB,
		};
	}
	return io_uring_submit(ring) == SIZE / MIB;
}

/* The first result that is none, or a MiB. */
static int wait_for_all(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int res = MIB;
	size_t i;

	for (i = 0; i < SIZE / MIB; i++) {
		if (io_uring_wait_cqe(ring, &cqe))
			return -EIO;
		if (cqe->res != (int)MIB && res == (int)MIB)
			res = cqe->res;
		io_uring_cqe_seen(ring);
	}
	return res;
}

TEST_F(pin, io_uring)
{
	struct io_uring ring;

	if (self->disk < 0)
		SKIP(return, "needs DMADEMO_DISK=, a disk to write to");
	ASSERT_EQ(0, io_uring_queue_init(SIZE / MIB, &ring, 0));
	ASSERT_TRUE(submit_all(&ring, IORING_OP_WRITE, self->disk, self->p));
	if (self->pfn) {
		EXPECT_EQ(-EFAULT, wait_for_all(&ring));
	} else {
		/* while the disk may still be at it */
		ASSERT_TRUE(free_and_reuse(self, variant->flags));
		ASSERT_EQ(MIB, wait_for_all(&ring));
		memset(self->p, 0, SIZE);
		ASSERT_TRUE(submit_all(&ring, IORING_OP_READ, self->disk, self->p));
		ASSERT_EQ(MIB, wait_for_all(&ring));
		EXPECT_TRUE(is_right(self, self->p));
	}
	io_uring_queue_exit(&ring);
}

/* FOLL_LONGTERM: a pin that lasts as long as somebody wants it to. */
TEST_F(pin, io_uring_registered)
{
	struct iovec iov = { self->p, SIZE };
	struct io_uring ring;

	if (self->disk < 0)
		SKIP(return, "needs DMADEMO_DISK=, a disk to write to");
	if (self->cma < 0)
		SKIP(return, "needs debugfs, to know a CMA area");
	ASSERT_EQ(0, io_uring_queue_init(SIZE / MIB, &ring, 0));
	if (self->pfn || self->cma) {
		EXPECT_EQ(-EFAULT, io_uring_register_buffers(&ring, &iov, 1));
	} else {
		ASSERT_EQ(0, io_uring_register_buffers(&ring, &iov, 1));
		ASSERT_EQ(0, munmap(self->p, SIZE));
		ASSERT_TRUE(free_and_reuse(self, variant->flags));
		ASSERT_TRUE(submit_all(&ring, IORING_OP_WRITE_FIXED, self->disk, self->p));
		ASSERT_EQ(MIB, wait_for_all(&ring));
		ASSERT_EQ(SIZE, pread(self->disk, self->copy, SIZE, 0));
		EXPECT_TRUE(is_right(self, self->copy));
	}
	io_uring_queue_exit(&ring);
}

/*
 * What other processes find it by is the file that the memory belongs to, and it belongs
 * to none.  A futex of one process needs no page.
 */
TEST_F(pin, futex)
{
	uint32_t *word = (uint32_t *)self->p;

	EXPECT_EQ(-1, syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

TEST_HARNESS_MAIN
