// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input to /dev/dmademo0: every member of every structure at its limits and
 * beyond them.  One at a time there is exactly one result, and it is known; two
 * at a time, each call has to end, with an error that is documented for it.
 * Nothing may be left of any of them.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dmademo_test.h"

/* What may be missing of the free memory afterwards, as caches need some. */
#define SLACK (32 << 20)

/* What any of the calls takes. */
union arg {
	struct dmademo_info info;
	struct dmademo_alloc alloc;
	struct dmademo_free free;
	struct dmademo_run run;
	struct dmademo_wait wait;
	struct dmademo_sync sync;
	struct dmademo_export export;
	struct dmademo_import import;
	unsigned char bytes[128];
};

/* A member of a structure, and what it is to be set to. */
struct member {
	size_t offset;
	size_t size;
	const uint64_t *values;
	size_t nr;
};

struct call {
	const char *name;
	unsigned long cmd;
	/* one that works */
	union arg good;
	/* errors that it may have, besides EINVAL */
	int errors[16];
	struct member members[12];
	unsigned int nr_members;
};

static void vary(struct call *call, const void *member, size_t size,
		 const uint64_t *values, size_t nr)
{
	call->members[call->nr_members++] = (struct member){
		.offset = (const unsigned char *)member - call->good.bytes,
		.size = size,
		.values = values,
		.nr = nr,
	};
}

static void vary32(struct call *call, const __u32 *member,
		   const uint64_t *values, size_t nr)
{
	vary(call, member, sizeof(*member), values, nr);
}

static void vary64(struct call *call, const __u64 *member,
		   const uint64_t *values, size_t nr)
{
	vary(call, member, sizeof(*member), values, nr);
}

/* Every call's first member; @sizes is the caller's, as it is still needed. */
static void vary_size(struct call *call, uint64_t sizes[10])
{
	const uint64_t size = call->good.info.size;
	const uint64_t values[10] = {
		0, 1, 4, size - 1, size, size + 1, 127, 4096, 4097, UINT32_MAX,
	};

	memcpy(sizes, values, sizeof(values));
	vary32(call, &call->good.info.size, sizes, 10);
}

static const uint64_t bits[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 31, 32, UINT32_MAX };
static const uint64_t words[] = { 0, 1, UINT32_MAX };
static const uint64_t numbers[] = {
	0, 1, 2, 1000000, (1ULL << 32) - 1, 1ULL << 32, INT64_MAX, 1ULL << 63,
	UINT64_MAX - 1, UINT64_MAX,
};

FIXTURE(args) {
	int fd;
	int other;
	long buffers;
	uint64_t before;
	struct dmademo_info info;
	/* the last two are not there any more */
	struct dmademo_alloc a, b, shared, foreign, spare, freed;
	/* what a buffer needs to be exported, and the one that is, or -1 */
	uint32_t flags;
	int dmabuf;
	/* two pages, one that can only be read, and one that is not there */
	unsigned char *user;
	/* three pages for an argument, zero behind it */
	union arg *space;
	/* what good_run() gives */
	struct dmademo_run run;
	uint64_t sizes[10];
	uint64_t handles[7];
	uint64_t ranges[14];
};

/* Those that are known only now. */
static void set_values(struct _test_data_args *self)
{
	const uint64_t handles[] = {
		0, self->a.handle, self->foreign.handle, self->freed.handle,
		self->info.max_buffers, self->info.max_buffers + 1, UINT32_MAX,
	};
	const uint64_t ranges[] = {
		0, 1, page_size - 1, page_size, page_size + 1,
		self->info.max_bytes, self->info.max_bytes + 1, 1ULL << 32,
		INT64_MAX, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX,
		(uintptr_t)self->user, (uintptr_t)self->user + 2 * page_size - 1,
	};

	memcpy(self->handles, handles, sizeof(self->handles));
	memcpy(self->ranges, ranges, sizeof(self->ranges));
}

static int exports(const struct _test_data_args *self)
{
	return !!(self->info.flags & DMADEMO_INFO_EXPORT);
}

/* Lines in which debugfs says what buffers there are, -1 if it does not. */
static long lines_of_buffers(void)
{
	char path[256];
	long lines = 0;
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "/sys/kernel/debug/dma_custom/platform:%s/buffers",
		 getenv("DMADEMO_NAME") ?: "dmademo.0");
	f = fopen(path, "re");
	if (!f)
		return -1;
	while ((c = fgetc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

static void *new_pages(unsigned int nr)
{
	return mmap(NULL, nr * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/*
 * A call that makes a buffer gives it the first handle that is free, the spare
 * one.  The freed one and the foreign one are never used in this file again.
 */
static void make_buffers(struct __test_metadata *_metadata,
			 struct _test_data_args *self)
{
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->a));
	ASSERT_EQ(1U, self->a.handle);
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->b));
	ASSERT_EQ(0, demo_alloc_as(self->fd, page_size, 0, self->flags,
				   &self->shared));
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->spare));
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->freed));
	ASSERT_EQ(0, demo_free(self->fd, self->spare.handle));
	ASSERT_EQ(0, demo_free(self->fd, self->freed.handle));
	do {
		ASSERT_EQ(0, demo_alloc(self->other, page_size,
					&self->foreign));
	} while (self->foreign.handle <= self->freed.handle);
	self->dmabuf = -1;
	if (exports(self)) {
		self->dmabuf = demo_export(self->fd, self->shared.handle);
		ASSERT_LE(0, self->dmabuf);
	}
}

FIXTURE_SETUP(args)
{
	page_size = sysconf(_SC_PAGESIZE);
	self->buffers = lines_of_buffers();
	self->fd = open(DEVICE, O_RDWR | O_NONBLOCK);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "%s is not there: no dmademo driver", DEVICE);
	ASSERT_LE(0, self->fd);
	self->other = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, demo_info(self->fd, &self->info));
	self->flags = export_flags(&self->info);
	make_buffers(_metadata, self);
	self->run = (struct dmademo_run){
		.size = sizeof(self->run),
		.op = DMADEMO_OP_COPY,
		.src = self->a.handle,
		.dst = self->b.handle,
		.length = 1,
	};
	self->space = new_pages(3);
	ASSERT_NE(MAP_FAILED, (void *)self->space);
	self->user = new_pages(4);
	ASSERT_NE(MAP_FAILED, (void *)self->user);
	memset(self->user, 1, 4 * page_size);
	ASSERT_EQ(0, mprotect(self->user + 2 * page_size, page_size,
			      PROT_READ));
	set_values(self);
	usleep(200000);
	self->before = demo_free_memory();
	/* Last, so that nothing is mapped there. */
	ASSERT_EQ(0, munmap(self->user + 3 * page_size, page_size));
}

/* What the interrupt thread still has takes a moment. */
FIXTURE_TEARDOWN(args)
{
	uint64_t after = 0;
	long buffers = 0;
	int i;

	close(self->dmabuf);
	close(self->fd);
	close(self->other);
	for (i = 0; i < 200; i++) {
		buffers = lines_of_buffers();
		after = demo_free_memory();
		if (buffers == self->buffers && self->before <= after + SLACK)
			break;
		usleep(10000);
	}
	EXPECT_EQ(self->buffers, buffers);
	EXPECT_LE(self->before, after + SLACK);
}

