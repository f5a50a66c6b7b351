/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a worker of dmademo_fuzz_test knows: its buffers, with a copy of what is in them,
 * its memory and mappings, and so what a call may come to.
 */
#ifndef DMADEMO_FUZZ_H
#define DMADEMO_FUZZ_H

#include <setjmp.h>
#include <stdarg.h>

#include "kselftest.h"
#include "dmademo_test.h"

#define RW (PROT_READ | PROT_WRITE)
#define MIB ((size_t)1 << 20)
#define PMD_BYTES (2 * MIB)

static unsigned int me, *calls;	/* which worker, and how many calls it has made */
static unsigned long long seed;
static bool may_unbind;
static struct dmademo_info info;
static bool pfn, cma;		/* the mode, and whether memory may be of a CMA area */
static int fd;
static bool gone;		/* its device is, and this is known */

/* --- random numbers ---------------------------------------------------------- */

static __thread uint64_t random_state;

static inline uint32_t random32(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 32;
}

static inline uint32_t rnd(uint32_t limit)
{
	return random32() % limit;
}

/* A value that code may have got wrong. */
static inline uint64_t odd_value(void)
{
	switch (rnd(7)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return UINT64_MAX - rnd(2) * rnd(page_size);
	case 3: return page_size - 1 + rnd(3);
	case 4: return 1ULL << rnd(64);
	case 5: return (1ULL << rnd(64)) - 1;
	}
	return (uint64_t)random32() << 32 | random32();
}

/* Makes one or two words of a structure odd, now and then. */
static inline void mutate(void *arg, size_t size)
{
	uint32_t word;
	unsigned int i;

	for (i = rnd(8) ? 2 : rnd(2); i < 2; i++) {
		unsigned char *p = (unsigned char *)arg + rnd(size / 4) * 4;

		memcpy(&word, p, 4);
		word = rnd(4) ? odd_value() : word ^ 1U << rnd(32);
		memcpy(p, &word, 4);
	}
}

/* --- results ----------------------------------------------------------------- */

/* What a call may come to, ORed together. */
enum {
	OK = 1 << 0, INVAL = 1 << 1, NOENT = 1 << 2, RANGE = 1 << 3, FAULT = 1 << 4,
	DQUOT = 1 << 5, NOMEM = 1 << 6, NODEV = 1 << 7, NXIO = 1 << 8, ACCES = 1 << 9,
	NOTTY = 1 << 10, PERM = 1 << 11, SPIPE = 1 << 12, NOTSUPP = 1 << 13,
};

static const int result_errors[] = {
	0, EINVAL, ENOENT, ERANGE, EFAULT, EDQUOT, ENOMEM, ENODEV, ENXIO, EACCES, ENOTTY, EPERM,
	ESPIPE, EOPNOTSUPP,
};

/* If that is not so, it is the end of the worker. */
static inline __printf(2, 3) void expect(bool right, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (right)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	printf("# FAILED: seed %llu, worker %u, call %u: %s\n", seed, me, *calls, text);
	fflush(stdout);
	_exit(1);
}

/* Whether 0 or a negative errno, which is returned, is what may be. */
static inline int check(long ret, unsigned int allowed, const char *call, unsigned long a,
			unsigned long b, unsigned long c)
{
	char text[128] = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(result_errors); i++)
		if (allowed >> i & 1 && ret == -result_errors[i])
			return ret;
	for (i = 0; i < ARRAY_SIZE(result_errors); i++)
		if (allowed >> i & 1)
			sprintf(text + strlen(text), " %d", -result_errors[i]);
	expect(false, "%s(%#lx, %#lx, %#lx) is %ld, expected%s", call, a, b, c, ret, text);
	return ret;
}

