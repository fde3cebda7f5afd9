/* SPDX-License-Identifier: MIT */
/* Feeds a file to libcrypto piece by piece. A file that grows meanwhile is hashed as far
 * as it was read; nobody writes into a run's directory when its files are hashed. */
#include "scenarios/report/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

static int digest_stream(FILE *from, EVP_MD_CTX *context, uint64_t *bytes)
{
    unsigned char piece[65536];
    size_t n;
    *bytes = 0;
    if (!context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
        return -ENOMEM;
    while ((n = fread(piece, 1, sizeof piece, from)) > 0) {
        if (!EVP_DigestUpdate(context, piece, n))
            return -ENOMEM;
        *bytes += n;
    }
    return ferror(from) ? -EIO : 0;
}

int sha256_file(const char *path, char hex[SHA256_HEX_BYTES], uint64_t *bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t read_bytes = 0;
    FILE *from = fopen(path, "rbe");
    if (!from)
        return -errno;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int e = digest_stream(from, context, &read_bytes);
    if (e == 0 && !EVP_DigestFinal_ex(context, digest, NULL))
        e = -ENOMEM;
    EVP_MD_CTX_free(context);
    (void)fclose(from); /* it was only read */
    if (e != 0)
        return e;
    for (size_t i = 0; i < (SHA256_HEX_BYTES - 1) / 2; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    *bytes = read_bytes;
    return 0;
}