/* What user space was told of a new buffer has to be true. */
static int undo_alloc(int fd, const struct dmademo_alloc *alloc)
{
	if (alloc->bytes_held % page_size ||
	    alloc->bytes_held - alloc->bytes >= page_size)
		return -EPROTO;
	return demo_free(fd, alloc->handle);
}

static int undo_run(int fd, const struct dmademo_run *run)
{
	struct dmademo_wait wait;

	if (!run->cookie)
		return 0;
	return demo_wait(fd, run->cookie, UINT64_MAX, &wait) ?: wait.status;
}

/* Takes back what a call that worked has left; 0 if that is what it says. */
static int undo(struct _test_data_args *self, unsigned long cmd,
		const union arg *arg)
{
	const size_t head = offsetof(struct dmademo_info, version);
	struct dmademo_wait wait;
	int again;

	switch (cmd) {
	case DMADEMO_IOC_INFO:
		return memcmp(&arg->info.version, &self->info.version,
			      sizeof(self->info) - head) ? -EPROTO : 0;
	case DMADEMO_IOC_ALLOC:
		return undo_alloc(self->fd, &arg->alloc);
	case DMADEMO_IOC_FREE:
		again = demo_free(self->fd, arg->free.handle);
		return again == -ENOENT ? 0 : -EPROTO;
	case DMADEMO_IOC_RUN:
		return undo_run(self->fd, &arg->run);
	case DMADEMO_IOC_WAIT:
		again = demo_wait(self->fd, arg->wait.cookie, 0, &wait);
		return again == -ENOENT ? 0 : -EPROTO;
	case DMADEMO_IOC_EXPORT:
		return close(arg->export.fd) ? -errno : 0;
	case DMADEMO_IOC_IMPORT:
		return demo_free(self->fd, arg->import.handle);
	}
	return 0;
}

static int is_allowed(const struct call *call, int error)
{
	const int *e;

	for (e = call->errors; *e; e++)
		if (*e == error)
			return 1;
	return !error || error == EINVAL;
}

static void set(void *arg, const struct member *m, int i)
{
	/* little endian or a whole word: the same */
	if (m->size == 4) {
		uint32_t value = m->values[i];

		memcpy(arg + m->offset, &value, sizeof(value));
	} else {
		memcpy(arg + m->offset, &m->values[i], sizeof(uint64_t));
	}
}

static unsigned int try_pair(struct __test_metadata *_metadata,
			     struct _test_data_args *self,
			     const struct call *call, const struct member *m,
			     const struct member *n)
{
	union arg *arg = self->space;
	unsigned int calls = 0;
	size_t i, j;
	int error;

	for (i = 0; i < m->nr; i++)
		for (j = 0; j < n->nr; j++) {
			*arg = call->good;
			set(arg, m, i);
			set(arg, n, j);
			error = -demo_call(self->fd, call->cmd, arg);
			calls++;
			if (!error)
				error = -undo(self, call->cmd, arg);
			EXPECT_TRUE(is_allowed(call, error))
				TH_LOG("%s: %#llx at %zu, %#llx at %zu: %s",
				       call->name,
				       (unsigned long long)m->values[i],
				       m->offset,
				       (unsigned long long)n->values[j],
				       n->offset, strerror(error));
		}
	return calls;
}

/* The number of calls that were made. */
static unsigned int try_all(struct __test_metadata *_metadata,
			    struct _test_data_args *self,
			    const struct call *call)
{
	unsigned int calls = 0, i, j;

	for (i = 0; i < call->nr_members; i++)
		for (j = i + 1; j < call->nr_members; j++)
			calls += try_pair(_metadata, self, call,
					  &call->members[i],
					  &call->members[j]);
	return calls;
}

TEST_F(args, info)
{
	struct call call = {
		.name = "info",
		.cmd = DMADEMO_IOC_INFO,
		.good.info = { .size = sizeof(struct dmademo_info) },
		.errors = { E2BIG },
	};
	struct dmademo_info *info = &call.good.info;

	vary_size(&call, self->sizes);
	vary32(&call, &info->version, words, ARRAY_SIZE(words));
	vary32(&call, &info->flags, bits, ARRAY_SIZE(bits));
	vary32(&call, &info->__reserved, words, ARRAY_SIZE(words));
	EXPECT_LT(100, try_all(_metadata, self, &call));
}

TEST_F(args, alloc)
{
	struct call call = {
		.name = "alloc",
		.cmd = DMADEMO_IOC_ALLOC,
		.good.alloc = {
			.size = sizeof(struct dmademo_alloc),
			.bytes = 1,
		},
		.errors = { E2BIG, ENOMEM, EDQUOT, EOPNOTSUPP },
	};
	struct dmademo_alloc *alloc = &call.good.alloc;

	vary_size(&call, self->sizes);
	vary32(&call, &alloc->flags, bits, ARRAY_SIZE(bits));
	vary64(&call, &alloc->bytes, self->ranges, ARRAY_SIZE(self->ranges));
	vary32(&call, &alloc->strategy, bits, ARRAY_SIZE(bits));
	vary32(&call, &alloc->handle, words, ARRAY_SIZE(words));
	vary64(&call, &alloc->bus_addr, numbers, ARRAY_SIZE(numbers));
	EXPECT_LT(500, try_all(_metadata, self, &call));
}

TEST_F(args, free)
{
	struct call call = {
		.name = "free",
		.cmd = DMADEMO_IOC_FREE,
		.good.free = { .size = sizeof(struct dmademo_free) },
		.errors = { E2BIG, ENOENT },
	};

	vary_size(&call, self->sizes);
	vary32(&call, &call.good.free.handle, self->handles,
	       ARRAY_SIZE(self->handles));
	EXPECT_LT(50, try_all(_metadata, self, &call));
	EXPECT_EQ(0, demo_fill(self->fd, self->b.handle, 0, 1, 1));
}

static void try_run(struct __test_metadata *_metadata,
		    struct _test_data_args *self, const struct dmademo_run *good)
{
	struct call call = {
		.name = "run",
		.cmd = DMADEMO_IOC_RUN,
		.good.run = *good,
		.errors = { E2BIG, ENOENT, ERANGE, EFAULT, EPERM, ENOMEM, EIO },
	};
	const uint64_t values[] = { 0, 1, 255, 256, UINT32_MAX };
	struct dmademo_run *run = &call.good.run;

	vary_size(&call, self->sizes);
	vary32(&call, &run->op, bits, ARRAY_SIZE(bits));
	vary32(&call, &run->src, self->handles, ARRAY_SIZE(self->handles));
	vary32(&call, &run->dst, self->handles, ARRAY_SIZE(self->handles));
	vary64(&call, &run->src_offset, self->ranges, ARRAY_SIZE(self->ranges));
	vary64(&call, &run->dst_offset, self->ranges, ARRAY_SIZE(self->ranges));
	vary64(&call, &run->length, self->ranges, ARRAY_SIZE(self->ranges));
	vary32(&call, &run->value, values, ARRAY_SIZE(values));
	vary32(&call, &run->flags, bits, ARRAY_SIZE(bits));
	vary64(&call, &run->cookie, numbers, ARRAY_SIZE(numbers));
	EXPECT_LT(3000, try_all(_metadata, self, &call));
	EXPECT_EQ(0, demo_fill(self->fd, self->b.handle, 0, 1, 1));
}

TEST_F(args, run)
{
	const struct dmademo_run good = {
		.size = sizeof(good),
		.op = DMADEMO_OP_COPY,
		.src = self->a.handle,
		.dst = self->b.handle,
		.length = 1,
	};

	try_run(_metadata, self, &good);
}

