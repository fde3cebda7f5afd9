/* SPDX-License-Identifier: MIT */
/* The texts that `netsplit init` fills in, as read-only data, each
 * with a NUL behind it. */
    .macro text name, file
    .global init_\name
init_\name:
    .incbin "\file"
    .byte 0
    .endm

    .section .rodata
    text postgres_yaml, "scenarios/init/postgres.yaml"
    text redis_yaml, "scenarios/init/redis.yaml"
    text rules_yaml, "scenarios/init/rules.yaml"
    text playbook_md, "scenarios/init/playbook.md"
    .section .note.GNU-stack, "", %progbits
