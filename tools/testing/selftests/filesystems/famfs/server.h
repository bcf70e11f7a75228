/* SPDX-License-Identifier: GPL-2.0 */
/* What the test server shares with those who look at its counters. */
#ifndef SERVER_H
#define SERVER_H

/* Length of the file of counters, one uint64_t for each opcode. */
#define SERVER_NR_STATS 64

#endif