TEST_F(args, run_on_user_memory)
{
	const struct dmademo_run good = {
		.size = sizeof(good),
		.op = DMADEMO_OP_COPY,
		.src_offset = (uintptr_t)self->user,
		.dst_offset = (uintptr_t)self->user + page_size,
		.length = page_size,
		.flags = DMADEMO_RUN_SRC_USER | DMADEMO_RUN_DST_USER |
			 DMADEMO_RUN_ASYNC,
	};

	try_run(_metadata, self, &good);
}

TEST_F(args, run_on_bus_addresses)
{
	const struct dmademo_run good = {
		.size = sizeof(good),
		.op = DMADEMO_OP_REVERSE,
		.src_offset = self->a.bus_addr,
		.dst_offset = self->b.bus_addr,
		.length = page_size,
		.flags = DMADEMO_RUN_SRC_BUS | DMADEMO_RUN_DST_BUS,
	};

	try_run(_metadata, self, &good);
}

TEST_F(args, wait)
{
	struct dmademo_run run = { .value = 1 };
	struct call call = {
		.name = "wait",
		.cmd = DMADEMO_IOC_WAIT,
		.good.wait = { .size = sizeof(struct dmademo_wait) },
		.errors = { E2BIG, ENOENT, ETIMEDOUT },
	};
	struct dmademo_wait *wait = &call.good.wait;

	ASSERT_EQ(0, demo_run(self->fd, DMADEMO_OP_FILL, self->a.handle, 0, 0,
			      0, 1, DMADEMO_RUN_ASYNC, &run));
	vary_size(&call, self->sizes);
	vary32(&call, &wait->flags, words, ARRAY_SIZE(words));
	vary64(&call, &wait->cookie, numbers, ARRAY_SIZE(numbers));
	vary64(&call, &wait->timeout_ns, numbers, ARRAY_SIZE(numbers));
	EXPECT_LT(100, try_all(_metadata, self, &call));
}

TEST_F(args, sync)
{
	struct call call = {
		.name = "sync",
		.cmd = DMADEMO_IOC_SYNC,
		.good.sync = {
			.size = sizeof(struct dmademo_sync),
			.flags = DMADEMO_SYNC_FOR_CPU,
			.handle = self->a.handle,
			.length = 1,
		},
		.errors = { E2BIG, ENOENT, ERANGE },
	};
	struct dmademo_sync *sync = &call.good.sync;

	vary_size(&call, self->sizes);
	vary32(&call, &sync->flags, bits, ARRAY_SIZE(bits));
	vary32(&call, &sync->handle, self->handles, ARRAY_SIZE(self->handles));
	vary32(&call, &sync->__reserved, words, ARRAY_SIZE(words));
	vary64(&call, &sync->offset, self->ranges, ARRAY_SIZE(self->ranges));
	vary64(&call, &sync->length, self->ranges, ARRAY_SIZE(self->ranges));
	EXPECT_LT(500, try_all(_metadata, self, &call));
}

TEST_F(args, export)
{
	struct call call = {
		.name = "export",
		.cmd = DMADEMO_IOC_EXPORT,
		.good.export = {
			.size = sizeof(struct dmademo_export),
			.handle = self->a.handle,
		},
		.errors = { E2BIG, ENOENT, EOPNOTSUPP },
	};
	const uint64_t flags[] = {
		0, 1, 2, 3, O_CLOEXEC, O_CLOEXEC | O_RDWR, O_NONBLOCK,
		UINT32_MAX,
	};
	struct dmademo_export *export = &call.good.export;

	vary_size(&call, self->sizes);
	vary32(&call, &export->handle, self->handles,
	       ARRAY_SIZE(self->handles));
	vary32(&call, &export->fd_flags, flags, ARRAY_SIZE(flags));
	EXPECT_LT(100, try_all(_metadata, self, &call));
}

TEST_F(args, import)
{
	struct call call = {
		.name = "import",
		.cmd = DMADEMO_IOC_IMPORT,
		.good.import = {
			.size = sizeof(struct dmademo_import),
			.fd = self->dmabuf,
		},
		.errors = { E2BIG, EBADF },
	};
	const uint64_t fds[] = {
		0, 1, self->fd, self->dmabuf, 1 << 20, INT_MAX, UINT32_MAX,
	};
	struct dmademo_import *import = &call.good.import;

	vary_size(&call, self->sizes);
	vary32(&call, &import->flags, words, ARRAY_SIZE(words));
	vary(&call, &import->fd, sizeof(import->fd), fds, ARRAY_SIZE(fds));
	vary32(&call, &import->handle, words, ARRAY_SIZE(words));
	EXPECT_LT(50, try_all(_metadata, self, &call));
}

/* The structure at the end of a page, with nothing behind it. */
TEST_F(args, end_of_memory)
{
	unsigned char *p;
	unsigned int nr;
	uint32_t size;

	p = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + page_size, page_size));
	for (nr = 0; nr < 8; nr++)
		for (size = 4; size <= 128; size += 4) {
			uint32_t claim = 128;
			int ret;

			memset(p, 0, page_size);
			memcpy(p + page_size - size, &claim, sizeof(claim));
			ret = ioctl(self->fd, _IO(DMADEMO_IOC_TYPE, nr),
				    p + page_size - size);
			if (size < claim) {
				EXPECT_EQ(-1, ret);
				EXPECT_EQ(EFAULT, errno);
			}
		}
}

/*
 * From here on each result is known.  A kind is an ioctl with something that
 * makes an argument that works, and whatever that needs.
 */
struct kind {
	const char *name;
	unsigned long cmd;
	size_t size;
	union arg (*good)(struct __test_metadata *_metadata,
			  struct _test_data_args *self);
};

static union arg good_info(struct __test_metadata *_metadata,
			   struct _test_data_args *self)
{
	return (union arg){ .info.size = sizeof(struct dmademo_info) };
}

static union arg good_alloc(struct __test_metadata *_metadata,
			    struct _test_data_args *self)
{
	return (union arg){
		.alloc = {
			.size = sizeof(struct dmademo_alloc),
			.bytes = 1,
		},
	};
}

static union arg good_free(struct __test_metadata *_metadata,
			   struct _test_data_args *self)
{
	struct dmademo_alloc alloc;

	ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
	ASSERT_EQ(self->spare.handle, alloc.handle);
	return (union arg){
		.free = {
			.size = sizeof(struct dmademo_free),
			.handle = alloc.handle,
		},
	};
}

static union arg good_run(struct __test_metadata *_metadata,
			  struct _test_data_args *self)
{
	return (union arg){ .run = self->run };
}

/* Starts a transfer and lets it be done; its cookie. */
static uint64_t completed(struct __test_metadata *_metadata, int fd,
			  uint32_t handle)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct dmademo_run run = {};

	ASSERT_EQ(0, demo_run(fd, DMADEMO_OP_FILL, handle, 0, 0, 0, 1,
			      DMADEMO_RUN_ASYNC, &run));
	ASSERT_EQ(1, poll(&pfd, 1, -1));
	return run.cookie;
}

static union arg good_wait(struct __test_metadata *_metadata,
			   struct _test_data_args *self)
{
	return (union arg){
		.wait = {
			.size = sizeof(struct dmademo_wait),
			.cookie = completed(_metadata, self->fd,
					    self->a.handle),
		},
	};
}

