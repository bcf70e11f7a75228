/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Words in the kernel's log that say that there is a bug. Included in the middle
 * of an array; scripts read it as well, so each line has one word and nothing
 * else.
 */
"WARNING:",
"BUG:",
"Oops",
"Kernel panic",
"general protection",
"KASAN",
"UBSAN",
"INFO: task",
"INFO: trying to register",
"possible recursive",
"possible circular",
"suspicious RCU",
"inconsistent lock state",
"self-detected stall",
"detected stall",
"detected expedited stall",
"refcount_t:",
"unreferenced object",
"Call Trace",
