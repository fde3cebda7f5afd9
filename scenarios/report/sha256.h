/* SPDX-License-Identifier: MIT */
/* The SHA-256 of a file (FIPS 180-4), by OpenSSL's libcrypto. */
#ifndef NETSPLIT_SCENARIOS_REPORT_SHA256_H
#define NETSPLIT_SCENARIOS_REPORT_SHA256_H

#include <stdint.h>

enum { SHA256_HEX_BYTES = 65 }; /* 64 digits and the end */

/* Reads it whole. 0, its hash in lower case and how long it is; or a negative errno. */
int sha256_file(const char *path, char hex[SHA256_HEX_BYTES], uint64_t *bytes);

#endif