static union arg good_sync(struct __test_metadata *_metadata,
			   struct _test_data_args *self)
{
	return (union arg){
		.sync = {
			.size = sizeof(struct dmademo_sync),
			.flags = DMADEMO_SYNC_FOR_CPU,
			.handle = self->shared.handle,
			.length = 1,
		},
	};
}

static union arg good_export(struct __test_metadata *_metadata,
			     struct _test_data_args *self)
{
	return (union arg){
		.export = {
			.size = sizeof(struct dmademo_export),
			.handle = self->shared.handle,
			.fd_flags = O_RDWR | O_CLOEXEC,
		},
	};
}

static union arg good_import(struct __test_metadata *_metadata,
			     struct _test_data_args *self)
{
	return (union arg){
		.import = {
			.size = sizeof(struct dmademo_import),
			.fd = self->dmabuf,
		},
	};
}

#define KIND(lower, upper)						\
	static const struct kind lower##_kind = {			\
		.name = #lower,						\
		.cmd = DMADEMO_IOC_##upper,				\
		.size = sizeof(struct dmademo_##lower),			\
		.good = good_##lower,					\
	}

KIND(info, INFO);
KIND(alloc, ALLOC);
KIND(free, FREE);
KIND(run, RUN);
KIND(wait, WAIT);
KIND(sync, SYNC);
KIND(export, EXPORT);
KIND(import, IMPORT);

static const struct kind *const kinds[] = {
	&info_kind, &alloc_kind, &free_kind, &run_kind, &wait_kind, &sync_kind,
	&export_kind, &import_kind,
};

/* What a good argument comes to: some devices have nothing to export. */
static int works(const struct _test_data_args *self, const struct kind *kind)
{
	if (exports(self))
		return 0;
	switch (kind->cmd) {
	case DMADEMO_IOC_EXPORT:
		return -EOPNOTSUPP;
	case DMADEMO_IOC_IMPORT:
		return -EBADF;
	}
	return 0;
}

/* Uses up what was made for a call that did not; 0 if it was there still. */
static int use_up(int fd, unsigned long cmd, const union arg *good,
		  const union arg *arg, int ret)
{
	struct dmademo_wait wait;

	switch (cmd) {
	case DMADEMO_IOC_FREE:
		if (!ret && arg->free.handle == good->free.handle)
			return 0;
		return demo_free(fd, good->free.handle);
	case DMADEMO_IOC_WAIT:
		if (!ret && arg->wait.cookie == good->wait.cookie)
			return 0;
		return demo_wait(fd, good->wait.cookie, 0, &wait);
	}
	return 0;
}

/* The result of a call; afterwards all is as it was before @good was made. */
static int try(struct __test_metadata *_metadata, struct _test_data_args *self,
	       const struct kind *kind, const union arg *good, union arg *arg)
{
	const unsigned long cmd = kind->cmd;
	int ret = demo_call(self->fd, cmd, arg);

	EXPECT_EQ(0, ret ? 0 : undo(self, cmd, arg))
		TH_LOG("%s", kind->name);
	EXPECT_EQ(0, use_up(self->fd, cmd, good, arg, ret))
		TH_LOG("%s", kind->name);
	return ret;
}

struct values {
	size_t nr;
	uint64_t value[16];
};

#define VALUES(...)							\
	((struct values){						\
		.nr = sizeof((uint64_t[]){ __VA_ARGS__ }) / 8,		\
		.value = { __VA_ARGS__ },				\
	})

/* Sets one member of a good argument to each of the values. */
#define EXPECT_EACH(result, call, member, vals) do {			\
	const struct values _vals = (vals);				\
	const int _result = (result);					\
	size_t _i;							\
									\
	for (_i = 0; _i < _vals.nr; _i++) {				\
		union arg _good = good_##call(_metadata, self);		\
		union arg _arg = _good;					\
									\
		_arg.call.member = _vals.value[_i];			\
		EXPECT_EQ(_result, try(_metadata, self, &call##_kind,	\
				       &_good, &_arg))			\
			TH_LOG("%s: %s is %#llx", #call, #member,	\
			       (unsigned long long)_vals.value[_i]);	\
	}								\
} while (0)

#define EXPECT_CELLS(result, call, member, ...)				\
	EXPECT_EACH(result, call, member, VALUES(__VA_ARGS__))

/* A handle that another file has is one that does not exist. */
static struct values no_handles(const struct _test_data_args *self)
{
	return VALUES(0, self->foreign.handle, self->freed.handle,
		      self->info.max_buffers, self->info.max_buffers + 1,
		      INT32_MAX, UINT32_MAX);
}

/* What there is instead of 0 where a handle is not used. */
static struct values any_handles(const struct _test_data_args *self)
{
	return VALUES(self->a.handle, self->b.handle, self->foreign.handle,
		      self->freed.handle, self->info.max_buffers,
		      self->info.max_buffers + 1, UINT32_MAX);
}

/* Offsets of a byte that is in a buffer, the last one among them. */
static struct values inside(void)
{
	return VALUES(0, 1, 3, page_size - 1);
}

static struct values outside(void)
{
	return VALUES(page_size, page_size + 1, UINT32_MAX, INT64_MAX,
		      UINT64_MAX - 1, UINT64_MAX);
}

TEST_F(args, info_exactly)
{
	EXPECT_CELLS(0, info, version, 0, 1, UINT32_MAX);
	EXPECT_CELLS(0, info, max_bytes, 0, 1, UINT64_MAX);
	EXPECT_CELLS(0, info, mmap_mode, 0, 1, UINT32_MAX);
	EXPECT_CELLS(0, info, flags, 0);
	EXPECT_CELLS(-EINVAL, info, flags, DMADEMO_INFO_COHERENT,
		     DMADEMO_INFO_EXPORT, DMADEMO_INFO_EXPORT << 1, 1U << 31,
		     UINT32_MAX);
	EXPECT_CELLS(0, info, dma_mask, 0, 1, UINT64_MAX);
	EXPECT_CELLS(0, info, max_device_bytes, 0, 1, UINT64_MAX);
	EXPECT_CELLS(0, info, max_buffers, 0, 1, UINT32_MAX);
	EXPECT_CELLS(0, info, max_transfers, 0, 1, UINT32_MAX);
	EXPECT_CELLS(0, info, strategies, 0, 1, UINT32_MAX);
	EXPECT_CELLS(0, info, __reserved, 0);
	EXPECT_CELLS(-EINVAL, info, __reserved, 1, UINT32_MAX);
}