static inline long error_of(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* Of a call that needs the device, what it may come to. */
static inline unsigned int or_gone(unsigned int allowed)
{
	if (gone)
		return (allowed & ~OK) | NODEV;
	return may_unbind ? allowed | NODEV : allowed;
}

static inline int note_gone(int ret)
{
	gone |= ret == -ENODEV;
	return ret;
}

/* A call with a structure, which stays as it is if the call fails. */
static inline int call(unsigned long cmd, void *arg, unsigned int allowed)
{
	static const char * const names[] = { "INFO", "ALLOC", "FREE", "RUN", "SYNC", "EXPORT" };
	const size_t nr = _IOC_SIZE(cmd) / 4;
	uint32_t before[16];
	char text[256];
	int ret, n;
	size_t i;

	memcpy(before, arg, nr * 4);
	ret = demo_call(fd, cmd, arg);
	if (!ret && or_gone(allowed) & OK)
		return 0;
	n = sprintf(text, "%s{", names[_IOC_NR(cmd) - _IOC_NR(DMADEMO_IOC_INFO)]);
	for (i = 0; i < nr; i++)
		n += sprintf(text + n, " %#x", before[i]);
	sprintf(text + n, " }");
	check(ret, or_gone(allowed), text, 0, 0, 0);
	expect(!memcmp(before, arg, nr * 4), "%s changed its argument", text);
	return note_gone(ret);
}

/* --- memory accesses that may be answered with a signal ------------------------ */

struct landing {
	sigjmp_buf here;
};

static __thread struct landing *landing;

static inline void on_signal(int sig)
{
	if (landing)
		siglongjmp(landing->here, sig);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* The signal, or 0. */
static inline int copy_memory(void *to, const void *from, size_t length)
{
	struct landing mine;
	int sig = sigsetjmp(mine.here, 0);

	if (!sig) {
		__atomic_store_n(&landing, &mine, __ATOMIC_SEQ_CST);
		memcpy(to, from, length);
	}
	__atomic_store_n(&landing, NULL, __ATOMIC_SEQ_CST);
	return sig;
}

/* Children, which it would make slower, do not get it. */
static inline void *own_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(p != MAP_FAILED && !madvise(p, bytes, MADV_DONTFORK), "no memory left");
	return p;
}

/* --- buffers ----------------------------------------------------------------- */

struct buffer {
	unsigned int holders;	/* its handle and all else that has its memory, or unused */
	bool live;		/* it has a handle */
	bool known;		/* what is in it, which @shadow says then */
	bool gone;		/* its device is, and this is known */
	uint32_t handle;
	uint64_t bytes, mmap_offset;
	unsigned char *shadow;
};

/* The first is the device's own.  Others write to it, so what is in it is never known. */
static struct buffer buffers[40];
static uint64_t total_bytes;	/* of all but that */

#define MAX_TOTAL_BYTES (32 * MIB)
#define MAX_BUFFER_BYTES (6 * MIB)

/* Handles that are smaller may be the noise's, larger ones are not in use. */
#define NOISE_HANDLES 4096

static inline struct buffer *hold(struct buffer *b)
{
	b->holders++;
	return b;
}

static inline void drop(struct buffer *b)
{
	if (--b->holders)
		return;
	munmap(b->shadow, b->bytes);
	total_bytes -= b->bytes;
}

/* The buffer, or NULL and what calls with that handle come to: 0 if this is not known. */
static inline struct buffer *find(uint32_t handle, unsigned int *allowed)
{
	struct buffer *b;

	*allowed = OK;
	for (b = buffers; b < buffers + ARRAY_SIZE(buffers); b++)
		if (b->live && b->handle == handle)
			return b;
	*allowed = handle && handle <= NOISE_HANDLES ? 0 : NOENT;
	return NULL;
}

/* Any that has a handle, or NULL. */
static inline struct buffer *pick_live(void)
{
	unsigned int i, at = rnd(ARRAY_SIZE(buffers));

	for (i = at; i < at + ARRAY_SIZE(buffers); i++)
		if (buffers[i % ARRAY_SIZE(buffers)].live)
			return &buffers[i % ARRAY_SIZE(buffers)];
	return NULL;
}

static inline uint32_t pick_handle(void)
{
	const uint32_t none[] = {
		0, NOISE_HANDLES + 1 + rnd(1000), info.max_buffers, info.max_buffers + 1, -1U,
	};
	struct buffer *b = pick_live();

	return b && rnd(16) ? b->handle : none[rnd(ARRAY_SIZE(none))];
}

static inline void check_bytes(const struct buffer *b, size_t offset, const void *p, size_t length)
{
	expect(!b->known || !memcmp(b->shadow + offset, p, length),
	       "buffer %u of %#llx bytes is not what it was at %#zx, %zu bytes", b->handle,
	       (unsigned long long)b->bytes, offset, length);
}

/* --- user memory: can be written, read, nothing, and written again -------------- */

#define UMEM_RO 64
#define UMEM_NONE 72
#define UMEM_RW 80
#define UMEM_PAGES 96

static unsigned char *umem, *umem_shadow;

static inline int umem_prot(size_t page)
{
	if (page >= UMEM_RO && page < UMEM_NONE)
		return PROT_READ;
	return page < UMEM_RO || (page >= UMEM_RW && page < UMEM_PAGES) ? RW : PROT_NONE;
}

/* Neither what the device wrote there, nor what is around it, is wrong. */
static inline void check_umem(size_t offset, size_t length)
{
	size_t page = offset / page_size;

	for (page -= page > 0; page <= (offset + length) / page_size + 1; page++)
		expect(umem_prot(page) == PROT_NONE ||
		       !memcmp(umem + page * page_size, umem_shadow + page * page_size, page_size),
		       "page %zu of user memory is wrong", page);
}

#endif /* DMADEMO_FUZZ_H */
