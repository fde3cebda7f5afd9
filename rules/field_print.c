/* SPDX-License-Identifier: MIT */
/* The inverse of field_store: values as users would write them, exactly. */
#include "rules/buffer.h"
#include "rules/field.h"

struct scale {
    uint64_t size;
    const char *unit;
};

static const struct scale durations[] = {
    {UINT64_C(3600000000000), "h"},
    {UINT64_C(60000000000), "m"},
    {1000000000, "s"},
    {1000000, "ms"},
    {1000, "us"},
    {1, "ns"},
};
static const struct scale sizes[] = {
    {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1000000000, "GB"},
    {1000000, "MB"},  {1000, "kB"},     {1, "B"},
};
static const struct scale rates[] = {
    {125000000, "Gbit/s"}, {125000, "Mbit/s"}, {125, "kbit/s"}, {1, "B/s"}};

/* The largest unit that leaves no rest; the tables end with one that does not. */
static void print_scaled(uint64_t value, const struct scale *scales, size_t n,
                         struct buffer *out)
{
    size_t i = 0;
    while (i + 1 < n && (value < scales[i].size || value % scales[i].size != 0))
        i++;
    buffer_print(out, "%llu%s", (unsigned long long)(value / scales[i].size),
                 scales[i].unit);
}

static void print_duration(uint64_t ns, struct buffer *out)
{
    if (ns == 0)
        buffer_print(out, "0s");
    else
        print_scaled(ns, durations, sizeof durations / sizeof *durations, out);
}

static void print_bytes(uint64_t bytes, struct buffer *out)
{
    if (bytes == 0)
        buffer_print(out, "0B");
    else
        print_scaled(bytes, sizes, sizeof sizes / sizeof *sizes, out);
}

/* whole and parts of a whole, without trailing zeros; one is a power of ten. */
static void print_decimal(uint64_t value, uint64_t one, const char *unit,
                          struct buffer *out)
{
    buffer_print(out, "%llu", (unsigned long long)(value / one));
    uint64_t rest = value % one;
    if (rest > 0)
        buffer_print(out, ".");
    for (; rest > 0; rest %= one) {
        rest *= 10;
        buffer_print(out, "%u", (unsigned)(rest / one));
    }
    buffer_print(out, "%s", unit);
}

static void print_members(const struct field *members, const void *source,
                          struct buffer *out)
{
    for (const struct field *member = members; member->name; member++) {
        buffer_print(out, "%s%s: ", member == members ? "{ " : ", ", member->name);
        field_print(member, source, out);
    }
    buffer_print(out, " }");
}

static void print_after(const struct field_after *after, struct buffer *out)
{
    if (after->is_bytes)
        print_bytes(after->amount, out);
    else
        print_duration(after->amount, out);
}

void field_print(const struct field *field, const void *source, struct buffer *out)
{
    const void *at = (const char *)source + field->offset;
    switch (field->kind) {
    case FIELD_TEXT:
        buffer_print(out, "%s", *(const char *const *)at);
        break;
    case FIELD_WORD:
        buffer_print(out, "%s", field->words[*(const unsigned *)at]);
        break;
    case FIELD_FLAG:
    case FIELD_TRUE:
        buffer_print(out, "%s", *(const bool *)at ? "true" : "false");
        break;
    case FIELD_NUMBER:
        buffer_print(out, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case FIELD_DURATION:
        print_duration(*(const uint64_t *)at, out);
        break;
    case FIELD_BYTES:
        print_bytes(*(const uint64_t *)at, out);
        break;
    case FIELD_RATE:
        print_scaled(*(const uint64_t *)at, rates, sizeof rates / sizeof *rates, out);
        break;
    case FIELD_FREQUENCY:
        print_decimal(*(const uint64_t *)at, 1000, "/s", out);
        break;
    case FIELD_PERCENT:
        print_decimal(*(const uint32_t *)at, 10000, "%", out);
        break;
    case FIELD_AFTER:
        print_after(at, out);
        break;
    case FIELD_MAP:
        print_members(field->members, source, out);
        break;
    case FIELD_NODE:
    case FIELD_SCALAR:
    case FIELD_LIST:
    case FIELD_TREE:
        break; /* trees are not values */
    }
}