TEST_F(args, alloc_exactly)
{
	const uint64_t max = self->info.max_bytes;
	struct dmademo_alloc alloc;
	uint32_t strategy;
	int ret;

	EXPECT_CELLS(0, alloc, flags, 0, DMADEMO_ALLOC_CACHED,
		     DMADEMO_ALLOC_WRITE_COMBINE);
	EXPECT_CELLS(-EINVAL, alloc, flags,
		     DMADEMO_ALLOC_CACHED | DMADEMO_ALLOC_WRITE_COMBINE,
		     DMADEMO_ALLOC_WRITE_COMBINE << 1, 1U << 31, UINT32_MAX);

	EXPECT_CELLS(0, alloc, bytes, 1, page_size - 1, page_size,
		     page_size + 1);
	/* The last two are 0 when they are rounded up. */
	EXPECT_CELLS(-EINVAL, alloc, bytes, 0, max + 1, UINT32_MAX, 1ULL << 32,
		     INT64_MAX, 1ULL << 63, UINT64_MAX - page_size + 2,
		     UINT64_MAX);
	/* The most that there may be is more than most machines have. */
	ret = demo_alloc(self->fd, max, &alloc);
	EXPECT_TRUE(!ret || ret == -ENOMEM || ret == -EDQUOT)
		TH_LOG("%llu bytes: %d", (unsigned long long)max, ret);
	EXPECT_EQ(0, ret ? 0 : undo_alloc(self->fd, &alloc));

	for (strategy = 0; strategy <= DMADEMO_STRATEGY_HUGE; strategy++) {
		ret = self->info.strategies & 1U << strategy ? 0 : -EOPNOTSUPP;
		EXPECT_CELLS(ret, alloc, strategy, strategy);
	}
	EXPECT_CELLS(-EINVAL, alloc, strategy, DMADEMO_STRATEGY_HUGE + 1,
		     INT32_MAX, UINT32_MAX);

	EXPECT_CELLS(0, alloc, bytes_held, 0, 1, UINT64_MAX);
	EXPECT_CELLS(0, alloc, mmap_offset, 0, 1, UINT64_MAX);
	EXPECT_CELLS(0, alloc, bus_addr, 0, 1, UINT64_MAX);
	EXPECT_CELLS(0, alloc, handle, 0, 1, UINT32_MAX);
}

/* The handle that is the limit is in no_handle_left. */
TEST_F(args, free_exactly)
{
	EXPECT_EACH(-ENOENT, free, handle, no_handles(self));
	EXPECT_CELLS(0, free, handle, self->spare.handle);
	EXPECT_CELLS(0, free, handle, 1);
	/* Now that one is the first that is free. */
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &self->a));
	ASSERT_EQ(1U, self->a.handle);
	/* The others are still there. */
	EXPECT_EQ(0, demo_fill(self->fd, self->b.handle, 0, page_size, 1));
	EXPECT_EQ(0, demo_fill(self->other, self->foreign.handle, 0, page_size,
			       1));
}

static int reads(uint32_t op)
{
	return op != DMADEMO_OP_FILL;
}

static int writes(uint32_t op)
{
	return op != DMADEMO_OP_CRC32;
}

/*
 * Whatever the memory is.  @far is the result for what goes past the end of that
 * by a byte or by much.
 */
static void try_length(struct __test_metadata *_metadata,
		       struct _test_data_args *self, uint64_t size, int far)
{
	const uint64_t max = self->info.max_bytes;

	EXPECT_CELLS(0, run, length, 1, 3, size - 1, size);
	EXPECT_CELLS(far, run, length, size + 1, max - 1, max);
	EXPECT_CELLS(-EINVAL, run, length, 0, max + 1, UINT32_MAX, 1ULL << 32,
		     INT64_MAX, UINT64_MAX);
}

static void try_value_and_cookie(struct __test_metadata *_metadata,
				 struct _test_data_args *self)
{
	const int fill = self->run.op == DMADEMO_OP_FILL;

	EXPECT_CELLS(0, run, value, 0);
	EXPECT_CELLS(fill ? 0 : -EINVAL, run, value, 1, 255);
	EXPECT_CELLS(-EINVAL, run, value, 256, INT32_MAX, UINT32_MAX);
	EXPECT_CELLS(0, run, cookie, 0);
	EXPECT_CELLS(-EINVAL, run, cookie, 1, INT64_MAX, UINT64_MAX);
}

static void try_src_buffer(struct __test_metadata *_metadata,
			   struct _test_data_args *self)
{
	if (!reads(self->run.op)) {
		EXPECT_CELLS(0, run, src, 0);
		EXPECT_EACH(-EINVAL, run, src, any_handles(self));
		EXPECT_CELLS(0, run, src_offset, 0);
		EXPECT_CELLS(-EINVAL, run, src_offset, 1, page_size,
			     INT64_MAX, UINT64_MAX);
		return;
	}
	EXPECT_EACH(-ENOENT, run, src, no_handles(self));
	EXPECT_CELLS(0, run, src, self->a.handle, self->shared.handle);
	EXPECT_EACH(0, run, src_offset, inside());
	EXPECT_EACH(-ERANGE, run, src_offset, outside());
	/* onto itself */
	EXPECT_CELLS(writes(self->run.op) ? -EINVAL : 0, run, src,
		     self->b.handle);
}

static void try_dst_buffer(struct __test_metadata *_metadata,
			   struct _test_data_args *self)
{
	if (!writes(self->run.op)) {
		EXPECT_CELLS(0, run, dst, 0);
		EXPECT_EACH(-EINVAL, run, dst, any_handles(self));
		EXPECT_CELLS(0, run, dst_offset, 0);
		EXPECT_CELLS(-EINVAL, run, dst_offset, 1, page_size,
			     INT64_MAX, UINT64_MAX);
		return;
	}
	EXPECT_EACH(-ENOENT, run, dst, no_handles(self));
	EXPECT_CELLS(0, run, dst, self->b.handle, self->shared.handle);
	EXPECT_EACH(0, run, dst_offset, inside());
	EXPECT_EACH(-ERANGE, run, dst_offset, outside());
	EXPECT_CELLS(reads(self->run.op) ? -EINVAL : 0, run, dst,
		     self->a.handle);
}

/* @good are the flags that have to be there. */
static void try_run_flags(struct __test_metadata *_metadata,
			  struct _test_data_args *self, uint32_t good)
{
	const uint32_t known[] = {
		DMADEMO_RUN_SRC_USER, DMADEMO_RUN_DST_USER,
		DMADEMO_RUN_SRC_BUS, DMADEMO_RUN_DST_BUS,
	};
	size_t i;

	EXPECT_CELLS(0, run, flags, good, good | DMADEMO_RUN_ASYNC);
	/* for a side that has a handle, or another such flag, or is not used */
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!(good & known[i]))
			EXPECT_CELLS(-EINVAL, run, flags, good | known[i]);
	EXPECT_CELLS(-EINVAL, run, flags, good | DMADEMO_RUN_DST_BUS << 1,
		     good | 1U << 31, UINT32_MAX);
}

TEST_F(args, run_exactly)
{
	uint32_t op;

	for (op = DMADEMO_OP_COPY; op <= DMADEMO_OP_REVERSE; op++) {
		self->run.op = op;
		self->run.src = reads(op) ? self->a.handle : 0;
		self->run.dst = writes(op) ? self->b.handle : 0;
		try_length(_metadata, self, page_size, -ERANGE);
		try_value_and_cookie(_metadata, self);
		try_src_buffer(_metadata, self);
		try_dst_buffer(_metadata, self);
		try_run_flags(_metadata, self, 0);
		EXPECT_CELLS(-EINVAL, run, op, DMADEMO_OP_REVERSE + 1,
			     INT32_MAX, UINT32_MAX);
	}
}

