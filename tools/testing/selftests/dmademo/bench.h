/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What dmademo measures: see bench.c and table.c.  Both exit with a message if
 * something fails.
 */
#ifndef BENCH_H
#define BENCH_H

/*
 * Measures all ways to have a buffer, or those that are named in the list, which
 * NULL ends, and prints "bench: WAY,OPERATION,BYTES,VALUE,UNIT" for each figure.
 */
void bench(char **ways);

/*
 * Prints a row of figures of the open @device, which has the @mode to map buffers, and
 * writes to @disk.
 */
void table(const char *device, int fd, const char *mode, const char *disk);

#endif /* BENCH_H */