/* Each operation with what is good for another one. */
TEST_F(args, run_each_op_for_another)
{
	static const int results[][4] = {
		/* has no use for a source, or for a destination */
		[DMADEMO_OP_COPY]    = { 0, -EINVAL, -EINVAL, 0 },
		/* lacks a source */
		[DMADEMO_OP_FILL]    = { -ENOENT, 0, -EINVAL, -ENOENT },
		/* lacks a destination */
		[DMADEMO_OP_CRC32]   = { -ENOENT, -EINVAL, 0, -ENOENT },
		[DMADEMO_OP_REVERSE] = { 0, -EINVAL, -EINVAL, 0 },
	};
	uint32_t good, op;

	for (good = DMADEMO_OP_COPY; good <= DMADEMO_OP_REVERSE; good++) {
		self->run.op = good;
		self->run.src = reads(good) ? self->a.handle : 0;
		self->run.dst = writes(good) ? self->b.handle : 0;
		for (op = DMADEMO_OP_COPY; op <= DMADEMO_OP_REVERSE; op++)
			EXPECT_CELLS(results[good][op], run, op, op);
	}
}

/* Two bytes at @user, which are not there, or not all of them. */
static struct values no_memory(unsigned char *user)
{
	const uint64_t hole = (uintptr_t)user + 3 * page_size;

	/* The first two are the NULL page, the fifth is the kernel's. */
	return VALUES(0, 1, hole, hole - 1, (uintptr_t)-4096,
		      INT64_MAX, UINT64_MAX - 1);
}

static void try_user_src(struct __test_metadata *_metadata,
			 struct _test_data_args *self)
{
	const uint64_t user = (uintptr_t)self->user;

	/* The last of them are at the end of what may only be read. */
	EXPECT_CELLS(0, run, src_offset, user, user + 1, user + 3,
		     user + 2 * page_size + 1, user + 3 * page_size - 2);
	EXPECT_EACH(-EFAULT, run, src_offset, no_memory(self->user));
	/* wraps */
	EXPECT_CELLS(-EINVAL, run, src_offset, UINT64_MAX);
	EXPECT_CELLS(writes(self->run.op) ? -EINVAL : 0, run, src_offset,
		     user + page_size - 1, user + page_size,
		     user + page_size + 1);
	EXPECT_EACH(-EINVAL, run, src, any_handles(self));
}

static void try_user_dst(struct __test_metadata *_metadata,
			 struct _test_data_args *self)
{
	const uint64_t user = (uintptr_t)self->user;

	EXPECT_CELLS(0, run, dst_offset, user + page_size,
		     user + page_size + 1, user + 2 * page_size - 2);
	EXPECT_EACH(-EFAULT, run, dst_offset, no_memory(self->user));
	/* may only be read, all of it or the second byte */
	EXPECT_CELLS(-EFAULT, run, dst_offset, user + 2 * page_size,
		     user + 2 * page_size - 1);
	EXPECT_CELLS(-EINVAL, run, dst_offset, UINT64_MAX);
	EXPECT_CELLS(reads(self->run.op) ? -EINVAL : 0, run, dst_offset, user,
		     user + 1);
	EXPECT_EACH(-EINVAL, run, dst, any_handles(self));
}

/* The source is at the first byte, the destination in the second page. */
TEST_F(args, run_on_user_memory_exactly)
{
	const uint64_t user = (uintptr_t)self->user;
	/* of what goes past the end: it overlaps, or is not there */
	static const int far[] = { -EINVAL, -EFAULT, -EFAULT, -EINVAL };
	struct rlimit limit;
	uint32_t op, flags;

	/* Or some of it is too much, before it is not there. */
	ASSERT_EQ(0, getrlimit(RLIMIT_MEMLOCK, &limit));
	if (geteuid() && limit.rlim_cur < 4 * self->info.max_bytes)
		SKIP(return, "needs root, or a higher RLIMIT_MEMLOCK");
	for (op = DMADEMO_OP_COPY; op <= DMADEMO_OP_REVERSE; op++) {
		flags = (reads(op) ? DMADEMO_RUN_SRC_USER : 0) |
			(writes(op) ? DMADEMO_RUN_DST_USER : 0);
		self->run = (struct dmademo_run){
			.size = sizeof(self->run),
			.op = op,
			.src_offset = reads(op) ? user : 0,
			.dst_offset = writes(op) ? user + page_size : 0,
			.length = 2,
			.flags = flags,
		};
		try_length(_metadata, self,
			   op == DMADEMO_OP_CRC32 ? 3 * page_size : page_size,
			   far[op]);
		try_value_and_cookie(_metadata, self);
		if (reads(op))
			try_user_src(_metadata, self);
		if (writes(op))
			try_user_dst(_metadata, self);
		try_run_flags(_metadata, self, flags);
		/* Without, they are offsets in a buffer with no handle. */
		EXPECT_CELLS(-ENOENT, run, flags, 0);
	}
}

/* An address that has more bits than the bus is none. */
static int unreachable(const struct _test_data_args *self)
{
	return self->info.dma_mask == UINT64_MAX ? -EIO : -EINVAL;
}

static void try_bus_src(struct __test_metadata *_metadata,
			struct _test_data_args *self, uint64_t freed)
{
	const uint64_t a = self->a.bus_addr, b = self->b.bus_addr;

	EXPECT_CELLS(0, run, src_offset, a, a + 1, a + page_size - 1,
		     self->foreign.bus_addr);
	EXPECT_CELLS(-EIO, run, src_offset, 0, freed);
	EXPECT_EACH(unreachable(self), run, src_offset,
		    VALUES(INT64_MAX, UINT64_MAX));
	EXPECT_CELLS(writes(self->run.op) ? -EINVAL : 0, run, src_offset, b);
	EXPECT_EACH(-EINVAL, run, src, any_handles(self));
}

static void try_bus_dst(struct __test_metadata *_metadata,
			struct _test_data_args *self, uint64_t freed)
{
	const uint64_t a = self->a.bus_addr, b = self->b.bus_addr;

	EXPECT_CELLS(0, run, dst_offset, b, b + 1, b + page_size - 1,
		     self->foreign.bus_addr);
	EXPECT_CELLS(-EIO, run, dst_offset, 0, freed);
	EXPECT_EACH(unreachable(self), run, dst_offset,
		    VALUES(INT64_MAX, UINT64_MAX));
	EXPECT_CELLS(reads(self->run.op) ? -EINVAL : 0, run, dst_offset, a);
	EXPECT_EACH(-EINVAL, run, dst, any_handles(self));
}

/* Whoever a buffer belongs to, but the byte behind it may be another one's. */
TEST_F(args, run_on_bus_addresses_exactly)
{
	struct dmademo_alloc freed;
	uint32_t op, flags;

	/* No buffer is made after this one, so its memory is none's. */
	ASSERT_EQ(0, demo_alloc(self->fd, page_size, &freed));
	ASSERT_EQ(0, demo_free(self->fd, freed.handle));
	for (op = DMADEMO_OP_COPY; op <= DMADEMO_OP_REVERSE; op++) {
		flags = (reads(op) ? DMADEMO_RUN_SRC_BUS : 0) |
			(writes(op) ? DMADEMO_RUN_DST_BUS : 0);
		self->run = (struct dmademo_run){
			.size = sizeof(self->run),
			.op = op,
			.src_offset = reads(op) ? self->a.bus_addr : 0,
			.dst_offset = writes(op) ? self->b.bus_addr : 0,
			.length = 1,
			.flags = flags,
		};
		if (!self->a.bus_addr) {
			/* without CAP_SYS_RAWIO; where no ranges overlap */
			self->run.dst_offset = writes(op) ? page_size : 0;
			EXPECT_CELLS(-EPERM, run, length, 1, page_size);
			continue;
		}
		if (!reads(op) || !writes(op))
			try_length(_metadata, self, page_size, -EIO);
		try_value_and_cookie(_metadata, self);
		if (reads(op))
			try_bus_src(_metadata, self, freed.bus_addr);
		if (writes(op))
			try_bus_dst(_metadata, self, freed.bus_addr);
		try_run_flags(_metadata, self, flags);
		EXPECT_CELLS(-ENOENT, run, flags, 0);
		/* Two bytes there wrap. */
		self->run.length = 2;
		if (reads(op))
			EXPECT_CELLS(-EINVAL, run, src_offset, UINT64_MAX);
		if (writes(op))
			EXPECT_CELLS(-EINVAL, run, dst_offset, UINT64_MAX);
	}
}

TEST_F(args, wait_exactly)
{
	struct dmademo_wait wait;
	uint64_t theirs, fetched;
	int i;

	/* Cookies are numbers of a file too, so make it one of theirs only. */
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, demo_fill(self->other, self->foreign.handle, 0, 1,
				       1));
	theirs = completed(_metadata, self->other, self->foreign.handle);
	fetched = completed(_metadata, self->fd, self->a.handle);
	ASSERT_LT(fetched + 50, theirs);
	ASSERT_EQ(0, demo_wait(self->fd, fetched, 0, &wait));

	EXPECT_CELLS(0, wait, flags, 0);
	EXPECT_CELLS(-EINVAL, wait, flags, 1, 2, 1U << 31, UINT32_MAX);
	EXPECT_CELLS(-ENOENT, wait, cookie, 0, fetched, theirs, INT64_MAX,
		     UINT64_MAX);
	EXPECT_CELLS(0, wait, timeout_ns, 0, 1, INT64_MAX, 1ULL << 63,
		     UINT64_MAX);
	EXPECT_CELLS(0, wait, status, 0, 1, INT32_MAX, UINT32_MAX);
	EXPECT_CELLS(0, wait, value, 0, 1, UINT32_MAX);

	/* What does not exist is not waited for. */
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, 0, UINT64_MAX, &wait));
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, fetched, UINT64_MAX, &wait));
	EXPECT_EQ(-ENOENT, demo_wait(self->fd, theirs, UINT64_MAX, &wait));
	EXPECT_EQ(0, demo_wait(self->other, theirs, 0, &wait));
}

TEST_F(args, sync_exactly)
{
	struct dmademo_import import;

	EXPECT_CELLS(0, sync, flags, DMADEMO_SYNC_FOR_CPU,
		     DMADEMO_SYNC_FOR_DEVICE);
	EXPECT_CELLS(-EINVAL, sync, flags, 0,
		     DMADEMO_SYNC_FOR_CPU | DMADEMO_SYNC_FOR_DEVICE,
		     DMADEMO_SYNC_FOR_DEVICE << 1, 1U << 31, UINT32_MAX);
	EXPECT_CELLS(0, sync, handle, self->a.handle, self->b.handle,
		     self->shared.handle);
	EXPECT_EACH(-ENOENT, sync, handle, no_handles(self));
	EXPECT_CELLS(0, sync, __reserved, 0);
	EXPECT_CELLS(-EINVAL, sync, __reserved, 1, INT32_MAX, UINT32_MAX);
	EXPECT_EACH(0, sync, offset, inside());
	EXPECT_EACH(-ERANGE, sync, offset, outside());
	EXPECT_CELLS(-EINVAL, sync, length, 0);
	EXPECT_CELLS(0, sync, length, 1, 3, page_size - 1, page_size);
	EXPECT_CELLS(-ERANGE, sync, length, page_size + 1,
		     self->info.max_bytes, self->info.max_bytes + 1,
		     UINT32_MAX, INT64_MAX, UINT64_MAX);
	if (!exports(self))
		return;
	ASSERT_EQ(0, demo_import(self->fd, self->dmabuf, &import));
	EXPECT_CELLS(-EOPNOTSUPP, sync, handle, import.handle);
	EXPECT_EQ(0, demo_free(self->fd, import.handle));
}

TEST_F(args, export_exactly)
{
	const int good = works(self, &export_kind);
	const int coherent = self->info.flags & DMADEMO_INFO_COHERENT;
	struct dmademo_import import;
	uint32_t bit;

	EXPECT_CELLS(good, export, handle, self->shared.handle);
	/* Not cached: others would see something else than the device. */
	EXPECT_CELLS(coherent ? good : -EOPNOTSUPP, export, handle,
		     self->a.handle, self->b.handle);
	EXPECT_EACH(-ENOENT, export, handle, no_handles(self));
	EXPECT_CELLS(good, export, fd_flags, O_RDONLY, O_CLOEXEC | O_RDONLY,
		     O_CLOEXEC | O_WRONLY, O_CLOEXEC | O_RDWR);
	EXPECT_CELLS(-EINVAL, export, fd_flags, O_ACCMODE,
		     O_CLOEXEC | O_ACCMODE, UINT32_MAX);
	for (bit = 1; bit; bit <<= 1) {
		const int known = O_WRONLY | O_RDWR | O_CLOEXEC;

		EXPECT_CELLS(bit & known ? good : -EINVAL, export, fd_flags,
			     bit);
	}
	EXPECT_CELLS(good, export, fd, 0, 1, INT32_MAX, UINT32_MAX);
	if (!exports(self))
		return;
	ASSERT_EQ(0, demo_import(self->fd, self->dmabuf, &import));
	EXPECT_CELLS(-EOPNOTSUPP, export, handle, import.handle);
	EXPECT_EQ(0, demo_free(self->fd, import.handle));
}

/* What there is to say of a descriptor that is not a dma-buf. */
static int no_dmabuf(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -EBADF : -EINVAL;
}

TEST_F(args, import_exactly)
{
	const int good = works(self, &import_kind);
	struct rlimit limit;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_CELLS(good, import, flags, 0);
	EXPECT_CELLS(-EINVAL, import, flags, 1, 2, 1U << 31, UINT32_MAX);
	EXPECT_CELLS(good, import, fd, self->dmabuf);
	EXPECT_CELLS(no_dmabuf(0), import, fd, 0);
	EXPECT_CELLS(no_dmabuf(1), import, fd, 1);
	EXPECT_CELLS(-EBADF, import, fd, limit.rlim_cur, -1, INT32_MIN,
		     INT32_MAX);
	EXPECT_CELLS(-EINVAL, import, fd, self->fd, self->other, pipes[0],
		     pipes[1]);
	ASSERT_EQ(0, close(pipes[0]));
	ASSERT_EQ(0, close(pipes[1]));
	EXPECT_CELLS(-EBADF, import, fd, pipes[0], pipes[1]);
	EXPECT_CELLS(good, import, bytes_held, 0, 1, UINT64_MAX);
	EXPECT_CELLS(good, import, handle, 0, 1, UINT32_MAX);
}

/* An argument that says that it has @size bytes, the last one being @last. */
static void try_size(struct __test_metadata *_metadata,
		     struct _test_data_args *self, const struct kind *kind,
		     int result, uint32_t size, unsigned char last)
{
	const union arg good = kind->good(_metadata, self);
	unsigned char *space = self->space->bytes;
	int ret;

	memset(space, 0, 3 * page_size);
	memcpy(space, &good, kind->size);
	/* whichever it is, this comes first */
	self->space->info.size = size;
	if (last)
		space[size - 1] = last;
	ret = try(_metadata, self, kind, &good, self->space);
	EXPECT_EQ(result, ret)
		TH_LOG("%s: size is %u, the last byte %u", kind->name, size,
		       last);
	/* What the kernel does not know it does not write to. */
	EXPECT_TRUE(last || is_filled(space + kind->size, 0,
				      3 * page_size - kind->size));
}

TEST_F(args, sizes)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const int good = works(self, kinds[i]);
		const uint32_t size = kinds[i]->size;
		const struct {
			int result;
			uint32_t size;
			unsigned char last;
		} tries[] = {
			{ -EINVAL, 0, 0 },
			{ -EINVAL, 1, 0 },
			{ -EINVAL, 4, 0 },
			{ -EINVAL, size - 1, 0 },
			{ good, size, 0 },
			{ good, size + 1, 0 },
			{ -E2BIG, size + 1, 1 },
			{ good, size + 8, 0 },
			{ -E2BIG, size + 8, 1 },
			{ good, page_size, 0 },
			{ -E2BIG, page_size, 1 },
			{ -E2BIG, page_size + 1, 0 },
			{ -E2BIG, INT32_MAX, 0 },
			{ -E2BIG, UINT32_MAX, 0 },
		};

		for (j = 0; j < ARRAY_SIZE(tries); j++)
			try_size(_metadata, self, kinds[i], tries[j].result,
				 tries[j].size, tries[j].last);
	}
}

/* No memory, memory that cannot be accessed, and the kernel's. */
TEST_F(args, pointers)
{
	unsigned char *none = mmap(NULL, page_size, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *hole = new_pages(1);
	size_t i;

	ASSERT_NE(MAP_FAILED, (void *)none);
	ASSERT_NE(MAP_FAILED, (void *)hole);
	ASSERT_EQ(0, munmap(hole, page_size));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const unsigned long cmd = kinds[i]->cmd;

		EXPECT_EQ(-EFAULT, demo_call(self->fd, cmd, NULL));
		EXPECT_EQ(-EFAULT, demo_call(self->fd, cmd, hole));
		EXPECT_EQ(-EFAULT, demo_call(self->fd, cmd, none));
		EXPECT_EQ(-EFAULT, demo_call(self->fd, cmd,
					     (void *)(uintptr_t)-4096));
		EXPECT_EQ(-EFAULT, demo_call(self->fd, cmd,
					     (void *)(uintptr_t)-1));
	}
}

static int next_descriptor(int fd)
{
	int next = dup(fd);

	close(next);
	return next;
}

/* What cannot be told has not happened; what has no output need not be told. */
TEST_F(args, read_only_memory)
{
	const int next = next_descriptor(self->fd);
	struct dmademo_alloc alloc;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *kind = kinds[i];
		const union arg good = kind->good(_metadata, self);
		int result = works(self, kind);

		if (!result && kind != &free_kind && kind != &sync_kind)
			result = -EFAULT;
		memcpy(self->space, &good, sizeof(good));
		ASSERT_EQ(0, mprotect(self->space, page_size, PROT_READ));
		EXPECT_EQ(result, try(_metadata, self, kind, &good,
				      self->space))
			TH_LOG("%s", kind->name);
		ASSERT_EQ(0, mprotect(self->space, page_size,
				      PROT_READ | PROT_WRITE));
		/* Neither a handle nor a descriptor stays taken. */
		ASSERT_EQ(0, demo_alloc(self->fd, 1, &alloc));
		EXPECT_EQ(self->spare.handle, alloc.handle);
		ASSERT_EQ(0, demo_free(self->fd, alloc.handle));
		EXPECT_EQ(next, next_descriptor(self->fd));
	}
}

/* The last handle is as good as any. */
static void use_last_handle(struct __test_metadata *_metadata, int fd,
			    uint32_t last, int exports)
{
	uint32_t crc;
	int dmabuf;

	EXPECT_EQ(0, demo_fill(fd, last, 0, 1, 1));
	EXPECT_EQ(0, demo_crc32(fd, last, 0, 1, &crc));
	EXPECT_EQ(0, demo_sync(fd, last, DMADEMO_SYNC_FOR_CPU, 0, 1));
	dmabuf = demo_export(fd, last);
	EXPECT_EQ(exports ? 0 : -EOPNOTSUPP, dmabuf < 0 ? dmabuf :
		  close(dmabuf));
	EXPECT_EQ(-ENOENT, demo_fill(fd, last + 1, 0, 1, 1));
	EXPECT_EQ(-ENOENT, demo_free(fd, last + 1));
}

TEST_F(args, no_handle_left)
{
	const uint32_t max = self->info.max_buffers;
	struct dmademo_alloc alloc, none;
	struct dmademo_import import;
	int fd = open(DEVICE, O_RDWR);
	unsigned char *p;
	uint32_t i;

	ASSERT_LE(0, fd);
	if (max * page_size > self->info.max_device_bytes / 2)
		SKIP(return, "needs a higher limit, dmademo.max_device_bytes=");
	for (i = 0; i < max; i++) {
		ASSERT_EQ(0, demo_alloc_as(fd, 1, 0, self->flags, &alloc))
			TH_LOG("buffer %u of %u", i, max);
		ASSERT_LE(1U, alloc.handle);
		ASSERT_GE(max, alloc.handle);
	}
	EXPECT_EQ(-ENOSPC, demo_alloc(fd, 1, &none));
	EXPECT_EQ(exports(self) ? -ENOSPC : -EBADF,
		  demo_import(fd, self->dmabuf, &import));
	use_last_handle(_metadata, fd, max, exports(self));

	/* Whichever is freed is the next one, with its place in the file. */
	for (i = max; i; i /= 2) {
		ASSERT_EQ(0, demo_free(fd, i));
		ASSERT_EQ(0, demo_alloc_as(fd, 1, 0, self->flags, &alloc));
		EXPECT_EQ(i, alloc.handle);
		EXPECT_EQ(-ENOSPC, demo_alloc(fd, 1, &none));
		p = map(fd, &alloc);
		ASSERT_NE(NULL, p);
		EXPECT_EQ(0, munmap(p, page_size));
	}
	if (exports(self)) {
		ASSERT_EQ(0, demo_free(fd, max));
		ASSERT_EQ(0, demo_import(fd, self->dmabuf, &import));
		EXPECT_EQ(max, import.handle);
	}
	/* All of them were different. */
	for (i = 1; i <= max; i++)
		ASSERT_EQ(0, demo_free(fd, i));
	EXPECT_EQ(0, close(fd));
}

TEST_F(args, no_descriptor_left)
{
	const int good = works(self, &export_kind);
	struct rlimit limit, none;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = next_descriptor(self->fd);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_CELLS(good ?: -EMFILE, export, handle, self->shared.handle);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_CELLS(good, export, handle, self->shared.handle);
}

static void no_action(int sig)
{
}

/* The signal comes again and again, in case that one is there before read(). */
TEST_F(args, read_is_interrupted)
{
	const struct itimerval often = { { 0, 10000 }, { 0, 10000 } };
	struct sigaction action = { .sa_handler = no_action };
	const struct itimerval never = {};
	struct dmademo_completion done;

	/* self->other is not O_NONBLOCK. */
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	EXPECT_EQ(-1, read(self->other, &done, sizeof(done)));
	EXPECT_EQ(EINTR, errno);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	/* It goes on as before. */
	completed(_metadata, self->other, self->foreign.handle);
	EXPECT_EQ((ssize_t)sizeof(done),
		  read(self->other, &done, sizeof(done)));
}

TEST_HARNESS_MAIN
